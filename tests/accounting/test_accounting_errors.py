"""Bad input is a typed error that names the date, the sleeve, the value and the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import PerShareCost, ProportionalCost
from allocopt.backtests.accounting import Execution, Financing, account, account_grid
from allocopt.backtests.accounting._raw import Gaps, Mode
from allocopt.errors import AllocoptError, InputError, LabelError, LedgerError, ShapeError, SpecificationError

Market = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def weights(market: Market) -> pd.DataFrame:
    return market(0, rows=10, n=2)[0]


@pytest.fixture
def prices(market: Market) -> pd.DataFrame:
    return market(0, rows=10, n=2)[1]


def with_cell(frame: pd.DataFrame, row: int, sleeve: str, value: float) -> pd.DataFrame:
    changed = frame.copy()
    changed.loc[changed.index[row], sleeve] = value
    return changed


class TestPrices:
    @pytest.mark.parametrize("value", [0.0, -0.0, -5.0, INF, -INF])
    @pytest.mark.parametrize("row", [0, 1, 6, 9])
    @pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
    @pytest.mark.parametrize("gaps", ["raise", "hold", "fill"])
    def test_no_price(
        self, value: float, row: int, mode: Mode, gaps: Gaps, weights: pd.DataFrame, prices: pd.DataFrame
    ) -> None:
        bad = with_cell(prices, row, "S1", value)
        for decided in (weights, weights * [1.0, 0.0]):  # whether the sleeve is held or not
            for run in (account, account_grid):
                with pytest.raises(InputError, match="a price is infinite or not positive") as error:
                    run(decided, bad, Execution(mode=mode, gaps=gaps))
                assert error.value.where == f"{prices.index[row].date()}, sleeve 'S1'"
                assert error.value.value == value

    def test_missing_price(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        with pytest.raises(InputError, match=r'missing .* Execution\(gaps="hold"\) or "fill"') as error:
            account(weights, with_cell(prices, 6, "S1", NAN))
        assert error.value.where == "2024-01-09, sleeve 'S1'"

    @pytest.mark.parametrize("value", [INF, -INF])
    def test_infinite_return(self, value: float, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        returns = with_cell(prices.pct_change(), 4, "S0", value)
        with pytest.raises(InputError, match=r"a return is infinite at 2024-01-05, sleeve 'S0'"):
            account(weights, returns=returns, execution=Execution(mode="constant-mix"))

    @pytest.mark.parametrize("value", [INF, -1.0, -1.5, NAN])
    def test_a_return_without_a_price(self, value: float, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        returns = with_cell(prices.pct_change(), 4, "S0", value)
        with pytest.raises(InputError, match=r"holdings need a price path.* at 2024-01-05, sleeve 'S0'"):
            account(weights, returns=returns)

    def test_returns_that_are_no_decimals(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        how = Execution(mode="constant-mix")
        for wrong in (prices, prices.pct_change() * 100.0):
            for run in (account, account_grid):
                with pytest.raises(InputError, match="returns look like prices or percent"):
                    run(weights, returns=wrong, execution=how)

    def test_time_of_day_is_named(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        hours = pd.date_range("2024-01-01", periods=10, freq="h", tz="UTC")
        bad = with_cell(prices.set_axis(hours), 3, "S0", -1.0)
        with pytest.raises(InputError, match=r"2024-01-01 03:00:00\+00:00, sleeve 'S0': -1\.0"):
            account(weights.set_axis(hours), bad)

    def test_tables(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        with pytest.raises(SpecificationError, match="neither prices nor returns"):
            account(weights)
        with pytest.raises(SpecificationError, match="prices and returns are both given"):
            account(weights, prices, returns=prices)
        with pytest.raises(ShapeError, match="table of prices is not of type DataFrame"):
            account(weights, prices["S0"])  # type: ignore[arg-type]
        with pytest.raises(ShapeError, match="table of prices is empty"):
            account(weights, prices.iloc[:0])
        with pytest.raises(LabelError, match="not indexed by dates"):
            account(weights, prices.reset_index(drop=True))
        with pytest.raises(LabelError, match="not sorted by date"):
            account(weights, prices.iloc[::-1])
        with pytest.raises(LabelError, match=r"date twice.*2024-01-02"):
            account(weights, prices.iloc[[0, 1, 1, 2]])
        with pytest.raises(LabelError, match="S0"):
            account(weights, prices.iloc[:, [0, 0, 1]])
        with pytest.raises(InputError, match=r"price of 'S1' is not a number at 2024-01-02: 'x'"):
            account(weights, prices.assign(S1=pd.Series([1.0, "x", *[2.0] * 8], prices.index, dtype=object)))

    def test_any_type_of_number(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        whole = prices.round().astype(int)
        wanted = account(weights, whole.astype(float)).equity
        for dtype in ("int32", "float32", "Int64", "Float64"):
            pd.testing.assert_series_equal(account(weights, whole.astype(dtype)).equity, wanted, check_exact=True)
        gap = with_cell(whole.astype(float), 4, "S0", NAN)
        for kind in ("Int64", "Float64"):
            found = account(weights, gap.astype(kind), Execution(gaps="fill"))
            pd.testing.assert_series_equal(found.equity, account(weights, gap, Execution(gaps="fill")).equity)
            assert found.gaps.tolist() == [1, 0]


class TestWeights:
    @pytest.mark.parametrize("value", [NAN, INF, -INF])
    def test_no_number(self, value: float, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        with pytest.raises(InputError, match=r"decided weight is missing or infinite at 2024-01-04, sleeve 'S1'"):
            account(with_cell(weights, 3, "S1", value), prices)

    def test_missing_in_nullable_columns(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        bad = weights.astype("Float64")
        bad.iloc[3, 1] = pd.NA
        with pytest.raises(InputError, match=r"missing or infinite at 2024-01-04, sleeve 'S1'"):
            account(bad, prices)

    def test_labels(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        with pytest.raises(LabelError, match=r"different sleeves: \['S1', 'X'\]"):
            account(weights.rename(columns={"S1": "X"}), prices)
        with pytest.raises(LabelError, match=r"different sleeves: \['S1'\]"):
            account(weights[["S0"]], prices)
        with pytest.raises(LabelError, match="S0"):
            account(weights.iloc[:, [0, 0]], prices)
        with pytest.raises(LabelError, match="decided on a date that has no row of prices at 2024-01-09"):
            account(weights, prices.drop(prices.index[6]))
        with pytest.raises(LabelError, match="decided on a date that has no row of prices at 2024-01-12"):
            account(weights, prices.iloc[:-1])
        with pytest.raises(LabelError, match="with and without a time zone"):
            account(weights.tz_localize("UTC"), prices)
        with pytest.raises(LabelError, match="not sorted by date"):
            account(weights.iloc[::-1], prices)
        with pytest.raises(ShapeError, match="decided weights is not of type DataFrame"):
            account(weights.to_numpy(), prices)  # type: ignore[arg-type]
        with pytest.raises(ShapeError, match="empty"):
            account(weights.iloc[:0], prices)

    def test_borrowing_without_financing(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        over = weights.copy()
        over.iloc[4] = [0.6, 0.5]
        with pytest.raises(SpecificationError, match=r"borrow cash.* at 2024-01-05: 1\.1.*borrowing=0\.0") as error:
            account(over, prices)
        assert error.value.where == "2024-01-05"
        account(over, prices, Execution(financing=Financing(0.0, 0.0, 252)))
        with pytest.raises(SpecificationError, match=r"borrow cash.* at 2024-01-01"):
            account(weights * 0 + 0.3, prices, exposure=2.0)
        account(weights * 0 + [1.0, -0.5], prices)  # what a short sale brings is not borrowed
        account(weights * 0 + [1 / 3 * 2, 1 / 3 + 1e-12], prices)  # rounding is not borrowing

    @pytest.mark.parametrize("exposure", [NAN, INF, True, "2", None, {"a": 1.0}])
    def test_exposure(self, exposure: Any, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        with pytest.raises(SpecificationError, match="exposure is no finite number"):
            account(weights, prices, exposure=exposure)

    def test_exposure_by_date(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        size = pd.Series(0.5, weights.index)
        with pytest.raises(LabelError, match="exposure has no value on a row of the ledger at 2024-01-03"):
            account(weights, prices, exposure=size.drop(size.index[2]))
        size.iloc[2] = NAN
        with pytest.raises(InputError, match="exposure is missing or infinite at 2024-01-03: nan"):
            account(weights, prices, exposure=size)
        account(weights.drop(weights.index[2]), prices, exposure=size)  # not needed where nothing is decided


class TestSettings:
    @pytest.mark.parametrize("capital", [0.0, -1.0, NAN, INF, True, "1", None])
    def test_capital(self, capital: Any, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        with pytest.raises(SpecificationError, match="capital is no positive amount"):
            account(weights, prices, capital=capital)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"mode": "drift"}, "mode is unknown"),
            ({"gaps": "drop"}, "gaps is unknown"),
            ({"lag": 0}, "lag is not a whole number"),
            ({"schedule": "now and then"}, "not a schedule"),
            ({"costs": 0.001}, r"not a cost: 0\.001"),
            ({"costs": None}, "not a cost"),
            ({"costs": [ProportionalCost(0.1), 3]}, "not a cost: 3"),
            ({"costs": ProportionalCost}, "not a cost"),
            ({"financing": 0.02}, r"not a financing: 0\.02"),
            ({"lot": -1.0}, "lot is no number of shares"),
            ({"lot": INF}, "lot is no number of shares"),
            ({"lot": NAN}, "lot is no number of shares"),
            ({"lot": True}, "lot is no number of shares"),
            ({"lot": 1.0, "mode": "constant-mix"}, "lots need holdings"),
        ],
        ids=str,
    )
    def test_execution(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(SpecificationError, match=message):
            Execution(**settings)

    @pytest.mark.parametrize("execution", [0.001, ProportionalCost(0.001), [Execution()]])
    def test_no_execution(self, execution: Any, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        for run in (account, account_grid):
            with pytest.raises(SpecificationError, match="not an execution"):
                run(weights, prices, execution)

    @pytest.mark.parametrize("name", ["lending", "borrowing", "periods_per_year"])
    @pytest.mark.parametrize("value", [NAN, INF, True, "0.02", None])
    def test_financing(self, name: str, value: Any) -> None:
        with pytest.raises(SpecificationError, match=name):
            Financing(**{"lending": 0.0, "borrowing": 0.0, "periods_per_year": 252.0, name: value})

    @pytest.mark.parametrize("rate", [5.0, -1.0, 1.0])
    def test_a_rate_in_percent(self, rate: float, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        with pytest.raises(SpecificationError, match="lending"):
            Financing(rate, 0.0, 252)
        by_date = pd.Series(0.02, prices.index)
        by_date.iloc[4] = rate
        with pytest.raises(InputError, match="borrowing rate looks like percent at 2024-01-05"):
            account(weights, prices, Execution(financing=Financing(0.0, by_date, 252)))

    @pytest.mark.parametrize("periods", [0.0, -252.0])
    def test_periods(self, periods: float) -> None:
        with pytest.raises(SpecificationError, match="periods_per_year is no"):
            Financing(0.0, 0.0, periods)

    def test_a_rate_on_every_row(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        rate = pd.Series(0.02, prices.index)
        account(weights, prices, Execution(financing=Financing(rate, 0.0, 252)))
        with pytest.raises(LabelError, match="lending rate has no value on a row of the ledger at 2024-01-09"):
            account(weights, prices, Execution(financing=Financing(rate.drop(rate.index[6]), 0.0, 252)))
        rate.iloc[6] = NAN
        with pytest.raises(InputError, match="borrowing rate is missing or infinite at 2024-01-09: nan"):
            account(weights, prices, Execution(financing=Financing(0.0, rate, 252)))

    def test_funding(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        funding = prices * 0.0
        account(weights, prices, funding=funding)
        for bad in (funding.iloc[1:], funding[["S0"]], funding.rename(columns={"S0": "X"})):
            with pytest.raises(LabelError, match="funding rates have other dates or sleeves"):
                account(weights, prices, funding=bad)
        with pytest.raises(InputError, match=r"funding rate is missing or infinite at 2024-01-02, sleeve 'S0'"):
            account(weights, prices, funding=with_cell(funding, 1, "S0", NAN))
        with pytest.raises(ShapeError, match="funding rates is not of type DataFrame"):
            account(weights, prices, funding=0.01)  # type: ignore[arg-type]

    def test_shares_need_prices(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        returns = prices.pct_change().fillna(0.0)
        for run in (account, account_grid):
            with pytest.raises(SpecificationError, match="lots need them"):
                run(weights, returns=returns, execution=Execution(lot=1.0))
            with pytest.raises(SpecificationError, match="a cost by price need"):
                run(weights, returns=returns, execution=Execution(costs=PerShareCost(0.1), mode="constant-mix"))

    def test_costs_by_sleeve_must_fit(self, weights: pd.DataFrame, prices: pd.DataFrame) -> None:
        with pytest.raises(LabelError, match="S1"):
            account(weights, prices, Execution(costs=ProportionalCost({"S0": 0.1})))


def test_a_ledger_that_does_not_add_up_is_refused() -> None:
    # Beside positions of 1e10 times the capital, long and short, the capital is lost to rounding.
    dates = pd.bdate_range("2024-01-01", periods=10)
    absurd = pd.DataFrame({"A": [1e10], "B": [-0.4e10], "C": [-0.6e10]}, dates[:1])
    prices = pd.DataFrame(np.linspace(1.0, 1.1, 10)[:, None] * [3.0, 7.0, 11.3], dates, ["A", "B", "C"])
    with pytest.raises(LedgerError, match=r"does not add up: .*weights of absurd size") as error:
        account(absurd, prices)
    assert isinstance(error.value.value, float)
    assert error.value.value > 1e-9
    with pytest.raises(LedgerError, match=r"does not add up: .* at run 'a': .*weights of absurd size"):
        account_grid({"a": absurd}, prices)


def test_every_error_is_one_of_allocopt(weights: pd.DataFrame) -> None:
    with pytest.raises(AllocoptError) as error:
        account(weights)
    assert error.value.remedy


MODES: tuple[Mode, ...] = ("holdings", "constant-mix")


class TestCashThatIsOwed:
    """Without a financing rate nothing may be borrowed, wherever it comes from."""

    def days(self, n: int) -> pd.DatetimeIndex:
        return pd.date_range("2024-01-01", periods=n)

    def test_by_a_trade_that_waits(self) -> None:
        prices = pd.DataFrame({"A": [10.0, 10.0, math.nan, 10.0, 10.0], "B": [5.0] * 5}, index=self.days(5))
        weights = pd.DataFrame({"A": [1.0, 1.0, 0.0, 0.0, 0.0], "B": [0.0, 0.0, 1.0, 1.0, 1.0]}, index=prices.index)
        for mode in MODES:
            with pytest.raises(SpecificationError, match=r"cash is owed beyond what trading has cost.*2024-01-04"):
                account(weights, prices, Execution(mode=mode, gaps="hold"))
            free = Execution(mode=mode, gaps="hold", financing=Financing(0.0, 0.0, 252))
            owed = account(weights, prices, free).borrowed
            assert owed.round(12).tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]

    def test_by_funding(self) -> None:
        prices = pd.DataFrame({"A": [10.0] * 4}, index=self.days(4))
        weights = pd.DataFrame({"A": [1.0]}, index=prices.index[:1])
        with pytest.raises(SpecificationError, match=r"cash is owed.*2024-01-03"):
            account(weights, prices, funding=pd.DataFrame({"A": [0.01] * 4}, index=prices.index))

    def test_what_trading_cost_may_be_owed(self) -> None:
        prices = pd.DataFrame({"A": [10.0, 11.0, 9.0, 10.0]}, index=self.days(4))
        weights = pd.DataFrame({"A": [1.0] * 4}, index=prices.index)
        ledger = account(weights, prices, Execution(costs=ProportionalCost(0.01)))
        assert ledger.cash.iloc[1] == pytest.approx(-0.01)

    def test_rates_in_percent(self) -> None:
        prices = pd.DataFrame({"A": [10.0] * 3}, index=self.days(3))
        with pytest.raises(SpecificationError, match="no rate between -1 and 1"):
            Financing(0.0, 5.3, 252)
        rates = pd.Series([0.05, 5.3, 5.3], index=prices.index)
        with pytest.raises(InputError, match="borrowing rate looks like percent at 2024-01-02"):
            account(prices * 0.0, prices, Execution(financing=Financing(0.0, rates, 252)))
        with pytest.raises(LabelError, match="mixes dates with and without a time zone"):
            account(prices * 0.0, prices, Execution(financing=Financing(0.0, rates.tz_localize("UTC") / 100, 252)))

    def test_prices_given_as_returns(self) -> None:
        prices = pd.DataFrame({"A": [10.0, 11.0, 12.0]}, index=self.days(3))
        with pytest.raises(InputError, match="returns look like prices or percent"):
            account(prices * 0.0, returns=prices)


def test_rounding_is_no_order() -> None:
    rng = np.random.default_rng(3)
    prices = pd.DataFrame(
        np.outer(np.exp(rng.normal(0, 0.02, 300).cumsum()), [10.0, 30.0]),
        index=pd.bdate_range("2024-01-01", periods=300),
        columns=["A", "B"],
    )
    weights = pd.DataFrame(0.5, index=prices.index, columns=prices.columns)
    ledger = account(weights, prices)
    assert (ledger.turnover > 0.0).sum() == 1  # in lockstep nothing drifts apart


def test_positions_and_cash_are_the_equity() -> None:
    dates = pd.date_range("2024-01-01", periods=4)
    prices = pd.DataFrame({"A": [10.0, 12.0, 9.0, 9.5], "B": [5.0, 5.0, 6.0, 4.0]}, index=dates)
    weights = pd.DataFrame({"A": [0.4, 0.2, 0.2, 0.0], "B": [0.3, 0.6, 0.6, 0.0]}, index=prices.index)
    for mode in MODES:
        ledger = account(weights, prices, Execution(mode=mode, costs=ProportionalCost(0.002)), capital=1e5)
        np.testing.assert_allclose(ledger.cash + ledger.positions.sum(axis=1), ledger.equity, rtol=1e-14)
        assert ledger.invested.tolist() == [False, True, True, True]
    held = account(weights, prices, Execution(lot=1.0), capital=1e5).shares
    assert held.to_numpy()[1:].tolist() == [[4000.0, 6000.0], [1800.0, 12960.0], [2568.0, 11556.0]]
    with pytest.raises(SpecificationError, match="there are no shares"):
        _ = account(weights, prices, Execution(mode="constant-mix")).shares


def test_performance_of_a_ledger_knows_what_was_held() -> None:
    prices = pd.DataFrame({"A": [10.0, 12.0, 9.0, 9.5, 9.5]}, index=pd.date_range("2024", periods=5))
    weights = pd.DataFrame({"A": [0.4, 0.2, 0.0, 0.0, 0.0]}, index=prices.index)
    ledger = account(weights, prices)
    found = ledger.performance(periods_per_year=365, standard_error=False)
    assert found.win_rate_active == 0.5
    assert found.win_rate_all == 0.25
    assert found.turnover_per_year == pytest.approx(ledger.turnover.sum() / 4 * 365)
