"""The ladder: analytic answers, the identity, and the claims of the note that fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allocopt import InputError, SpecificationError
from allocopt.backtests.accounting import Financing
from allocopt.backtests.volatility_alpha import VolatilityAlpha, VolatilityAlphaResult, bars_from_closes

SD8 = VolatilityAlpha(8, shares="fractional")
EXACT = VolatilityAlpha(8, shares="fractional", lots="lifo", sell_quantity="exact")
R8 = 2 ** (1 / 8) - 1

Bars = Callable[..., pd.DataFrame]


def bars(*rows: tuple[float, float, float, float]) -> pd.DataFrame:
    index = pd.date_range("2024-01-01", periods=len(rows))
    return pd.DataFrame(list(rows), columns=["open", "high", "low", "close"], index=index)


def flat(price: float) -> tuple[float, float, float, float]:
    return price, price, price, price


def test_triggers_of_the_note() -> None:
    for n, trigger in ((6, 0.12246), (8, 0.09051), (10, 0.07177), (16, 0.04427), (20, 0.03526)):
        assert VolatilityAlpha(n).trigger == pytest.approx(trigger, abs=5e-6)
        assert (1.0 + VolatilityAlpha(n).trigger) ** n == pytest.approx(2.0, rel=1e-14)


def test_one_buy_and_one_sale_by_hand() -> None:
    table = bars(flat(100.0), (100.0, 101.0, 85.0, 95.0), (95.0, 102.0, 94.0, 101.0))
    result = SD8.run(table, shares=1000)
    low = 100.0 / (1.0 + R8)
    bought = R8 * 0.5 * 1000.0
    sold = R8 * 0.5 * (1000.0 + bought) / (1.0 + R8)
    assert result.transactions["kind"].tolist() == ["initial", "buy", "sell"]
    assert result.transactions["price"].tolist() == pytest.approx([100.0, low, 100.0])
    assert result.transactions["shares"].tolist() == pytest.approx([1000.0, bought, sold])
    assert result.bank.tolist() == pytest.approx([0.0, -bought * low, sold * 100.0 - bought * low])
    assert result.total_return == pytest.approx(
        ((1000.0 + bought - sold) * 101.0 + sold * 100.0 - bought * low - 1e5) / 1e5
    )
    assert result.volatility_alpha_realized == pytest.approx(sold * (100.0 - low))
    assert result.stack["qty"].tolist() == pytest.approx([bought - sold])
    assert result.stack["expected_sell_price"].tolist() == [100.0]
    assert (result.buys, result.sells) == (2, 1)
    assert result.orders["buy_limit"].tolist() == pytest.approx([low, low / (1.0 + R8), low])


@pytest.mark.parametrize("n", [6.0, 8.0, 20.0])
@pytest.mark.parametrize("sharing", [0.25, 0.5, 1.0])
def test_amount_of_a_buy(n: float, sharing: float) -> None:
    """Expected: r^2 s / (1 + r) of the holding's value at the anchor, r^2 s of it at the buy; more at a lower open."""
    ladder = VolatilityAlpha(n, sharing, shares="fractional")
    r = ladder.trigger
    for price, better in ((100.0 / (1.0 + r), False), (50.0, True)):
        result = ladder.run(bars(flat(100.0), flat(price)), shares=10, allow=("split",))
        amount = result.volatility_alpha_unrealized
        least = r * r * sharing / (1.0 + r) * 1000.0
        if better:
            assert amount > least
            assert amount == pytest.approx((100.0 - 50.0) * r * sharing * 10)
        else:
            assert amount == pytest.approx(least)
            assert amount == pytest.approx(r * r * sharing * 10 * price)
            assert amount / 1000.0 == pytest.approx(r * r * sharing / (1.0 + r))
    at_anchor, at_buy = R8**2 * 0.5 / (1.0 + R8), R8**2 * 0.5
    assert at_anchor == pytest.approx(0.003756, abs=5e-7)
    assert at_buy == pytest.approx(0.004096, abs=5e-7)


