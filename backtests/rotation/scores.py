"""How well does today suit each option profile? Three factors a profile, their geometric mean the score."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import (
    day,
    plain,
    require_columns,
    require_dates,
    require_kind,
    require_numbers,
    require_option,
    require_same_clock,
)
from allocopt.backtests.rotation.market import OHLCV
from allocopt.backtests.rotation.volatility import ImpliedVolatility
from allocopt.errors import InputError, LabelError
from allocopt.regimes import PROFILES

WarmUp = Literal["undefined", "as_built"]

#: Names of the three factors of each profile, in the order of their definitions.
FACTORS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "P1": ("rv10_over_iv60", "iv60_rank_low", "trend_up"),
        "P2": ("rv5_over_iv7", "move_over_range", "vol_of_vol_rising"),
        "P3": ("iv20_over_rv10", "range_narrow", "vol_of_vol_falling"),
        "P4": ("iv20_rank_low", "trend_up", "vol_of_vol_falling"),
        "P5": ("skew_high", "vol_of_vol_rising", "rv5_over_iv20"),
        "P6": ("vol_of_vol_high", "vol_of_vol_rising", "iv20_rank_high"),
    }
)

_SMOOTHED = ("P2", "P5")
_SPAN = 3
_TINY = 1e-6  # part of the definitions: added to every denominator
_INPUTS = ("close", "abs_return", "rv5", "rv10", "atr5", "atr10", "slope20", "range10", "vol_of_vol")


def profile_scores(
    market: OHLCV,
    features: pd.DataFrame,
    implied: ImpliedVolatility,
    *,
    skew: pd.Series[float] | None = None,
    warm_up: WarmUp = "undefined",
) -> pd.DataFrame:
    """Score six option profiles on each date, from 0 (unsuitable) to 1, with what is known at its close.

    A score is the geometric mean of the three factors that `profile_factors` returns. P2 and P5 are then smoothed by an
    exponential mean of span 3: half today's value, half yesterday's smoothed one, starting at the first defined value.

    Parameters
    ----------
    market : OHLCV
        T bars.
    features : DataFrame, shape (T, >= 9)
        `compute_features` of the same market.
    implied : ImpliedVolatility
        Covers at least the dates of the market.
    skew : Series, shape (>= T,), optional
        The market's own measure of skew on each date, in any unit, since only its z-score is used (the Cboe SKEW
        index, or a difference of implied volatilities). Without it, the stand-in is (atr10 / close) / rv10.
    warm_up : {"undefined", "as_built"}, default "undefined"
        ``"undefined"``: a score is NaN until its inputs are there, and never after. ``"as_built"``: as in the original
        engine. Ranks divide by empty rows too, a slope needs all five values, and NaN becomes 0 *before* smoothing,
        so that the first smoothed scores are pulled towards 0.

    Returns
    -------
    DataFrame, shape (T, 6)
        Columns ``P1`` to ``P6`` (`allocopt.regimes.PROFILES`); index as the market's; values in [0, 1].

    Raises
    ------
    ShapeError, LabelError
        An argument is of the wrong kind, lacks a column, has another index than the market or misses a date of it.
    InputError
        `features` come from other prices than `market`; `skew` is not finite on a date of the market.
    SpecificationError
        `warm_up` is unknown.

    Examples
    --------
    >>> from arch.data import sp500
    >>> from allocopt.backtests.rotation import ImpliedVolatility, OHLCV, compute_features, profile_scores
    >>> market = OHLCV(sp500.load().loc["2017-01-03":"2018-12-31"])
    >>> features = compute_features(market)
    >>> scores = profile_scores(market, features, ImpliedVolatility.realized_proxy(features))
    >>> scores.loc["2018-02-05"].round(2).to_dict()
    {'P1': 0.27, 'P2': 0.69, 'P3': 0.01, 'P4': 0.04, 'P5': 0.17, 'P6': 0.97}
    """
    factors = profile_factors(market, features, implied, skew=skew, warm_up=warm_up)
    columns = {}
    for profile in PROFILES:
        score = pd.Series(np.cbrt(factors[profile].to_numpy().prod(axis=1)), index=market.index)
        if warm_up == "as_built":
            score = score.fillna(0.0)
        columns[profile] = score.ewm(span=_SPAN, adjust=False).mean() if profile in _SMOOTHED else score
    return pd.DataFrame(columns, index=market.index)


def profile_factors(
    market: OHLCV,
    features: pd.DataFrame,
    implied: ImpliedVolatility,
    *,
    skew: pd.Series[float] | None = None,
    warm_up: WarmUp = "undefined",
) -> pd.DataFrame:
    """Show what each profile score is made of: eighteen factors, each between 0 and 1.

    Parameters and errors are those of `profile_scores`; with ``warm_up="as_built"`` the factors keep their NaN.

    Returns
    -------
    DataFrame, shape (T, 18)
        Columns of two levels: profile, and the names in `FACTORS`; index as the market's.

    Notes
    -----
    With s(x) = 1 / (1 + exp(-x)) and 1e-6 added to every denominator:

    - P1: s(5(rv10/iv60 - 0.9)), s(5(0.4 - R60)), s(100 slope20)
    - P2: s(5(rv5/iv7 - 0.8)), s(3(abs_return/(atr5/close) - 1)), s(1000 D)
    - P3: s(5(iv20/rv10 - 1.4)), s(100(0.035 - range10)), s(-1000 D)
    - P4: s(5(0.5 - R20)), s(100 slope20), s(-1000 D)
    - P5: s(2(Z - 1)), s(1000 D), s(5(rv5/iv20 - 1))
    - P6: s(5(vol_of_vol/Q - 1)), s(1000 D), s(5(R20 - 0.5))

    R20 is the share of the other iv20 in the 60 rows ending today that are below today's (from 10 values on), R60 the
    same for iv60 and 90 rows. Q is the 80 percent quantile of vol_of_vol over 60 rows (from 20), D the slope per bar of
    a straight line through its last 5 values (from 3), Z the z-score of the skew over the 60 rows ending today (from
    20, ddof 1).

    Examples
    --------
    >>> from arch.data import sp500
    >>> from allocopt.backtests.rotation import ImpliedVolatility, OHLCV, compute_features, profile_factors
    >>> market = OHLCV(sp500.load().loc["2017-01-03":"2018-12-31"])
    >>> features = compute_features(market)
    >>> factors = profile_factors(market, features, ImpliedVolatility.realized_proxy(features))
    >>> factors.loc["2018-02-05", "P6"].round(2).to_dict()
    {'vol_of_vol_high': 1.0, 'vol_of_vol_rising': 1.0, 'iv20_rank_high': 0.92}
    """
    require_option(warm_up, ("undefined", "as_built"), "warm_up")
    _require_match(market, features)
    volatility = require_kind(implied, ImpliedVolatility, "implied").on(market.index).frame
    iv7, iv20, iv60 = (volatility[name] for name in ("iv7", "iv20", "iv60"))
    rv5, rv10, slope20, vol_of_vol = (features[name] for name in ("rv5", "rv10", "slope20", "vol_of_vol"))
    relative_range = features["atr5"] / features["close"]
    as_built = warm_up == "as_built"
    stand_in = (features["atr10"] / features["close"]) / (rv10 + _TINY)
    measure = stand_in if skew is None else _own_skew(skew, market.index)
    window = measure.rolling(60, min_periods=20)
    skew_z = (measure - window.mean()) / (window.std() + _TINY)
    high_quantile = vol_of_vol.rolling(60, min_periods=20).quantile(0.8)
    rising = 1000 * _slope(vol_of_vol, min_rows=5 if as_built else 3)
    rank20 = _share_below(iv20, 60, count_empty=as_built)
    rank60 = _share_below(iv60, 90, count_empty=as_built)

    arguments = {
        "P1": (5 * (rv10 / (iv60 + _TINY) - 0.9), 5 * (0.4 - rank60), 100 * slope20),
        "P2": (5 * (rv5 / (iv7 + _TINY) - 0.8), 3 * (features["abs_return"] / (relative_range + _TINY) - 1), rising),
        "P3": (5 * (iv20 / (rv10 + _TINY) - 1.4), 100 * (0.035 - features["range10"]), -rising),
        "P4": (5 * (0.5 - rank20), 100 * slope20, -rising),
        "P5": (2 * (skew_z - 1), rising, 5 * (rv5 / (iv20 + _TINY) - 1)),
        "P6": (5 * (vol_of_vol / (high_quantile + _TINY) - 1), rising, 5 * (rank20 - 0.5)),
    }
    columns = {
        (profile, name): _logistic(argument)
        for profile, names in FACTORS.items()
        for name, argument in zip(names, arguments[profile], strict=True)
    }
    return pd.DataFrame(columns, index=market.index).rename_axis(columns=["profile", "factor"])


def _logistic(x: pd.Series[float]) -> pd.Series[float]:
    # 1 / (1 + exp(-x)) would overflow where x is very negative; exp(-|x|) cannot.
    small = np.exp(-x.abs().to_numpy())
    return pd.Series(np.where(x.to_numpy() < 0, small, 1.0) / (1.0 + small), index=x.index)


def _share_below(values: pd.Series[float], rows: int, *, count_empty: bool) -> pd.Series[float]:
    """Share of the other values in the window ending today that are below today's, from 10 values on."""
    below = values.rolling(rows, min_periods=10).rank(method="min") - 1
    present = values.notna() | count_empty
    others = present.astype(np.float64).rolling(rows, min_periods=1).sum() - 1
    return below / others.where(others > 0)


