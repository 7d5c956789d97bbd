"""Bars for the ladder's tests: random ones, and paths on which every fill is at its limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.volatility_alpha import bars_from_closes

Joined = Callable[[Sequence[float]], pd.DataFrame]


def _dates(rows: int) -> pd.DatetimeIndex:
    return pd.date_range("2001-01-01", periods=rows, name="date")


@pytest.fixture(scope="session")
def joined() -> Joined:
    """Bars from each close to the next."""

    def make(closes: Sequence[float]) -> pd.DataFrame:
        return bars_from_closes(pd.Series(list(closes), index=_dates(len(closes)), dtype=float), path="joined")

    return make


@pytest.fixture(scope="session")
def through() -> Callable[..., pd.DataFrame]:
    """Bars on a fine path through the given closes: no step is as large as a rung."""

    def make(*points: float, steps: int = 200) -> pd.DataFrame:
        closes = [points[0]]
        for start, stop in pairwise(points):
            closes += np.geomspace(start, stop, steps)[1:].tolist()
        return bars_from_closes(pd.Series(closes, index=_dates(len(closes))), path="joined")

    return make


@pytest.fixture(scope="session")
def random_bars() -> Callable[..., pd.DataFrame]:
    """Bars with gaps overnight and ranges by day."""

    def make(seed: int, rows: int = 300, volatility: float = 0.03) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        night = np.exp(rng.normal(0.0, volatility / 2, rows))
        day = np.exp(rng.normal(0.0, volatility, rows))
        closes = 100.0 * np.cumprod(night * day)
        opens = closes / day
        wide = np.exp(np.abs(rng.normal(0.0, volatility / 2, (2, rows))))
        return pd.DataFrame(
            {
                "open": opens,
                "high": np.maximum(opens, closes) * wide[0],
                "low": np.minimum(opens, closes) / wide[1],
                "close": closes,
            },
            index=_dates(rows),
        )

    return make
