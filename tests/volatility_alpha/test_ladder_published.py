"""The published rows, on real prices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocopt import InputError
from allocopt.backtests.volatility_alpha import VolatilityAlpha, WindowStudy, suggested_n

START, END = "2022-10-27", "2025-10-26"


@pytest.fixture(scope="module")
def history(market_data: Path) -> pd.DataFrame:
    return pd.read_parquet(market_data / "trends" / "sdn_ohlc_daily.parquet").set_index("Date")


def of(history: pd.DataFrame, ticker: str) -> pd.DataFrame:
    return history[history["ticker"] == ticker].drop(columns="ticker")


@pytest.mark.market_data
@pytest.mark.parametrize(
    ("ticker", "n", "published", "ours", "buys", "held"),
    [
        ("NVDA", 6, (696.09, 619.31, 76.78), (699.13, 622.60), 18, 1313.6),
        ("GLD", 16, (114.65, 113.59, 1.06), (114.47, 113.45), 10, 144.0),
    ],
)
def test_published_rows(
    history: pd.DataFrame,
    ticker: str,
    n: int,
    published: tuple[float, float, float],
    ours: tuple[float, float],
    buys: int,
    held: float,
) -> None:
    found = VolatilityAlpha(n).compare(of(history, ticker), start=START, end=END)
    full = found.results["full"]
    returns = 100.0 * found.table["total_return"].astype(float)
    assert full.buys == buys
    assert returns["full"] == pytest.approx(ours[0], abs=0.005)
    assert returns["ath_only"] == pytest.approx(ours[1], abs=0.005)
    assert returns["buy_and_hold"] == pytest.approx(held, abs=0.05)
    assert 100.0 * full.volatility_alpha_baseline == pytest.approx(published[2], abs=1.0)
    # Levels: within one percentage point for GLD; for NVDA the price history differs by half a percent of the level.
    for name, level in (("full", published[0]), ("ath_only", published[1])):
        assert 100.0 + returns[name] == pytest.approx(100.0 + level, rel=0.005)
        if ticker == "GLD":
            assert returns[name] == pytest.approx(level, abs=1.0)
    assert returns["buy_and_hold"] > returns["full"] > returns["ath_only"]


@pytest.mark.market_data
def test_rounding_is_as_large_as_the_effect(history: pd.DataFrame) -> None:
    for ticker, n, apart in (("NVDA", 6, 29.75), ("GLD", 16, 1.64)):
        whole, exact = (
            VolatilityAlpha(n, shares=shares).run(of(history, ticker), start=START, end=END)
            for shares in ("integer", "fractional")
        )
        assert 100.0 * abs(whole.total_return - exact.total_return) == pytest.approx(apart, abs=0.01)
        assert apart > 0.3 * 100.0 * whole.volatility_alpha_baseline


@pytest.mark.market_data
def test_a_hole_of_six_years_is_found(history: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"no bar for \d{4} days after 20\d\d") as caught:
        VolatilityAlpha(16).run(of(history, "SPY"))
    assert caught.value.where == "2015-01-02"
    for ticker in history["ticker"].unique():
        if ticker != "SPY":
            VolatilityAlpha(8, shares="fractional").run(of(history, str(ticker)))


@pytest.mark.market_data
def test_suggestions(history: pd.DataFrame) -> None:
    """The published table runs NVDA on sd6 and GLD on sd16."""
    for ticker, n in (("NVDA", 6), ("GLD", 16)):
        closes = of(history, ticker).loc[START:END, "Close"]
        assert suggested_n(float(np.diff(np.log(closes)).std(ddof=1) * np.sqrt(252))) == n


@pytest.mark.market_data
def test_windows_of_the_long_histories(market_data: Path) -> None:
    """The ladder beats buy-and-hold where the price ends within a standard deviation of its start, and not beyond."""
    closes = pd.read_parquet(market_data / "trends" / "adjusted_close_daily.parquet")[["SPY", "GLD", "NVDA"]]
    found = WindowStudy(n=(8,), profit_sharing=(0.5,), step=5, path="joined").run(closes)
    near = found.by_condition(8, 0.5, "displacement", (0.0, 0.5, 1.5, 100.0))["beats"]
    assert near.iloc[0] > 0.9
    assert near.iloc[2] < 0.02
    assert 0.2 < found.distribution["beats"].iloc[0] < 0.6
