"""The published run: SPY, dividend-adjusted, 2020-01-02 to 2024-12-30."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from allocopt.backtests.rotation import OHLCV, ImpliedVolatility, classify_regimes, compute_features, profile_scores
from allocopt.regimes import Regime

pytestmark = pytest.mark.market_data

START, END = "2020-01-02", "2024-12-30"
SPIKE = pd.Timestamp("2020-03-16")

# Mean score by regime 1 .. 5, printed to three decimals.
PUBLISHED_MEANS = {
    "P1": [0.579, 0.216, 0.588, 0.285, 0.369],
    "P2": [0.318, 0.368, 0.316, 0.417, 0.352],
    "P5": [0.263, 0.254, 0.222, 0.182, 0.216],
    "P6": [0.187, 0.509, 0.274, 0.725, 0.348],
}


@pytest.fixture(scope="module")
def spy(market_data: Path) -> pd.DataFrame:
    bars = pd.read_parquet(market_data / "sectors" / "ohlcv_daily.parquet")
    bars = bars[bars["ticker"] == "SPY"]
    return bars.set_index(pd.DatetimeIndex(bars["date"]).tz_localize(None).normalize())


def index_close(market_data: Path, name: str) -> pd.Series[float]:
    return pd.read_parquet(market_data / "index" / f"{name}_daily.parquet")["CLOSE"]


def test_regime_counts_and_changes_as_built(spy: pd.DataFrame) -> None:
    features = compute_features(OHLCV(spy.loc[START:END]), rank_window="as_built")
    regimes = classify_regimes(features, warm_up="as_built").astype(int)
    assert len(regimes) == 1257
    assert regimes.value_counts().sort_index().to_dict() == {1: 388, 2: 145, 3: 39, 4: 42, 5: 643}
    # The published 160 counts the first row, which differs from nothing: 160 spells, 159 changes between them.
    assert (regimes != regimes.shift()).sum() == 160
    assert (regimes.diff().iloc[1:] != 0).sum() == 159
    # 30 of the 30 earlier values are lower, but the window counts 50 rows.
    assert features.loc[SPIKE, "rv20_rank"] == pytest.approx(0.6)
    assert features.loc[SPIKE, "rv20"] == pytest.approx(0.78, abs=0.005)
    assert regimes[SPIKE] == Regime.TREND_DOWN


def test_march_2020_breaks_with_full_history(spy: pd.DataFrame) -> None:
    features = compute_features(OHLCV(spy))
    regimes = classify_regimes(features)
    assert features.loc[SPIKE, "rv20_rank"] == 1.0
    assert regimes[SPIKE] == Regime.BREAKING_VOL
    window = regimes.loc[START:END]
    assert window.value_counts().sort_index().to_dict() == {1: 393, 2: 135, 3: 39, 4: 74, 5: 616}


def test_march_2020_is_undefined_without_history(spy: pd.DataFrame) -> None:
    features = compute_features(OHLCV(spy.loc[START:END]))
    regimes = classify_regimes(features)
    assert features["rv20_rank"].isna()[SPIKE]
    assert regimes.iloc[:80].isna().all()
    assert regimes.iloc[80:].notna().all()
    assert regimes.index[80] == pd.Timestamp("2020-04-28")
    # From there on both windows agree: the as-built one is full by then.
    built = classify_regimes(compute_features(OHLCV(spy.loc[START:END]), rank_window="as_built"), warm_up="as_built")
    assert regimes.iloc[80:].equals(built.iloc[80:])


def test_mean_scores_by_regime_as_built(spy: pd.DataFrame) -> None:
    market = OHLCV(spy.loc[START:END])
    features = compute_features(market, rank_window="as_built")
    regimes = classify_regimes(features, warm_up="as_built").astype(int)
    implied = ImpliedVolatility.realized_proxy(features)
    scores = profile_scores(market, features, implied, warm_up="as_built")
    means = scores.groupby(regimes).mean()
    assert list(means.index) == [1, 2, 3, 4, 5]
    for profile, published in PUBLISHED_MEANS.items():
        assert means[profile].round(3).tolist() == published, profile
    # No score is above zero before row 23; the first ones are.
    assert (scores.iloc[:23] == 0).all(axis=None)
    assert (scores.iloc[23] > 0).any()


def test_scores_on_the_volatility_indices(spy: pd.DataFrame, market_data: Path) -> None:
    market = OHLCV(spy)
    features = compute_features(market)
    implied = ImpliedVolatility.from_term_structure(
        index_close(market_data, "vix"),
        vix9d=index_close(market_data, "vix9d"),
        vix3m=index_close(market_data, "vix3m"),
        vix6m=index_close(market_data, "vix6m"),
    )
    assert implied.on(market.index).source_counts() == {"term structure VIX9D+VIX+VIX3M": 2740}
    # Holidays on which an index is quoted are left out.
    assert len(implied.index.intersection(market.index)) == 2740
    scores = profile_scores(market, features, implied)
    assert scores.iloc[38:].notna().all(axis=None)
    assert ((scores.iloc[38:] >= 0) & (scores.iloc[38:] <= 1)).all(axis=None)
    # The proxy took this edge out: implied against realised is no longer constant.
    ratio = implied.on(market.index).frame["iv20"] / features["rv10"]
    assert ratio.std() > 0.3


def test_splice_reports_its_sources(market_data: Path) -> None:
    bars = pd.read_parquet(market_data / "index" / "spy_daily.parquet").loc["2008":"2012"]
    market = OHLCV.adjusted(bars)
    vix = index_close(market_data, "vix")
    curve = ImpliedVolatility.from_term_structure(
        vix, vix9d=index_close(market_data, "vix9d"), vix3m=index_close(market_data, "vix3m")
    )
    implied = curve.where_available(market.index, ImpliedVolatility.flat(vix))
    counts = implied.source_counts()
    assert list(counts) == ["flat VIX", "term structure VIX9D+VIX+VIX3M"]
    assert sum(counts.values()) == len(market) == 1259
    assert implied.source.loc["2010-12-31"] == "flat VIX"
    assert implied.source.loc["2011-01-04"] == "term structure VIX9D+VIX+VIX3M"
