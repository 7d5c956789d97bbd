"""What an implied-volatility surface is: one method; and the surface that is flat."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day, require_dates, require_kind, require_numbers, require_same_clock
from allocopt.backtests._quotes import decimals, points
from allocopt.backtests.options._arguments import FloatArray, numbers
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError


@runtime_checkable
class VolatilitySurface(Protocol):
    """Where an option's implied volatility comes from: the one method that a surface of one's own needs.

    Examples
    --------
    A surface that adds three points to another one:

    >>> import numpy as np
    >>> import pandas as pd
    >>> from allocopt.backtests.options import FlatSurface, VolatilitySurface
    >>> class Dearer:
    ...     def __init__(self, surface):
    ...         self.surface = surface
    ...     def implied_volatility(self, dates, days, log_moneyness):
    ...         return self.surface.implied_volatility(dates, days, log_moneyness) + 0.03
    >>> dates = pd.DatetimeIndex(["2024-01-02"])
    >>> dearer = Dearer(FlatSurface(pd.Series([0.13], index=dates), "desk"))
    >>> isinstance(dearer, VolatilitySurface)
    True
    >>> dearer.implied_volatility(dates, np.array([30.0]), np.array([0.0])).round(2).tolist()
    [0.16]
    """

    def implied_volatility(self, dates: pd.DatetimeIndex, days: FloatArray, log_moneyness: FloatArray) -> FloatArray:
        """Implied volatilities of m options, elementwise.

        Parameters
        ----------
        dates : DatetimeIndex, shape (m,)
            The day on whose close each option is marked; in any order, repeated at will.
        days : array, shape (m,)
            Calendar days to expiry, above 0.
        log_moneyness : array, shape (m,)
            ln(strike / forward).

        Returns
        -------
        array, shape (m,)
            Decimals per year on ``days / 365``, above 0, never NaN.
        """
        ...


@dataclass(frozen=True, eq=False, repr=False)
class FlatSurface:
    """One volatility for all tenors and strikes of a date: the plainest surface, and the reference for better ones.

    Parameters
    ----------
    volatility : Series, shape (T,)
        Decimals per year (0.20) by date. NaN at its start only (a warm-up); asking for such a date is an error.
    source : str
        Where the numbers come from, for `sources`.

    Raises
    ------
    ShapeError, LabelError, InputError
        Not a Series, no rows, dates do not increase, a value is infinite, negative, or missing after the first one, or
        the median is above 5 and must be in points.
    SpecificationError
        `source` is empty.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from allocopt.backtests.options import FlatSurface
    >>> dates = pd.to_datetime(["2018-02-02", "2018-02-05"])
    >>> surface = FlatSurface.from_index(pd.Series([17.31, 37.32], index=dates))
    >>> surface.implied_volatility(dates, np.array([30.0, 7.0]), np.array([0.0, -0.1])).round(4).tolist()
    [0.1731, 0.3732]
    >>> surface.source_counts(dates)
    {'flat VIX': 2}
    """

    volatility: InitVar[pd.Series[float]]
    source: str
    _values: FloatArray = field(init=False)
    _index: pd.DatetimeIndex = field(init=False)

    def __post_init__(self, volatility: pd.Series[float]) -> None:
        require_kind(volatility, pd.Series, "the volatility")
        if not len(volatility):
            raise ShapeError("the volatility has no rows", value=0, remedy="pass at least one date")
        if not isinstance(self.source, str) or not self.source:
            raise SpecificationError("the source has no name", value=self.source, remedy="name it with a string")
        index = require_dates(volatility.index, "the volatility")
        values = np.array(decimals(volatility.rename("the volatility")), dtype=np.float64)
        zero = values == 0
        if zero.any():
            row = int(zero.argmax())
            raise InputError(
                "the volatility is zero", where=day(index[row]), remedy="mend the value: it must be above 0"
            )
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_index", index)

    @classmethod
    def from_index(cls, vix: pd.Series[float], name: str = "VIX") -> FlatSurface:
        """Take the level of a volatility index for all tenors and strikes.

        Parameters
        ----------
        vix : Series
            In points as quoted (17.3). NaN counts as no value.
        name : str, default "VIX"
            Of the index, for the source and for messages.

        Returns
        -------
        FlatSurface
            On the dates with a value; source ``"flat VIX"``.

        Raises
        ------
        ShapeError, LabelError, InputError
            Not a Series by increasing dates, no values, infinite or not positive, or decimals by mistake.
        """
        return cls(points(vix, name) / 100, f"flat {name}")

    @classmethod
    def realized_proxy(cls, realized: pd.Series[float], multiplier: float = 1.2) -> FlatSurface:
        """Take a multiple of the realised volatility, where no implied one is at hand.

        It has no smile, no term structure and no risk premium that moves: what is bought and sold against realised
        volatility cannot be judged with it.

        Parameters
        ----------
        realized : Series
            Decimals per year, known on the close of its date (``rv20`` of `allocopt.backtests.rotation`); NaN in its
            warm-up.
        multiplier : float, default 1.2
            Above 0.

        Returns
        -------
        FlatSurface
            Source ``"realised proxy x1.2"``.

        Raises
        ------
        SpecificationError
            `multiplier` is not positive and finite.
        ShapeError, LabelError, InputError
            As in the constructor.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.options import FlatSurface
        >>> rv20 = pd.Series([0.10, 0.11], index=pd.to_datetime(["2024-01-02", "2024-01-03"]))
        >>> FlatSurface.realized_proxy(rv20)
        FlatSurface(2 dates, 'realised proxy x1.2')
        """
        if not (np.isfinite(multiplier) and multiplier > 0):
            raise SpecificationError("multiplier is not positive", value=multiplier, remedy="pass a factor such as 1.2")
        require_kind(realized, pd.Series, "the realised volatility")
        values = pd.Series(require_numbers(realized, "the realised volatility"), index=realized.index)
        return cls(values * multiplier, f"realised proxy x{multiplier:g}")

    def implied_volatility(
        self, dates: pd.DatetimeIndex, days: npt.ArrayLike, log_moneyness: npt.ArrayLike
    ) -> FloatArray:
        """Look the date up; see `VolatilitySurface`.

        Raises
        ------
        LabelError
            A date has no volatility.
        InputError, ShapeError
            Days are not above 0, a value is not finite, or the three have not one length.
        """
        requests(dates, days, log_moneyness)
        return self._values[self._rows(dates)]

    def sources(self, dates: pd.DatetimeIndex) -> pd.Series[str]:
        """Name the source on each date.

        Raises
        ------
        LabelError
            A date has no volatility.
        """
        self._rows(dates)
        return pd.Series(self.source, index=dates, dtype=object, name="source")

    def source_counts(self, dates: pd.DatetimeIndex) -> dict[str, int]:
        """Count the dates of each source; there is only one."""
        return {self.source: len(self._rows(dates))}

    def _rows(self, dates: pd.DatetimeIndex) -> npt.NDArray[np.intp]:
        rows = rows_of(dates, self._index, "the volatility")
        warming = np.isnan(self._values[rows])
        if warming.any():
            raise LabelError(
                "the volatility is not defined yet",
                where=day(dates[int(warming.argmax())]),
                remedy="start the sample after the warm-up",
            )
        return rows

    def __repr__(self) -> str:
        return f"FlatSurface({len(self._index)} dates, {self.source!r})"


def requests(
    dates: pd.DatetimeIndex, days: npt.ArrayLike, log_moneyness: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Check what a surface is asked; days and log-moneyness as arrays of the length of the dates."""
    require_kind(dates, pd.DatetimeIndex, "the dates")
    ahead = numbers(days, "days to expiry", above=0.0)
    k = numbers(log_moneyness, "log-moneyness")
    if not ahead.shape == k.shape == (len(dates),):
        raise ShapeError(
            "dates, days and log-moneyness have not one length",
            value=(len(dates), ahead.shape, k.shape),
            remedy="pass one of each for every option; numpy.broadcast_to helps",
        )
    return ahead, k


def rows_of(dates: pd.DatetimeIndex, index: pd.DatetimeIndex, what: str) -> npt.NDArray[np.intp]:
    """Rows of the dates in an index; a `LabelError` names the first that is missing."""
    require_kind(dates, pd.DatetimeIndex, "the dates")
    require_same_clock(dates, index, what)
    rows = index.get_indexer(dates)
    missing = rows < 0
    if missing.any():
        raise LabelError(
            f"{what} has no value on {int(dates[missing].nunique())} of {int(dates.nunique())} dates, first",
            where=day(dates[int(missing.argmax())]),
            remedy="shorten the sample to the dates of the data",
        )
    return rows
