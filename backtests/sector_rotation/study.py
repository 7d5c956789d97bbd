"""Run an experiment: every cell of every phase over the same dates, the benchmark beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from allocopt.backtests.runs import CellResult, run_cells
from allocopt.backtests.sector_rotation._settings import rotation_from_settings
from allocopt.backtests.sector_rotation.data import SectorData
from allocopt.backtests.sector_rotation.decisions import prepare
from allocopt.backtests.sector_rotation.experiment import Cell, Experiment
from allocopt.backtests.sector_rotation.result import METRICS, original_figures

if TYPE_CHECKING:
    from allocopt.backtests.runs import CellStore


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What an experiment gave.

    Attributes
    ----------
    experiment : Experiment
    start, end : Timestamp
        First and last row of all runs.
    table : DataFrame
        One row a run, by phase and label; figures as in `SectorRotationResult.metrics`.
    benchmark : Series
        The same figures of the benchmark, bought and held.
    equity : DataFrame
        Value of each run by date, money; columns "phase: label".
    """

    experiment: Experiment
    start: pd.Timestamp
    end: pd.Timestamp
    table: pd.DataFrame
    benchmark: pd.Series[float]
    equity: pd.DataFrame

    @property
    def with_benchmark(self) -> pd.DataFrame:
        """The table with the benchmark as its last row."""
        name = ("benchmark", self.experiment.cells[0].rotation.benchmark)
        row = pd.DataFrame([self.benchmark[list(METRICS)].tolist()], columns=list(METRICS))
        row.index = pd.MultiIndex.from_tuples([name], names=self.table.index.names)
        return pd.concat([self.table, row])

    @property
    def published(self) -> pd.DataFrame:
        """Published figures, ours by the original's definitions (where they differ), and the true ones.

        One row a run and figure; empty where nothing was published.
        """
        rows = {}
        figures = self.table.to_dict("records")  # in the order of the cells
        for cell, own in zip(self.experiment.cells, figures, strict=True):
            as_defined = original_figures(own)
            for name, value in cell.published.items():
                rows[(cell.label, name)] = {
                    "published": value,
                    "by its definitions": as_defined.get(name, math.nan),
                    "true": float(own[name]),
                }
        found = pd.DataFrame.from_dict(rows, orient="index", columns=["published", "by its definitions", "true"])
        found.index = pd.MultiIndex.from_tuples(list(rows), names=["run", "figure"])
        return found

    def __repr__(self) -> str:
        dates = f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"
        return f"StudyResult({self.experiment.title}: {len(self.table)} runs, {dates})"


def run_experiment(
    experiment: Experiment,
    data: SectorData,
    *,
    store: CellStore | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> StudyResult:
    """Run all cells of an experiment over the same dates.

    Parameters
    ----------
    experiment : Experiment
    data : SectorData
        Dated by sessions; the experiment's clock is put on here.
    store : CellStore, optional
        Keeps each run as soon as it is done, and gives it back the next time.
    n_jobs : int, default 1
        Processes.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    StudyResult

    Raises
    ------
    SpecificationError
        For phases that need a volatility index where there is none.
    InputError, LabelError, ShapeError
        As `SectorRotation.run`.

    Examples
    --------
    >>> import numpy as np
    >>> days = pd.bdate_range("2024-01-01", periods=60)
    >>> rising, falling = np.linspace(10.0, 12.0, 60), np.linspace(10.0, 9.0, 60)
    >>> closes = pd.DataFrame({"A": rising, "TLT": falling, "SPY": rising}, index=days)
    >>> text = '''
    ... [profiles.small]
    ... leverage = 1.0
    ... universe = ["A"]
    ... [[phases]]
    ... name = "momentum"
    ... grid = {momentum = [5, 10]}
    ... '''
    >>> run_experiment(Experiment.from_text(text), SectorData(closes)).table["trades"].tolist()
    [1.0, 1.0]
    """
    experiment.check(data)
    clocked = data.at_new_york_midnight() if experiment.clock == "new-york" else data
    known = clocked if experiment.end is None else clocked.until(experiment.end)
    start = experiment.start if experiment.start is not None else _common_start(experiment.cells, known)
    parameters = [_parameters(cell, start) for cell in experiment.cells]
    found = run_cells(sector_cell, parameters, known, store=store, n_jobs=n_jobs, progress=progress, what="runs")
    index = pd.MultiIndex.from_tuples([(cell.phase, cell.label) for cell in experiment.cells], names=["phase", "run"])
    table = pd.DataFrame([cell.metrics for cell in found], index=index)[list(METRICS)]
    curves = {
        f"{cell.phase}: {cell.label}": result.curves["equity"]
        for cell, result in zip(experiment.cells, found, strict=True)
        if result.curves is not None
    }
    first = experiment.cells[0].rotation.run(known, start=start)
    return StudyResult(experiment, first.dates[0], first.dates[-1], table, first.benchmark, pd.concat(curves, axis=1))


def sector_cell(data: SectorData, parameters: Mapping[str, Any]) -> CellResult:
    """Run one rotation from plain parameters: one cell of a study, for `allocopt.backtests.runs.run_cells`.

    Parameters
    ----------
    data : SectorData
    parameters : mapping
        Settings as `rotation_from_settings` reads them, and ``start`` and ``end`` as `SectorRotation.run` does.

    Returns
    -------
    CellResult
        Figures as in `SectorRotationResult.metrics`; curves ``equity`` (money) and ``held`` (multiple of the value at
        the start of the day).

    Examples
    --------
    >>> import numpy as np
    >>> days = pd.bdate_range("2024-01-01", periods=60)
    >>> rising, falling = np.linspace(10.0, 12.0, 60), np.linspace(10.0, 9.0, 60)
    >>> closes = pd.DataFrame({"A": rising, "TLT": falling, "SPY": rising}, index=days)
    >>> cell = sector_cell(SectorData(closes), {"momentum": 5, "leverage": 1.0, "universe": ["A"]})
    >>> cell.metrics["time_invested"]
    1.0
    """
    settings = dict(parameters)
    start, end = settings.pop("start", None), settings.pop("end", None)
    result = rotation_from_settings(settings).run(data, start=start, end=end)
    curves = pd.DataFrame({"equity": result.equity, "held": result.holdings.sum(axis=1)})
    return CellResult({name: float(result.metrics[name]) for name in METRICS}, curves)


def _parameters(cell: Cell, start: str) -> dict[str, Any]:
    return {**cell.settings, "start": start}


def _common_start(cells: tuple[Cell, ...], data: SectorData) -> str:
    """First date on which every cell is past its warm-up, so that all run over the same ones."""
    return str(max(prepare(cell.rotation, data, None, None).dates[0] for cell in cells))
