"""The trend basket's report: tables, a page to read, a figure, and the raw ledger that an audit starts from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

import allocopt
from allocopt.allocation import find_solver
from allocopt.backtests._checks import plain
from allocopt.backtests.studies.sweeps import Sweep
from allocopt.backtests.trend_basket._report_markdown import report_markdown
from allocopt.backtests.trend_basket._report_tables import (
    horizons_table,
    ledger_table,
    monthly_table,
    phases_table,
    top_table,
    total_table,
    trades_table,
)
from allocopt.backtests.trend_basket.decisions import market_coin
from allocopt.backtests.trend_basket.result import TrendBasketResult, execution_of
from allocopt.backtests.trend_basket.specification import TrendBasket
from allocopt.costs import ProportionalCost
from allocopt.errors import InputError, LabelError, SpecificationError
from allocopt.output import result_folder
from allocopt.solvers.heuristic import Heuristic
from allocopt.solvers.projection import Projection

#: So many of the best phases are in the table of the best.
BEST = 10

#: Told what is done next.
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """A file that closes came from: its name without folders, its SHA-256, and its rows.

    Examples
    --------
    >>> Source("btc.csv", "0" * 64, 1000).file
    'btc.csv'
    """

    file: str
    sha256: str
    rows: int

    @classmethod
    def of(cls, path: Path, rows: int) -> Source:
        """Name and checksum of a file."""
        return cls(path.name, sha256(path.read_bytes()).hexdigest(), rows)


@dataclass(frozen=True, eq=False)
class BasketReport:
    """All that is reported of a run, before it is written. Made by `basket_report`.

    Attributes
    ----------
    result : TrendBasketResult
    filled : DataFrame of bool
        Closes that were carried over a gap.
    sources : tuple of Source
    fee : float
        Part of the traded amount that is paid, a side.
    phases, costs : Sweep
        The run at every offset of its schedule, and at multiples of its fee.
    """

    result: TrendBasketResult
    filled: pd.DataFrame
    sources: tuple[Source, ...]
    fee: float
    phases: Sweep
    costs: Sweep

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by its file name: what is written as CSV."""
        return {
            "rotation-risk-ledger.csv": ledger_table(self.result, self.filled),
            "rotation-risk-total.csv": total_table(self.result, self.phases),
            "rotation-risk-top.csv": top_table(self.result, self.phases, BEST),
            "rotation-risk-phases.csv": phases_table(self.phases),
            "rotation-risk-horizons.csv": horizons_table(self.result),
            "rotation-risk-monthly.csv": monthly_table(self.result),
            "rotation-risk-costs.csv": self.costs.table.reset_index(),
            "rotation-risk-trades.csv": trades_table(self.result),
        }

    @cached_property
    def run(self) -> dict[str, Any]:
        """What run.json holds: the parameters, what went in, and checksums of the ledger's input columns."""
        result, basket, ledger = self.result, self.result.basket, self.tables["rotation-risk-ledger.csv"]
        coins = list(map(str, result.closes.columns))
        solver = find_solver(basket.solver)
        parameters = {name: _json(getattr(basket, name)) for name in _PARAMETERS}
        parameters |= {name: getattr(basket.limits, name) for name in ("cap", "floor", "budget")}
        parameters |= {"weighting": basket.weighting, "solver": solver.label}
        if isinstance(solver, Heuristic):
            parameters["max_passes"] = solver.max_passes
        inputs = [name for name in ledger.columns if name == "date" or name.startswith(_INPUTS)]
        return {
            "kind": "trend-basket-run",
            "format": 1,
            "allocopt": allocopt.__version__,
            "name": basket.name,
            "bar": basket.bar,
            "bar_seconds": pd.Timedelta(basket.bar).total_seconds(),
            "periods_per_year": basket.periods_per_year,
            "coins": coins,
            "market": str(market_coin(basket, result.closes.columns)),
            "rows": len(ledger),
            "parameters": parameters,
            "fee": self.fee,
            "capital": result.ledger.capital,
            "lag": result.ledger.lag,
            "funding": result._funding is not None,
            "filled": {coin: int(count) for coin, count in zip(coins, self.filled.sum(), strict=True)},
            "inputs": {name: _digest(ledger[name]) for name in inputs},
            "sources": [{"file": s.file, "sha256": s.sha256, "rows": s.rows} for s in self.sources],
        }

    def write(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write all files, or none: see `write_report`."""
        from allocopt.backtests.trend_basket._report_figure import report_figure

        page = report_markdown(self.run, self.tables)
        with result_folder(folder, overwrite=overwrite) as work:
            (work / "run.json").write_text(json.dumps(self.run, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            for file, table in self.tables.items():
                table.to_csv(work / file, index=False, lineterminator="\n")
            (work / "rotation-risk-report.md").write_text(page, encoding="utf-8")
            report_figure(self.result).savefig(work / "rotation-risk.png", dpi=150, metadata={"Software": None})


def basket_report(
    result: TrendBasketResult,
    *,
    filled: pd.DataFrame | None = None,
    sources: Sequence[Source] = (),
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> BasketReport:
    """Run what a report needs beside the result: all phases of the schedule, and multiples of the fee.

    Parameters
    ----------
    result : TrendBasketResult
    filled : DataFrame of bool, shape (T, n), optional
        Closes that were carried over a gap, as `RegularCloses.filled`. None: no gap was filled.
    sources : sequence of Source
        Files that the closes came from.
    n_jobs : int, default 1
        Processes for the phases, as for joblib.
    progress : callable, optional
        Told in a few words what is done next.

    Returns
    -------
    BasketReport

    Raises
    ------
    SpecificationError
        For costs other than one `ProportionalCost` with one rate, or a solver that the audit cannot recompute.
    LabelError
        For dates in a time zone other than UTC, coins of the same name, or ``filled`` with other labels.
    InputError
        For a run, or a phase of it, that goes bankrupt.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> hours = pd.date_range("2024-01-01", periods=300, freq="h")
    >>> walk = 100 * np.exp(np.random.default_rng(1).normal(0.0005, 0.01, (300, 2)).cumsum(axis=0))
    >>> basket = TrendBasket(momentum=24, trend=24, market_trend=24, volatility_window=24, interval=12)
    >>> report = basket_report(basket.run(pd.DataFrame(walk, hours, ["BTC", "ETH"])))
    >>> len(report.tables["rotation-risk-phases.csv"]), len(report.tables["rotation-risk-ledger.csv"])
    (12, 300)
    """
    fee = require_reportable(result)
    nothing = pd.DataFrame(False, index=result.closes.index, columns=result.closes.columns)
    where = nothing if filled is None else filled
    if not (where.index.equals(nothing.index) and where.columns.equals(nothing.columns)):
        raise LabelError(
            "filled has other dates or coins than the closes",
            value=(where.shape, nothing.shape),
            remedy="pass RegularCloses.filled of the same closes",
        )
    tell = progress or (lambda _: None)
    tell("running all phases of the schedule")
    phases = result.phase_sweep(n_jobs=n_jobs, progress=progress is not None)
    tell("running multiples of the fee")
    return BasketReport(result, where.astype(bool), tuple(sources), fee, phases, result.cost_sweep())


def write_report(
    result: TrendBasketResult,
    folder: Path,
    *,
    filled: pd.DataFrame | None = None,
    sources: Sequence[Source] = (),
    n_jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BasketReport:
    """Write the report of a run: raw ledger, tables, a page to read and a figure. ``allocopt audit`` takes the folder.

    Files: run.json (parameters and sources); rotation-risk-ledger.csv (one row a bar: closes, decisions, execution,
    equity, at full precision); rotation-risk-total.csv, -top.csv (best phases), -phases.csv, -horizons.csv,
    -monthly.csv, -costs.csv, -trades.csv; rotation-risk-report.md; rotation-risk.png. All are written, or none. The
    same run gives the same files.

    Parameters
    ----------
    result, filled, sources, n_jobs, progress
        As for `basket_report`.
    folder : Path
        Made if needed.
    overwrite : bool, default False
        Replace files that were edited, or that something else wrote.

    Returns
    -------
    BasketReport

    Raises
    ------
    SpecificationError, LabelError, InputError
        As `basket_report`.
    DataFileError
        For a folder that cannot be written to, or a file that would be lost.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.trend_basket import TrendBasket
    >>> rng = np.random.default_rng(1)
    >>> hours = pd.date_range("2024-01-01", periods=400, freq="h")
    >>> walk = 100 * np.exp(rng.normal(0.0005, 0.01, (400, 2)).cumsum(axis=0))
    >>> basket = TrendBasket(momentum=24, trend=24, market_trend=24, volatility_window=24, interval=12)
    >>> result = basket.run(pd.DataFrame(walk, index=hours, columns=["BTC", "ETH"]))
    >>> report = write_report(result, Path("report"))
    >>> sorted(path.name for path in Path("report").glob("*.csv"))[:2]
    ['rotation-risk-costs.csv', 'rotation-risk-horizons.csv']
    """
    report = basket_report(result, filled=filled, sources=sources, n_jobs=n_jobs, progress=progress)
    (progress or (lambda _: None))("writing")
    report.write(folder, overwrite=overwrite)
    return report


def require_reportable(result: TrendBasketResult) -> float:
    """Return the fee of a run that can be reported and audited; a typed error for any other."""
    basket, closes = result.basket, result.closes
    fee = _single_fee(basket)
    solver = find_solver(basket.solver)
    if not isinstance(solver, Projection | Heuristic):
        raise SpecificationError(
            "the audit cannot recompute this solver", value=solver.label, remedy='use "euclidean", "kl" or "heuristic"'
        )
    zone = pd.DatetimeIndex(closes.index).tz
    if zone is not None and str(zone) != "UTC":
        raise LabelError(
            "the dates are in another time zone than UTC", value=str(zone), remedy='use tz_convert("UTC") first'
        )
    if len(set(map(str, closes.columns))) < closes.shape[1]:
        raise LabelError("two coins are written alike", value=list(closes.columns), remedy="rename one")
    if result.ledger.bankrupt is not None:
        raise InputError("the run went bankrupt", where=str(result.ledger.bankrupt), remedy="lower the leverage")
    return fee


def _single_fee(basket: TrendBasket) -> float:
    causes = execution_of(basket).causes
    rate = causes[0].rate if len(causes) == 1 and isinstance(causes[0], ProportionalCost) else None
    if not isinstance(rate, (int, float)):
        raise SpecificationError(
            "a report needs one proportional fee for all coins",
            value=plain(list(causes)),
            remedy="run the basket with costs=ProportionalCost(rate)",
        )
    return float(rate)


_INPUTS = ("close_", "filled_", "funding_")
_PARAMETERS = (
    "momentum", "trend", "market_trend", "interval", "top", "min_momentum", "min_market_momentum",
    "volatility_window", "volatility_cap", "leverage", "exposure", "volatility_target", "offset",
)  # fmt: skip


def _json(value: float) -> float | str:
    """Numbers as they are; infinity, which JSON lacks, as a word."""
    found = plain(value)
    assert isinstance(found, (int, float))
    return str(found) if found in (float("inf"), float("-inf")) else found


def _digest(column: pd.Series[Any]) -> str:
    """SHA-256 of a column's cells as they are written, one a line."""
    cells = (cell if isinstance(cell, str) else repr(cell) for cell in column.tolist())
    return sha256("\n".join(cells).encode()).hexdigest()
