"""Leverage policies that look at a volatility index: steps down as it rises, or exposure inverse to it."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass

import numpy as np
import pandas as pd

from allocopt.backtests._quotes import points
from allocopt.backtests.overlays.exposure import (
    UNBOUNDED,
    Bounds,
    Exposure,
    FloatArray,
    decide,
    missing_input,
    on_dates,
    require_number,
    require_policy,
    rows_to_decide,
)
from allocopt.errors import SpecificationError


@dataclass(frozen=True)
class VixSteps:
    """Less exposure at each level that a volatility index reaches.

    ``base * multipliers[k]``, where k is the number of ``levels`` at or below the index. With the defaults: 1.2 below
    15, 1.0 from 15 to below 20, 0.8 from 20 to below 30, 0.6 from 30 up.

    Parameters
    ----------
    base : float, default 1.0
        Multiple of the composition that the multipliers refer to.
    levels : tuple of floats, default (15, 20, 30)
        Increasing levels in points as quoted (15, not 0.15).
    multipliers : tuple of floats, default (1.2, 1.0, 0.8, 0.6)
        One more than there are levels.
    bounds : tuple of two floats, default (0, inf)
        Lowest and highest exposure; what is clipped is counted in `Exposure`.
    min_rows_between_changes : int, optional
        Rows that an exposure is kept at least. The first change may come at once.

    Raises
    ------
    SpecificationError
        A parameter is outside its range, levels do not increase, or their number does not fit the multipliers.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.overlays import VixSteps
    >>> days = pd.bdate_range("2024-01-01", periods=4)
    >>> vix = pd.Series([14.99, 15.0, 29.99, 30.0], index=days)
    >>> VixSteps(base=1.25).exposure(days, volatility_index=vix).decided.tolist()
    [1.5, 1.25, 1.0, 0.75]
    """

    base: float = 1.0
    levels: tuple[float, ...] = (15.0, 20.0, 30.0)
    multipliers: tuple[float, ...] = (1.2, 1.0, 0.8, 0.6)
    _: KW_ONLY
    bounds: Bounds = UNBOUNDED
    min_rows_between_changes: int | None = None

    def __post_init__(self) -> None:
        require_policy(self.base, self.bounds, self.min_rows_between_changes)
        for name in ("levels", "multipliers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a list would not be hashable
        for level in self.levels:
            require_number(level, "a level", 1.5, math.inf, "give levels in points as quoted, such as 15")
        for multiplier in self.multipliers:
            require_number(multiplier, "a multiplier", 0.0, math.inf, "give factors such as 0.8")
        if not all(a < b for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise SpecificationError("the levels do not increase", value=self.levels, remedy="sort them")
        if len(self.multipliers) != len(self.levels) + 1:
            raise SpecificationError(
                "the multipliers are not one more than the levels",
                value=(len(self.levels), len(self.multipliers)),
                remedy="give one below the first level and one from each level up",
            )

    @property
    def label(self) -> str:
        """Such as ``"VIX steps 15/20/30, base 1.25"``."""
        return f"VIX steps {'/'.join(f'{level:g}' for level in self.levels)}, base {self.base:g}"

    def exposure(
        self,
        dates: pd.DatetimeIndex,
        *,
        volatility_index: pd.Series[float] | None = None,
        realized_volatility: pd.Series[float] | None = None,
    ) -> Exposure:
        """Decide the exposure on each date from the index level of that date.

        Parameters
        ----------
        dates : DatetimeIndex, shape (T,)
            Increasing dates to decide on.
        volatility_index : Series
            Levels in points on every one of the dates; it may have more dates.
        realized_volatility : Series, optional
            Not read.

        Returns
        -------
        Exposure
            Decided, bounded and asked-for exposure of the T rows.

        Raises
        ------
        SpecificationError
            `volatility_index` is not given.
        InputError
            A date has no level (the first is named), a level is not positive, or the median is below 1.5 points, so
            the index must be in decimals.
        LabelError, ShapeError
            Dates do not increase or there are none, or time zones are mixed.
        """
        level = _index_level(self.label, rows_to_decide(dates), volatility_index)
        reached = np.searchsorted(np.array(self.levels), level, side="right")
        rule = self.base * np.array(self.multipliers)[reached]
        return decide(dates, rule, self.label, self.bounds, self.min_rows_between_changes)


@dataclass(frozen=True)
class VixFineSteps(VixSteps):
    """`VixSteps` with five steps: 1.2 below 15, 1.0 below 20, 0.8 below 25, 0.6 below 35, 0.4 from 35 up.

    Parameters and errors are those of `VixSteps`.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.overlays import VixFineSteps
    >>> days = pd.bdate_range("2024-01-01", periods=5)
    >>> vix = pd.Series([14.0, 15.0, 20.0, 25.0, 35.0], index=days)
    >>> VixFineSteps().exposure(days, volatility_index=vix).decided.tolist()
    [1.2, 1.0, 0.8, 0.6, 0.4]
    """

    levels: tuple[float, ...] = (15.0, 20.0, 25.0, 35.0)
    multipliers: tuple[float, ...] = (1.2, 1.0, 0.8, 0.6, 0.4)


@dataclass(frozen=True)
class VixInverse:
    """Exposure inversely proportional to a volatility index.

    ``base * reference / max(index, floor)``, clipped to ``lowest`` and ``highest``, which are the policy's bounds.

    Parameters
    ----------
    base : float, default 1.0
        Exposure where the index stands at ``reference``.
    reference, floor : float, default 30 and 15
        In points as quoted. Below ``floor`` the exposure grows no more.
    lowest, highest : float, default 0.75 and 1.5
        Lowest and highest exposure; what is clipped is counted in `Exposure`.
    min_rows_between_changes : int, optional
        Rows that an exposure is kept at least. The first change may come at once.

    Raises
    ------
    SpecificationError
        A parameter is outside its range.

    Notes
    -----
    With the defaults the upper bound holds below 20 points and the lower one above 40, so that ``floor`` never binds.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.overlays import VixInverse
    >>> days = pd.bdate_range("2024-01-01", periods=4)
    >>> vix = pd.Series([12.0, 24.0, 37.5, 82.69], index=days)
    >>> VixInverse().exposure(days, volatility_index=vix).decided.tolist()
    [1.5, 1.25, 0.8, 0.75]
    """

    base: float = 1.0
    reference: float = 30.0
    floor: float = 15.0
    lowest: float = 0.75
    highest: float = 1.5
    _: KW_ONLY
    min_rows_between_changes: int | None = None

    def __post_init__(self) -> None:
        require_policy(self.base, self.bounds, self.min_rows_between_changes)
        for name in ("reference", "floor"):
            require_number(getattr(self, name), name, 1.5, math.inf, "give a level in points as quoted, such as 15")

    @property
    def bounds(self) -> Bounds:
        """``(lowest, highest)``."""
        return self.lowest, self.highest

    @property
    def label(self) -> str:
        """Such as ``"VIX inverse 30/max(VIX, 15), base 1.25"``."""
        return f"VIX inverse {self.reference:g}/max(VIX, {self.floor:g}), base {self.base:g}"

    def exposure(
        self,
        dates: pd.DatetimeIndex,
        *,
        volatility_index: pd.Series[float] | None = None,
        realized_volatility: pd.Series[float] | None = None,
    ) -> Exposure:
        """Decide the exposure on each date from the index level of that date; as `VixSteps.exposure`."""
        level = _index_level(self.label, rows_to_decide(dates), volatility_index)
        rule = self.base * self.reference / np.maximum(level, self.floor)
        return decide(dates, rule, self.label, self.bounds, self.min_rows_between_changes)


def _index_level(label: str, dates: pd.DatetimeIndex, volatility_index: pd.Series[float] | None) -> FloatArray:
    if volatility_index is None:
        raise missing_input(label, "volatility_index", dates)
    return on_dates(points(volatility_index, "volatility_index"), dates, "volatility_index")
