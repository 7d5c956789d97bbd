"""How often the portfolio rotates, and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_numbers
from allocopt.backtests.accounting.execution import finite_table
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError


@dataclass(frozen=True, eq=False)
class Rotations:
    """Dates on which a portfolio rotated.

    Parameters
    ----------
    threshold : float
        Change of a weight that has to be exceeded, decimal fraction of capital.
    largest_change : Series, shape (T,)
        Largest absolute change of any weight from the row before; 0.0 on the first row, which has none before it.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.portfolio import rotation_frequency
    >>> days = pd.bdate_range("2024-01-01", periods=5)
    >>> weights = pd.DataFrame({"P1": [0.25, 0.25, 0.5, 0.45, 0.0], "P2": [0.5, 0.5, 0.25, 0.25, 0.25]}, index=days)
    >>> rotations = rotation_frequency(weights)
    >>> rotations.count, rotations.share, rotations.per_year(252)
    (2, 0.5, 126.0)
    >>> [str(date.date()) for date in rotations.dates]
    ['2024-01-03', '2024-01-05']
    """

    threshold: float
    largest_change: pd.Series[float]

    @property
    def is_rotation(self) -> pd.Series[bool]:
        """Whether each row is a rotation."""
        return (self.largest_change > self.threshold).rename("rotation")

    @property
    def count(self) -> int:
        """Number of rotations."""
        return int(self.is_rotation.sum())

    @property
    def share(self) -> float:
        """Part of the dates that are rotations; the first date, which has none before it, is left out."""
        return self.count / (len(self.largest_change) - 1)

    @property
    def dates(self) -> pd.DatetimeIndex:
        """Dates of the rotations."""
        return pd.DatetimeIndex(self.largest_change.index[self.is_rotation.to_numpy()])

    def per_year(self, periods_per_year: float) -> float:
        """Mean number of rotations a year, for rows of which a year has `periods_per_year`."""
        _require_from(math.ulp(0.0), periods_per_year, "periods_per_year", "give rows in a year, such as 252 or 8760")
        return self.share * periods_per_year


def rotation_frequency(weights: pd.DataFrame, threshold: float = 0.05) -> Rotations:
    """Find the dates on which any weight changes by more than a threshold.

    Parameters
    ----------
    weights : DataFrame, shape (T, n)
        Weights by row and sleeve, decimal fractions of capital, at least two rows. Decided weights give the dates of
        the decisions. Executed weights of a constant mix give the dates of the trades, which `rotation_cost` needs. In
        holdings they also drift, which is no rotation: there pass ``ledger.traded.cumsum()``.
    threshold : float, default 0.05
        Change to be exceeded, at least 0. The comparison is that of floats: a weight that goes from 0.95 to 1.0 changes
        by 0.05 and a rounding error, and counts.

    Returns
    -------
    Rotations
        Count, share, dates, and the largest change on each row. The first row is no rotation.

    Raises
    ------
    InputError
        A weight is missing or infinite (its date and sleeve).
    LabelError, ShapeError
        The table has fewer than two rows or is not indexed by increasing dates.
    SpecificationError
        The threshold is negative or not finite.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.portfolio import rotation_frequency
    >>> weights = pd.DataFrame({"P1": [0.0, 0.4, 0.38]}, index=pd.bdate_range("2024-01-01", periods=3))
    >>> rotation_frequency(weights).largest_change.round(2).tolist()
    [0.0, 0.4, 0.02]
    """
    _require_from(0.0, threshold, "threshold", "give a fraction of capital: 0.05 for five percent")
    require_kind(weights, pd.DataFrame, "the table of weights")
    require_dates(weights.index, "the table of weights")
    values = finite_table(weights, "weight")
    if len(values) < 2:
        raise ShapeError("one row has no change", value=values.shape, remedy="give at least two rows")
    largest = np.zeros(len(values))
    largest[1:] = np.abs(np.diff(values, axis=0)).max(axis=1)
    return Rotations(float(threshold), pd.Series(largest, index=weights.index, name="largest_change"))


@dataclass(frozen=True)
class RotationCost:
    """Costs paid on rotations, and those paid on all other rows, in the unit of the costs.

    Parameters
    ----------
    rotation : float
        Paid on rows that are rotations.
    rest : float
        Paid on the other rows: small trades, and drift traded back.
    total : float
        Paid on all rows.
    rotations : int
        Number of rotations.

    Examples
    --------
    >>> from allocopt.backtests.portfolio import RotationCost
    >>> cost = RotationCost(rotation=60.0, rest=20.0, total=80.0, rotations=3)
    >>> cost.share, cost.per_rotation
    (0.75, 20.0)
    """

    rotation: float
    rest: float
    total: float
    rotations: int

    @property
    def share(self) -> float:
        """Part of all costs paid on rotations; 0 where nothing was paid."""
        return self.rotation / self.total if self.total else 0.0

    @property
    def per_rotation(self) -> float:
        """Mean cost of a rotation; 0 where there was none."""
        return self.rotation / self.rotations if self.rotations else 0.0


def rotation_cost(cost: pd.Series[float], rotations: Rotations) -> RotationCost:
    """Split the costs paid into those of rotations and the rest.

    Parameters
    ----------
    cost : Series, shape (T,)
        Cost paid on each row, in money or as a decimal, such as ``ledger.cost``.
    rotations : Rotations
        From `rotation_frequency` of the *executed* weights on the same rows. What is decided on row t is traded, and
        paid for, `lag` rows later, so rotations of decided weights would be set against the costs of other trades.

    Returns
    -------
    RotationCost
        Each sum is exactly rounded.

    Raises
    ------
    InputError
        A cost is missing or infinite (its date).
    LabelError, ShapeError
        The dates are not those of the rotations, or `cost` is no Series.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.accounting import executed_weights
    >>> from allocopt.backtests.portfolio import rotation_cost, rotation_frequency
    >>> days = pd.bdate_range("2024-01-01", periods=4)
    >>> executed = executed_weights(pd.DataFrame({"P1": [0.4, 0.38, 0.1, 0.1]}, index=days))
    >>> cost = 0.001 * executed["P1"].diff().abs().fillna(0.0)
    >>> split = rotation_cost(cost, rotation_frequency(executed))
    >>> round(split.rotation, 6), round(split.rest, 6), split.rotations
    (0.00068, 2e-05, 2)
    """
    require_kind(cost, pd.Series, "the costs")
    require_kind(rotations, Rotations, "the rotations")
    if not cost.index.equals(rotations.largest_change.index):
        raise LabelError(
            "the costs are not on the dates of the rotations",
            value=(len(cost), len(rotations.largest_change)),
            remedy="find the rotations of the executed weights of the same ledger",
        )
    paid = require_numbers(cost, "cost")
    bad = np.flatnonzero(~np.isfinite(paid))
    if bad.size:
        raise InputError(
            "a cost is missing or infinite",
            where=day(cost.index[bad[0]]),
            value=float(paid[bad[0]]),
            remedy="mend it; a row without a trade costs 0.0",
        )
    rotating = rotations.is_rotation.to_numpy()
    return RotationCost(math.fsum(paid[rotating]), math.fsum(paid[~rotating]), math.fsum(paid), rotations.count)


def _require_from(low: float, value: float, name: str, remedy: str) -> None:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not low <= value < math.inf:
        least = "above 0" if low else "of at least 0"
        raise SpecificationError(f"{name} is not a number {least}", value=plain(value), remedy=remedy)
