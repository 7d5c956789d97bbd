"""The six profiles on the S&P 500 with the surface of its volatility indices."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.options import IndexSurface
from allocopt.backtests.profiles import INDEX_COSTS, P3_AS_BUILT, published_profiles, run_profiles
from allocopt.backtests.rotation import OHLCV, ImpliedVolatility, classify_regimes, compute_features, profile_scores

pytestmark = pytest.mark.market_data


def test_six_profiles_on_the_index(market_data: Path) -> None:
    def close(name: str) -> pd.Series[float]:
        return pd.read_parquet(market_data / "index" / f"{name}_daily.parquet")["CLOSE"]

    bars = pd.read_parquet(market_data / "index" / "sp500_daily.parquet").drop(columns="Adj Close")
    market = OHLCV(bars.loc["2018-01-02":"2022-12-30"])
    features = compute_features(market)
    regimes = classify_regimes(features)
    vix = close("vix")
    implied = ImpliedVolatility.from_term_structure(vix, vix9d=close("vix9d"), vix3m=close("vix3m"))
    scores = profile_scores(market, features, implied.on(market.index))
    surface = IndexSurface(
        vix,
        vix9d=close("vix9d"),
        vix3m=close("vix3m"),
        vix6m=close("vix6m"),
        vvix=pd.read_parquet(market_data / "index" / "vvix_daily.parquet")["VVIX"],
        where_missing="degrade",
    )
    made = run_profiles(published_profiles(), market, scores, regimes, surface, costs=INDEX_COSTS)
    assert list(made) == ["P1", "P2", "P3", "P4", "P5", "P6"]
    for name, result in made.items():
        assert len(result.trades) >= 3, name
        np.testing.assert_allclose(result.attribution.sum(axis=1), result.daily_pnl, atol=1e-9)
        assert result.returns.min() > -1.1, name  # what is paid for in full cannot lose more, but for costs
        assert result.capital[result.direction != 0].min() > 100.0
        # A day's decay and move explain most of the P&L of what is not about to expire.
        if name in ("P1", "P4", "P6"):
            assert result.attribution["residual"].abs().sum() < 0.15 * result.daily_pnl.abs().sum(), name
    deltas = made["P3"].lots.query("kind == 'call'")
    assert ((deltas["strike"] / market.close[deltas["opened"]].to_numpy()) > 1.0).all()
    far = run_profiles({"P3": P3_AS_BUILT}, market, scores, regimes, surface, costs=INDEX_COSTS)["P3"]
    assert far.trades["premium"].abs().median() < 0.2 * made["P3"].trades["premium"].abs().median()
    assert math.isfinite(made["P6"].summary()["residual"])
