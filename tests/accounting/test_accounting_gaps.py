"""Missing prices: an error, a wait, or the last price, and counted in any case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import ProportionalCost
from allocopt.backtests.accounting import Execution, Financing, account, account_grid, simple_returns
from allocopt.backtests.accounting._raw import Gaps, Mode
from allocopt.errors import InputError, SpecificationError

Table = Callable[[Mapping[str, Sequence[float]]], pd.DataFrame]
NAN = float("nan")
MODES = pytest.mark.parametrize("mode", ["holdings", "constant-mix"])


def decided(prices: pd.DataFrame, rows: Mapping[int, Sequence[float]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows.values()), prices.index[list(rows)], prices.columns, dtype=float)


def near(found: pd.Series[float], wanted: Sequence[float]) -> bool:
    return len(found) == len(wanted) and np.allclose(found, wanted, rtol=1e-14, atol=1e-14)


class TestWhileHeld:
    @MODES
    def test_raise_names_the_row_and_the_sleeve(self, mode: Mode, table: Table) -> None:
        prices = table({"A": [10, 10, 10, 10], "B": [10, 11, NAN, 12]})
        with pytest.raises(InputError, match="price is missing while its sleeve is held or traded") as error:
            account(decided(prices, {0: [0.5, 0.5]}), prices, Execution(mode=mode))
        assert error.value.where == "2024-01-03, sleeve 'B'"

    @MODES
    @pytest.mark.parametrize("gaps", ["hold", "fill"])
    def test_otherwise_it_is_valued_at_its_last_price(self, gaps: Gaps, mode: Mode, table: Table) -> None:
        prices = table({"A": [10, NAN, NAN, 12, 12], "B": [5, 5, 5, 5, NAN]})
        ledger = account(decided(prices, {0: [0.5, 0.25]}), prices, Execution(mode=mode, gaps=gaps))
        assert near(ledger.equity, [1, 1, 1, 1.1, 1.1])
        assert near(ledger.sleeve_pnl["A"], [0, 0, 0, 0.1, 0])
        assert ledger.gaps.to_dict() == {"A": 2, "B": 1}
        assert near(ledger.turnover, [0, 0.75, 0, 0, 0])


class TestWhileTraded:
    ROWS: Mapping[str, Sequence[float]] = {"A": [10, NAN, 12, 15, 18], "B": [8, 8, 10, 10, 10]}

    @MODES
    def test_raise_names_the_deciding_row(self, mode: Mode, table: Table) -> None:
        prices = table(self.ROWS)
        with pytest.raises(InputError) as error:
            account(decided(prices, {1: [0.5, 0.0]}), prices, Execution(mode=mode))
        assert error.value.where == "2024-01-02, sleeve 'A'"
        with pytest.raises(InputError) as error:
            account(decided(prices, {0: [0.5, 0.0]}), prices, Execution(mode=mode, lag=2))
        assert error.value.where == "2024-01-02, sleeve 'A'"

    @MODES
    def test_hold_waits_for_the_next_price(self, mode: Mode, table: Table) -> None:
        prices = table(self.ROWS)
        how = Execution(mode=mode, gaps="hold", costs=ProportionalCost(0.01))
        ledger = account(decided(prices, {1: [0.5, 0.4]}), prices, how)
        # B is bought at 8 on time. The price of A is back at the close of row 2, so A is bought at 12 for row 3.
        assert near(ledger.turnover, [0, 0, 0.4, 0.5, 0])
        value = 1.0 + 0.4 * 0.25 - 0.004
        assert near(ledger.equity.iloc[:4], [1, 1, value, value * (1 + 0.5 * 0.25 - 0.005)])
        assert near(ledger.executed["A"].iloc[:4], [0, 0, 0, 0.5])
        assert near(
            ledger.composition["A"], [0, 0, 0.5, 0.5, 0.5]
        )  # as decided, whether it could be carried out or not

    @MODES
    def test_fill_trades_at_the_last_price(self, mode: Mode, table: Table) -> None:
        prices = table(self.ROWS)
        ledger = account(decided(prices, {1: [0.5, 0.4]}), prices, Execution(mode=mode, gaps="fill"))
        assert near(ledger.turnover, [0, 0, 0.9, 0, 0])
        assert near(ledger.equity.iloc[:3], [1, 1, 1 + 0.5 * 0.2 + 0.4 * 0.25])  # A was bought at 10
        assert near(ledger.executed["A"].iloc[:3], [0, 0, 0.5])

    @MODES
    def test_the_latest_decision_is_the_one_that_waits(self, mode: Mode, table: Table) -> None:
        prices = table({"A": [10, NAN, NAN, 12, 15, 15]})
        ledger = account(decided(prices, {1: [0.5], 2: [0.2]}), prices, Execution(mode=mode, gaps="hold"))
        assert near(ledger.turnover, [0, 0, 0, 0, 0.2, 0])
        assert near(ledger.equity, [1, 1, 1, 1, 1.05, 1.05])
        dropped = account(decided(prices, {1: [0.5], 2: [0.0]}), prices, Execution(mode=mode, gaps="hold"))
        assert (dropped.turnover == 0.0).all()

    @MODES
    def test_a_trade_can_wait_for_ever(self, mode: Mode, table: Table) -> None:
        prices = table({"A": [10, 11, NAN, NAN, NAN]})
        ledger = account(decided(prices, {0: [0.5], 2: [0.0]}), prices, Execution(mode=mode, gaps="hold"))
        assert near(ledger.turnover, [0, 0.5, 0, 0, 0])
        assert near(ledger.equity, [1, 1.05, 1.05, 1.05, 1.05])
        assert float(ledger.executed["A"].iloc[-1]) > 0.0

    def test_what_cannot_be_sold_is_borrowed_against(self, table: Table) -> None:
        prices = table({"A": [10, NAN, NAN, 10], "B": [5, 5, 5, 5]})
        how = Execution(gaps="hold", financing=Financing(0.0, 0.1, periods_per_year=10))
        ledger = account(decided(prices, {0: [1.0, 0.0], 1: [0.0, 1.0]}), prices, how)
        # B is bought on row 2, A is sold when its price is back: no row of this table earns that.
        assert near(ledger.cash, [1, 0, -1.01, -1.0201])
        assert near(ledger.interest, [0, 0, -0.01, -0.0101])

    @MODES
    def test_and_that_needs_financing(self, mode: Mode, table: Table, in_python: Callable[..., Any]) -> None:
        prices = table({"A": [10, NAN, NAN, 10], "B": [5, 5, 5, 5]})
        weights = decided(prices, {0: [1.0, 0.0], 1: [0.0, 1.0]})
        for costs in ((), ProportionalCost(0.01)):  # what trading has cost may be owed, and no more
            how = Execution(mode=mode, gaps="hold", costs=costs)
            for run in (account, in_python, account_grid):
                with pytest.raises(SpecificationError, match="cash is owed beyond what trading has cost") as error:
                    run(weights, prices, how)
                assert error.value.where == "2024-01-03"
        account(weights, prices.ffill(), Execution(mode=mode, gaps="hold", costs=ProportionalCost(0.01)))


class TestBeforeTheFirstPrice:
    ROWS: Mapping[str, Sequence[float]] = {"A": [10, 11, 12, 13, 14], "B": [NAN, NAN, 5, 6, 7]}

    @MODES
    @pytest.mark.parametrize("gaps", ["raise", "hold", "fill"])
    @pytest.mark.parametrize("lag", [1, 2])
    def test_a_sleeve_is_left_alone_until_it_is_decided(self, lag: int, gaps: Gaps, mode: Mode, table: Table) -> None:
        prices = table(self.ROWS)
        weights = decided(prices, {0: [0.5, 0], 1: [0.6, 0], 2: [0.3, 0.5], 3: [0.3, 0.4], 4: [0.3, 0.4]})
        how = Execution(mode=mode, gaps=gaps, lag=lag, costs=ProportionalCost(0.01))
        ledger = account(weights, prices, how)
        padded = account(weights, prices.bfill(), how)
        pd.testing.assert_frame_equal(ledger.to_frame(), padded.to_frame(), rtol=1e-13)
        pd.testing.assert_frame_equal(ledger.sleeve_pnl, padded.sleeve_pnl, rtol=1e-13, atol=1e-15)
        assert ledger.gaps.to_dict() == {"A": 0, "B": 2}
        assert padded.gaps.to_dict() == {"A": 0, "B": 0}
        pd.testing.assert_series_equal(
            account_grid(weights, prices, how).equity[0], ledger.equity, check_names=False, check_exact=True
        )

    @MODES
    @pytest.mark.parametrize("gaps", ["raise", "hold", "fill"])
    def test_deciding_it_is_an_error(self, gaps: Gaps, mode: Mode, table: Table) -> None:
        prices = table(self.ROWS)
        with pytest.raises(InputError, match=r"before its first price at 2024-01-02, sleeve 'B'.*decide 0\.0 until"):
            account(decided(prices, {1: [0.5, 0.1]}), prices, Execution(mode=mode, gaps=gaps))

    def test_one_sleeve_after_the_other(self, table: Table) -> None:
        prices = table({"A": [10, 20, 20, 20], "B": [NAN, 1, 2, 2], "C": [NAN, NAN, 4, 8], "D": [NAN] * 4})
        weights = decided(prices, {0: [1, 0, 0, 0], 1: [0, 1, 0, 0], 2: [0, 0, 1, 0]})
        ledger = account(weights, prices)
        assert near(ledger.equity, [1, 2, 4, 8])
        assert ledger.gaps.tolist() == [0, 1, 2, 4]


@MODES
@pytest.mark.parametrize("gaps", ["raise", "hold", "fill"])
def test_a_gap_of_a_sleeve_that_is_not_held_is_only_counted(gaps: Gaps, mode: Mode, table: Table) -> None:
    prices = table({"A": [10, 11, 12, 13, 14], "B": [5, NAN, NAN, 7, NAN]})
    weights = decided(prices, {0: [0.5, 0], 1: [0.4, 0], 3: [0.4, 0], 4: [0.4, 0.4]})
    how = Execution(mode=mode, gaps=gaps)
    ledger = account(weights, prices, how)
    pd.testing.assert_series_equal(ledger.equity, account(weights[["A"]], prices[["A"]], how).equity)
    assert ledger.gaps.to_dict() == {"A": 0, "B": 3}


class TestReturns:
    ROWS: Mapping[str, Sequence[float]] = {"A": [NAN, 0.1, NAN, 0.2, 0.5]}

    def test_raise(self, table: Table) -> None:
        returns = table(self.ROWS)
        how = Execution(mode="constant-mix")
        with pytest.raises(InputError, match="a return is missing while its sleeve is held") as error:
            account(decided(returns, {0: [0.5]}), returns=returns, execution=how)
        assert error.value.where == "2024-01-03, sleeve 'A'"
        ledger = account(decided(returns, {0: [0.5], 1: [0.0], 3: [0.5]}), returns=returns, execution=how)
        assert near(ledger.equity, [1, 1.05, 1.05, 1.05, 1.05 * 1.25])
        assert ledger.gaps.tolist() == [1]  # row 0 has no return to miss

    @pytest.mark.parametrize("gaps", ["hold", "fill"])
    def test_a_missing_return_while_held_is_nothing_until_the_next(self, gaps: Gaps, table: Table) -> None:
        returns = table(self.ROWS)
        how = Execution(mode="constant-mix", gaps=gaps)
        ledger = account(decided(returns, {0: [0.5]}), returns=returns, execution=how)
        assert near(ledger.equity, [1, 1.05, 1.05, 1.05 * 1.1, 1.05 * 1.1 * 1.25])
        assert near(ledger.sleeve_pnl["A"].iloc[:3], [0, 0.05, 0])

    @pytest.mark.parametrize(("gaps", "first"), [("hold", 4), ("fill", 3)])
    def test_a_missing_return_while_traded(self, gaps: Gaps, first: int, table: Table) -> None:
        returns = table(self.ROWS)
        how = Execution(mode="constant-mix", gaps=gaps)
        ledger = account(decided(returns, {2: [0.5]}), returns=returns, execution=how)
        assert np.flatnonzero(ledger.turnover).tolist() == [first]

    def test_holdings_need_every_return(self, table: Table) -> None:
        returns = table(self.ROWS)
        with pytest.raises(InputError, match=r"need a price path.*at 2024-01-03, sleeve 'A'"):
            account(decided(returns, {0: [0.5]}), returns=returns, execution=Execution(gaps="fill"))


@MODES
def test_gaps_filled_beforehand_are_the_policy_fill(
    mode: Mode, market: Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
) -> None:
    for seed in range(5):
        weights, prices = market(seed, rows=80, short=True, missing=0.2)
        filled = prices.ffill()
        how = Execution(mode=mode, gaps="fill", costs=ProportionalCost(0.002))
        ledger, other = account(weights, prices, how), account(weights, filled, how)
        pd.testing.assert_frame_equal(ledger.to_frame(), other.to_frame(), rtol=1e-11)
        assert ledger.gaps.sum() == prices.isna().sum().sum() > 40
        assert other.gaps.sum() == 0
        if mode == "constant-mix":
            by_return = account(weights, returns=simple_returns(filled), execution=how)
            pd.testing.assert_frame_equal(by_return.to_frame(), other.to_frame(), rtol=1e-11)
