"""Single trades on made prices, against formulas written here and sums done by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.profiles import (
    AT_THE_MONEY,
    NO_COSTS,
    ExecutionCosts,
    FractionOfSpot,
    GreekLimits,
    Leg,
    ProfileResult,
    ProfileSpecification,
    TargetDelta,
    published_profiles,
    unit_capital,
)

Run = Callable[..., ProfileResult]
SIX = published_profiles()


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black_scholes(sign: int, s: float, k: float, days: float, sigma: float, r: float = 0.0, q: float = 0.0) -> float:
    if days <= 0.0:
        return max(sign * (s - k), 0.0)
    t = days / 365.0
    d1 = (math.log(s / k) + (r - q + 0.5 * sigma**2) * t) / (sigma * math.sqrt(t))
    d2 = d1 - sigma * math.sqrt(t)
    return sign * (s * math.exp(-q * t) * normal(sign * d1) - k * math.exp(-r * t) * normal(sign * d2))


def straddle(s: float, k: float, days: float, sigma: float = 0.2) -> float:
    return black_scholes(1, s, k, days, sigma) + black_scholes(-1, s, k, days, sigma)


def structure(*legs: Leg, **settings: object) -> ProfileSpecification:
    """A structure in regime 4 without rules of its own."""
    return ProfileSpecification("made", 0.5, (4,), legs, **{"stop": None, **settings})  # type: ignore[arg-type]


def test_a_straddle_earns_the_change_of_its_price_less_costs(run: Run) -> None:
    closes = [400.0, 403.0, 391.0, 396.0, 410.0]
    made = run(SIX["P6"], closes, regime=[4, 4, 4, 5, 5])
    (trade,) = made.trades.to_dict("records")
    assert (trade["entry"], trade["exit"]) == (pd.Timestamp("2024-03-04"), pd.Timestamp("2024-03-07"))
    assert (trade["reason"], trade["rows"], trade["days"], trade["direction"]) == ("regime", 3, 3, "long")
    # 45 days from Monday 2024-03-04 is Thursday 2024-04-18, a session.
    worth = [100.0 * straddle(s, 400.0, 45 - i) for i, s in enumerate(closes[:4])]
    assert trade["premium"] == pytest.approx(worth[0], rel=1e-12)
    assert trade["option_pnl"] == pytest.approx(worth[3] - worth[0], rel=1e-12)
    # At 20 % the volatility factor is 1.25. At the fill: .03 x 1.25; at the close 1 % from the strike.
    open_half, close_half = 0.5 * 0.03 * 1.25, 0.5 * 0.05 * 1.25 * (1 + 5 * (400.0 / 396.0 - 1.0))
    opened = 2 * (100 * open_half * 1.1 + 0.705)
    proceeds = worth[3]
    closed = 2 * (100 * close_half * 1.1 + 0.705 + 0.00205) + proceeds * 0.00182 / 1000
    assert made.costs.sum(axis=1).tolist() == pytest.approx([0.0, opened, 0.0, closed, 0.0], rel=1e-12)
    expected = [0.0, worth[1] - worth[0] - opened, worth[2] - worth[1], worth[3] - worth[2] - closed, 0.0]
    assert made.daily_pnl.tolist() == pytest.approx(expected, abs=1e-9)
    assert trade["pnl"] == pytest.approx(worth[3] - worth[0] - opened - closed, rel=1e-12)
    # Paid in full, with what it cost to open and would cost to close. It rises with the value at the start of each row.
    leave = []
    for s, value in zip(closes[:3], worth, strict=False):
        wide = 0.03 if abs(400.0 / s - 1.0) < 0.01 else 0.05
        half = 0.5 * wide * 1.25 * (1 + 5 * abs(400.0 / s - 1.0))
        leave.append(2 * (100 * half * 1.1 + 0.705 + 0.00205) + value * 0.00182 / 1000)
    needed = [value + opened + cost for value, cost in zip(worth, leave, strict=False)]
    assert made.capital.tolist() == pytest.approx([0.0, *np.maximum.accumulate(needed), 0.0])
    assert made.returns.tolist() == pytest.approx([0.0, *(np.array(expected[1:4]) / made.capital.iloc[1:4]), 0.0])
    assert made.direction.tolist() == [0, 1, 1, 1, 0]


def test_p2_is_sold_where_it_is_short(run: Run) -> None:
    closes = [400.0, 404.0, 398.0, 401.0]
    bought, sold = (run(replace(SIX["P2"], stop=None), closes, regime=number, costs=NO_COSTS) for number in (2, 5))
    assert bought.trades["direction"].tolist() == ["long", "long"]
    assert sold.trades["direction"].tolist() == ["short", "short"]
    assert np.abs(bought.daily_pnl).sum() > 10.0
    for name in ("delta", "gamma", "vega", "theta", "hedge", "residual"):
        assert sold.attribution[name].tolist() == (-bought.attribution[name]).tolist()
    assert sold.daily_pnl.tolist() == (-bought.daily_pnl).tolist()
    assert sold.hedge["shares"].tolist() == (-bought.hedge["shares"]).tolist()
    # Premium against a fifth of the spot, and the premium on top.
    premium = 100.0 * straddle(400.0, 400.0, 2)
    assert bought.capital.iloc[1] == pytest.approx(premium)
    assert sold.capital.iloc[1] == pytest.approx(0.2 * 400.0 * 100.0 + premium)


def test_a_position_is_left_when_the_regime_asks_for_the_other_direction(run: Run) -> None:
    made = run(SIX["P2"], [400.0] * 5, regime=[5, 2, 2, 2, 2], costs=NO_COSTS)
    first, second = made.trades.to_dict("records")[:2]
    assert (first["direction"], first["reason"], first["rows"]) == ("short", "regime", 1)
    assert (second["direction"], second["decided"]) == ("long", pd.Timestamp("2024-03-06"))


def test_the_hedge_offsets_the_net_delta_at_a_cost(run: Run) -> None:
    closes = [400.0, 408.0, 396.0, 399.0, 400.0]
    made = run(SIX["P1"], closes, regime=[1, 1, 1, 5, 5])
    shares = made.hedge["shares"]
    np.testing.assert_allclose(shares, -made.greeks["delta"], atol=1e-12)
    t = 74 / 365  # 75 days from Monday is a Saturday
    delta = 100.0 * (2.0 * normal(0.2 * math.sqrt(t) / 2.0) - 1.0)  # of a straddle at the money
    assert shares.iloc[1] == pytest.approx(-delta, rel=1e-12)
    change = np.diff(closes, prepend=400.0)
    assert made.hedge["pnl"].tolist() == pytest.approx((shares * change).tolist())
    assert made.attribution["delta"].tolist() == pytest.approx((-made.hedge["pnl"]).tolist())
    path = shares.to_numpy()
    traded = [0.0, abs(path[1]), abs(path[2] - path[1]), abs(path[3] - path[2]) + abs(path[3]), 0.0]
    assert made.hedge["traded"].tolist() == pytest.approx(traded)
    assert made.hedge["cost"].tolist() == pytest.approx([0.0175 * x for x in traded])
    assert made.trades["hedge_pnl"].iloc[0] == pytest.approx(made.hedge["pnl"].sum())


def test_a_later_hedge_offsets_the_delta_of_the_row_before(run: Run) -> None:
    closes = [400.0, 408.0, 396.0, 399.0, 400.0]
    made = run(SIX["P1"], closes, regime=[1, 1, 1, 5, 5], hedge_lag=2)
    delta = made.greeks["delta"].to_numpy()
    assert made.hedge["shares"].tolist() == pytest.approx([0.0, 0.0, -delta[1], -delta[2], 0.0])


def test_the_hedge_is_carried_as_a_future(run: Run) -> None:
    closes = [400.0, 408.0, 396.0]
    made = run(SIX["P1"], closes, regime=1, rate=0.05, dividend=0.02, costs=NO_COSTS)
    shares = made.hedge["shares"].to_numpy()
    grown = [s * math.exp(0.03 / 365) for s in closes]
    assert made.hedge["pnl"].tolist() == pytest.approx(
        [0.0, shares[1] * (408 - grown[0]), shares[2] * (396 - grown[1])]
    )
    expiry = (made.lots["expiry"].iloc[0] - pd.Timestamp("2024-03-04")).days
    paid = black_scholes(1, 400.0, 400.0, expiry, 0.2, 0.05, 0.02)
    assert made.lots["open_price"].iloc[0] == pytest.approx(paid, rel=1e-12)


def test_call_less_put_is_the_underlying(run: Run) -> None:
    """Put-call parity: all P&L is delta, and no other greek is left."""
    closes = [400.0, 420.0, 377.0, 401.0]
    legs = (Leg(1, "call", AT_THE_MONEY, 45), Leg(-1, "put", AT_THE_MONEY, 45))
    made = run(structure(*legs), closes, volatility=[0.2, 0.3, 0.15, 0.4], costs=NO_COSTS)
    assert made.daily_pnl.tolist() == pytest.approx([0.0, 2000.0, -4300.0, 2400.0])
    assert made.attribution["delta"].tolist() == pytest.approx(made.daily_pnl.tolist())
    assert np.abs(made.attribution[["gamma", "vega", "theta", "residual"]].to_numpy()).max() < 1e-9


def test_small_moves_are_greeks_times_what_happened(run: Run) -> None:
    """To the second order, with the cross terms split evenly between the greeks that cross."""
    closes, level = [400.0, 400.0, 401.0, 401.0], [0.2, 0.201, 0.201, 0.201]
    made = run(SIX["P6"], closes, volatility=level, costs=NO_COSTS)
    greeks, parts = made.greeks, made.attribution
    assert parts["vega"].iloc[1] == pytest.approx(greeks["vega"].iloc[1] * 0.1, rel=0.02)  # points
    assert parts["theta"].iloc[3] == pytest.approx(greeks["theta"].iloc[3], rel=0.02)  # a calendar day
    assert parts["delta"].iloc[2] == pytest.approx(greeks["delta"].iloc[2], rel=1e-12)
    assert parts["gamma"].iloc[2] == pytest.approx(0.5 * greeks["gamma"].iloc[2], rel=0.05)
    assert np.abs(parts["residual"]).max() < 1e-9
    bump = 1e-4
    up, down = (100 * straddle(400.0, 400.0, 45, 0.2 + x) for x in (bump, -bump))
    assert greeks["vega"].iloc[1] == pytest.approx((up - down) / (2 * bump) / 100, rel=1e-6)


def test_the_short_leg_of_p4_is_rolled_by_itself(run: Run) -> None:
    closes = [400.0, 401.0, 402.0, 403.0, 404.0, 405.0]
    made = run(SIX["P4"], closes, regime=1, costs=NO_COSTS)
    assert made.trades[["reason", "leg_rolls"]].to_numpy().tolist() == [["", 1]]
    lots = made.lots.set_index(["kind", "quantity", "opened"])["strike"]
    # Sold on Monday for the Monday after; on Friday three days are left, and the next one is sold.
    assert lots.index.get_level_values("quantity").tolist() == [1, -1, -1]
    assert lots.tolist() == pytest.approx([400.0, 420.0, 404.0 * 1.05])
    assert made.lots["closed"].iloc[1] == made.lots["opened"].iloc[2] == pd.Timestamp("2024-03-08")
    assert made.lots["expiry"].dt.strftime("%m-%d").tolist() == ["05-03", "03-11", "03-15"]
    # The short is covered: only the long call is paid for.
    assert made.capital.iloc[1] == pytest.approx(100.0 * black_scholes(1, 400.0, 400.0, 60, 0.2))


def test_the_whole_of_p4_is_rolled_where_a_new_short_leg_would_outlive_the_long_one(run: Run) -> None:
    long_leg, short_leg = SIX["P4"].legs
    made = run(replace(SIX["P4"], legs=(replace(long_leg, days=9), short_leg), stop=None), [400.0] * 6, regime=1)
    first = made.trades.iloc[0]
    assert (first["reason"], first["leg_rolls"], first["exit"]) == ("roll", 0, pd.Timestamp("2024-03-08"))
    assert made.trades["campaign"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("filled", "days", "expiry"),
    [
        ("2024-03-04", 2, "2024-03-06"),
        ("2024-03-07", 2, "2024-03-08"),  # Saturday: Friday
        ("2024-03-08", 2, "2024-03-11"),  # Sunday, and Friday is the fill itself: Monday
        ("2024-03-27", 2, "2024-03-28"),  # Good Friday
        ("2024-03-28", 2, "2024-04-01"),  # over the long weekend
        ("2024-07-02", 2, "2024-07-03"),  # Independence Day
        ("2021-06-16", 2, "2021-06-18"),  # no holiday before 2022
    ],
)
def test_expiry_is_a_session_after_the_fill(run: Run, filled: str, days: int, expiry: str) -> None:
    made = run(structure(Leg(1, "call", AT_THE_MONEY, days)), [400.0, 410.0], start=filled)
    assert made.lots["expiry"].iloc[0] == pd.Timestamp(expiry)


def test_holidays_can_be_given(run: Run) -> None:
    leg = structure(Leg(1, "call", AT_THE_MONEY, 2))
    assert run(leg, [400.0, 410.0], holidays=["2024-03-06"]).lots["expiry"].iloc[0] == pd.Timestamp("2024-03-05")
    assert run(leg, [400.0, 410.0], start="2024-03-27", holidays=[]).lots["expiry"].iloc[0] == pd.Timestamp(
        "2024-03-29"
    )


def test_an_option_is_settled_at_intrinsic_value_without_cost(run: Run) -> None:
    made = run(structure(Leg(1, "call", AT_THE_MONEY, 2)), [400.0, 395.0, 407.0, 420.0], regime=[4, 4, 4, 5])
    (lot,) = made.lots.to_dict("records")
    assert (lot["settled"], lot["close_price"], made.trades["reason"].iloc[0]) == (True, 7.0, "expiry")
    assert made.costs.sum(axis=1).iloc[1] > 0.0
    assert made.costs.iloc[2:].to_numpy().sum() == 0.0
    worth = 100.0 * black_scholes(1, 395.0, 400.0, 1, 0.2)
    assert made.daily_pnl.iloc[2] == pytest.approx(700.0 - worth)


def test_a_closure_nobody_knew_settles_at_the_next_close() -> None:
    """2012-10-29 and 30: the exchanges were closed for a storm."""
    from allocopt.backtests.options import FlatSurface
    from allocopt.backtests.profiles import run_profile
    from allocopt.backtests.rotation import OHLCV

    index = pd.to_datetime(["2012-10-25", "2012-10-26", "2012-10-31", "2012-11-01"])
    close = pd.Series([400.0, 404.0, 409.0, 420.0], index=index)
    market = OHLCV(pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close)))
    leg = structure(Leg(1, "call", AT_THE_MONEY, 4))
    signals = pd.Series(0.9, index=index), pd.Series(4, index=index)
    made = run_profile(leg, market, *signals, FlatSurface(pd.Series(0.2, index=index), "flat"))
    first = made.lots.iloc[0]
    assert (first["expiry"], first["closed"]) == (pd.Timestamp("2012-10-29"), pd.Timestamp("2012-10-31"))
    assert (first["settled"], first["close_price"]) == (True, 9.0)


@pytest.mark.parametrize("level", [0.12, 0.35])
def test_strikes_have_the_delta_that_was_asked_for(run: Run, level: float) -> None:
    made = run(SIX["P3"], [400.0, 401.0], regime=3, volatility=level, slope=-0.4, rate=0.03, dividend=0.01)
    for lot in made.lots.to_dict("records"):
        t = (lot["expiry"] - lot["opened"]).days / 365
        sign = 1 if lot["kind"] == "call" else -1
        forward = 400.0 * math.exp(0.02 * t)
        sigma = level - 0.4 * 0.2 * math.tanh(math.log(lot["strike"] / forward) / 0.2)
        d1 = math.log(forward / lot["strike"]) / (sigma * math.sqrt(t)) + 0.5 * sigma * math.sqrt(t)
        assert math.exp(-0.01 * t) * normal(sign * d1) == pytest.approx(0.25, abs=1e-12)
        assert lot["open_volatility"] == pytest.approx(sigma)


def test_what_makes_a_position_end(run: Run) -> None:
    straddle45 = SIX["P6"]
    calm = [400.0] * 30
    by_stop = run(straddle45, [400.0] * 3 + [400.0] * 3, volatility=[0.2, 0.2, 0.09, 0.09, 0.09, 0.09])
    assert by_stop.trades.iloc[0][["reason", "rows"]].tolist() == ["stop", 2]
    assert by_stop.trades["decided"].iloc[1] == pd.Timestamp("2024-03-07")  # not at the close of the stop itself
    rolled = run(replace(straddle45, stop=None), calm)
    assert rolled.trades["reason"].tolist() == ["roll", ""]
    assert rolled.trades["days"].iloc[0] == 25  # 45 - 20
    assert rolled.trades["campaign"].tolist() == [0, 0]
    assert rolled.trades["entry"].iloc[1] == rolled.trades["exit"].iloc[0]
    limited = run(replace(straddle45, stop=None, max_days=30), calm)
    assert limited.trades["reason"].tolist() == ["roll", "days", ""]
    assert limited.trades["days"].tolist()[:2] == [25, 5]
    assert limited.trades["campaign"].tolist() == [0, 0, 1]
    taken = run(replace(straddle45, take_profit=0.5), calm[:2] + [450.0] * 3)
    assert taken.trades["reason"].tolist() == ["take-profit", ""]
    left = run(replace(straddle45, take_profit=0.5, take_profit_action="exit"), calm[:2] + [450.0] * 3)
    assert left.trades["campaign"].tolist() == [0, 1]
    bounded = run(replace(straddle45, greek_limits=GreekLimits(delta=30.0)), calm[:2] + [415.0] * 3)
    assert bounded.trades["reason"].tolist() == ["greeks", ""]
    assert bounded.lots["strike"].tolist() == [400.0, 400.0, 415.0, 415.0]
    again = run(replace(straddle45, stop_action="roll"), [400.0] * 4, volatility=[0.2, 0.2, 0.09, 0.09])
    assert again.trades["reason"].tolist() == ["stop", ""]
    assert again.trades["campaign"].tolist() == [0, 0]


def test_a_roll_needs_the_regime_and_not_the_score(run: Run) -> None:
    made = run(replace(SIX["P6"], stop=None), [400.0] * 30, score=[0.6] + [0.1] * 29)
    assert made.trades["reason"].tolist() == ["roll", ""]


def test_what_enters(run: Run) -> None:
    score = [np.nan, 0.59, 0.60, 0.9, 0.9]
    made = run(SIX["P6"], [400.0] * 5, score=score, regime=[4, 4, 4, 4, 4])
    assert made.trades["entry"].tolist() == [pd.Timestamp("2024-03-06")]
    assert run(SIX["P6"], [400.0] * 5, regime=1).trades.empty
    never = run(SIX["P6"], [400.0] * 5, score=np.nan)
    assert never.trades.empty
    assert never.lots.empty
    assert never.daily_pnl.tolist() == never.returns.tolist() == [0.0] * 5
    assert math.isnan(never.summary()["win_rate"])
    # Nothing is entered at the last close: there is no row left to earn on.
    assert run(SIX["P6"], [400.0] * 5, score=[0.1] * 4 + [0.9]).trades.empty


def test_later_fills(run: Run) -> None:
    closes = [400.0, 404.0, 398.0, 402.0, 405.0, 401.0, 400.0]
    regime = [4, 4, 4, 5, 5, 5, 5]
    made = run(SIX["P6"], closes, regime=regime, fill_lag=2, costs=NO_COSTS)
    (trade,) = made.trades.to_dict("records")
    assert [trade[name].day for name in ("decided", "entry", "exit")] == [4, 5, 8]
    expected = 100.0 * (straddle(405.0, 404.0, 42) - straddle(404.0, 404.0, 45))  # a day more would be Saturday's
    assert trade["pnl"] == pytest.approx(expected, rel=1e-9)
    # An option that expires before its roll is filled is settled, and the next one bought a close later.
    short = run(replace(SIX["P2"], stop=None), [400.0] * 8, regime=5, fill_lag=2, costs=NO_COSTS)
    assert short.trades["reason"].tolist()[:2] == ["roll", "roll"]
    assert short.lots["settled"].tolist()[:4] == [True] * 4
    assert short.trades["exit"].iloc[0] == pd.Timestamp("2024-03-07")
    assert short.trades["entry"].iloc[1] == pd.Timestamp("2024-03-08")
    assert short.direction.tolist() == [0, 0, -1, -1, 0, -1, 0, -1]


def test_costs_by_hand() -> None:
    costs = ExecutionCosts()
    # 7 % out of the money, 5 days left, VIX 35: .05 x 1.35 x 1.3 x 2.
    assert float(costs.full_spread(400.0, 428.0, 5.0, 35.0)) == pytest.approx(0.05 * 1.35 * 1.3 * 2.0)
    assert float(costs.full_spread(400.0, 428.0, 10.0, 35.0)) == pytest.approx(0.05 * 1.35 * 1.15 * 2.0)
    assert float(costs.full_spread(400.0, 428.0, 5.0, 95.0)) == pytest.approx(0.05 * 1.35 * 1.3 * 3.0)
    assert float(costs.full_spread(400.0, 520.0, 5.0, 95.0)) == 0.30
    assert float(replace(costs, most_atm=0.05).full_spread(400.0, 400.0, 5.0, 95.0)) == 0.05
    assert float(replace(costs, reference_spot=400.0).full_spread(4000.0, 4000.0, 45.0, 15.0)) == pytest.approx(0.3)
    assert [replace(costs, units=units).slippage_of(2) for units in (1, 5, 6, 25, 26)] == [0.1, 0.1, 0.25, 0.25, 0.5]
    assert costs.hedge_per_unit == pytest.approx(8.75 / 500)
    # Nothing is sold below zero, and a purchase is never cheaper for that.
    sold = costs.per_contract(-1, 0.01, 400.0, 428.0, 5.0, 35.0)
    assert (float(sold.spread), float(sold.slippage)) == (1.0, 0.0)
    assert float(costs.per_contract(1, 0.01, 400.0, 428.0, 5.0, 35.0).spread) > 8.0


@pytest.mark.parametrize("name", list(SIX))
def test_costs_twice_as_high_cost_twice_as_much(run: Run, name: str) -> None:
    spec = replace(SIX[name], stop=None)  # a stop counts costs, and would come sooner
    rng = np.random.default_rng(3)
    closes = (400.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 14)))).tolist()
    regime = [spec.regimes[0]] * 13 + [6]

    def at(**factors: float) -> ProfileResult:
        return run(spec, closes, volatility=0.4, regime=regime, costs=ExecutionCosts().scaled(**factors))

    # At this volatility no option is sold for so little that its spread is cut to what it is worth.
    once, twice, slipping = at(), at(costs=2.0), at(slippage=3.0)
    assert once.costs.to_numpy().sum() > 5.0
    assert once.trades["exit"].notna().all()
    np.testing.assert_allclose(twice.costs, 2.0 * once.costs, rtol=1e-12)
    np.testing.assert_allclose(twice.daily_pnl, once.daily_pnl - once.costs.sum(axis=1), atol=1e-9)
    np.testing.assert_allclose(slipping.costs["slippage"], 3.0 * once.costs["slippage"], rtol=1e-12)
    assert slipping.costs["spread"].equals(once.costs["spread"])


def test_capital_by_hand() -> None:
    # Uncovered: a call 5 % out of the money, and one so far out that the tenth of the strike counts.
    assert float(unit_capital([-1], ["call"], [105.0], [0], [1.0], 100.0)) == pytest.approx(100 * (1 + 20 - 5))
    assert float(unit_capital([-1], ["put"], [60.0], [0], [0.1], 100.0)) == pytest.approx(100 * (0.1 + 6.0))
    # P5: the short put is covered by one of two lower ones, and ties up the distance.
    p5 = unit_capital([-1, 2], ["put", "put"], [100.0, 93.0], [0, 0], [3.0, 0.8], 100.0)
    assert float(p5) == pytest.approx(100 * (1.6 + 7.0))
    # A long that expires sooner does not cover; one of the other kind neither.
    naked = 100 * (1.0 + 20.0)
    assert float(unit_capital([-1, 1], ["call", "call"], [100.0] * 2, [9, 8], [1.0, 2.0], 100.0)) == naked + 200.0
    assert float(unit_capital([-1, 1], ["call", "put"], [100.0] * 2, [8, 8], [1.0, 2.0], 100.0)) == naked + 200.0
    # The better cover first: two shorts, longs 2 and 5 away.
    two = unit_capital([-2, 1, 1], ["call", "call", "call"], [100.0, 105.0, 102.0], [0] * 3, [1.0, 0.1, 0.4], 100.0)
    assert float(two) == pytest.approx(100 * (0.5 + 2.0 + 5.0))
    paths = unit_capital([1], ["call"], [100.0], [0], [[1.0, 2.0]], [100.0, 101.0])
    assert paths.tolist() == [100.0, 200.0]


def test_far_strangle_of_the_original_is_worth_next_to_nothing(run: Run) -> None:
    from allocopt.backtests.profiles import P3_AS_BUILT

    by_delta, by_distance = (run(spec, [400.0, 401.0], regime=3, volatility=0.12) for spec in (SIX["P3"], P3_AS_BUILT))
    assert by_distance.lots["strike"].tolist() == pytest.approx([428.0, 372.0])
    assert abs(by_distance.trades["premium"].iloc[0]) < 0.01 * abs(by_delta.trades["premium"].iloc[0])


def test_published_specifications() -> None:
    table = {
        name: (spec.threshold, spec.regimes, spec.delta_hedge, spec.roll_at_days, spec.max_days, spec.stop)
        for name, spec in SIX.items()
    }
    assert table == {
        "P1": (0.60, (1, 3), "daily", 30, 120, 0.5),
        "P2": (0.50, (2, 5), "daily", 0, 7, 0.5),
        "P3": (0.50, (3,), "daily", 5, 30, 0.5),
        "P4": (0.50, (1,), None, 3, 90, 0.5),
        "P5": (0.40, (2,), None, 7, 60, 0.5),
        "P6": (0.60, (4,), None, 20, 90, 0.5),
    }
    assert SIX["P3"].legs[0].strike == TargetDelta(0.25)
    assert [(leg.quantity, leg.strike) for leg in SIX["P5"].legs] == [(-1, AT_THE_MONEY), (2, FractionOfSpot(0.93))]
