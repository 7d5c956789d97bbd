"""Prices that are checked once, so that nothing downstream has to doubt them."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import (
    day,
    plain,
    require_columns,
    require_dates,
    require_kind,
    require_numbers,
)
from allocopt.errors import InputError, LabelError, ShapeError

PRICES = ("open", "high", "low", "close")

#: Relative excess of open or close over the bar's own high and low that counts as rounding. Vendors who multiply each
#: price by a dividend factor leave one unit in the last place (1.4e-16).
RANGE_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class OHLCV:
    """Open, high, low, close and volume of one instrument, validated and out of reach of later changes.

    A feature computed from a broken bar looks like any other feature. This class refuses the bar instead, and names its
    date, column and value. It keeps a private copy; every attribute hands out a fresh one.

    Parameters
    ----------
    data : DataFrame, shape (T, >= 4)
        One row a bar, indexed by strictly increasing dates. Columns ``open``, ``high``, ``low``, ``close`` in any
        capitalisation; prices positive and finite, in one currency. ``volume`` is optional, since no feature uses it;
        where it is given it must be finite and >= 0. Other columns are dropped. An ``Adj Close`` column that differs
        from the close is refused, because taking or leaving it is the caller's decision: see `OHLCV.adjusted`.

    Raises
    ------
    ShapeError
        Not a DataFrame, no rows, or columns of more than one level.
    LabelError
        A column is missing or named twice; the index does not hold strictly increasing dates.
    InputError
        A price is missing, infinite, not positive or not a number; high < low; open or close lies outside
        [low, high] by more than `RANGE_TOLERANCE`; a volume is missing or negative; ``Adj Close`` differs from the
        close.

    Notes
    -----
    Dates are compared as they are. A bar stamped midnight in New York but kept in UTC has a time zone and an hour; it
    will not meet a volatility index stamped by plain dates until both are on session dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.rotation import OHLCV
    >>> bars = pd.DataFrame(
    ...     {"Open": [10.0, 11.0], "High": [11.5, 11.5], "Low": [9.5, 10.5], "Close": [11.0, 11.25]},
    ...     index=pd.to_datetime(["2024-01-02", "2024-01-03"]),
    ... )
    >>> market = OHLCV(bars)
    >>> market
    OHLCV(2 bars, 2024-01-02 to 2024-01-03)
    >>> float(market.close.iloc[-1])
    11.25
    """

    data: InitVar[pd.DataFrame]
    _frame: pd.DataFrame = field(init=False)

    def __post_init__(self, data: pd.DataFrame) -> None:
        frame = _canonical(data)
        bars = _checked_bars(frame)
        if "adj close" in frame.columns:
            apart = require_numbers(frame["adj close"], "adj close") != bars["close"].to_numpy()  # NaN differs too
            if apart.any():
                row = int(apart.argmax())
                raise InputError(
                    f"Adj Close differs from the close on {apart.sum()} of {len(bars)} rows, first",
                    where=day(bars.index[row]),
                    value=plain(frame["adj close"].iloc[row]),
                    remedy="use OHLCV.adjusted(data) to scale the bars by it, or drop the column to leave them",
                )
        object.__setattr__(self, "_frame", bars)

    @classmethod
    def adjusted(cls, data: pd.DataFrame) -> OHLCV:
        """Bars scaled by ``Adj Close / Close``: total-return prices from a vendor that quotes both.

        Parameters
        ----------
        data : DataFrame, shape (T, >= 5)
            As for `OHLCV`, with a column ``Adj Close`` (any capitalisation; ``adj_close`` too), positive and finite.
            Open, high, low and close of each bar are multiplied by that bar's ``Adj Close / Close``. Volume is left as
            quoted.

        Returns
        -------
        OHLCV
            The scaled bars; their close is the adjusted close.

        Raises
        ------
        LabelError
            There is no ``Adj Close``.
        ShapeError, InputError
            As for `OHLCV`; also where an adjusted close is missing, infinite or not positive.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.rotation import OHLCV
        >>> bars = pd.DataFrame(
        ...     {"Open": [10.0], "High": [12.0], "Low": [8.0], "Close": [10.0], "Adj Close": [5.0]},
        ...     index=pd.to_datetime(["2024-01-02"]),
        ... )
        >>> OHLCV.adjusted(bars).frame.iloc[0].tolist()
        [5.0, 6.0, 4.0, 5.0]
        """
        frame = _canonical(data)
        require_columns(frame, ["adj close"], "the market data", "use OHLCV(data) if the prices are adjusted already")
        bars = _checked_bars(frame)
        adjusted = _positive(frame["adj close"], "adj close")
        prices = list(PRICES)
        bars[prices] = bars[prices].mul(adjusted / bars["close"], axis=0)
        bars["close"] = adjusted  # exactly what the vendor quotes, not close * (adjusted / close)
        return cls(bars)

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the bars: lower-case columns open, high, low, close and, where given, volume; float64."""
        return self._frame.copy()

    @property
    def index(self) -> pd.DatetimeIndex:
        """The dates of the bars."""
        return pd.DatetimeIndex(self._frame.index)

    @property
    def high(self) -> pd.Series[float]:
        """Highest price of each bar."""
        return self._frame["high"].copy()

    @property
    def low(self) -> pd.Series[float]:
        """Lowest price of each bar."""
        return self._frame["low"].copy()

    @property
    def close(self) -> pd.Series[float]:
        """Closing price of each bar."""
        return self._frame["close"].copy()

    def __len__(self) -> int:
        return len(self._frame)

    def __repr__(self) -> str:
        return f"OHLCV({len(self)} bars, {self.index[0]:%Y-%m-%d} to {self.index[-1]:%Y-%m-%d})"


