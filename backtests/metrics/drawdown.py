"""How far an account fell below its highest value so far, when, and how long it stayed there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocopt.backtests.metrics._curve import FloatArray, IntArray, read_curve


@dataclass(frozen=True, eq=False)
class Episodes:
    """Drawdowns of a curve as row numbers: one entry each, in order of time."""

    peak: IntArray
    trough: IntArray
    recovery: IntArray  # the number of rows for one that is open at the end
    depth: FloatArray
    money: FloatArray


def episodes(values: FloatArray) -> Episodes:
    """Find every run of rows below the running maximum, in one pass of array operations."""
    rows = values.size
    peaks = np.maximum.accumulate(values)
    below = values < peaks
    starts = np.flatnonzero(below[1:] & ~below[:-1]) + 1
    ends = np.flatnonzero(~below[1:] & below[:-1]) + 1
    if ends.size < starts.size:
        ends = np.append(ends, rows)
    if not starts.size:
        none = np.empty(0, dtype=np.int64)
        return Episodes(none, none, none, np.empty(0), np.empty(0))
    bounds = np.column_stack((starts, ends)).ravel()
    if bounds[-1] == rows:
        bounds = bounds[:-1]  # reduceat runs to the end by itself
    lowest = np.minimum.reduceat(values, bounds)[::2]
    under = np.flatnonzero(below)
    number = np.repeat(np.arange(starts.size), ends - starts)
    at_lowest = values[under] == lowest[number]
    _, first = np.unique(number[at_lowest], return_index=True)
    highest = peaks[starts]
    money = highest - lowest
    return Episodes(starts - 1, under[at_lowest][first], ends, money / highest, money)


def underwater(equity: pd.Series[float]) -> pd.Series[float]:
    """Drawdown on each row: the part of the highest value so far that is missing.

    ``d_t = (M_t - E_t) / M_t`` with ``M_t = max(E_0, ..., E_t)``.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.

    Returns
    -------
    Series, shape (T,)
        Decimals from 0 (at a high) up: positive, as every drawdown here. Negate it for the usual figure. Its maximum
        is `max_drawdown`.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `total_return`.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import underwater
    >>> equity = pd.Series([100.0, 75.0, 125.0, 100.0], index=pd.date_range("2024-01-01", periods=4))
    >>> underwater(equity).tolist()
    [0.0, 0.25, 0.0, 0.2]
    """
    curve = read_curve(equity)
    peaks = np.maximum.accumulate(curve.values)
    return pd.Series((peaks - curve.values) / peaks, index=equity.index, name="underwater")


def max_drawdown(equity: pd.Series[float]) -> float:
    """Largest fall from a high to a later low, as a part of the high: ``max_t (M_t - E_t) / M_t``.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital, and the first high.

    Returns
    -------
    float
        A positive decimal: 0.25 for a fall of 25 percent. 0.0 if the account never falls.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `total_return`.

    See Also
    --------
    drawdowns : all of them, with money, dates and lengths.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import max_drawdown
    >>> max_drawdown(pd.Series([100.0, 75.0, 125.0, 100.0], index=pd.date_range("2024-01-01", periods=4)))
    0.25
    """
    values = read_curve(equity).values
    peaks = np.maximum.accumulate(values)
    return float(((peaks - values) / peaks).max())


def drawdowns(equity: pd.Series[float]) -> pd.DataFrame:
    """List every drawdown: from the last row at a high, through the low, to the first row that is at the high again.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.

    Returns
    -------
    DataFrame, one row per drawdown in order of time
        ``peak``, ``trough``, ``recovery``: dates; the trough is the first row at the lowest value, and the recovery is
        NaT while the drawdown is open. ``depth``: positive decimal of the high. ``money``: high minus low.
        ``bars_to_trough`` (from the peak), ``bars_to_recovery`` (from the trough, ``<NA>`` while open),
        ``bars_under_water`` (from the peak to the recovery, or to the last row while open); ``time_to_trough``,
        ``time_to_recovery``, ``time_under_water``: the same in calendar time. No rows if the account never falls.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `total_return`.

    Notes
    -----
    The deepest in percent need not be the deepest in money. ``drawdowns(equity).nlargest(5, "depth")`` gives the five
    worst.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import drawdowns
    >>> equity = pd.Series([100.0, 75.0, 125.0, 100.0], index=pd.date_range("2024-01-01", periods=4))
    >>> drawdowns(equity)[["peak", "trough", "recovery", "depth", "money"]]
            peak     trough   recovery  depth  money
    0 2024-01-01 2024-01-02 2024-01-03   0.25   25.0
    1 2024-01-03 2024-01-04        NaT   0.20   25.0
    """
    curve = read_curve(equity)
    found = episodes(curve.values)
    dates, last = curve.dates, curve.values.size - 1
    closed = found.recovery <= last
    until = np.minimum(found.recovery, last)
    peak, trough, end = dates[found.peak], dates[found.trough], dates[until]
    recovery = end.where(closed)
    to_recovery = pd.array(found.recovery - found.trough, dtype="Int64")
    to_recovery[~closed] = pd.NA
    return pd.DataFrame(
        {
            "peak": peak,
            "trough": trough,
            "recovery": recovery,
            "depth": found.depth,
            "money": found.money,
            "bars_to_trough": found.trough - found.peak,
            "bars_to_recovery": to_recovery,
            "bars_under_water": until - found.peak,
            "time_to_trough": trough - peak,
            "time_to_recovery": recovery - trough,
            "time_under_water": end - peak,
        }
    )
