"""Orders in parts, what it costs to hold more or less of a position, and the capital that pays for all of it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt.backtests.options import FlatSurface, price
from allocopt.backtests.profiles import (
    AT_THE_MONEY,
    ETF_COSTS,
    INDEX_COSTS,
    NO_COSTS,
    ExecutionCosts,
    Leg,
    PartialFills,
    ProfileResult,
    ProfileSpecification,
    published_profiles,
    run_profile,
    run_profiles,
)
from allocopt.backtests.rotation import OHLCV
from allocopt.backtests.rotation.engine import RotationEngine
from allocopt.errors import SpecificationError

Run = Callable[..., ProfileResult]
Study = Callable[..., tuple[pd.DataFrame, pd.DataFrame, "pd.Series[int]", "pd.Series[float]"]]
SIX = published_profiles()
QUARTERS = PartialFills(tiers=((math.inf, 0.25),))


def everything(study: Study, seed: int, **options: Any) -> dict[str, ProfileResult]:
    frame, scores, regimes, level = study(seed)
    given: dict[str, Any] = {"costs": ETF_COSTS, **options}
    return run_profiles(
        options.get("specifications", SIX), OHLCV(frame), scores, regimes, FlatSurface(level, "made"),
        **{name: value for name, value in given.items() if name != "specifications"},
    )  # fmt: skip


def test_one_cost_default_for_all() -> None:
    found = [inspect.signature(run).parameters["costs"].default for run in (run_profile, run_profiles)]
    assert found == [INDEX_COSTS, INDEX_COSTS]
    assert RotationEngine().profile_costs is INDEX_COSTS
    assert ExecutionCosts() == ETF_COSTS


def test_a_position_is_built_and_worked_off_by_quarters(run: Run) -> None:
    """The share that is held times the P&L of the whole, by hand."""
    closes = [400.0, 403.0, 391.0, 396.0, 410.0, 404.0, 400.0, 408.0, 415.0, 409.0, 400.0]
    regime = [4] * 6 + [5] * 5
    spec = replace(SIX["P6"], stop=None)
    made = run(spec, closes, regime=regime, costs=NO_COSTS, partial_fills=QUARTERS)
    (trade,) = made.trades.to_dict("records")
    # The first quarter at the close of row 0, the last at that of row 3; sold from row 6 to row 9.
    share = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0])
    days = (made.daily_pnl.index - made.daily_pnl.index[0]).days.to_numpy()
    worth = np.array(
        [100.0 * sum(float(price(sign, s, 400.0, (45 - d) / 365, 0.2)) for sign in (1, -1))
         for s, d in zip(closes, days, strict=True)]
    )  # fmt: skip
    np.testing.assert_allclose(made.daily_pnl, share * np.diff(worth, prepend=worth[0]), atol=1e-9)
    assert (trade["filled"], trade["reason"], trade["rows"]) == (1.0, "regime", 9)
    assert trade["premium"] == pytest.approx(0.25 * worth[:4].sum())
    bought = made.lots.groupby(["leg", "opened"])["quantity"].sum()
    assert bought.to_list() == [0.25] * 8
    assert made.lots["strike"].eq(400.0).all()
    # The whole order is funded from the start.
    np.testing.assert_allclose(made.capital.iloc[1:3], np.maximum.accumulate(worth[:2]))


def test_the_rest_of_an_order_may_be_given_up(study: Study) -> None:
    """Half of every fill, and nothing more: half the P&L of each row on the same capital."""
    half = PartialFills(tiers=((math.inf, 0.5),), remainder="cancel")
    specs = {name: replace(spec, stop=None) for name, spec in SIX.items()}
    for seed in range(2):
        whole = everything(study, seed, specifications=specs, costs=NO_COSTS)
        cut = everything(study, seed, specifications=specs, costs=NO_COSTS, partial_fills=half)
        for name, made in cut.items():
            np.testing.assert_allclose(made.daily_pnl, 0.5 * whole[name].daily_pnl, atol=1e-8)
            np.testing.assert_allclose(made.capital, whole[name].capital, atol=1e-8)
            assert (made.trades["filled"] == 0.5).all()


def test_orders_filled_whole_are_what_they_were(study: Study) -> None:
    whole, same = everything(study, 1), everything(study, 1, partial_fills=PartialFills(tiers=((math.inf, 1.0),)))
    for name in SIX:
        pd.testing.assert_series_equal(whole[name].daily_pnl, same[name].daily_pnl, check_exact=True)
        pd.testing.assert_frame_equal(whole[name].trades, same[name].trades, check_exact=True)
        pd.testing.assert_frame_equal(whole[name].resizing, same[name].resizing, check_exact=True)


@pytest.mark.parametrize("fill_lag", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_parts_add_up_to_positions(study: Study, seed: int, fill_lag: int) -> None:
    for name, made in everything(study, seed, partial_fills=QUARTERS, fill_lag=fill_lag).items():
        assert len(made.trades) > 1
        np.testing.assert_allclose(made.attribution.sum(axis=1), made.daily_pnl, atol=1e-8)
        assert made.trades["pnl"].sum() == pytest.approx(made.daily_pnl.sum(), abs=1e-6)
        assert made.trades["filled"].between(0.25, 1.0).all()
        if name != "P4":  # a leg that is rolled by itself opens more than the trade was entered with
            sizes = pd.Series({leg: abs(found.quantity) for leg, found in enumerate(SIX[name].legs)})
            total = made.lots["quantity"].abs().groupby([made.lots["trade"], made.lots["leg"]]).sum().unstack()
            expected = np.outer(made.trades["filled"], sizes)
            np.testing.assert_allclose(total.to_numpy(), expected, atol=1e-12)
        ended = made.lots["closed"].notna()
        left = made.trades["exit"].notna().reindex(made.lots["trade"]).to_numpy()
        assert ended[left].all()
        # No part is bought once the position is being left.
        last = made.lots.groupby("trade")["opened"].max()
        exits = made.trades["exit"].fillna(pd.Timestamp("2100-01-01"))
        assert (last < exits).all()


def test_large_orders_take_longer(run: Run) -> None:
    spec, closes = replace(SIX["P6"], stop=None), [400.0] * 9
    by_size = {
        units: run(spec, closes, costs=replace(ETF_COSTS, units=units), partial_fills=PartialFills())
        for units in (10.0, 50.0, 51.0)
    }
    opened = {units: len(made.lots["opened"].unique()) for units, made in by_size.items()}
    assert opened == {10.0: 1, 50.0: 2, 51.0: 4}


def test_holding_more_or_less_costs_what_the_legs_and_the_hedge_cost(run: Run) -> None:
    closes = [400.0, 408.0, 396.0, 399.0, 400.0]
    made = run(SIX["P1"], closes, regime=[1, 1, 1, 5, 5])
    strikes, expiry = made.lots["strike"], made.lots["expiry"].iloc[0]
    shares = made.hedge["shares"].to_numpy()
    for row in range(5):
        found = made.resizing.iloc[row].to_list()
        if row not in (2, 3):  # opened at the close before row 1, closed at that after row 3
            assert found == [0.0, 0.0]
            continue
        spot, left = closes[row - 1], (expiry - made.daily_pnl.index[row - 1]).days
        expected = []
        for side in (1, -1):
            cost = abs(shares[row - 1]) * 8.75 / 500
            for sign in (1, -1):
                mid = float(price(sign, spot, strikes.iloc[0], left / 365, 0.2))
                cost += float(ETF_COSTS.per_contract(side, mid, spot, strikes.iloc[0], left, 20.0).total)
            expected.append(cost)
        assert found == pytest.approx(expected, rel=1e-9)
    short = run(SIX["P3"], [400.0, 401.0, 402.0], regime=3)
    assert short.resizing["adding"].iloc[2] > short.resizing["removing"].iloc[2] > 0.0  # what is sold pays fees


def test_a_roll_pays_for_itself_and_only_the_hedge_is_resized(study: Study) -> None:
    made = everything(study, 2)["P2"]
    rolls = made.trades.index[(made.trades["reason"] == "roll") & made.trades["exit"].notna()]
    assert len(rolls) > 3
    for number in rolls:
        row = made.daily_pnl.index.get_loc(made.trades["exit"].loc[number])
        assert isinstance(row, int)
        if row + 1 == len(made.daily_pnl) or made.direction.iloc[row + 1] == 0:
            continue
        hedge = abs(made.hedge["shares"].iloc[row]) * 8.75 / 500
        assert made.resizing.iloc[row + 1].to_list() == pytest.approx([hedge, hedge])


def test_order_capital_sizes_each_trade_at_its_own_fill(run: Run) -> None:
    costs = replace(ETF_COSTS, order_capital=100_000.0)
    made = run(SIX["P6"], [400.0, 401.0, 402.0], costs=costs)
    premium = float(made.trades["premium"].iloc[0])
    assert made.trades["units"].iloc[0] == pytest.approx(100_000.0 / premium)
    assert 10.0 < 100_000.0 / premium <= 50.0
    assert made.costs["slippage"].sum() == pytest.approx(0.25 * made.costs["spread"].sum())
    once = run(SIX["P6"], [400.0, 401.0, 402.0])
    assert once.costs["slippage"].sum() == pytest.approx(0.10 * once.costs["spread"].sum())
    with pytest.raises(SpecificationError, match="units and order_capital"):
        replace(costs, units=20.0)
    with pytest.raises(SpecificationError, match="order_capital"):
        replace(costs, order_capital=0.0)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    days=st.integers(1, 40),
    costs=st.sampled_from([ETF_COSTS, INDEX_COSTS, ETF_COSTS.scaled(costs=5.0, slippage=3.0)]),
)
def test_bought_options_lose_at_most_their_capital(seed: int, days: int, costs: ExecutionCosts) -> None:
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2023-01-03", periods=60)
    close = 400.0 * np.exp(np.cumsum(rng.normal(0.0, 0.015, 60)))
    market = OHLCV(pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close), index=index))
    legs = (Leg(1, "call", AT_THE_MONEY, days), Leg(2, "put", AT_THE_MONEY, days + 3))
    spec = ProfileSpecification("bought", 0.5, (1,), legs, stop=None, max_days=20)
    regimes: pd.Series[int] = pd.Series(rng.choice([1, 1, 1, 2], 60).tolist(), index=index)
    surface = FlatSurface(pd.Series(rng.uniform(0.05, 0.6, 60), index=index), "made")
    made = run_profile(spec, market, pd.Series(0.9, index=index), regimes, surface, costs=costs)
    assert (made.returns >= -1.0 - 1e-12).all()
    assert (made.trades["pnl"] >= -made.trades["capital"] * (1.0 + 1e-12)).all()


def test_parts_by_greek_are_integrals_along_the_straight_line(run: Run) -> None:
    """Sums of ten thousand small steps, at expiry too."""
    closes, level = [400.0, 407.0, 402.0, 396.0], [0.2, 0.26, 0.18, 0.18]
    spec = replace(SIX["P2"], stop=None)
    legs = (Leg(1, "call", AT_THE_MONEY, 3),)
    made = run(replace(spec, legs=legs, delta_hedge=None), closes, volatility=level, regime=2, costs=NO_COSTS)
    assert made.lots["settled"].iloc[0]
    count = 10_000
    steps = np.linspace(0.0, 1.0, count + 1)
    for row in (1, 2, 3):
        sigma = level[row] if row < 3 else level[2]
        spot = closes[row - 1] + steps * (closes[row] - closes[row - 1])
        vol = level[row - 1] + steps * (sigma - level[row - 1])
        years = (4 - row - steps) / 365.0
        middle = 0.5 * (steps[1:] + steps[:-1])
        s, v, t = (np.interp(middle, steps, values) for values in (spot, vol, years))
        d1 = np.log(s / 400.0) / (v * np.sqrt(t)) + 0.5 * v * np.sqrt(t)
        density = np.exp(-0.5 * d1**2) / math.sqrt(2.0 * math.pi)
        delta = 0.5 * np.array([math.erfc(-x / math.sqrt(2.0)) for x in d1])
        first = made.greeks["delta"].iloc[row]
        move = closes[row] - closes[row - 1]
        expected = {
            "delta": first * move,
            "gamma": (100.0 * delta.mean() - first) * move,
            "vega": 100.0 * (s * density * np.sqrt(t)).mean() * (sigma - level[row - 1]),
            "theta": -100.0 * (s * density * v / (2.0 * np.sqrt(t))).mean() / 365.0,
        }
        for name, value in expected.items():
            assert made.attribution[name].iloc[row] == pytest.approx(value, rel=2e-3, abs=0.01), (row, name)
        assert abs(made.attribution["residual"].iloc[row]) < 0.02


def test_the_residual_is_what_the_quadrature_misses(study: Study) -> None:
    for seed in range(3):
        for name, made in everything(study, seed).items():
            gross = made.attribution[["delta", "gamma", "vega", "theta"]].abs().to_numpy().sum()
            assert made.attribution["residual"].abs().sum() < 1e-3 * gross, name


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PartialFills(tiers=((10.0, 1.0),)), "last tier"),
        (lambda: PartialFills(tiers=((math.inf, 0.0),)), "fraction"),
        (lambda: PartialFills(tiers=((math.inf, 1.5),)), "fraction"),
        (lambda: PartialFills(remainder="next"), "remainder"),  # type: ignore[arg-type]
    ],
)
def test_fills_that_make_no_sense_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        make()