def test_both_orders_on_one_date_are_those_of_the_evening_before() -> None:
    result = SD8.run(bars(flat(100.0), (100.0, 130.0, 80.0, 100.0), flat(105.0)), shares=10)
    assert result.transactions["kind"].tolist() == ["initial", "buy", "sell"]
    assert result.transactions["price"].tolist()[1:] == pytest.approx([100.0 / (1.0 + R8), 100.0 * (1.0 + R8)])
    assert result.transactions["shares"].tolist()[2] == pytest.approx(R8 * 0.5 * 10 / (1.0 + R8)), "of the old holding"
    assert result.unwinds["qty"].sum() == pytest.approx(result.transactions["shares"].iloc[2])
    assert result.orders["sell_limit"].iloc[-1] == pytest.approx(100.0 * (1.0 + R8) ** 2)


def test_fills_at_the_open_only_where_the_whole_bar_is_beyond() -> None:
    def filled(bar: tuple[float, float, float, float]) -> float:
        return float(SD8.run(bars(flat(100.0), bar), shares=10).transactions["price"].iloc[1])

    assert filled((85.0, 95.0, 84.0, 90.0)) == pytest.approx(100.0 / (1.0 + R8)), "opens below, trades through"
    assert filled((85.0, 88.0, 84.0, 86.0)) == 85.0
    assert filled((115.0, 120.0, 105.0, 118.0)) == pytest.approx(100.0 * (1.0 + R8))
    assert filled((115.0, 120.0, 112.0, 118.0)) == 115.0


def test_first_in_first_out_is_the_counter_example(through: Bars) -> None:
    """Closes 100, 49, 70, 125: the oldest lots are sold at a loss on the way up, and all is well at the end."""
    fifo = replace(EXACT, lots="fifo")
    half, whole = through(100.0, 49.0, 70.0), through(100.0, 49.0, 70.0, 125.0)
    assert fifo.run(half).volatility_alpha_realized == pytest.approx(-389.0, abs=0.5)
    assert (fifo.run(half).unwinds["profit"] < 0.0).sum() == 6
    assert EXACT.run(half).volatility_alpha_realized == pytest.approx(87.0, abs=0.5)
    assert (EXACT.run(half).unwinds["profit"] > 0.0).all()
    for ladder in (fifo, EXACT):
        assert ladder.run(whole).volatility_alpha_realized == pytest.approx(260.0, abs=0.5)
        assert ladder.run(whole).stack.empty
    pd.testing.assert_series_equal(fifo.run(half).equity, EXACT.run(half).equity)


@settings(max_examples=25)
@given(
    n=st.integers(2, 30),
    sharing=st.floats(0.05, 1.0),
    moves=st.lists(st.floats(-0.95, 0.95), min_size=2, max_size=150),
)
def test_full_less_ath_only_is_what_the_lots_say(n: int, sharing: float, moves: list[float]) -> None:
    """Exact quantity, LIFO, ladder fills: realised + mark-to-market of the stack, and the expected is a bound."""
    ladder = VolatilityAlpha(n, sharing, shares="fractional", lots="lifo", sell_quantity="exact")
    closes = 100.0 * np.exp(math.log1p(ladder.trigger) * np.cumsum([0.0, *moves]))
    table = bars_from_closes(pd.Series(closes, index=pd.date_range("2001-01-01", periods=len(closes))), path="joined")
    result = ladder.run(table, allow=("split",))
    assume(result.ruined is None)
    apart = result.equity.iloc[-1] - result.baseline.equity.iloc[-1]
    assert apart == pytest.approx(
        result.volatility_alpha_realized + result.stack_mark_to_market, abs=1e-10 * result.start_value
    )
    assert apart <= result.volatility_alpha_estimated_total + 1e-10 * result.start_value
    assert (result.unwinds["profit"] >= -1e-12 * result.start_value).all()
    # The holding is a function of the rung alone.
    rung = np.log(result.transactions["price"] / 100.0) / math.log1p(ladder.trigger)
    expected = 100.0 * (1.0 + ladder.trigger * sharing) ** -rung
    np.testing.assert_allclose(result.transactions["holding"], expected, rtol=1e-9)


