"""Which market is this? Ordered rules on the features of one date; the first that holds names the regime."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, require_columns, require_dates, require_kind, require_option
from allocopt.errors import InputError, SpecificationError
from allocopt.regimes import Regime

_INPUTS = ("close", "rv20", "ma20", "ma50", "slope20", "ret20", "range10", "rv20_rank", "vol_of_vol")


@dataclass(frozen=True, kw_only=True)
class RegimeRules:
    """Thresholds of the regime rules. The defaults are the published ones.

    All are decimals: 0.02 is two percent. A threshold in percent is refused.

    Parameters
    ----------
    breaking_rank : float, default 0.80
        Breaking Vol needs a volatility rank above this (share, 0 to 1) ...
    breaking_rv : float, default 0.40
        ... and either ``rv20`` above this (per year, up to 5) ...
    breaking_vol_of_vol : float, default 0.30
        ... or ``vol_of_vol`` above this multiple of ``rv20`` (up to 5).
    trend_return : float, default 0.02
        A trend needs a 20-bar return beyond this, up or down.
    trend_down_rank : float, default 0.50
        Trend Down needs a rank above this.
    trend_up_rank : float, default 0.40
        Trend Up needs a rank below this.
    compression_range : float, default 0.035
        Compression needs a 10-bar range below this part of the close.
    compression_rank : float, default 0.30
        Compression needs a rank below this.
    compression_slope : float, default 0.005
        Compression needs ``slope20`` between minus and plus this.
    event_days : int, default 3
        Calendar days on either side of a published date that count as Event.

    Raises
    ------
    SpecificationError
        A threshold is not a number in its range, or `event_days` is not a whole number >= 0.

    Examples
    --------
    >>> from allocopt.backtests.rotation import RegimeRules
    >>> RegimeRules(trend_return=0.03).trend_return
    0.03
    """

    breaking_rank: float = 0.80
    breaking_rv: float = 0.40
    breaking_vol_of_vol: float = 0.30
    trend_return: float = 0.02
    trend_down_rank: float = 0.50
    trend_up_rank: float = 0.40
    compression_range: float = 0.035
    compression_rank: float = 0.30
    compression_slope: float = 0.005
    event_days: int = 3

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "event_days":
                if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                    raise SpecificationError(
                        "event_days is not a whole number of days", value=value, remedy="pass an int of 0 or more"
                    )
                continue
            highest = 5.0 if item.name in {"breaking_rv", "breaking_vol_of_vol"} else 1.0
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not 0 <= value <= highest:
                raise SpecificationError(
                    f"{item.name} is not between 0 and {highest:g}",
                    value=value,
                    remedy="pass a decimal: 0.02 for two percent",
                )


#: The thresholds of the original engine.
PUBLISHED_RULES = RegimeRules()


def classify_regimes(
    features: pd.DataFrame,
    *,
    rules: RegimeRules = PUBLISHED_RULES,
    event_dates: Iterable[str | date | np.datetime64] | None = None,
    warm_up: Literal["undefined", "as_built"] = "undefined",
) -> pd.Series[int]:
    """Name the market regime of each date from the features known at its close.

    The first rule that holds decides:

    1. Event (6): within `RegimeRules.event_days` calendar days of a published date. Off without `event_dates`.
    2. Breaking Vol (4): rank > 0.80 and (rv20 > 0.40 or vol_of_vol > 0.30 rv20).
    3. Trend Down (2): ret20 < -0.02, close < ma20, close < ma50, slope20 < 0, rank > 0.50.
    4. Trend Up (1): ret20 > 0.02, close > ma20, close > ma50, slope20 > 0, rank < 0.40.
    5. Compression (3): range10 < 0.035, rank < 0.30, |slope20| < 0.005.
    6. Choppy (5): otherwise.

    Parameters
    ----------
    features : DataFrame, shape (T, >= 9)
        From `compute_features`.
    rules : RegimeRules, default PUBLISHED_RULES
        The thresholds.
    event_dates : iterable of dates, optional
        Dates of announcements whose calendar was published beforehand (FOMC, CPI). A date is compared with the bar's
        own calendar date, before and after it, so it must have been known `RegimeRules.event_days` days ahead. Cover
        the whole sample: where no date is listed, no event is assumed.
    warm_up : {"undefined", "as_built"}, default "undefined"
        Rows on which a feature is still NaN. ``"undefined"``: no regime, ``<NA>``, for events too, since a rule that
        cannot be evaluated must not count as one that fails. ``"as_built"``: a comparison with NaN fails, as in the
        original engine, so such rows mostly fall through to Choppy.

    Returns
    -------
    Series of Int64, shape (T,)
        Numbers of `allocopt.regimes.Regime`, named ``regime``; ``<NA>`` only in the warm-up. With the defaults the
        first label is on row 80. ``regimes.dropna().astype(int)`` gives plain integers.

    Raises
    ------
    LabelError
        `features` lacks a column, or is not indexed by increasing dates.
    InputError
        A feature is NaN after its warm-up, or an event date is not a date or the list is empty.
    SpecificationError
        `warm_up` is unknown.

    Notes
    -----
    To reproduce the original labels use ``rank_window="as_built"`` in `compute_features` together with
    ``warm_up="as_built"`` here. In March 2020, with data from January 2020 on, they read Trend Down, because the rank
    divides by rows that are still empty.

    Examples
    --------
    >>> from arch.data import sp500
    >>> from allocopt.backtests.rotation import OHLCV, classify_regimes, compute_features
    >>> from allocopt.regimes import Regime
    >>> features = compute_features(OHLCV(sp500.load().loc["2008-01-02":"2008-12-31"]))
    >>> regimes = classify_regimes(features)
    >>> int(regimes.isna().sum())
    80
    >>> Regime(regimes["2008-10-10"]).label
    'Breaking Vol'
    """
    require_kind(features, pd.DataFrame, "features")
    require_columns(features, _INPUTS, "features", "pass the table that compute_features returns")
    require_option(warm_up, ("undefined", "as_built"), "warm_up")
    index = require_dates(features.index, "features")
    defined = _defined(features)
    close, rank, slope, ret = (features[name] for name in ("close", "rv20_rank", "slope20", "ret20"))
    ma20, ma50, rv20 = (features[name] for name in ("ma20", "ma50", "rv20"))
    breaking = (rank > rules.breaking_rank) & (
        (rv20 > rules.breaking_rv) | (features["vol_of_vol"] > rules.breaking_vol_of_vol * rv20)
    )
    below, above = (close < ma20) & (close < ma50), (close > ma20) & (close > ma50)
    down = (ret < -rules.trend_return) & below & (slope < 0) & (rank > rules.trend_down_rank)
    up = (ret > rules.trend_return) & above & (slope > 0) & (rank < rules.trend_up_rank)
    narrow = features["range10"] < rules.compression_range
    compression = narrow & (rank < rules.compression_rank) & (slope.abs() < rules.compression_slope)
    event = _near(index, event_dates, rules.event_days)
    labels = np.select(
        [event, breaking.to_numpy(), down.to_numpy(), up.to_numpy(), compression.to_numpy()],
        [Regime.EVENT, Regime.BREAKING_VOL, Regime.TREND_DOWN, Regime.TREND_UP, Regime.COMPRESSION],
        default=Regime.CHOPPY,
    )
    regimes = pd.Series(labels, index=features.index, name="regime").astype("Int64")
    return regimes if warm_up == "as_built" else regimes.where(defined)


def _defined(features: pd.DataFrame) -> pd.Series[bool]:
    """Rows on which all inputs are known; raises if one is lost after it was known."""
    known = features[list(_INPUTS)].notna()
    lost = (known.cummax() & ~known).to_numpy()
    if lost.any():
        row, column = np.argwhere(lost)[0]
        raise InputError(
            f"{_INPUTS[column]} is missing after its warm-up",
            where=day(features.index[row]),
            remedy="compute the features from a validated OHLCV without gaps",
        )
    return known.all(axis=1)


def _near(
    index: pd.DatetimeIndex, event_dates: Iterable[str | date | np.datetime64] | None, reach: int
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if event_dates is None:
        return np.zeros(len(index), dtype=np.bool_)
    listed = list(event_dates)
    if isinstance(event_dates, str) or not listed:
        raise InputError("event_dates is not a list of dates", value=event_dates, remedy="pass dates, or None for off")
    try:
        events = pd.DatetimeIndex([pd.Timestamp(item) for item in listed])
    except (TypeError, ValueError) as error:
        raise InputError("an event date cannot be read", value=str(error), remedy="write it as YYYY-MM-DD") from error
    if events.isna().any():
        raise InputError("an event date is missing", where=f"item {int(events.isna().argmax())}", remedy="drop it")
    days = index.tz_localize(None).normalize()
    events = events.tz_localize(None).normalize()
    near = np.zeros(len(index), dtype=np.bool_)
    for offset in range(-reach, reach + 1):
        near |= days.isin(events + pd.Timedelta(days=offset))
    return near
