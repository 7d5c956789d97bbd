"""Many ledgers on the same prices in one call: what a parameter grid or a sweep needs of each, and no more."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests.accounting._inputs import Decisions, Market, gather, read_charges, read_funding
from allocopt.backtests.accounting._python import run_rows
from allocopt.backtests.accounting._raw import ENDED, GAPS, MODES, FloatArray, Inputs
from allocopt.backtests.accounting.engine import check_end, check_residuals, require_execution, require_shares
from allocopt.backtests.accounting.specification import Execution
from allocopt.charging import KernelCosts, kernel_costs
from allocopt.errors import AllocoptError, SpecificationError
from allocopt.solvers.base import check_n_jobs, thread_count

#: Runs that one call to the kernel carries out, at most: their weights are copied side by side.
CELLS_A_CALL = 64


@dataclass(frozen=True, eq=False)
class LedgerGrid:
    """Equity, turnover and cost of many runs on the same rows. Made by `account_grid`.

    Attributes
    ----------
    equity : DataFrame, shape (T, cells)
        Money at the close of each row; NaN after the row on which a run went bankrupt.
    turnover : DataFrame, shape (T, cells)
        Fraction of the value traded at the start of each row, both sides.
    cost : DataFrame, shape (T, cells)
        Money paid for trading, and charges, at the start of each row.
    bankrupt : Series by cell
        Date of the bankruptcy, NaT where there was none.
    identities : Series by cell
        Largest residual of the ledger identities, relative to the value.
    """

    equity: pd.DataFrame
    turnover: pd.DataFrame
    cost: pd.DataFrame
    bankrupt: pd.Series[Any]
    identities: pd.Series[float]

    @property
    def total_return(self) -> pd.Series[float]:
        """Last value over the capital, less 1, decimal, by cell; of a bankrupt run at its last row."""
        last = self.equity.ffill().iloc[-1]
        return (last / self.equity.iloc[0] - 1.0).rename("total_return")


def account_grid(
    weights: pd.DataFrame | Mapping[Any, pd.DataFrame],
    prices: pd.DataFrame | None = None,
    execution: Execution | Mapping[Any, Execution] | None = None,
    *,
    returns: pd.DataFrame | None = None,
    exposure: float | pd.Series | Mapping[Any, float | pd.Series] = 1.0,
    funding: pd.DataFrame | None = None,
    charges: pd.DataFrame | None = None,
    capital: float = 1.0,
    n_jobs: int = -1,
) -> LedgerGrid:
    """Run `account` for every combination of weights, exposures and executions in one call to compiled code.

    Parameters
    ----------
    weights : DataFrame or mapping of DataFrames
        As for `account`; a mapping gives one run a key.
    prices, returns, funding, charges, capital
        As for `account`, the same for all runs.
    execution : Execution or mapping of Executions, optional
        As for `account`.
    exposure : float, Series, or mapping of them, default 1.0
        As for `account`.
    n_jobs : int, default -1
        Threads; -1 for one a core. The result does not depend on it.

    Returns
    -------
    LedgerGrid
        One column a combination. Its labels have a level ``weights``, ``exposure``, ``execution`` for each of these
        that was given as a mapping; a grid of one run has the column 0.

    Raises
    ------
    InputError, LabelError, ShapeError, SpecificationError, LedgerError
        As `account`, naming the cell.

    Examples
    --------
    >>> import pandas as pd
    >>> import allocopt
    >>> dates = pd.date_range("2024-01-01", periods=3)
    >>> prices = pd.DataFrame({"A": [10.0, 11.0, 12.0]}, index=dates)
    >>> weights = pd.DataFrame({"A": [1.0, 0.0, 0.0]}, index=dates)
    >>> costs = {bp: Execution(costs=allocopt.ProportionalCost(bp / 1e4)) for bp in (0, 10)}
    >>> account_grid(weights, prices, costs).total_return.round(4).to_dict()
    {0: 0.1, 10: 0.0979}
    """
    check_n_jobs(n_jobs)
    tables, sizes = _named(weights), _named(exposure)
    executions = _named(Execution() if execution is None else execution)
    market = Market.read(prices, returns)
    rates, paid = read_funding(funding, market), read_charges(charges, market)
    markets: dict[str, Market] = {}
    decisions: dict[tuple[object, ...], Decisions] = {}
    cells: list[_Cell] = []
    for (table_name, table), (size_name, size), (how_name, how) in product(tables, sizes, executions):
        names = tuple(name for name in (table_name, size_name, how_name) if name is not None)
        with _naming(names):
            require_shares(require_execution(how), relative=market.relative)
            if how.mode not in markets:
                markets[how.mode] = market.for_mode(how.mode)
            own = markets[how.mode]
            costs = kernel_costs(how.causes, len(own.sleeves), own.sleeves)
            key = (table_name, size_name, id(how.schedule), how.financing is None)
            if key not in decisions:
                decisions[key] = Decisions.read(table, size, how, own)
            inputs = gather(decisions[key], own, how, rates, paid, capital)
        cells.append(_Cell(names, how, inputs, costs))
    levels = [
        level for level, given in (("weights", tables), ("exposure", sizes), ("execution", executions))
        if given[0][0] is not None
    ]  # fmt: skip
    found = _run(cells, market, n_jobs)
    return found.labelled(market.dates, _columns([cell.names for cell in cells], levels))


@dataclass(frozen=True, eq=False)
class _Cell:
    names: tuple[Hashable, ...]
    execution: Execution
    inputs: Inputs
    costs: KernelCosts | None  # None: own costs, which only Python can charge

    @property
    def group(self) -> tuple[object, ...]:
        """What a call to the kernel has once for all its cells."""
        assert self.costs is not None
        how = self.execution
        return (how.mode, how.gaps, self.inputs.lot, id(how.financing), tuple(self.costs.kind.tolist()))


@dataclass(frozen=True, eq=False)
class _Figures:
    values: FloatArray  # (cells, T)
    turnovers: FloatArray
    costs: FloatArray
    ends: npt.NDArray[np.int64]  # (cells, 3)
    residuals: FloatArray  # (cells, 3)

    @classmethod
    def empty(cls, cells: int, rows: int) -> _Figures:
        return cls(
            np.empty((cells, rows)), np.empty((cells, rows)), np.empty((cells, rows)),
            np.zeros((cells, 3), dtype=np.int64), np.zeros((cells, 3)),
        )  # fmt: skip

    def labelled(self, dates: pd.DatetimeIndex, columns: pd.Index) -> LedgerGrid:
        last = [dates[row] if ENDED[how] == "bankrupt" else pd.NaT for how, row, _ in self.ends.tolist()]
        return LedgerGrid(
            equity=pd.DataFrame(self.values.T, index=dates, columns=columns, copy=False),
            turnover=pd.DataFrame(self.turnovers.T, index=dates, columns=columns, copy=False),
            cost=pd.DataFrame(self.costs.T, index=dates, columns=columns, copy=False),
            bankrupt=pd.Series(last, index=columns, name="bankrupt", dtype=dates.dtype),
            identities=pd.Series(self.residuals.max(axis=1), index=columns, name="residual"),
        )


def _run(cells: list[_Cell], market: Market, n_jobs: int) -> _Figures:
    """Hand the cells to the kernel in groups that share its settings, and those with own costs to Python."""
    found = _Figures.empty(len(cells), len(market.dates))
    groups: dict[tuple[object, ...], list[int]] = {}
    for b, cell in enumerate(cells):
        if cell.costs is None:
            _python_cell(cell, b, found, market)
        else:
            groups.setdefault(cell.group, []).append(b)
    threads = thread_count(n_jobs)
    jobs = []
    for members in groups.values():
        size = max(1, min(CELLS_A_CALL, -(-len(members) // threads)))
        jobs += [members[i : i + size] for i in range(0, len(members), size)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda job: _kernel_cells([cells[b] for b in job], np.array(job), found), jobs))
    for b, cell in enumerate(cells):
        how, row, column = found.ends[b].tolist()
        with _naming(cell.names):
            check_end(ENDED[how], row, column, market)
            check_residuals(found.residuals[b])
    return found


def _kernel_cells(cells: list[_Cell], places: npt.NDArray[np.int64], found: _Figures) -> None:
    """Cells of one group in one call, each to its place in what is found."""
    from allocopt.backtests.accounting._grid_kernel import run_grid

    shared, costs = cells[0].inputs, cells[0].costs
    assert costs is not None
    tables: dict[int, int] = {}
    which = np.array([tables.setdefault(id(cell.inputs.weights), len(tables)) for cell in cells], dtype=np.int64)
    first_of = [int((which == w).argmax()) for w in range(len(tables))]
    longest = max(len(cells[b].inputs.weights) for b in first_of)
    weights = np.zeros((len(tables), longest, shared.prices.shape[1]))
    decided = np.empty((len(tables), len(shared.prices)), dtype=np.int64)
    for w, b in enumerate(first_of):
        weights[w, : len(cells[b].inputs.weights)] = cells[b].inputs.weights
        decided[w] = cells[b].inputs.decided
    run_grid(
        shared.prices,
        shared.relative,
        MODES[shared.mode],
        weights,
        decided,
        GAPS[shared.gaps],
        shared.lot,
        costs.kind,
        np.stack([cell.costs.first for cell in cells if cell.costs is not None]),
        np.stack([cell.costs.second for cell in cells if cell.costs is not None]),
        shared.lending,
        shared.borrowing,
        shared.funding,
        shared.charges.sum(axis=1),
        shared.capital,
        which,
        np.arange(len(cells)),
        np.array([cell.inputs.lag for cell in cells]),
        places,
        found.values,
        found.turnovers,
        found.costs,
        found.ends,
        found.residuals,
    )


def _python_cell(cell: _Cell, b: int, found: _Figures, market: Market) -> None:
    raw = run_rows(cell.inputs, cell.execution.causes, market.sleeves)
    rows = raw.row + 1
    for table, column in ((found.values, 0), (found.turnovers, 2), (found.costs, 3)):
        table[b, :rows], table[b, rows:] = raw.figures[:rows, column], np.nan
    found.ends[b] = ENDED.index(raw.how), raw.row, raw.column
    found.residuals[b] = raw.residuals


@contextmanager
def _naming(names: tuple[Hashable, ...]) -> Iterator[None]:
    """Say in an error which run of the grid it is about."""
    try:
        yield
    except AllocoptError as error:
        if not names:
            raise
        run = f"run {', '.join(map(repr, names))}"
        where = run if error.where is None else f"{error.where}, {run}"
        raise type(error)(error.what, where=where, value=error.value, remedy=error.remedy) from error


def _named(given: Any) -> list[tuple[Hashable | None, Any]]:
    """Items of a mapping, or the one thing there is under no name."""
    if not isinstance(given, Mapping):
        return [(None, given)]
    if not given:
        raise SpecificationError("an empty mapping is no grid", remedy="give at least one entry")
    return list(given.items())


def _columns(names: list[tuple[Hashable, ...]], levels: list[str]) -> pd.Index:
    if not levels:
        return pd.RangeIndex(len(names))
    if len(levels) == 1:
        return pd.Index([name[0] for name in names], name=levels[0], tupleize_cols=False)
    return pd.MultiIndex.from_tuples(names, names=levels)
