"""What one cell of a walk-forward study does: run the study twice, prove that it does not look ahead, and score it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.runs import CellResult
from allocopt.backtests.walk_forward.grid import Parameters, configuration_name
from allocopt.backtests.walk_forward.rows import rows_of_data, span, until
from allocopt.backtests.walk_forward.scoring import FIGURES, Scoring
from allocopt.backtests.walk_forward.study import Run, Study, read_result, run_many, run_study
from allocopt.errors import AllocoptError, InputError, ShapeError, SpecificationError

#: Returns and weights of two runs on the same rows may differ by this much, which rounding explains.
ROUNDING = 1e-9

#: Errors that say that a history is too short to decide on.
TOO_LITTLE = (InputError, ShapeError)

#: Names of all metrics of a cell of a fold.
METRICS = tuple(f"{part}_{name}" for part in ("train", "test") for name in ("score", *FIGURES))


@dataclass(frozen=True, eq=False)
class FoldCells:
    """Run one configuration for one fold.

    A cell has ``train`` and ``test`` (first and last row), ``keep`` (the first row whose return is kept) and
    ``parameters``.
    """

    study: Study
    scoring: Scoring
    dates: pd.DatetimeIndex | None
    check_causality: bool

    def __call__(self, data: Any, cell: Mapping[str, Any]) -> CellResult:
        """Run it on the rows up to the end of the train window, and on those up to the end of the test window."""
        dates, parameters = rows_of_data(data, self.dates), cell["parameters"]
        past, future = self._seen(data, dates, cell)
        before = self._past(past, dates, cell, parameters) if self.check_causality else None
        if isinstance(before, AllocoptError):
            return FAILED
        try:
            result = run_study(self.study, future, parameters)
        except TOO_LITTLE:
            if before is None and isinstance(self._past(past, dates, cell, parameters), AllocoptError):
                return FAILED
            raise
        return self.finish(cell, dates, before, read_result(result, span(dates, 0, cell["test"][1])))

    def _past(self, past: Any, dates: pd.DatetimeIndex, cell: Mapping[str, Any], parameters: Parameters) -> Any:
        try:
            return read_result(run_study(self.study, past, parameters), span(dates, 0, cell["train"][1]))
        except TOO_LITTLE as error:
            return error

    def finish(self, cell: Mapping[str, Any], dates: pd.DatetimeIndex, before: Run | None, run: Run) -> CellResult:
        """Compare the two runs where there are two, and score the train and the test rows."""
        (low, high), (first, last) = cell["train"], cell["test"]
        if before is not None:
            require_same_past(before, run, span(dates, 0, high), cell["parameters"])
        found: dict[str, float] = {}
        for part, judged, rows in (
            ("train", run if before is None else before, np.arange(low, high + 1)),
            ("test", run, np.arange(first, last + 1)),
        ):
            figures = self.scoring.figures(judged, rows, dates)
            found |= {f"{part}_{name}": value for name, value in figures.items()}
        return CellResult({"failed": 0.0, **found}, kept_curves(run, dates, cell["keep"], last))

    def _seen(self, data: Any, dates: pd.DatetimeIndex, cell: Mapping[str, Any]) -> tuple[Any, Any]:
        return until(data, dates[cell["train"][1]]), until(data, dates[cell["test"][1]])


@dataclass(frozen=True, eq=False)
class BatchedFoldCells(FoldCells):
    """The same for a study that runs many configurations in one call."""

    def many(self, data: Any, cells: Sequence[Mapping[str, Any]]) -> list[CellResult]:
        """Run the cells fold by fold, those of a fold together."""
        dates = rows_of_data(data, self.dates)
        found: list[CellResult | None] = [None] * len(cells)
        folds: dict[tuple[Any, ...], list[int]] = {}
        for number, cell in enumerate(cells):
            folds.setdefault((*cell["train"], *cell["test"]), []).append(number)
        for numbers in folds.values():
            batch = [cells[number] for number in numbers]
            past, future = self._seen(data, dates, batch[0])
            parameters = [cell["parameters"] for cell in batch]
            try:
                ran = [
                    run_many(self.study, part, parameters)
                    for part in ((past, future) if self.check_causality else (future,))
                ]
                results = [
                    self.finish(
                        cell,
                        dates,
                        read_result(runs[0], span(dates, 0, cell["train"][1])) if self.check_causality else None,
                        read_result(runs[-1], span(dates, 0, cell["test"][1])),
                    )
                    for cell, *runs in zip(batch, *ran, strict=True)
                ]
            except TOO_LITTLE:  # of one of them, perhaps: each on its own then
                results = [self(data, cell) for cell in batch]
            for number, result in zip(numbers, results, strict=True):
                found[number] = result
        return [result for result in found if result is not None]


@dataclass(frozen=True, eq=False)
class WholeCells:
    """Run one configuration on all rows, for folds that do not go forward in time."""

    study: Study
    dates: pd.DatetimeIndex | None

    def __call__(self, data: Any, cell: Mapping[str, Any]) -> CellResult:
        """Run it once; a cell has ``parameters`` alone."""
        dates = rows_of_data(data, self.dates)
        try:
            run = read_result(run_study(self.study, data, cell["parameters"]), dates)
        except TOO_LITTLE:
            return CellResult({"failed": 1.0})
        return CellResult({"failed": 0.0}, kept_curves(run, dates, 0, len(dates) - 1))


#: What a cell without a result gives.
FAILED = CellResult({"failed": 1.0, **dict.fromkeys(METRICS, math.nan)})


def kept_curves(run: Run, dates: pd.DatetimeIndex, low: int, high: int) -> pd.DataFrame:
    """Keep returns by row, and turnover where there are accounts."""
    curves = pd.DataFrame({"return": run.returns(low, high)}, index=span(dates, low, high))
    if run.turnover is not None:
        turnover = np.full(high - low + 1, np.nan)
        begin, end = max(low, run.first + 1), min(high, run.last)
        turnover[begin - low : end + 1 - low] = run.turnover[begin - run.first : end + 1 - run.first]
        curves["turnover"] = turnover
    return curves


def require_same_past(before: Run, run: Run, dates: pd.DatetimeIndex, parameters: Parameters) -> None:
    """Raise where a run that saw more rows earned or decided something else on those that both saw."""
    rows = len(dates)
    one, other = before.returns(0, rows - 1), run.returns(0, rows - 1)
    found: list[tuple[str, int | None, Any, Any]] = [("return", _first_difference(one, other), one, other)]
    if before.ledger is not None and run.ledger is not None:
        weights = [_decided(part, rows) for part in (before, run)]
        if weights[0].shape == weights[1].shape:
            differs = _first_difference(*weights)
            found.append(("decided weight", differs, weights[0], weights[1]))
    known = [(row, what, a, b) for what, row, a, b in found if row is not None]
    if not known:
        return
    row, what, a, b = min(known, key=lambda item: item[0])
    column = int(np.flatnonzero(_differ(np.atleast_1d(a[row]), np.atleast_1d(b[row])))[0])
    values = tuple(float(np.atleast_1d(table[row])[column]) for table in (a, b))
    raise SpecificationError(
        f"the study looks ahead: with {configuration_name(parameters)} a {what} changes once later rows are known",
        where=day(dates[row]),
        value=values,
        remedy="look for a shift(-1), a centred window, a statistic of the whole sample, or a backward fill; or say "
        "check_causality=False if the study is meant to be fitted to all that it is given",
    )


def _decided(run: Run, rows: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Weights as decided on each row, NaN where nothing is."""
    assert run.ledger is not None
    inputs = run.ledger._inputs
    decided = inputs.decided[: rows - run.first]
    found = np.full((rows, inputs.weights.shape[1]), np.nan)
    on = np.flatnonzero(decided >= 0)
    found[run.first + on] = inputs.weights[decided[on]]
    return found


def _first_difference(a: Any, b: Any) -> int | None:
    differ = _differ(a, b)
    rows = np.flatnonzero(differ.any(axis=1) if differ.ndim == 2 else differ)
    return int(rows[0]) if rows.size else None


def _differ(a: Any, b: Any) -> Any:
    missing = np.isnan(a) & np.isnan(b)
    return ~missing & ~(np.abs(a - b) <= ROUNDING)
