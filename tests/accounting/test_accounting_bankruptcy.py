"""A run ends on the row on which its value is no longer positive, and says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import PerShareCost
from allocopt.backtests.accounting import Execution, Financing, account, account_grid
from allocopt.backtests.accounting._raw import Mode

Table = Callable[[Mapping[str, Sequence[float]]], pd.DataFrame]
FREE = Financing(0.0, 0.0, periods_per_year=252)

#: Weight, prices, the row of the end, and the value there: the same in both modes, as all is lost within a row or two.
RUINS: dict[str, tuple[float, list[float], int, float]] = {
    "leveraged long": (3.0, [10, 10, 5, 20, 20], 2, -0.5),
    "leveraged long, to the last cent": (2.0, [10, 10, 5, 20, 20], 2, 0.0),
    "short": (-1.0, [10, 10, 30, 1, 1], 2, -1.0),
    "leveraged short": (-4.0, [10, 13, 13, 1, 1], 1, -0.2),
}


@pytest.mark.parametrize("ruin", RUINS)
@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
def test_the_ledger_ends_there(ruin: str, mode: Mode, table: Table, in_python: Callable[..., Any]) -> None:
    weight, path, row, value = RUINS[ruin]
    prices = table({"A": path, "B": [7, 7, 7, 7, 7]})
    weights = pd.DataFrame({"A": weight, "B": 0.0}, index=prices.index)
    how = Execution(mode=mode, financing=FREE)
    for ledger in (account(weights, prices, how, capital=100.0), in_python(weights, prices, how, capital=100.0)):
        assert ledger.bankrupt == prices.index[row]
        assert ledger.equity.iloc[-1] == pytest.approx(100.0 * value, abs=1e-12)
        assert (ledger.equity.iloc[:-1] > 0.0).all()
        assert (ledger.identities <= 1e-12).all()
        for name in ("equity", "returns", "cash", "turnover", "cost", "costs", "interest", "funding", "exposure"):
            assert getattr(ledger, name).index.equals(prices.index[: row + 1])
        for name in ("executed", "opening_positions", "traded", "sleeve_pnl", "sleeve_cost", "composition"):
            assert getattr(ledger, name).index.equals(prices.index[: row + 1])
        assert ledger.sleeve_pnl.to_numpy().sum() == pytest.approx(100.0 * (value - 1.0))
        assert repr(ledger).endswith(f"bankrupt on {prices.index[row]})")


def test_rows_after_the_end_are_not_read(table: Table) -> None:
    prices = table({"A": [10, 30, -1, np.nan, np.inf]})
    weights = pd.DataFrame({"A": [-1.0]}, index=prices.index[:1])
    ledger = account(weights, prices)
    assert ledger.bankrupt == prices.index[1]
    assert ledger.gaps.tolist() == [0]


def test_no_bankruptcy(table: Table) -> None:
    prices = table({"A": [10, 1e-6, 1e-6]})
    ledger = account(pd.DataFrame({"A": [1.0]}, index=prices.index[:1]), prices)
    assert ledger.bankrupt is None
    assert ledger.equity.iloc[-1] == pytest.approx(1e-7)


def test_costs_and_interest_can_ruin_too(table: Table) -> None:
    prices = table({"A": [10, 10, 10, 10]})
    weights = pd.DataFrame({"A": [0.5, 0.4, 0.5, 0.4]}, index=prices.index)
    fees = account(weights, prices, Execution(costs=PerShareCost(0.0, minimum=0.4)))
    assert fees.bankrupt == prices.index[3]
    assert fees.equity.tolist() == pytest.approx([1.0, 0.6, 0.2, -0.2])
    # Four times the capital is borrowed at 30 % a row.
    usury = Execution(financing=Financing(0.0, 0.3, periods_per_year=1.0))
    owing = account(pd.DataFrame({"A": [5.0]}, index=prices.index[:1]), prices, usury)
    assert owing.bankrupt == prices.index[1]
    assert owing.equity.iloc[-1] == pytest.approx(-0.2)


@pytest.mark.parametrize("mode", ["holdings", "constant-mix"])
def test_a_grid_has_nothing_after_the_end(mode: Mode, table: Table) -> None:
    prices = table({"A": [10, 10, 5, 20, 20]})
    weights = pd.DataFrame({"A": 1.0}, index=prices.index)
    grid = account_grid(weights, prices, Execution(mode=mode, financing=FREE), exposure={1: 1.0, 2: 2.0, 3: 3.0})
    assert grid.bankrupt.isna().tolist() == [True, False, False]
    assert grid.bankrupt[3] == prices.index[2]
    assert grid.bankrupt.dtype == prices.index.dtype
    for frame in (grid.equity, grid.turnover, grid.cost):
        assert frame.notna().sum().tolist() == [5, 3, 3]
        assert frame.iloc[3:, 1:].isna().all(axis=None)
    np.testing.assert_allclose(grid.total_return, [1.0, -1.0, -1.5], atol=1e-12)
    assert (grid.identities <= 1e-12).all()
