"""Hourly closes that trend and turn, from a seed, and the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.trend_basket import TrendBasket, regular_closes

HOURS = ("2019-12-25 00:00", "2026-05-03 15:00")


def make_closes(rows: int = 1500, seed: int = 11) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    hours = pd.date_range("2024-01-30 00:00", periods=rows, freq="h", tz="UTC", name="date")
    drift = 0.002 * np.sin(np.arange(rows) / 120.0)[:, None] * np.array([1.0, 1.3, 0.8])
    shocks = rng.normal(0.0, 0.006, (rows, 1)) + rng.normal(0.0, 0.004, (rows, 3))
    prices = np.array([40_000.0, 2_500.0, 90.0]) * np.exp(np.cumsum(drift + shocks, axis=0))
    return pd.DataFrame(prices, index=hours, columns=["BTC", "ETH", "SOL"])


@pytest.fixture
def closes() -> pd.DataFrame:
    return make_closes()


@pytest.fixture
def small() -> TrendBasket:
    """Windows short enough for the made closes, with every rule at work."""
    return TrendBasket(
        momentum=48, trend=72, market_trend=96, interval=24, top=2, volatility_window=36, volatility_cap=0.0085,
        volatility_target=0.3,
    )  # fmt: skip


@pytest.fixture(scope="session")
def real_closes(market_data: Path) -> pd.DataFrame:
    folder = market_data / "crypto"
    columns = {
        coin: pd.read_parquet(folder / f"{coin.lower()}usdt_1h.parquet").set_index("date")["close"]
        for coin in ("BTC", "ETH")
    }
    wide = pd.DataFrame(columns)
    first, last = (pd.Timestamp(label, tz="UTC") for label in HOURS)
    return regular_closes(wide.loc[first:last]).closes
