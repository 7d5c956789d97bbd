"""Small markets, and surfaces that are written down by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from allocopt.backtests.profiles import ETF_COSTS, ProfileResult, ProfileSpecification, run_profile
from allocopt.backtests.rotation import OHLCV

FloatArray = npt.NDArray[np.float64]


class Sloped:
    """A level by date, a slope in log-moneyness and a term structure; missing dates are an error of the caller."""

    def __init__(self, level: pd.Series[float], slope: float = -0.3, term: float = 0.0) -> None:
        self.level, self.slope, self.term = level, slope, term

    def implied_volatility(self, dates: pd.DatetimeIndex, days: FloatArray, log_moneyness: FloatArray) -> FloatArray:
        level = self.level.to_numpy()[self.level.index.get_indexer(dates)]
        bent = self.slope * np.tanh(np.asarray(log_moneyness) / 0.2) * 0.2
        found: FloatArray = np.maximum(level + bent + self.term * np.sqrt(np.asarray(days) / 365.0), 0.03)
        return found


def bars(closes: Sequence[float], start: str = "2024-03-04") -> OHLCV:
    """Bars without a range on weekdays; 2024-03-04 is a Monday and no holiday is near until 2024-03-29."""
    index = pd.bdate_range(start, periods=len(closes))
    close = pd.Series(np.asarray(closes, dtype=np.float64), index=index)
    return OHLCV(pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close)))


Run = Callable[..., ProfileResult]


@pytest.fixture
def run() -> Run:
    """Run a profile on closes; a level of volatility, a score and a regime may be one number or one a row."""

    def go(
        specification: ProfileSpecification,
        closes: Sequence[float],
        *,
        volatility: float | Sequence[float] = 0.20,
        score: float | Sequence[float] = 0.9,
        regime: int | Sequence[int] = 4,
        start: str = "2024-03-04",
        slope: float = 0.0,
        **settings: object,
    ) -> ProfileResult:
        market = bars(closes, start)
        level = pd.Series(volatility, index=market.index, dtype=np.float64)
        scores = pd.Series(score, index=market.index, dtype=np.float64)
        regimes = pd.Series(regime, index=market.index, dtype=np.int64)
        given = {"costs": ETF_COSTS, **settings}
        return run_profile(specification, market, scores, regimes, Sloped(level, slope), **given)  # type: ignore[arg-type]

    return go


@pytest.fixture
def study() -> Callable[..., tuple[pd.DataFrame, pd.DataFrame, pd.Series[int], pd.Series[float]]]:
    """Bars, scores, regimes and levels of volatility that make all six profiles trade: (seed, rows)."""

    def make(seed: int, rows: int = 400) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series[int], pd.Series[float]]:
        rng = np.random.default_rng(seed)
        index = pd.bdate_range("2021-01-04", periods=rows, name="date")
        close = 400.0 * np.exp(np.cumsum(0.011 * rng.standard_t(4, rows) / np.sqrt(2.0)))
        frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close), index=index)
        spells = np.repeat(rng.integers(1, 6, rows), rng.integers(1, 25, rows))[:rows]
        scores = pd.DataFrame(rng.uniform(0.2, 0.9, (rows, 6)), index, [f"P{i}" for i in range(1, 7)])
        scores.iloc[:20] = np.nan
        level = pd.Series(0.2 * np.exp(0.15 * rng.normal(size=rows)), index=index)
        return frame, scores, pd.Series(spells, index=index), level

    return make
