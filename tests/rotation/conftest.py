"""Small markets made by hand or from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.rotation import OHLCV


def _bars(closes: Sequence[float], above: float = 1.0, below: float = 2.0) -> pd.DataFrame:
    close = np.asarray(closes, dtype=float)
    return pd.DataFrame(
        {"open": close, "high": close + above, "low": close - below, "close": close},
        index=pd.bdate_range("2021-01-04", periods=len(close)),
    )


@pytest.fixture
def from_closes() -> Callable[[Sequence[float]], OHLCV]:
    """Bars that reach one above and two below their close."""
    return lambda closes: OHLCV(_bars(closes))


@pytest.fixture
def from_returns() -> Callable[[Sequence[float]], OHLCV]:
    """Bars whose log returns from row 1 on are given; the first close is 100."""
    return lambda returns: OHLCV(_bars((100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))).tolist()))


@pytest.fixture
def random_bars() -> Callable[[int, int], pd.DataFrame]:
    """Bars of a random walk with volatility clusters: (seed, number of bars)."""

    def make(seed: int, rows: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        level = np.exp(0.4 * np.cumsum(rng.normal(size=rows)) / np.sqrt(np.arange(1, rows + 1)))
        close = 100 * np.exp(np.cumsum(0.01 * level * rng.normal(size=rows)))
        open_ = close * np.exp(0.003 * rng.normal(size=rows))
        high = np.maximum(open_, close) * np.exp(0.004 * rng.random(rows))
        low = np.minimum(open_, close) * np.exp(-0.004 * rng.random(rows))
        return pd.DataFrame(
            {"open": open_, "high": high, "low": low, "close": close, "volume": rng.integers(0, 10**6, rows)},
            index=pd.bdate_range("2015-01-02", periods=rows),
        )

    return make
