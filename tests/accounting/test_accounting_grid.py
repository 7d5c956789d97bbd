"""A grid is its cells: bit for bit what single runs give, whatever the number of threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import PerShareCost, ProportionalCost, SquareRootImpact
from allocopt.backtests.accounting import Execution, Financing, LedgerGrid, account, account_grid, simple_returns
from allocopt.backtests.accounting.grid import CELLS_A_CALL
from allocopt.errors import InputError, LabelError, SpecificationError

Market = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
Rates = Callable[[pd.DatetimeIndex, int], Financing]
CAPITAL = 30_000.0


def require_equal(grid: LedgerGrid, cell: Any, **single: Any) -> None:
    ledger = account(**single)
    for frame, series in ((grid.equity, ledger.equity), (grid.turnover, ledger.turnover), (grid.cost, ledger.cost)):
        column = frame[cell]
        assert column.isna().sum() == len(frame) - len(series)
        np.testing.assert_array_equal(column.to_numpy()[: len(series)], series.to_numpy())
    assert grid.bankrupt[cell] is pd.NaT if ledger.bankrupt is None else grid.bankrupt[cell] == ledger.bankrupt
    assert grid.identities[cell] == ledger.identities.max()
    assert grid.total_return[cell] == ledger.equity.iloc[-1] / ledger.equity.iloc[0] - 1.0


@pytest.fixture
def executions(rates: Rates, market: Market) -> Mapping[str, Execution]:
    dates: Any = market(0)[1].index
    financing = rates(dates, 1)
    return {
        "plain": Execution(),
        "mix": Execution(mode="constant-mix", financing=financing),
        "mix, late": Execution(mode="constant-mix", lag=4, financing=financing),
        "weekly": Execution(schedule="week-start", costs=ProportionalCost(0.001)),
        "fifth": Execution(schedule="5", costs=ProportionalCost(0.001), gaps="fill"),
        "fifth, other phase": Execution(schedule="7", costs=ProportionalCost(0.002), gaps="fill"),
        "lots": Execution(lot=3.0, costs=PerShareCost(0.05, minimum=1.0)),
        "other lots": Execution(lot=5.0, costs=PerShareCost(0.05, minimum=2.0)),
        "two costs": Execution(costs=[ProportionalCost([1e-3, 0.0, 2e-3, 0.0]), SquareRootImpact(0.01)]),
        "financed": Execution(financing=Financing(0.02, 0.05, 252), gaps="hold"),
        "financed, well": Execution(financing=Financing(0.5, 0.9, 252), gaps="hold"),
    }  # fmt: skip


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_every_cell_is_a_single_run(n_jobs: int, executions: Mapping[str, Execution], market: Market) -> None:
    prices = market(0)[1]
    weights = {
        "daily": market(0)[0],
        "sparse": market(1)[0].iloc[::5] * 0.9,
        "short": market(2, short=True)[0],
    }
    funding = prices * 1e-6
    exposures: dict[str, float | pd.Series[float]] = {
        "full": 1.0,
        "half": 0.5,
        "by date": pd.Series(np.linspace(0.2, 1.0, 40), prices.index),
    }
    daily = {name: table for name, table in weights.items() if name != "sparse"}
    grid = account_grid(daily, prices, executions, exposure=exposures, funding=funding, capital=CAPITAL, n_jobs=n_jobs)
    assert grid.equity.shape == (40, 2 * 3 * len(executions))
    assert grid.equity.columns.equals(pd.MultiIndex.from_product([daily, exposures, executions]))
    assert list(grid.equity.columns.names) == ["weights", "exposure", "execution"]
    for table, size, how in product(daily, exposures, executions):
        require_equal(
            grid, (table, size, how), weights=daily[table], prices=prices, execution=executions[how],
            exposure=exposures[size], funding=funding, capital=CAPITAL,
        )  # fmt: skip
    # Tables of different lengths go side by side, where no schedule wants the rows that one of them lacks.
    free = {name: how for name, how in executions.items() if how.schedule is None}
    mixed = account_grid(weights, prices, free, capital=CAPITAL, n_jobs=n_jobs)
    assert mixed.equity.shape == (40, 3 * len(free))
    for table, how in product(weights, free):
        require_equal(
            mixed, (table, how), weights=weights[table], prices=prices, execution=free[how], capital=CAPITAL
        )  # fmt: skip


@pytest.mark.parametrize("n", [1, 3, 8, 17])
def test_cells_are_bitwise_equal_for_any_number_of_sleeves(n: int, market: Market) -> None:
    weights, prices = market(n, rows=300, n=n)
    costs = {rate: Execution(costs=ProportionalCost(rate)) for rate in np.linspace(0.0, 0.01, 2 * CELLS_A_CALL + 3)}
    one, two = (account_grid(weights, prices, costs, n_jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one.equity, two.equity, check_exact=True)
    for rate in list(costs)[:: CELLS_A_CALL // 4]:
        require_equal(one, rate, weights=weights, prices=prices, execution=costs[rate])
    assert (one.total_return.diff().iloc[1:] < 0.0).all()  # dearer is worse


def test_returns(market: Market) -> None:
    weights, prices = market(4)
    returns = simple_returns(prices)
    how = {mode: Execution(mode=mode, costs=ProportionalCost(0.001)) for mode in ("holdings", "constant-mix")}
    grid = account_grid(weights, execution=how, returns=returns)
    for mode, execution in how.items():
        require_equal(grid, mode, weights=weights, returns=returns, execution=execution)


def test_bankruptcies(market: Market) -> None:
    weights, prices = market(5, rows=120)
    how = Execution(financing=Financing(0.0, 0.0, 252))
    sizes = {size: float(size) for size in (1, 10, 20, 40, 80)}
    grid = account_grid(weights.iloc[::60], prices, how, exposure=sizes)
    assert 1 <= grid.bankrupt.notna().sum() <= 4
    for size, exposure in sizes.items():
        require_equal(grid, size, weights=weights.iloc[::60], prices=prices, execution=how, exposure=exposure)


def test_labels(market: Market) -> None:
    weights, prices = market(6)
    one = account_grid(weights, prices)
    assert one.equity.columns.equals(pd.RangeIndex(1))
    assert one.bankrupt.index.equals(pd.RangeIndex(1))
    by_key = account_grid({("a", 1): weights, ("b", 2): weights}, prices)
    assert set(by_key.equity) == {("a", 1), ("b", 2)}
    assert by_key.equity.columns.nlevels == 1
    assert by_key.equity.columns.name == "weights"
    two = account_grid({"a": weights}, prices, {1: Execution(), 2: Execution(lag=2)})
    assert two.equity.columns.equals(pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    assert list(two.equity.columns.names) == ["weights", "execution"]
    assert two.total_return.index.equals(two.equity.columns)
    assert two.total_return.name == "total_return"


def test_errors_name_the_run(market: Market) -> None:
    weights, prices = market(7)
    with pytest.raises(SpecificationError, match="an empty mapping is no grid"):
        account_grid({}, prices)
    with pytest.raises(SpecificationError, match="not an execution at run 'b': 3"):
        account_grid(weights, prices, {"a": Execution(), "b": 3})  # type: ignore[dict-item]
    with pytest.raises(LabelError, match=r"different sleeves at run 'y', 'a': \['S3'\]"):
        account_grid({"x": weights, "y": weights[["S0", "S1", "S2"]]}, prices, {"a": Execution()})
    with pytest.raises(SpecificationError, match=r"borrow cash.* at 2024-01-01, run 2\.0: "):
        account_grid(weights * 0.0 + 0.2, prices, exposure={1.0: 1.0, 2.0: 2.0})
    gap = prices.copy()
    gap.iloc[20, 2] = np.nan
    how = {"fill": Execution(gaps="fill"), "raise": Execution()}
    with pytest.raises(InputError, match=r"missing .* at 2024-01-29, sleeve 'S2', run 'raise'\."):
        account_grid(weights * 0.0 + 0.2, gap, how)
    with pytest.raises(InputError, match=r"at 2024-01-29, sleeve 'S2'\."):
        account_grid(weights * 0.0 + 0.2, gap)
    gap.iloc[20, 2] = -1.0
    with pytest.raises(InputError, match=r"not positive at 2024-01-29, sleeve 'S2', run 'fill': -1\.0"):
        account_grid(weights, gap, how)
    with pytest.raises(SpecificationError, match="n_jobs"):
        account_grid(weights, prices, n_jobs=0)
