"""Leverage policies: what they have in common, the fixed one, and the one that looks at realised volatility."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_dates, require_kind
from allocopt.backtests._quotes import decimals
from allocopt.backtests.overlays.exposure import (
    UNBOUNDED,
    Bounds,
    Exposure,
    decide,
    missing_input,
    on_dates,
    require_number,
    require_policy,
    rows_to_decide,
)


@runtime_checkable
class LeveragePolicy(Protocol):
    """How much of the composition to hold on each date. What is needed is passed by name; what is not is left alone.

    Examples
    --------
    >>> from allocopt.backtests.overlays import Fixed, LeveragePolicy
    >>> isinstance(Fixed(1.25), LeveragePolicy)
    True
    """

    @property
    def label(self) -> str:
        """The policy in words, for tables."""
        ...

    @property
    def bounds(self) -> Bounds:
        """Lowest and highest exposure."""
        ...

    @property
    def min_rows_between_changes(self) -> int | None:
        """Rows that an exposure is kept at least."""
        ...

    def exposure(
        self,
        dates: pd.DatetimeIndex,
        *,
        volatility_index: pd.Series[float] | None = None,
        realized_volatility: pd.Series[float] | None = None,
    ) -> Exposure:
        """Decide the exposure on each date with what is known at its close."""
        ...


@dataclass(frozen=True)
class Fixed:
    """The same exposure on every date.

    Parameters
    ----------
    leverage : float
        Multiple of the composition, at least 0: 1.25 borrows a quarter of the capital.
    bounds : tuple of two floats, default (0, inf)
        Lowest and highest exposure; what is clipped is counted in `Exposure`.
    min_rows_between_changes : int, optional
        Without effect here: a fixed exposure never changes.

    Raises
    ------
    SpecificationError
        A parameter is outside its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.overlays import Fixed
    >>> Fixed(1.25).exposure(pd.bdate_range("2024-01-01", periods=2)).decided.tolist()
    [1.25, 1.25]
    """

    leverage: float
    _: KW_ONLY
    bounds: Bounds = UNBOUNDED
    min_rows_between_changes: int | None = None

    def __post_init__(self) -> None:
        require_policy(self.leverage, self.bounds, self.min_rows_between_changes)

    @property
    def label(self) -> str:
        """Such as ``"fixed 1.25"``."""
        return f"fixed {self.leverage:g}"

    def exposure(
        self,
        dates: pd.DatetimeIndex,
        *,
        volatility_index: pd.Series[float] | None = None,
        realized_volatility: pd.Series[float] | None = None,
    ) -> Exposure:
        """Decide the same exposure on each of the increasing ``dates``. Neither series is read."""
        rule = np.full(len(rows_to_decide(dates)), float(self.leverage))
        return decide(dates, rule, self.label, self.bounds, self.min_rows_between_changes)


@dataclass(frozen=True)
class RealizedVolHalving:
    """Half the exposure while realised volatility is above a threshold.

    ``base * factor`` where the volatility is above ``threshold``, ``base`` where it is not.

    Parameters
    ----------
    threshold : float, default 0.30
        Decimal per year: 0.30 is 30 percent. Volatility at the threshold does not halve.
    factor : float, default 0.5
        What is kept above the threshold, 0 to 1. The rest is cash.
    base : float, default 1.0
        Multiple of the composition below the threshold.
    bounds : tuple of two floats, default (0, inf)
        Lowest and highest exposure; what is clipped is counted in `Exposure`.
    min_rows_between_changes : int, optional
        Rows that an exposure is kept at least. The first change may come at once.

    Raises
    ------
    SpecificationError
        A parameter is outside its range; a threshold above 5 must be in percent.

    Notes
    -----
    The original rotation engine compared decimals with a threshold in percent, so it never halved.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.overlays import RealizedVolHalving
    >>> days = pd.bdate_range("2020-03-13", periods=3)
    >>> rv20 = pd.Series([0.30, 0.31, 0.78], index=days)
    >>> RealizedVolHalving().exposure(days, realized_volatility=rv20).decided.tolist()
    [1.0, 0.5, 0.5]
    """

    threshold: float = 0.30
    factor: float = 0.5
    base: float = 1.0
    _: KW_ONLY
    bounds: Bounds = UNBOUNDED
    min_rows_between_changes: int | None = None

    def __post_init__(self) -> None:
        require_policy(self.base, self.bounds, self.min_rows_between_changes)
        require_number(self.threshold, "threshold", 0.0, 5.0, "give a decimal a year: 0.30 for thirty percent")
        require_number(self.factor, "factor", 0.0, 1.0, "give the part that is kept: 0.5 for half")

    @property
    def label(self) -> str:
        """Such as ``"realised volatility above 0.3: x 0.5, base 1"``."""
        return f"realised volatility above {self.threshold:g}: x {self.factor:g}, base {self.base:g}"

    def exposure(
        self,
        dates: pd.DatetimeIndex,
        *,
        volatility_index: pd.Series[float] | None = None,
        realized_volatility: pd.Series[float] | None = None,
    ) -> Exposure:
        """Decide the exposure on each date from the realised volatility known at its close.

        Parameters
        ----------
        dates : DatetimeIndex, shape (T,)
            Increasing dates to decide on.
        volatility_index : Series, optional
            Not read.
        realized_volatility : Series
            Decimals per year on every one of the dates; it may have more dates, and be missing in its warm-up.

        Returns
        -------
        Exposure
            Decided, bounded and asked-for exposure of the T rows.

        Raises
        ------
        SpecificationError
            `realized_volatility` is not given.
        InputError
            A date has no value (the first is named), a value is negative or infinite, or the median is above 5, so
            the series must be in percent.
        LabelError, ShapeError
            Dates do not increase or there are none, or time zones are mixed.
        """
        rows_to_decide(dates)
        if realized_volatility is None:
            raise missing_input(self.label, "realized_volatility", dates)
        require_kind(realized_volatility, pd.Series, "realized_volatility")
        require_dates(realized_volatility.index, "realized_volatility")
        known = decimals(realized_volatility.rename("realized_volatility"))
        volatility = on_dates(known, dates, "realized_volatility")
        rule = np.where(volatility > self.threshold, self.base * self.factor, float(self.base))
        return decide(dates, rule, self.label, self.bounds, self.min_rows_between_changes)