def test_the_note_s_quantity_does_not_undo_a_buy(through: Bars) -> None:
    round_trip = through(100.0, 90.0, 101.0)
    assert SD8.run(round_trip).holding.iloc[-1] > 100.0
    assert EXACT.run(round_trip).holding.iloc[-1] == pytest.approx(100.0, rel=1e-12)
    whole = replace(SD8, profit_sharing=1.0)
    assert whole.run(round_trip).holding.iloc[-1] == pytest.approx(100.0, rel=1e-12), "but with s = 1"
    result = replace(SD8, lots="lifo").run(through(100.0, 49.0, 70.0, 125.0))
    naive = (result.volatility_alpha_realized + result.stack_mark_to_market) / result.start_value
    assert abs(result.volatility_alpha_baseline - naive) > 0.002


def test_baseline_is_not_the_estimated_total_on_a_price_that_grows(through: Bars) -> None:
    result = EXACT.run(through(100.0, 400.0, 300.0, 800.0, 600.0, 1600.0))
    assert result.volatility_alpha_baseline == pytest.approx(result.volatility_alpha_realized / 1e4, abs=1e-10)
    each = len(result.lots) * R8**2 * 0.5 / (1.0 + R8)
    assert result.volatility_alpha_baseline > 1.5 * each, "a lot's profit is relative to the value of its day"


def test_value_on_a_steady_fall_and_the_ruin_at_a_quarter() -> None:
    """Many small rungs: at x times the first price (x^(1-s) - s)/(1-s) of the start, and nothing at s^(1/(1-s))."""
    for sharing, last in ((0.5, 0.25), (0.25, 0.25 ** (4 / 3)), (0.75, 0.75**4), (1.0, math.exp(-1.0))):
        ladder = VolatilityAlpha(600, sharing, shares="fractional")
        closes = pd.Series(np.geomspace(100.0, 10.0, 4001), index=pd.date_range("2001-01-01", periods=4001))
        table = bars_from_closes(closes, path="joined")
        result = ladder.run(table)
        x = table["close"].reindex(result.equity.index).to_numpy() / 100.0
        value = 1.0 + np.log(x) if sharing == 1.0 else (x ** (1.0 - sharing) - sharing) / (1.0 - sharing)
        np.testing.assert_allclose(result.equity.to_numpy() / 1e4, value, atol=2e-3)
        assert result.ruined == result.equity.index[-1]
        assert result.close / 100.0 == pytest.approx(last, rel=0.01)
        assert result.total_return <= -1.0
        assert replace(ladder, margin=False).run(table).ruined is None


def test_harvest_is_half_the_sharing_times_the_variance() -> None:
    """Continuous limit: value = start (x^(1-s) - s)/(1-s) + s/2 sum of H P (change of log P)^2."""
    rng = np.random.default_rng(5)
    closes = pd.Series(
        100.0 * np.exp(np.cumsum(np.append(0.0, rng.normal(0.0, 0.00057, 200_000)))),
        index=pd.date_range("1970-01-01", periods=200_001, freq="h"),
    )
    for sharing in (0.5, 1.0):
        result = VolatilityAlpha(75, sharing, shares="fractional").run(bars_from_closes(closes, path="joined"))
        x = result.close / 100.0
        still = 1.0 + math.log(x) if sharing == 1.0 else (x ** (1.0 - sharing) - sharing) / (1.0 - sharing)
        squares = np.diff(np.log(closes)) ** 2
        invested = (result.equity - result.bank).to_numpy()[:-1]
        harvest = 0.5 * sharing * float((invested * squares).sum()) / 1e4
        assert result.equity.iloc[-1] / 1e4 - still == pytest.approx(harvest, rel=0.1)


def test_ath_only_never_buys_and_its_anchor_only_rises(random_bars: Bars) -> None:
    for seed in range(5):
        result = SD8.with_variant("ath_only").run(random_bars(seed), allow=("split",))
        assert result.buys == 1
        sales = result.transactions["price"].iloc[1:]
        assert sales.is_monotonic_increasing
        assert result.volatility_alpha_realized == 0.0
        assert result.baseline is result
        assert (result.orders["buy_shares"] == 0.0).all()
        assert result.orders["buy_limit"].isna().all()


