"""What is decided on row t earns from row t to row t+1: never the return of row t, and nothing from later rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import allocopt
from allocopt.backtests.accounting import Execution, Financing, account, executed_weights, in_force, simple_returns
from allocopt.backtests.accounting._raw import Gaps, Mode
from allocopt.backtests.schedules import Calendar, EveryRows
from allocopt.costs import Cost
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

Market = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
Rates = Callable[[pd.DatetimeIndex, int], Financing]
ROWS = 40
CAPITAL = 25_000.0


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
def test_a_weight_of_one_row_earns_one_return_and_not_its_own(mode: Mode, lag: int, market: Market) -> None:
    weights, prices = market(0, n=1)
    returns = simple_returns(prices)["S0"]
    for t in range(ROWS):
        weights["S0"] = 0.0
        weights.iloc[t, 0] = 1.0
        earned = account(weights, prices, Execution(mode=mode, lag=lag)).returns
        wanted = pd.Series(0.0, returns.index)
        wanted.iloc[t + lag : t + lag + 1] = returns.iloc[t + lag : t + lag + 1]
        np.testing.assert_allclose(earned, wanted, atol=1e-14)


@pytest.mark.parametrize("lag", [1, 3])
def test_a_perfect_forecast_of_its_own_row_is_worth_nothing(lag: int, rng: np.random.Generator) -> None:
    dates = pd.bdate_range("2024-01-01", periods=400)
    moves = rng.choice([-0.01, 0.01], 400)
    prices = pd.DataFrame({"A": 100.0 * (1.0 + moves).cumprod()}, dates)
    sign = pd.DataFrame({"A": np.sign(simple_returns(prices)["A"])}, dates)
    how = Execution(mode="constant-mix", lag=lag)
    knowing = account(sign.shift(-lag).fillna(0.0), prices, how).equity  # a decision that sees `lag` rows ahead
    honest = account(sign, prices, how).equity
    assert knowing.iloc[-1] == pytest.approx(1.01 ** (400 - lag))
    assert 0.3 < honest.iloc[-1] < 3.0


@pytest.mark.parametrize("gaps", ["raise", "hold", "fill"])
@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
@pytest.mark.parametrize("lag", [1, 3])
def test_nothing_after_a_row_changes_anything_up_to_it(
    mode: Mode, lag: int, gaps: Gaps, market: Market, every_cost: tuple[Cost, ...], rates: Rates
) -> None:
    weights, prices = market(1, short=True, missing=0.0 if gaps == "raise" else 0.1)
    funding = pd.DataFrame(0.0001, prices.index, prices.columns)
    how = Execution(mode=mode, lag=lag, gaps=gaps, costs=every_cost, financing=rates(prices.index, 1))  # type: ignore[arg-type]
    whole = account(weights, prices, how, funding=funding, capital=CAPITAL)
    rng = np.random.default_rng(5)
    for t in (0, 1, 7, 20, ROWS - 2):
        changed = prices.copy()
        changed.iloc[t + 1 :] *= rng.uniform(0.9, 1.1, changed.iloc[t + 1 :].shape)
        other = account(weights, changed, how, funding=funding, capital=CAPITAL)
        pd.testing.assert_frame_equal(other.to_frame().iloc[: t + 1], whole.to_frame().iloc[: t + 1], check_exact=True)
        if t >= lag:  # something is held by then
            assert not np.isclose(other.equity.iloc[t + 1], whole.equity.iloc[t + 1], rtol=1e-9)
        cut = account(weights.iloc[: t + 1], prices.iloc[: t + 1], how, funding=funding.iloc[: t + 1], capital=CAPITAL)
        pd.testing.assert_frame_equal(
            cut.to_frame(), whole.to_frame().iloc[: t + 1], check_exact=True, check_freq=False
        )
        pd.testing.assert_frame_equal(
            cut.sleeve_pnl, whole.sleeve_pnl.iloc[: t + 1], check_freq=False, rtol=1e-12, atol=1e-15
        )


@pytest.mark.parametrize("lag", [1, 2, 3])
@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
def test_a_decision_takes_effect_after_lag_rows(mode: Mode, lag: int, market: Market) -> None:
    weights, prices = market(2)
    how = Execution(mode=mode, lag=lag, costs=allocopt.ProportionalCost(0.001))
    whole = account(weights, prices, how)
    for t in (0, 9, 30):
        changed = weights.copy()
        changed.iloc[t] = [0.1, 0.2, 0.3, 0.05]
        other = account(changed, prices, how)
        same = slice(None, t + lag)
        pd.testing.assert_frame_equal(other.to_frame().iloc[same], whole.to_frame().iloc[same], check_exact=True)
        np.testing.assert_allclose(other.executed.iloc[t + lag], changed.iloc[t], rtol=1e-12)
        assert abs(other.turnover.iloc[t + lag] - whole.turnover.iloc[t + lag]) > 1e-6


def test_a_constant_mix_executes_the_shifted_weights(market: Market) -> None:
    weights, prices = market(3)
    for lag in (1, 2, 5):
        ledger = account(weights, prices, Execution(mode="constant-mix", lag=lag))
        pd.testing.assert_frame_equal(ledger.executed, executed_weights(weights, lag))
        pd.testing.assert_frame_equal(ledger.composition, executed_weights(weights, lag))


def test_a_longer_lag_is_a_later_decision(market: Market) -> None:
    weights, prices = market(4)
    late = account(weights, prices, Execution(lag=4))
    moved = account(executed_weights(weights, 3), prices, Execution(lag=1))
    pd.testing.assert_frame_equal(late.executed, moved.executed)
    pd.testing.assert_series_equal(late.equity, moved.equity)


def test_a_lag_beyond_the_table_holds_cash(market: Market) -> None:
    weights, prices = market(4)
    ledger = account(weights, prices, Execution(lag=ROWS))
    assert (ledger.equity == 1.0).all()
    assert (ledger.executed == 0.0).all(axis=None)


class TestDecisionDates:
    def test_weights_only_on_decision_dates(self, market: Market) -> None:
        weights, prices = market(5)
        for mode in ("holdings", "constant-mix"):
            ledger = account(weights.iloc[[3, 10, 25]], prices, Execution(mode=mode))
            assert np.flatnonzero(ledger.turnover).tolist() == [4, 11, 26]
            for t in (4, 11, 26):
                np.testing.assert_allclose(ledger.executed.iloc[t], weights.iloc[t - 1], rtol=1e-13)
            np.testing.assert_array_equal(ledger.composition.iloc[10:12], weights.iloc[[3, 10]])

    def test_the_same_weights_again_are_a_rebalance_of_holdings(self, market: Market) -> None:
        weights, prices = market(5)
        weights.loc[:] = [0.3, 0.3, 0.2, 0.1]
        daily = account(weights, prices)
        assert (daily.turnover.iloc[1:] > 0.0).all()
        mix = account(weights, prices, Execution(mode="constant-mix"))
        pd.testing.assert_series_equal(daily.equity, mix.equity)  # without costs: shares re-set to weights every row
        assert np.flatnonzero(mix.turnover).tolist() == [1]

    @pytest.mark.parametrize("schedule", ["5", "week-start", EveryRows(7, start=3), Calendar("W-WED", row=1)])
    def test_a_schedule_leaves_the_other_rows_out(self, schedule: Any, market: Market) -> None:
        weights, prices = market(6)
        how = Execution(schedule=schedule)
        assert how.schedule is not None
        assert not isinstance(how.schedule, str)
        rows = how.schedule.rows(prices.index)  # type: ignore[arg-type]
        assert 3 < rows.sum() < 15
        by_schedule = account(weights, prices, how)
        by_dates = account(weights[rows], prices)
        pd.testing.assert_frame_equal(by_schedule.to_frame(), by_dates.to_frame())
        pd.testing.assert_frame_equal(by_schedule.composition, by_dates.composition)

    def test_a_schedule_before_the_first_weights_is_idle(self, market: Market) -> None:
        weights, prices = market(6)
        ledger = account(weights.iloc[7:], prices, Execution(schedule="5"))
        assert np.flatnonzero(ledger.turnover).tolist() == [11, 16, 21, 26, 31, 36]

    def test_a_scheduled_row_without_weights_is_an_error(self, market: Market) -> None:
        weights, prices = market(6)
        with pytest.raises(LabelError, match=r"schedule wants a decision on a row without weights at 2024-01-15"):
            account(weights.drop(weights.index[10]), prices, Execution(schedule="5"))

    def test_unused_rows_may_borrow(self, market: Market) -> None:
        weights, prices = market(6)
        weights.iloc[3] = 1.0
        account(weights, prices, Execution(schedule="5"))
        with pytest.raises(SpecificationError, match=r"borrow cash.* at 2024-01-04: 4\.0"):
            account(weights, prices)


class TestShift:
    def test_executed_weights(self, market: Market) -> None:
        weights, _ = market(7)
        moved = executed_weights(weights, 2)
        assert (moved.iloc[:2] == 0.0).all(axis=None)
        np.testing.assert_array_equal(moved.iloc[2:], weights.iloc[:-2])
        assert moved.index.equals(weights.index)

    def test_in_force(self) -> None:
        dates = pd.bdate_range("2024-01-01", periods=4)
        assert in_force(pd.Series([1.0, 2.0, 3.0, 4.0], dates), 3).tolist()[3] == 1.0
        assert in_force(pd.Series([1, 2, 3, 4], dates, dtype="Int64"), 2).tolist() == [pd.NA, pd.NA, 1, 2]
        table = in_force(pd.DataFrame({"A": [1.0, 2.0, 3.0, 4.0]}, dates))
        assert table["A"].isna().tolist() == [True, False, False, False]
        with pytest.raises(LabelError, match="not indexed by dates"):
            in_force(pd.Series([1.0, 2.0]))

    @pytest.mark.parametrize("lag", [0, -1, 1.0, True, "1", None])
    def test_a_lag_is_at_least_one(self, lag: Any, market: Market) -> None:
        weights, _ = market(7)
        for call in (
            lambda: executed_weights(weights, lag),
            lambda: in_force(weights, lag),
            lambda: Execution(lag=lag),
        ):
            with pytest.raises(SpecificationError, match="lag is not a whole number of rows of at least 1"):
                call()

    def test_simple_returns(self) -> None:
        prices = pd.DataFrame({"A": [1, 2, 1, 4]}, index=pd.bdate_range("2024-01-01", periods=4))
        assert simple_returns(prices)["A"].tolist() == [0.0, 1.0, -0.5, 3.0]
        for bad in (0.0, -1.0):
            with pytest.raises(InputError, match=rf"a price is not positive at 2024-01-03, sleeve 'A': {bad}"):
                simple_returns(prices.astype(float).replace(1.0, bad).iloc[1:])
        with pytest.raises(InputError, match="price is missing or infinite at 2024-01-02, sleeve 'A': inf"):
            simple_returns(prices.astype(float).replace(2.0, np.inf))
        with pytest.raises(ShapeError, match="not of type DataFrame"):
            simple_returns(prices["A"])  # type: ignore[arg-type]
