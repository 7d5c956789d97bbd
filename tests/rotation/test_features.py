"""Features: values worked by hand, then a plain-Python twin on a random market."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.rotation import FEATURES, OHLCV, compute_features
from allocopt.errors import ShapeError, SpecificationError

Market = Callable[[Sequence[float]], OHLCV]


def test_columns_are_the_documented_ones(from_closes: Market) -> None:
    features = compute_features(from_closes([100.0, 101.0]))
    assert list(features.columns) == list(FEATURES)
    assert (features.dtypes == np.float64).all()


def test_returns_by_hand(from_closes: Market) -> None:
    features = compute_features(from_closes([100.0, 110.0, 99.0]))
    # 110/100 = 1.1 and 99/110 = 0.9
    np.testing.assert_allclose(features["log_return"], [np.nan, math.log(1.1), math.log(0.9)], rtol=1e-14)
    np.testing.assert_allclose(features["abs_return"], [np.nan, 0.1, 0.1], rtol=1e-14)


def test_realised_volatility_by_hand(from_returns: Market) -> None:
    # Returns +1%, -1%, +1%, ... of which n in a row have, for even n, mean 0 and squares summing to n/10^4.
    features = compute_features(from_returns([0.01 if t % 2 else -0.01 for t in range(1, 26)]))
    year = math.sqrt(252)
    # n = 10: variance 10/9 x 10^-4; n = 20: 20/19 x 10^-4.
    assert features["rv10"].iloc[10] == pytest.approx(0.01 * math.sqrt(10 / 9) * year, rel=1e-10)
    assert features["rv20"].iloc[20] == pytest.approx(0.01 * math.sqrt(20 / 19) * year, rel=1e-10)
    # n = 5, three up and two down: mean 0.002, variance (5 x 10^-4 - 5 x 4 x 10^-6) / 4 = 1.2 x 10^-4.
    assert features["rv5"].iloc[5] == pytest.approx(math.sqrt(1.2e-4) * year, rel=1e-10)


def test_periods_per_year_scale_the_volatility(from_returns: Market) -> None:
    market = from_returns([0.01 if t % 2 else -0.01 for t in range(1, 40)])
    daily, hourly = compute_features(market), compute_features(market, periods_per_year=4 * 252)
    volatile = ["rv5", "rv10", "rv20", "vol_of_vol"]
    np.testing.assert_allclose(hourly[volatile], 2 * daily[volatile], rtol=1e-12, atol=1e-15)
    other = [name for name in FEATURES if name not in volatile]
    pd.testing.assert_frame_equal(hourly[other], daily[other])


def test_vol_of_vol_by_hand(from_returns: Market) -> None:
    # Rows 1-19 alternate +1%, -1%; row 20 stands still.
    features = compute_features(from_returns([0.01 if t % 2 else -0.01 for t in range(1, 20)] + [0.0]))
    # rv10 is c on rows 10-19. On row 20 its returns are five up, four down, one zero: sum 0.01, squares 9 x 10^-4,
    # variance (9 - 1/10)/9 x 10^-4.
    year = math.sqrt(252)
    c, d = 0.01 * math.sqrt(10 / 9) * year, 0.01 * math.sqrt(8.9 / 9) * year
    # Ten values, all equal, on row 19; ten c and one d on row 20: variance (c - d)^2 x (10/11)/10.
    assert math.isnan(features["vol_of_vol"].iloc[18])
    assert features["vol_of_vol"].iloc[19] == pytest.approx(0.0, abs=1e-12)
    assert features["vol_of_vol"].iloc[20] == pytest.approx((c - d) / math.sqrt(11), rel=1e-8)


def test_average_true_range_by_hand() -> None:
    bars = pd.DataFrame(
        {
            "open": [100.0, 101.0, 106.0, 99.0, 100.0, 101.0],
            "high": [101.0, 103.0, 108.0, 100.0, 102.0, 104.0],
            "low": [99.0, 100.0, 105.0, 97.0, 99.0, 100.0],
            "close": [100.0, 102.0, 107.0, 98.0, 101.0, 103.0],
        },
        index=pd.bdate_range("2021-01-04", periods=6),
    )
    features = compute_features(OHLCV(bars))
    # True ranges: row 1 high - low = 3; row 2 gaps up, 108 - 102 = 6; row 3 gaps down, 107 - 97 = 10;
    # row 4: 102 - 98 = 4 against 3; row 5: high - low = 4. Mean of rows 1-5: 27/5. Row 0 has no previous close.
    assert features["atr5"].iloc[5] == pytest.approx(27 / 5, rel=1e-14)
    assert features["atr5"].iloc[:5].isna().all()
    assert features["atr10"].isna().all()


def test_trend_and_range_by_hand(from_closes: Market) -> None:
    # Close 100 + t, high one above, low two below.
    features = compute_features(from_closes([100.0 + t for t in range(60)]))
    assert features["ma20"].iloc[19] == pytest.approx(109.5, rel=1e-14)  # mean of 100 .. 119
    assert features["ma50"].iloc[49] == pytest.approx(124.5, rel=1e-14)  # mean of 100 .. 149
    assert features["slope20"].iloc[24] == pytest.approx(114.5 / 109.5 - 1, rel=1e-12)
    assert features["ret20"].iloc[20] == pytest.approx(0.2, rel=1e-14)  # 120 against 100
    assert features["range10"].iloc[9] == pytest.approx((110.0 - 98.0) / 109.0, rel=1e-14)
    assert features["atr10"].iloc[10] == pytest.approx(3.0, rel=1e-14)  # (C + 1) - (C - 2)


def test_rank_of_a_volatility_that_only_rises(from_returns: Market) -> None:
    market = from_returns([0.0002 * t * (-1) ** t for t in range(1, 100)])
    full = compute_features(market)["rv20_rank"]
    built = compute_features(market, rank_window="as_built")["rv20_rank"]
    assert full.iloc[:80].isna().all()
    assert (full.iloc[80:] == 1.0).all()
    assert built.iloc[:20].isna().all()
    # Row t has t - 20 lower values before it, out of min(t, 60) rows of which the first 20 are empty.
    assert built.iloc[[20, 21, 50, 60, 79, 80]].tolist() == [0 / 20, 1 / 21, 30 / 50, 40 / 60, 59 / 60, 1.0]


def test_rank_of_a_volatility_that_only_falls(from_returns: Market) -> None:
    full = compute_features(from_returns([0.0002 * (100 - t) * (-1) ** t for t in range(1, 100)]))["rv20_rank"]
    assert (full.iloc[80:] == 0.0).all()


def test_first_defined_rows(random_bars: Callable[[int, int], pd.DataFrame]) -> None:
    features = compute_features(OHLCV(random_bars(1, 120)))
    first = {name: features.index.get_loc(features[name].first_valid_index()) for name in FEATURES}
    assert first == {
        "close": 0, "log_return": 1, "abs_return": 1, "rv5": 5, "rv10": 10, "rv20": 20, "atr5": 5, "atr10": 10,
        "ma20": 19, "ma50": 49, "slope20": 24, "ret20": 20, "range10": 9, "rv20_rank": 80, "vol_of_vol": 19,
    }  # fmt: skip
    for name, row in first.items():
        assert features[name].iloc[row:].notna().all()


def test_a_market_that_stands_still_is_defined(from_closes: Market) -> None:
    features = compute_features(from_closes([100.0] * 100))
    last = features.iloc[-1]
    assert last["rv20"] == 0.0
    assert last["rv20_rank"] == 0.0  # nothing is strictly below
    assert last["vol_of_vol"] == 0.0


def test_does_not_depend_on_where_the_data_starts(random_bars: Callable[[int, int], pd.DataFrame]) -> None:
    bars = random_bars(2, 400)
    long, short = compute_features(OHLCV(bars)), compute_features(OHLCV(bars.iloc[150:]))
    settled = short.iloc[80:]
    assert len(settled) == 170
    pd.testing.assert_frame_equal(long.loc[settled.index], settled, rtol=1e-9, check_freq=False)


def test_refuses_wrong_arguments(from_closes: Market) -> None:
    market = from_closes([100.0, 101.0])
    with pytest.raises(ShapeError, match=r"market is not of type OHLCV: 'DataFrame'. Remedy: pass OHLCV\(...\)"):
        compute_features(market.frame)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="rank_window is unknown: 'partial'"):
        compute_features(market, rank_window="partial")  # type: ignore[arg-type]
    for value in (0.0, -252.0, math.nan, math.inf):
        with pytest.raises(SpecificationError, match="periods_per_year is not positive"):
            compute_features(market, periods_per_year=value)


def _deviation(values: list[float], least: int) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.stdev(known) if len(known) >= least else math.nan


def twin_features(bars: pd.DataFrame, as_built: bool) -> dict[str, list[float]]:
    """The definitions, one row and one number at a time."""
    high, low, close = (bars[name].tolist() for name in ("high", "low", "close"))
    table: dict[str, list[float]] = {name: [] for name in FEATURES}
    returns: list[float] = []
    ranges: list[float] = []
    for t in range(len(close)):
        returns.append(math.log(close[t] / close[t - 1]) if t else math.nan)
        ranges.append(max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1])) if t else math.nan)
        row: dict[str, float] = {"close": close[t], "log_return": returns[t]}
        row["abs_return"] = abs(close[t] / close[t - 1] - 1) if t else math.nan
        for n in (5, 10, 20):
            row[f"rv{n}"] = statistics.stdev(returns[t - n + 1 : t + 1]) * math.sqrt(252) if t >= n else math.nan
        for n in (5, 10):
            row[f"atr{n}"] = sum(ranges[t - n + 1 : t + 1]) / n if t >= n else math.nan
        for n in (20, 50):
            row[f"ma{n}"] = sum(close[t - n + 1 : t + 1]) / n if t >= n - 1 else math.nan
        row["slope20"] = row["ma20"] / table["ma20"][t - 5] - 1 if t >= 24 else math.nan
        row["ret20"] = close[t] / close[t - 20] - 1 if t >= 20 else math.nan
        row["range10"] = (max(high[t - 9 : t + 1]) - min(low[t - 9 : t + 1])) / close[t] if t >= 9 else math.nan
        before = table["rv20"][max(0, t - 60) : t]
        lower = sum(value < row["rv20"] for value in before)
        if as_built:
            row["rv20_rank"] = lower / len(before) if t >= 20 else math.nan
        else:
            row["rv20_rank"] = lower / 60 if t >= 80 else math.nan
        row["vol_of_vol"] = _deviation([*table["rv10"][max(0, t - 19) : t], row["rv10"]], 10)
        for name in FEATURES:
            table[name].append(row[name])
    return table


@pytest.mark.parametrize("as_built", [False, True])
@pytest.mark.parametrize("seed", [11, 12])
def test_against_the_twin(seed: int, as_built: bool, random_bars: Callable[[int, int], pd.DataFrame]) -> None:
    bars = random_bars(seed, 260)
    features = compute_features(OHLCV(bars), rank_window="as_built" if as_built else "full")
    expected = twin_features(bars, as_built)
    assert len(features) == 260
    for name in FEATURES:
        np.testing.assert_allclose(features[name], expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
