"""What is known at each close: realised volatility, ranges, trend, and where volatility stands in its own history."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_kind, require_option
from allocopt.backtests.rotation.market import OHLCV
from allocopt.errors import SpecificationError

#: Columns of the feature table and what they measure, in order.
FEATURES: dict[str, str] = {
    "close": "closing price",
    "log_return": "ln(C / C[-1]), decimal per bar",
    "abs_return": "|C / C[-1] - 1|, decimal per bar",
    "rv5": "realised volatility of 5 bars, decimal per year",
    "rv10": "realised volatility of 10 bars, decimal per year",
    "rv20": "realised volatility of 20 bars, decimal per year",
    "atr5": "average true range of 5 bars, price units",
    "atr10": "average true range of 10 bars, price units",
    "ma20": "mean close of 20 bars, price units",
    "ma50": "mean close of 50 bars, price units",
    "slope20": "change of ma20 over 5 bars, decimal",
    "ret20": "return over 20 bars, decimal",
    "range10": "high-low range of 10 bars over the close, decimal",
    "rv20_rank": "share of the 60 previous rv20 below today's, 0 to 1",
    "vol_of_vol": "standard deviation of rv10 over 20 bars (at least 10), decimal per year",
}

RANK_WINDOW = 60


def compute_features(
    market: OHLCV,
    *,
    periods_per_year: float = 252.0,
    rank_window: Literal["full", "as_built"] = "full",
) -> pd.DataFrame:
    """Describe each bar by its own past, for the regime rules and the profile scores.

    Row t uses bars up to and including t and nothing later. A value is NaN until its windows are filled, and never
    after that. Apart from the two expanding windows named below, a defined value does not depend on where the data
    starts.

    Parameters
    ----------
    market : OHLCV
        T bars of one instrument.
    periods_per_year : float, default 252
        Bars a year; realised volatilities are scaled by its square root.
    rank_window : {"full", "as_built"}, default "full"
        ``"full"``: ``rv20_rank`` is defined once there are 60 earlier values of ``rv20`` (row 80). ``"as_built"``:
        the window of the original engine, which ranks from the first ``rv20`` on (row 20) and counts the empty
        warm-up rows in the denominator, so early ranks come out too low: at row 50 the largest volatility so far gets
        0.6, since 20 of the 50 rows before it are empty.

    Returns
    -------
    DataFrame, shape (T, 15)
        Columns and units as listed in `FEATURES`; index as the market's.

    Raises
    ------
    ShapeError
        `market` is not an `OHLCV`.
    SpecificationError
        `periods_per_year` is not positive and finite, or `rank_window` is unknown.

    Notes
    -----
    With C, H, L the close, high and low and [-k] the value k bars earlier:

    - ``rvN``: standard deviation (ddof 1) of N log returns times sqrt(periods_per_year); first at row N.
    - true range: max(H - L, |H - C[-1]|, |L - C[-1]|). It needs the previous close, so the first bar has none.
      ``atrN`` is its simple mean; first at row N.
    - ``slope20``: ma20 / ma20[-5] - 1. ``ret20``: C / C[-20] - 1.
    - ``range10``: (highest H of 10 bars - lowest L of 10 bars) / C.
    - ``vol_of_vol``: standard deviation (ddof 1) of ``rv10`` over 20 bars, from 10 values on (row 19).

    ``vol_of_vol`` (and the as-built rank) use a shorter window near the start of the data.

    Examples
    --------
    >>> from arch.data import sp500
    >>> from allocopt.backtests.rotation import OHLCV, compute_features
    >>> features = compute_features(OHLCV(sp500.load().loc["2008-01-02":"2008-12-31"]))
    >>> features.loc["2008-10-10", ["rv20", "rv20_rank"]].round(3).tolist()
    [0.628, 0.983]
    >>> features["rv20_rank"].first_valid_index() == features.index[80]
    True
    """
    require_kind(market, OHLCV, "market")
    require_option(rank_window, ("full", "as_built"), "rank_window")
    if not (np.isfinite(periods_per_year) and periods_per_year > 0):
        raise SpecificationError(
            "periods_per_year is not positive", value=periods_per_year, remedy="pass the bars a year, 252 for days"
        )
    close, high, low = market.close, market.high, market.low
    log_return = pd.Series(np.log(close / close.shift()), index=market.index)
    annual = float(np.sqrt(periods_per_year))
    rv10 = log_return.rolling(10).std() * annual
    rv20 = log_return.rolling(20).std() * annual
    true_range = _true_range(close, high, low)
    ma20 = close.rolling(20).mean()
    table = {
        "close": close,
        "log_return": log_return,
        "abs_return": (close / close.shift() - 1).abs(),
        "rv5": log_return.rolling(5).std() * annual,
        "rv10": rv10,
        "rv20": rv20,
        "atr5": true_range.rolling(5).mean(),
        "atr10": true_range.rolling(10).mean(),
        "ma20": ma20,
        "ma50": close.rolling(50).mean(),
        "slope20": ma20 / ma20.shift(5) - 1,
        "ret20": close / close.shift(20) - 1,
        "range10": (high.rolling(10).max() - low.rolling(10).min()) / close,
        "rv20_rank": _rank(rv20, as_built=rank_window == "as_built"),
        "vol_of_vol": rv10.rolling(20, min_periods=10).std(),
    }
    return pd.DataFrame(table, index=market.index)


def _true_range(close: pd.Series[float], high: pd.Series[float], low: pd.Series[float]) -> pd.Series[float]:
    previous = close.shift()
    reach = pd.concat([high - low, (high - previous).abs(), (low - previous).abs()], axis=1)
    return reach.max(axis=1, skipna=False)


def _rank(values: pd.Series[float], *, as_built: bool) -> pd.Series[float]:
    # Today's rank among itself and the values before it, counted from 0 and ties at the lowest, is the number below.
    below = values.rolling(RANK_WINDOW + 1, min_periods=1 if as_built else RANK_WINDOW + 1).rank(method="min") - 1
    if not as_built:
        return below / RANK_WINDOW
    rows_before = np.minimum(np.arange(len(values)), RANK_WINDOW)  # empty warm-up rows included
    return below / np.maximum(rows_before, 1)