def test_ath_sell_sells_at_new_highs_alone(random_bars: Bars) -> None:
    some = 0
    for seed in range(8):
        table = random_bars(seed)
        result = SD8.with_variant("ath_sell").run(table, allow=("split",))
        highest = table["high"].iloc[1:].cummax().shift(1)
        highest.iloc[0] = 0.0
        for _, sale in result.transactions[result.transactions["kind"] == "sell"].iterrows():
            assert sale["price"] >= max(highest[sale["date"]], table["close"].iloc[0])
            some += 1
    assert some > 10


def test_without_orders_it_is_buy_and_hold(random_bars: Bars) -> None:
    table = random_bars(3)
    result = VolatilityAlpha(8, 0.0).run(table, allow=("split",))
    np.testing.assert_allclose(result.equity, 100.0 * table["close"], rtol=1e-15)
    assert result.orders[["buy_shares", "sell_shares"]].to_numpy().sum() == 0.0
    assert result.orders[["buy_limit", "sell_limit"]].isna().all(axis=None)


def test_interest_is_booked_on_the_bank_of_the_evening_before() -> None:
    rates = Financing(lending=0.0252, borrowing=0.252, periods_per_year=252)
    ladder = replace(SD8, financing=rates)
    table = bars(flat(100.0), (100.0, 100.0, 91.0, 92.0), flat(92.0), (92.0, 101.0, 92.0, 101.0), flat(101.0))
    free, paid = SD8.run(table), ladder.run(table)
    owed = float(free.bank.iloc[1])
    assert owed < 0.0
    assert paid.bank.iloc[1] == owed, "nothing is owed on the day of the buy"
    assert paid.bank.iloc[2] == pytest.approx(owed * 1.001)
    assert paid.bank.iloc[3] == pytest.approx(owed * 1.001**2 + free.transactions["amount"].iloc[-1])
    assert paid.bank.iloc[4] > paid.bank.iloc[3] or paid.bank.iloc[3] < 0.0
    assert paid.interest == pytest.approx(paid.bank.iloc[-1] - free.bank.iloc[-1])
    cash = VolatilityAlpha(8, 0.0, shares="integer", financing=rates).run(table, capital=10_050.0)
    assert cash.bank.tolist() == pytest.approx([50.0 * 1.0001**k for k in range(5)])
    assert cash.start_value == 10_050.0


def test_rates_by_date() -> None:
    table = bars(*[flat(100.0)] * 4)
    rate = pd.Series([0.0, 0.252, 0.0, 0.1], index=table.index)
    ladder = VolatilityAlpha(8, 0.0, financing=Financing(lending=rate, borrowing=0.5, periods_per_year=252))
    assert ladder.run(table, capital=10_010.0).bank.tolist() == pytest.approx([10.0, 10.0, 10.01, 10.01])


def test_without_margin_a_buy_is_cut_to_what_the_bank_pays_for(through: Bars) -> None:
    cash = VolatilityAlpha(8, margin=False)
    falling = cash.run(through(100.0, 50.0))
    assert falling.buys == 1, "nothing in the bank: no order"
    assert falling.bank.min() == 0.0
    result = cash.run(through(100.0, 121.0, 50.0), shares=1000)
    assert result.bank.min() >= 0.0
    assert result.buys > 1
    last = result.transactions.iloc[-1]
    assert last["kind"] == "buy"
    assert 0.0 < last["shares"] < np.rint(R8 * 0.5 * result.transactions["holding"].iloc[-2]), "partly filled"
    assert result.bank.iloc[-1] < last["price"]
    assert result.orders["buy_shares"].iloc[-1] == 0.0
    assert np.isnan(result.orders["buy_limit"].iloc[-1])
    whole = replace(cash, shares="fractional").run(through(100.0, 121.0, 50.0))
    assert whole.bank.iloc[-1] == pytest.approx(0.0, abs=1e-9)


def test_fee(through: Bars) -> None:
    table = through(100.0, 60.0, 150.0)
    free, charged = SD8.run(table), replace(SD8, fee=0.001).run(table)
    traded = free.transactions["amount"].iloc[1:].abs().sum()
    assert charged.fees == pytest.approx(0.001 * traded)
    assert charged.fees == pytest.approx(charged.transactions["fee"].sum())
    assert free.total_return - charged.total_return == pytest.approx(charged.fees / 1e4)