def _slope(values: pd.Series[float], *, rows: int = 5, min_rows: int) -> pd.Series[float]:
    """Least-squares slope per row through the window ending today; values may be missing at the start."""
    padded = np.concatenate([np.full(rows - 1, np.nan), values.to_numpy()])
    y = np.lib.stride_tricks.sliding_window_view(padded, rows)
    known = ~np.isnan(y)
    count = known.sum(axis=1)
    x = np.arange(rows, dtype=np.float64)
    centre = (known @ x) / np.maximum(count, 1)
    distance = np.where(known, x - centre[:, None], 0.0)
    spread = (distance**2).sum(axis=1)
    slope = (distance * np.where(known, y, 0.0)).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    return pd.Series(np.where(count >= min_rows, slope, np.nan), index=values.index)


def _require_match(market: OHLCV, features: pd.DataFrame) -> None:
    require_kind(market, OHLCV, "market")
    require_kind(features, pd.DataFrame, "features")
    require_columns(features, _INPUTS, "features", "pass the table that compute_features returns")
    if not features.index.equals(market.index):
        raise LabelError(
            "features and market have different dates",
            value=(len(features), len(market)),
            remedy="compute the features from this market",
        )
    differ = (features["close"] != market.close).to_numpy()
    if differ.any():
        row = int(differ.argmax())
        raise InputError(
            "features come from other prices than the market",
            where=day(market.index[row]),
            value=plain(features["close"].iloc[row]),
            remedy="compute the features from this market",
        )


def _own_skew(skew: pd.Series[Any], index: pd.DatetimeIndex) -> pd.Series[float]:
    require_kind(skew, pd.Series, "skew")
    own = require_dates(skew.index, "skew")
    require_same_clock(index, own, "skew")
    missing = index[~index.isin(own)]
    if len(missing):
        raise LabelError(
            f"skew is missing on {len(missing)} of {len(index)} dates, first",
            where=day(missing[0]),
            remedy="fill or shorten it openly; a missing skew has no neutral value",
        )
    values = require_numbers(skew, "skew")[own.get_indexer(index)]
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            "skew is not finite", where=day(index[row]), value=plain(values[row]), remedy="mend it, or leave skew out"
        )
    return pd.Series(values, index=index)
