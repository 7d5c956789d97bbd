"""Desirability: a profile's score times how well the profile suits the regime."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from allocopt.containers import name_date, require_unique
from allocopt.errors import InputError, LabelError, ShapeError, plain
from allocopt.regimes import PROFILES, Regime

# Rotation engine, compatibility table. Rows: regime; columns: P1 to P6.
_PUBLISHED = {
    Regime.TREND_UP: (1.0, 0.0, 0.3, 1.0, 0.0, 0.2),
    Regime.TREND_DOWN: (0.0, 1.0, 0.2, 0.0, 1.0, 0.6),
    Regime.COMPRESSION: (0.4, 0.0, 1.0, 1.0, 0.0, 0.1),
    Regime.BREAKING_VOL: (0.0, 0.4, 0.0, 0.0, 1.0, 1.0),
    Regime.CHOPPY: (0.2, 1.0, 0.6, 0.3, 0.4, 0.1),
}
_EVENT = (0.4, 0.6, 0.2, 0.2, 0.8, 1.0)


def _published_matrix() -> pd.DataFrame:
    return pd.DataFrame.from_dict(
        {int(regime): row for regime, row in _PUBLISHED.items()}, orient="index", columns=list(PROFILES)
    )


@dataclass(frozen=True, eq=False)
class RegimeCompatibility:
    """How desirable each sleeve is in each regime, as a factor on its score.

    Parameters
    ----------
    matrix : DataFrame (regimes x sleeves), default the rotation engine's 5 x 6 table
        Finite factors >= 0; 0 rules a sleeve out in a regime, 1 leaves its score as it is. The index holds the
        regime ids, the columns the sleeves. A copy is kept.

    Raises
    ------
    ShapeError
        If the matrix is no DataFrame, or empty.
    InputError
        If a factor is missing, negative, infinite or no number.
    LabelError
        If a regime or a sleeve occurs twice.

    Examples
    --------
    >>> RegimeCompatibility().matrix.loc[4].tolist()
    [0.0, 0.4, 0.0, 0.0, 1.0, 1.0]
    >>> RegimeCompatibility.with_event().matrix.shape
    (6, 6)
    """

    matrix: pd.DataFrame = field(default_factory=_published_matrix)

    def __post_init__(self) -> None:
        matrix = self.matrix
        if not isinstance(matrix, pd.DataFrame) or matrix.empty:
            raise ShapeError(
                "the compatibility matrix is no DataFrame of regimes x sleeves",
                value=type(matrix).__name__,
                remedy="pass one row a regime and one column a sleeve",
            )
        require_unique(matrix.index, "regime")
        require_unique(matrix.columns, "sleeve")
        try:
            factors = matrix.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError("a compatibility factor is no number", value=str(error), remedy="give floats") from error
        bad = np.argwhere(~(np.isfinite(factors.to_numpy()) & (factors.to_numpy() >= 0.0)))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                "a compatibility factor is not a finite number >= 0",
                where=f"regime {plain(matrix.index[row])!r}, sleeve {plain(matrix.columns[column])!r}",
                value=factors.to_numpy()[row, column],
                remedy="0 rules the sleeve out, 1 leaves its score as it is",
            )
        object.__setattr__(self, "matrix", factors)

    @classmethod
    def with_event(cls) -> RegimeCompatibility:
        """Take the rotation engine's table with its optional sixth row, for dates near a scheduled announcement."""
        matrix = _published_matrix()
        matrix.loc[int(Regime.EVENT)] = _EVENT
        return cls(matrix)


def desirability(
    scores: pd.DataFrame,
    regimes: pd.Series[Any],
    compatibility: RegimeCompatibility | None = None,
) -> pd.DataFrame:
    """Scale each sleeve's score by how well the sleeve suits the date's regime.

    ``desirability[t, i] = scores[t, i] * matrix[regimes[t], i]``

    Parameters
    ----------
    scores : DataFrame (dates x sleeves)
        Finite scores >= 0. NaN (a warm-up) stays NaN: it is undefined, not undesirable.
    regimes : Series
        Regime id of each date, on the same index. A missing regime makes the whole row NaN.
    compatibility : RegimeCompatibility, optional
        Default: the rotation engine's 5 x 6 table.

    Returns
    -------
    DataFrame
        Same index and columns as ``scores``. `allocate` raises on the NaN that are left, or excludes them by name.

    Raises
    ------
    LabelError
        If the dates differ, or a sleeve has no column in the matrix.
    InputError
        If a score is negative or infinite, or a regime has no row in the matrix.

    Examples
    --------
    >>> import pandas as pd
    >>> dates = pd.date_range("2020-03-13", periods=2)
    >>> scores = pd.DataFrame(0.5, index=dates, columns=["P1", "P2", "P3", "P4", "P5", "P6"])
    >>> desirability(scores, pd.Series([5, 4], index=dates)).loc["2020-03-14"].tolist()
    [0.0, 0.2, 0.0, 0.0, 0.5, 0.5]
    """
    table = (RegimeCompatibility() if compatibility is None else compatibility).matrix
    if not isinstance(scores, pd.DataFrame) or not isinstance(regimes, pd.Series):
        raise ShapeError(
            "scores and regimes must be a DataFrame and a Series",
            value=(type(scores).__name__, type(regimes).__name__),
            remedy="give dates x sleeves and one regime a date, on the same index",
        )
    require_unique(scores.index, "date")
    if not scores.index.equals(regimes.index):
        differ = scores.index.symmetric_difference(regimes.index)
        raise LabelError(
            "scores and regimes are on different dates",
            value=str(differ[0]) if len(differ) else "same dates in another order",
            remedy="align them, for example with regimes.reindex(scores.index)",
        )
    unknown_sleeves = scores.columns.difference(table.columns)
    if len(unknown_sleeves):
        raise LabelError(
            "a sleeve has no column in the compatibility matrix",
            value=unknown_sleeves[0],
            remedy=f"the matrix has {table.columns.tolist()}",
        )
    known = regimes.isin(table.index) | regimes.isna()
    if not known.all():
        row = int(np.argmin(known.to_numpy()))
        raise InputError(
            "a regime has no row in the compatibility matrix",
            where=name_date(scores.index, row),
            value=regimes.iloc[row],
            remedy=f"the matrix has regimes {table.index.tolist()}; RegimeCompatibility.with_event() adds 6",
        )
    values = scores.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.argwhere((values < 0.0) | np.isinf(values))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            "a score is negative or infinite",
            where=f"{name_date(scores.index, int(row))}, sleeve {plain(scores.columns[column])!r}",
            value=float(values[row, column]),
            remedy="score from 0 up",
        )
    rows = table.index.get_indexer(pd.Index(regimes.where(regimes.notna(), table.index[0])))
    factors = table[scores.columns].to_numpy()[rows]
    factors[regimes.isna().to_numpy()] = np.nan
    return pd.DataFrame(values * factors, index=scores.index, columns=scores.columns)
