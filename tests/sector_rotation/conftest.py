"""Daily closes of sectors that lead in turn, from a seed, and the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.sector_rotation import SectorData, SectorRotation, wide_closes

NAMES = ("AA", "BB", "CC", "DD", "EE")


def make_closes(rows: int = 420, seed: int = 5, late: bool = True) -> pd.DataFrame:
    """Five sectors, bonds and an index; EE begins on row 150 where it is late."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2019-03-04", periods=rows, name="date")
    waves = 0.004 * np.sin(np.arange(rows)[:, None] / 25.0 + 2.0 * np.arange(5))
    fall = np.where((np.arange(rows) > 250) & (np.arange(rows) < 300), -0.012, 0.0)[:, None]
    market = rng.normal(0.0002, 0.007, (rows, 1))
    sectors = np.cumsum(waves + fall + market + rng.normal(0.0, 0.006, (rows, 5)), axis=0)
    index = np.cumsum(market[:, 0] + 0.6 * fall[:, 0])
    bonds = np.cumsum(rng.normal(0.0001, 0.005, rows))
    values = 50.0 * np.exp(np.column_stack([sectors, bonds, index]))
    closes = pd.DataFrame(values, index=days, columns=[*NAMES, "TLT", "SPY"])
    if late:
        closes.iloc[:150, 4] = np.nan
    return closes


def make_index(closes: pd.DataFrame, seed: int = 3) -> pd.Series[float]:
    rng = np.random.default_rng(seed)
    level = 20.0 * np.exp(0.35 * np.sin(np.arange(len(closes)) / 40.0) + rng.normal(0.0, 0.15, len(closes)))
    return pd.Series(level, index=closes.index, name="VIX")


@pytest.fixture
def closes() -> pd.DataFrame:
    return make_closes()


@pytest.fixture
def complete() -> pd.DataFrame:
    return make_closes(late=False)


@pytest.fixture
def vix(closes: pd.DataFrame) -> pd.Series[float]:
    return make_index(closes)


@pytest.fixture
def small() -> SectorRotation:
    """Windows short enough for the made closes, with every rule at work."""
    return SectorRotation(momentum=40, top_n=2, financing_rate=0.05, universe=NAMES)


@pytest.fixture(scope="session")
def real_data(market_data: Path) -> SectorData:
    """The closes of the published study, and the VIX; dated by sessions."""
    closes = wide_closes(pd.read_parquet(market_data / "sectors" / "ohlcv_daily.parquet"))
    return SectorData(closes, pd.read_parquet(market_data / "index" / "vix_daily.parquet")["CLOSE"])


@pytest.fixture(scope="session")
def long_data(market_data: Path) -> SectorData:
    """Closes from 1998 on."""
    closes = pd.read_parquet(market_data / "sectors" / "adjusted_close_daily.parquet")
    return SectorData(closes, pd.read_parquet(market_data / "index" / "vix_daily.parquet")["CLOSE"])