def _check_account(result: VolatilityAlphaResult) -> None:
    gained = result.equity.iloc[-1] - result.start_value
    assert result.profit.sum() == pytest.approx(gained, abs=1e-9 * result.start_value)
    assert result.volatility_alpha_realized == pytest.approx(result.transactions["realised"].sum(), abs=1e-7)
    assert result.volatility_alpha_realized == pytest.approx(result.lots["realised"].sum(), abs=1e-7)
    left = result.lots["qty"].sum() - result.unwinds["qty"].sum()
    assert result.stack["qty"].sum() == pytest.approx(left, abs=1e-8)
    assert result.holding.iloc[-1] == result.transactions["holding"].iloc[-1]
    assert (result.lots["closed"].notna() == (result.lots["left"] == 0.0)).all()
    assert len(result.transactions) == result.buys + result.sells


@pytest.mark.parametrize("name", ["sd8", "sd16,75-lifo", "sd6-ath-sell-exact-fractional", "sd10-fractional-cash"])
def test_the_account_adds_up(name: str, random_bars: Bars) -> None:
    for seed in range(4):
        ladder = VolatilityAlpha.from_name(name)
        _check_account(ladder.run(random_bars(seed), shares=1000, allow=("split",)))
        rates = Financing(lending=0.01, borrowing=0.06, periods_per_year=252)
        _check_account(
            replace(ladder, financing=rates, fee=0.002).run(random_bars(seed), capital=77_777.0, allow=("split",))
        )


def test_stream_of_returns_and_leverage(through: Bars) -> None:
    result = SD8.run(through(100.0, 60.0, 90.0))
    assert result.returns.iloc[0] == 0.0
    assert float(np.prod(1.0 + result.returns.to_numpy())) == pytest.approx(1.0 + result.total_return)
    np.testing.assert_allclose(result.leverage, result.holding * through(100.0, 60.0, 90.0)["close"] / result.equity)
    assert ((result.leverage > 1.0) == (result.bank < 0.0)).all()
    assert result.leverage.max() > 1.3
    assert result.summary["total_return"] == result.total_return
    assert "sd8-fractional" in repr(result)


def test_capital_buys_what_it_pays_for() -> None:
    table = bars(flat(33.0), flat(33.0))
    whole = VolatilityAlpha(8, shares="integer").run(table, capital=10_000.0)
    assert (whole.holding.iloc[0], whole.bank.iloc[0]) == (303.0, 1.0)
    assert whole.total_return == 0.0
    assert SD8.run(table, capital=10_000.0).holding.iloc[0] == pytest.approx(10_000.0 / 33.0)
    odd = bars(flat(13.176), flat(13.176))
    assert 100 * 13.176 / 13.176 < 100.0, "the quotient is below the number of shares"
    assert VolatilityAlpha(8).run(odd, capital=100 * 13.176).holding.iloc[0] == 100.0
    with pytest.raises(InputError, match="does not pay for one share at 2024-01-01"):
        VolatilityAlpha(8).run(table, capital=32.0)
    wrongs: list[dict[str, Any]] = [
        {"shares": 1, "capital": 100.0}, {"shares": 0}, {"capital": -1.0}, {"shares": 1.5}, {"shares": True},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(SpecificationError):
            VolatilityAlpha(8).run(table, **wrong)


def test_fewer_shares_than_one_lot() -> None:
    table = bars(flat(100.0), flat(101.0), flat(102.0))
    with pytest.raises(InputError, match=r"rounds to no share: 5 shares are fewer than one lot at 2024-01-01"):
        VolatilityAlpha(8).run(table, shares=5)
    assert VolatilityAlpha(8).run(table, shares=20).total_return == pytest.approx(0.02)
    assert VolatilityAlpha(8, shares="fractional").run(table, shares=5).total_return == pytest.approx(0.02)
    rising = bars(*[flat(10.0 * 1.1**k) for k in range(60)])
    with pytest.raises(InputError, match="fewer than one lot") as caught:
        VolatilityAlpha(8, variant="ath_only").run(rising, shares=30)
    assert caught.value.where is not None
    assert caught.value.where > "2024-01-02"
