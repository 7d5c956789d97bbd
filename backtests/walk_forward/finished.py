"""What was asked of a walk-forward study, its finished cells, and the returns that they kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.walk_forward.cells import ROUNDING
from allocopt.backtests.walk_forward.folds import Folds
from allocopt.backtests.walk_forward.grid import configuration_name, configuration_names
from allocopt.backtests.walk_forward.rows import until
from allocopt.backtests.walk_forward.scoring import Scoring
from allocopt.backtests.walk_forward.study import FloatArray, Run, Study, read_result, run_study
from allocopt.errors import SpecificationError


@dataclass(frozen=True, eq=False)
class Cells:
    """Figures of the finished cells, each of shape (folds, configurations), and their kept curves."""

    train: Mapping[str, FloatArray]
    test: Mapping[str, FloatArray]
    failed: npt.NDArray[np.bool_]
    curves: Sequence[Sequence[pd.DataFrame | None]]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was asked, and the cells."""

    study: Study
    data: Any
    rows: pd.DatetimeIndex
    folds: Folds
    scoring: Scoring
    grid: tuple[dict[str, Any], ...]
    run: tuple[dict[str, Any], ...]  # the grid, and the baseline where it is not in it
    cells: Cells
    baseline: int | None
    benchmark: FloatArray | None
    stitching: str

    @property
    def names(self) -> list[str]:
        """Names of the grid's configurations."""
        return configuration_names(self.grid)

    def last(self, fold: int, train: bool = False) -> int:
        """Last row that the study saw in a fold's longer run, or its shorter one."""
        if not self.folds.forward:
            return len(self.rows) - 1
        return int(self.folds.windows[fold][0 if train else 1][-1])

    def again(self, fold: int, which: int) -> Run:
        """Run a chosen configuration once more, for its accounts."""
        last = self.last(fold)
        seen = self.data if not self.folds.forward else until(self.data, self.rows[last])
        run = read_result(run_study(self.study, seen, self.run[which]), self.rows[: last + 1])
        kept = self.cells.curves[fold][which]
        assert kept is not None
        before, after = kept["return"].to_numpy(), run.returns(last - len(kept) + 1, last)
        differ = ~(np.isnan(before) & np.isnan(after)) & ~(np.abs(before - after) <= ROUNDING)
        if differ.any():
            row = int(differ.argmax())
            raise SpecificationError(
                f"the study gives other returns when it is run again, with {configuration_name(self.run[which])}",
                where=day(kept.index[row]),
                value=(float(before[row]), float(after[row])),
                remedy="seed what is random in it, and let it keep nothing from one call to the next",
            )
        return run


def kept_rows(out: Outcome, fold: int, which: int, low: int, high: int) -> pd.DataFrame:
    """Give the kept curves of a configuration on adjoining rows."""
    curve = out.cells.curves[fold][which]
    if curve is None:
        return pd.DataFrame({"return": math.nan}, index=out.rows[low : high + 1])
    first = out.last(fold) - len(curve) + 1
    return curve.iloc[low - first : high + 1 - first]


def curves_of(out: Outcome, which: int, *, full: bool) -> pd.DataFrame:
    """Give a configuration's curves on all test rows, each from its fold's run; or on all rows, from the last run."""
    folds, last = out.folds, len(out.folds.windows) - 1
    if not folds.forward:
        return kept_rows(out, last, which, 1, len(out.rows) - 1)
    if full:
        return kept_rows(out, last, which, min(int(train[0]) for train, _ in folds.windows), out.last(last))
    parts = [kept_rows(out, fold, which, int(test[0]), int(test[-1])) for fold, (_, test) in enumerate(folds.windows)]
    return pd.concat(parts)


def matrix_of(out: Outcome, *, full: bool) -> pd.DataFrame:
    """Give the returns of all configurations of the grid side by side."""
    columns = [curves_of(out, which, full=full)["return"] for which in range(len(out.grid))]
    return pd.DataFrame(np.column_stack(columns), index=columns[0].index, columns=out.names)
