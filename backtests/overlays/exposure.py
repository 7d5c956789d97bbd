"""What a leverage policy decided: one exposure a date, and where its bounds and its pace held the rule back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_same_clock
from allocopt.backtests.accounting.execution import finite_table
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

FloatArray = NDArray[np.float64]
Bounds = tuple[float, float]

#: For numbers that must be above zero: the smallest float that is.
SMALLEST = math.ulp(0.0)

#: Bounds of a policy that is given none: no exposure is clipped.
UNBOUNDED: Bounds = (0.0, math.inf)


@dataclass(frozen=True, eq=False)
class Exposure:
    """How much of the composition to hold on each date, as a `LeveragePolicy` decided it.

    Row t is decided with what is known at the close of row t. It is not shifted: the accounting does that.

    Parameters
    ----------
    label : str
        The policy in words.
    rule : Series, shape (T,)
        What the rule alone asks for: a multiple of the composition, 1.0 for as it is.
    bounded : Series, shape (T,)
        The same, clipped to ``bounds``.
    decided : Series, shape (T,)
        The same, with no change sooner than ``min_rows_between_changes`` rows after the last. This is the exposure.
    bounds : tuple of two floats
        Lowest and highest exposure allowed.
    min_rows_between_changes : int or None
        Rows that an exposure is kept at least; None for no limit.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.overlays import VixInverse
    >>> days = pd.bdate_range("2020-03-12", periods=3)
    >>> exposure = VixInverse().exposure(days, volatility_index=pd.Series([75.47, 57.83, 24.0], index=days))
    >>> exposure.decided.tolist()
    [0.75, 0.75, 1.25]
    >>> exposure.clipped_below, exposure.clipped_above, exposure.changes
    (2, 0, 1)
    """

    label: str
    rule: pd.Series[float]
    bounded: pd.Series[float]
    decided: pd.Series[float]
    bounds: Bounds
    min_rows_between_changes: int | None

    @property
    def clipped_below(self) -> int:
        """Rows on which the rule asked for less than the lower bound."""
        return int((self.rule < self.bounds[0]).sum())

    @property
    def clipped_above(self) -> int:
        """Rows on which the rule asked for more than the upper bound."""
        return int((self.rule > self.bounds[1]).sum())

    @property
    def changes(self) -> int:
        """Rows on which the exposure differs from that of the row before."""
        values = self.decided.to_numpy()
        return int((values[1:] != values[:-1]).sum())

    @property
    def held(self) -> int:
        """Rows on which the limit on changes kept the exposure away from what rule and bounds ask for."""
        return int((self.decided != self.bounded).sum())

    def scale(self, weights: pd.DataFrame) -> pd.DataFrame:
        """Multiply the decided weights of each date by its exposure.

        Parameters
        ----------
        weights : DataFrame, shape (T, n)
            Weights by row and sleeve, decimal fractions of capital, on the same dates.

        Returns
        -------
        DataFrame, shape (T, n)
            Decided weights at the decided exposure. Nothing is spread over other sleeves: what is cut is cash, and
            what exceeds 1 is borrowed.

        Raises
        ------
        LabelError
            The dates are not those of the exposure.
        InputError, ShapeError
            A weight is missing, infinite or no number, or the table is empty or no DataFrame.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.overlays import Fixed
        >>> days = pd.bdate_range("2024-01-01", periods=2)
        >>> weights = pd.DataFrame({"XLK": [0.5, 0.25], "XLF": [0.5, 0.75]}, index=days)
        >>> Fixed(1.25).exposure(days).scale(weights).to_numpy().tolist()
        [[0.625, 0.625], [0.3125, 0.9375]]
        """
        require_kind(weights, pd.DataFrame, "the table of weights")
        if not weights.index.equals(self.decided.index):
            raise LabelError(
                "the weights are not on the dates of the exposure",
                value=(len(weights), len(self.decided)),
                remedy="ask the policy for the exposure on weights.index",
            )
        values = finite_table(weights, "weight") * self.decided.to_numpy()[:, np.newaxis]
        return pd.DataFrame(values, index=weights.index, columns=weights.columns)


def decide(dates: pd.DatetimeIndex, rule: FloatArray, label: str, bounds: Bounds, rows: int | None) -> Exposure:
    """Clip what a rule asks for, then keep each exposure for the rows that it must last."""
    bounded = np.clip(rule, *bounds)
    decided = bounded if rows is None or rows == 1 else _kept(bounded, rows)
    asked, within, final = (pd.Series(values, index=dates, name="exposure") for values in (rule, bounded, decided))
    return Exposure(label, asked, within, final, bounds, rows)


def _kept(values: FloatArray, rows: int) -> FloatArray:
    """Move to a new value only ``rows`` rows or more after the last move; the first move may come at once."""
    kept = np.empty_like(values)
    now, since = values[0], rows
    for row, value in enumerate(values.tolist()):
        if value != now and since >= rows:
            now, since = value, 0
        kept[row] = now
        since += 1
    return kept


def rows_to_decide(dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the dates if there is at least one and they increase."""
    require_kind(dates, pd.DatetimeIndex, "the index of dates")
    if not len(dates):
        raise ShapeError("there are no dates to decide on", value=0, remedy="give at least one")
    return require_dates(dates, "the index of dates")


def missing_input(label: str, name: str, dates: pd.DatetimeIndex) -> SpecificationError:
    """Error for a policy that is not given what it decides on."""
    return SpecificationError(
        f"{label} needs {name}, which is not given", where=day(dates[0]), remedy=f"pass {name}= on every date"
    )


def on_dates(values: pd.Series[Any], dates: pd.DatetimeIndex, name: str) -> FloatArray:
    """Values of exactly these dates; an `InputError` names the first that has none."""
    require_same_clock(dates, pd.DatetimeIndex(values.index), name)
    rows = values.index.get_indexer(dates)
    found: FloatArray = np.where(rows < 0, np.nan, values.to_numpy(dtype=np.float64)[rows])
    lost = np.flatnonzero(np.isnan(found))
    if lost.size:
        raise InputError(
            f"{name} has no value on {lost.size} of {len(dates)} dates, the first",
            where=day(dates[lost[0]]),
            remedy="decide only on dates that have one, or mend the series: the last known value is not assumed",
        )
    return found


def require_number(value: float, name: str, low: float, high: float, remedy: str) -> None:
    """Raise a `SpecificationError` unless the value is a finite number of ``low`` to ``high``."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        least = "above 0" if low == SMALLEST else f"of at least {low:g}"
        limits = least if high == math.inf else f"{least} and at most {high:g}"
        raise SpecificationError(f"{name} is not a number {limits}", value=plain(value), remedy=remedy)


def require_policy(base: float, bounds: Bounds, rows: int | None) -> None:
    """Check what every policy has: its base exposure, the bounds, and the limit on changes."""
    require_number(base, "the base exposure", 0.0, math.inf, "1.0 holds the composition as it is")
    low, high = bounds if isinstance(bounds, tuple) and len(bounds) == 2 else (math.nan, math.nan)
    if not 0.0 <= low <= high or low == math.inf:
        raise SpecificationError(
            "bounds are not a pair of exposures, the lower first", value=bounds, remedy="use such as bounds=(0.5, 1.5)"
        )
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < 1):
        raise SpecificationError(
            "min_rows_between_changes is not a whole number of rows of at least 1",
            value=plain(rows),
            remedy="use None for no limit, 21 for about a month of daily rows",
        )
