"""Nothing on row t knows what comes after row t."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.rotation import OHLCV, ImpliedVolatility, classify_regimes, compute_features, profile_scores

ROWS = 240


def everything(
    bars: pd.DataFrame, points: pd.DataFrame | None, built: bool
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    market = OHLCV(bars)
    features = compute_features(market, rank_window="as_built" if built else "full")
    regimes = classify_regimes(features, warm_up="as_built" if built else "undefined", event_dates=["2015-06-17"])
    if points is None:
        implied, skew = ImpliedVolatility.realized_proxy(features), None
    else:
        implied = ImpliedVolatility.from_term_structure(points["vix"], vix9d=points["vix9d"], vix3m=points["vix3m"])
        skew = points["skew"]
    scores = profile_scores(market, features, implied, skew=skew, warm_up="as_built" if built else "undefined")
    return features, regimes.to_frame(), scores


@pytest.fixture
def points() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    levels = 20 * np.exp(0.2 * rng.normal(size=(ROWS, 4)))
    return pd.DataFrame(
        levels, columns=["vix9d", "vix", "vix3m", "skew"], index=pd.bdate_range("2015-01-02", periods=ROWS)
    )


#: Rows beside the ends of the windows; what quoted volatilities add knows of none but its own row.
LASTS = {False: (0, 4, 19, 20, 50, 79, 80, 81, 150, 238), True: (0, 20, 80, 238)}


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("quoted", [False, True])
def test_the_future_changes_nothing(
    built: bool, quoted: bool, points: pd.DataFrame, random_bars: Callable[[int, int], pd.DataFrame]
) -> None:
    bars = random_bars(31, ROWS)
    levels = points if quoted else None
    whole = everything(bars, levels, built)
    for last in LASTS[quoted]:
        require_same_until(last, whole, bars, levels, built)


def require_same_until(
    last: int,
    whole: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    bars: pd.DataFrame,
    levels: pd.DataFrame | None,
    built: bool,
) -> None:
    cut = everything(bars.iloc[: last + 1], None if levels is None else levels.iloc[: last + 1], built)
    # Another future: prices and indices drift away by a random walk of two percent a day.
    rng = np.random.default_rng(last)
    factor = np.ones(ROWS)
    factor[last + 1 :] = np.exp(np.cumsum(rng.normal(0.0, 0.02, ROWS - last - 1)))
    other = everything(
        bars.assign(**{name: bars[name] * factor for name in ("open", "high", "low", "close")}),
        None if levels is None else levels.mul(factor, axis=0),
        built,
    )
    for full, short, changed in zip(whole, cut, other, strict=True):
        assert len(short) == last + 1
        for version in (short, changed):
            pd.testing.assert_frame_equal(
                full.iloc[: last + 1], version.iloc[: last + 1], check_exact=True, check_freq=False
            )
    assert not whole[0].equals(other[0]), "the other future must differ"