def _canonical(data: pd.DataFrame) -> pd.DataFrame:
    """Copy the columns of interest under lower-case names, and check the labels."""
    require_kind(data, pd.DataFrame, "the market data")
    if data.columns.nlevels > 1:
        raise ShapeError(
            "the market data has columns of more than one level",
            value=data.columns.nlevels,
            remedy="select one instrument, for example data.xs('SPY', axis=1, level=1)",
        )
    if data.empty:
        raise ShapeError("the market data has no rows or no columns", value=data.shape, remedy="pass at least one bar")
    require_dates(data.index, "the market data")
    frame = data.copy()
    frame.columns = pd.Index([str(label).strip().lower().replace("_", " ") for label in data.columns])
    known = [name for name in frame.columns if name in {*PRICES, "volume", "adj close"}]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise LabelError("the market data names columns twice", value=twice, remedy="keep one column of each name")
    require_columns(frame, PRICES, "the market data", "name the price columns open, high, low and close")
    return frame[known]


def _checked_bars(frame: pd.DataFrame) -> pd.DataFrame:
    """Check every price and volume; float64 columns in canonical order."""
    columns = {name: _positive(frame[name], name) for name in PRICES}
    if "volume" in frame.columns:
        volume = require_numbers(frame["volume"], "volume")
        _refuse(
            ~(np.isfinite(volume) & (volume >= 0)),
            frame["volume"],
            "volume is missing, infinite or negative",
            "mend the value, or drop the column: no feature uses it",
        )
        columns["volume"] = pd.Series(volume, index=frame.index)
    bars = pd.DataFrame(columns, index=frame.index)
    low, high = bars["low"].to_numpy(), bars["high"].to_numpy()
    _refuse(high < low, bars["high"], "high is below low", "mend the bar; the columns may be swapped")
    for name in ("open", "close"):
        price = bars[name].to_numpy()
        outside = (price > high * (1 + RANGE_TOLERANCE)) | (price < low * (1 - RANGE_TOLERANCE))
        _refuse(
            outside,
            bars[name],
            f"{name} is outside the bar's low and high",
            "mend the bar; check that all four prices are adjusted alike",
        )
    return bars


def _positive(column: pd.Series[Any], name: str) -> pd.Series[float]:
    values = require_numbers(column, name)
    bad = ~(np.isfinite(values) & (values > 0))
    _refuse(bad, column, f"{name} is missing, infinite or not positive", "mend the price or drop the row")
    return pd.Series(values, index=column.index, name=name)


def _refuse(bad: np.ndarray[Any, np.dtype[np.bool_]], column: pd.Series[Any], what: str, remedy: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise InputError(what, where=day(column.index[row]), value=plain(column.iloc[row]), remedy=remedy)
