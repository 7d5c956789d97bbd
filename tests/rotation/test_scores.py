"""Profile scores: values by hand, a plain-Python twin, bounds, warm-up and errors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt.backtests.rotation import (
    FACTORS,
    OHLCV,
    ImpliedVolatility,
    compute_features,
    profile_factors,
    profile_scores,
)
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError
from allocopt.regimes import PROFILES

Bars = Callable[[int, int], pd.DataFrame]
FIRST_ROWS = {"P1": 29, "P2": 21, "P3": 21, "P4": 24, "P5": 29, "P6": 38}  # with the realised proxy


def own_volatility(index: pd.DatetimeIndex, seed: int = 5) -> ImpliedVolatility:
    """A volatility that has nothing to do with the prices, so that no factor is constant."""
    rng = np.random.default_rng(seed)
    levels = 0.2 * np.exp(0.3 * rng.normal(size=(len(index), 3)))
    return ImpliedVolatility(pd.DataFrame(levels, columns=["iv7", "iv20", "iv60"], index=index), "own")


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def _share(values: list[float], rows: int, as_built: bool) -> float:
    window = values[-rows:]
    known = [value for value in window if not math.isnan(value)]
    if math.isnan(values[-1]) or len(known) < 10:
        return math.nan
    return sum(value < values[-1] for value in known[:-1]) / ((len(window) if as_built else len(known)) - 1)


def _quantile(values: list[float]) -> float:
    known = sorted(value for value in values[-60:] if not math.isnan(value))
    if len(known) < 20:
        return math.nan
    place = 0.8 * (len(known) - 1)
    lower = math.floor(place)
    upper = min(lower + 1, len(known) - 1)
    return known[lower] + (place - lower) * (known[upper] - known[lower])


def _line(values: list[float], least: int) -> float:
    points = [(x, y) for x, y in enumerate(values[-5:]) if not math.isnan(y)]
    if len(points) < least:
        return math.nan
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def _z(values: list[float]) -> float:
    known = [value for value in values[-60:] if not math.isnan(value)]
    if len(known) < 20 or math.isnan(values[-1]):
        return math.nan
    return (values[-1] - statistics.fmean(known)) / (statistics.stdev(known) + 1e-6)


def twin_factors(
    features: pd.DataFrame, volatility: pd.DataFrame, skew: list[float] | None, as_built: bool
) -> dict[str, list[tuple[float, float, float]]]:
    """The table of factors, one date at a time."""
    factors: dict[str, list[tuple[float, float, float]]] = {profile: [] for profile in PROFILES}
    history: dict[str, list[float]] = {name: [] for name in ("iv20", "iv60", "vv", "skew")}
    for t in range(len(features)):
        f = {str(name): float(value) for name, value in features.iloc[t].items()}
        iv7, iv20, iv60 = (float(value) for value in volatility.iloc[t])
        rv5, rv10, vv = f["rv5"], f["rv10"], f["vol_of_vol"]
        history["iv20"].append(iv20)
        history["iv60"].append(iv60)
        history["vv"].append(vv)
        history["skew"].append((f["atr10"] / f["close"]) / (rv10 + 1e-6) if skew is None else skew[t])
        r20, r60 = _share(history["iv20"], 60, as_built), _share(history["iv60"], 90, as_built)
        slope = _line(history["vv"], 5 if as_built else 3)
        z, q80 = _z(history["skew"]), _quantile(history["vv"])
        move = f["abs_return"] / (f["atr5"] / f["close"] + 1e-6)
        up, down, trend = sigmoid(1000 * slope), sigmoid(-1000 * slope), sigmoid(100 * f["slope20"])
        factors["P1"].append((sigmoid(5 * (rv10 / (iv60 + 1e-6) - 0.9)), sigmoid(5 * (0.4 - r60)), trend))
        factors["P2"].append((sigmoid(5 * (rv5 / (iv7 + 1e-6) - 0.8)), sigmoid(3 * (move - 1)), up))
        factors["P3"].append((sigmoid(5 * (iv20 / (rv10 + 1e-6) - 1.4)), sigmoid(100 * (0.035 - f["range10"])), down))
        factors["P4"].append((sigmoid(5 * (0.5 - r20)), trend, down))
        factors["P5"].append((sigmoid(2 * (z - 1)), up, sigmoid(5 * (rv5 / (iv20 + 1e-6) - 1))))
        factors["P6"].append((sigmoid(5 * (vv / (q80 + 1e-6) - 1)), up, sigmoid(5 * (r20 - 0.5))))
    return factors


def twin_scores(factors: dict[str, list[tuple[float, float, float]]], as_built: bool) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {}
    for profile, rows in factors.items():
        values = [(a * b * c) ** (1 / 3) for a, b, c in rows]
        if as_built:
            values = [0.0 if math.isnan(value) else value for value in values]
        if profile in {"P2", "P5"}:
            smooth: list[float] = []
            for value in values:  # span 3: weight 2 / (3 + 1)
                started = bool(smooth) and not math.isnan(smooth[-1])
                smooth.append(0.5 * value + 0.5 * smooth[-1] if started else value)
            values = smooth
        scores[profile] = values
    return scores


@pytest.mark.parametrize("warm_up", ["undefined", "as_built"])
@pytest.mark.parametrize("source", ["proxy", "own"])
@pytest.mark.parametrize("with_skew", [False, True])
def test_against_the_twin(warm_up: str, source: str, with_skew: bool, random_bars: Bars) -> None:
    market = OHLCV(random_bars(21, 220))
    features = compute_features(market)
    implied = ImpliedVolatility.realized_proxy(features) if source == "proxy" else own_volatility(market.index)
    skew = pd.Series(np.random.default_rng(8).normal(130, 5, 220), index=market.index) if with_skew else None
    as_built = warm_up == "as_built"
    if as_built:
        factors = profile_factors(market, features, implied, skew=skew, warm_up="as_built")
        scores = profile_scores(market, features, implied, skew=skew, warm_up="as_built")
    else:
        factors = profile_factors(market, features, implied, skew=skew)
        scores = profile_scores(market, features, implied, skew=skew)
    expected = twin_factors(features, implied.frame, None if skew is None else skew.tolist(), as_built)
    assert [tuple(column) for column in factors.columns] == [(p, name) for p in PROFILES for name in FACTORS[p]]
    assert factors.shape == (220, 18)
    assert scores.shape == (220, 6)
    for profile in PROFILES:
        np.testing.assert_allclose(factors[profile], expected[profile], rtol=1e-8, atol=1e-12, err_msg=profile)
    for profile, values in twin_scores(expected, as_built).items():
        np.testing.assert_allclose(scores[profile], values, rtol=1e-8, atol=1e-12, err_msg=profile)


def test_factors_by_hand(random_bars: Bars) -> None:
    """One date with round numbers: the table of features is written, not computed."""
    rows = 40
    market = OHLCV(random_bars(4, rows))
    features = compute_features(market)
    last = market.index[-1]
    # vol_of_vol climbs by 0.001 a row and ends at 0.040, so its slope is 0.001 and the 80 % quantile of the forty
    # values 0.001 .. 0.040 lies at position 0.8 x 39 = 31.2: 0.0322.
    features["vol_of_vol"] = 0.001 * np.arange(1, rows + 1)
    features.loc[last, ["rv5", "rv10", "slope20", "range10", "abs_return"]] = [0.16, 0.18, 0.01, 0.025, 0.02]
    features.loc[last, "atr5"] = 0.01 * market.close.iloc[-1]
    levels = pd.DataFrame(0.10, index=market.index, columns=["iv7", "iv20", "iv60"])
    levels.iloc[-1] = [0.20, 0.20, 0.20]  # above all the others: both ranks are 1
    factors = profile_factors(market, features, ImpliedVolatility(levels, "own")).loc[last]

    def s(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    near = pytest.approx  # the 1e-6 in the denominators is within 2e-4
    assert factors["P1"].tolist() == near([s(5 * (0.9 - 0.9)), s(5 * (0.4 - 1)), s(1)], rel=2e-4)
    assert factors["P2"].tolist() == near([s(5 * (0.8 - 0.8)), s(3 * (2 - 1)), s(1)], rel=2e-4)
    assert factors["P3"].tolist() == near([s(5 * (1 / 0.9 - 1.4)), s(1), s(-1)], rel=2e-4)
    assert factors["P4"].tolist() == near([s(-2.5), s(1), s(-1)], rel=2e-4)
    assert factors["P5"].iloc[1:].tolist() == near([s(1), s(5 * (0.8 - 1))], rel=2e-4)
    assert factors["P6"].tolist() == near([s(5 * (0.040 / 0.0322 - 1)), s(1), s(2.5)], rel=2e-4)


def test_skew_by_hand(random_bars: Bars) -> None:
    market = OHLCV(random_bars(4, 60))
    features = compute_features(market)
    skew = pd.Series([1.0, -1.0] * 30, index=market.index)
    factor = profile_factors(market, features, own_volatility(market.index), skew=skew)["P5", "skew_high"]
    # Sixty values, half +1 and half -1: mean 0, variance 60/59; the last one is -1.
    assert factor.iloc[-1] == pytest.approx(sigmoid(2 * (-1 / math.sqrt(60 / 59) - 1)), rel=1e-5)
    assert factor.iloc[:19].isna().all()
    assert factor.iloc[19:].notna().all()


def test_skew_has_no_unit(random_bars: Bars) -> None:
    market = OHLCV(random_bars(4, 120))
    features, implied = compute_features(market), own_volatility(market.index)
    skew = pd.Series(np.random.default_rng(1).normal(130, 5, 120), index=market.index)
    one = profile_scores(market, features, implied, skew=skew)["P5"]
    other = profile_scores(market, features, implied, skew=1000 * skew - 7)["P5"]
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_proxy_makes_two_factors_constant(random_bars: Bars) -> None:
    market = OHLCV(random_bars(4, 120))
    features = compute_features(market)
    factors = profile_factors(market, features, ImpliedVolatility.realized_proxy(features)).iloc[40:]
    assert np.ptp(factors["P2", "rv5_over_iv7"]) < 1e-4
    assert np.ptp(factors["P3", "iv20_over_rv10"]) < 1e-4
    assert factors["P2", "rv5_over_iv7"].iloc[0] == pytest.approx(sigmoid(5 * (1 / 1.2 - 0.8)), rel=1e-3)
    assert factors["P3", "iv20_over_rv10"].iloc[0] == pytest.approx(sigmoid(5 * (1.2 - 1.4)), rel=1e-3)


def geometric_mean(factors: pd.DataFrame, profile: str) -> list[float]:
    return [(a * b * c) ** (1 / 3) for a, b, c in factors[profile].to_numpy().tolist()]


def test_smoothing_by_hand(random_bars: Bars) -> None:
    market = OHLCV(random_bars(4, 120))
    features = compute_features(market)
    implied = ImpliedVolatility.realized_proxy(features)
    factors = profile_factors(market, features, implied)
    raw = {profile: geometric_mean(factors, profile) for profile in PROFILES}
    scores = profile_scores(market, features, implied)
    for profile in ("P1", "P3", "P4", "P6"):
        np.testing.assert_allclose(scores[profile], raw[profile], rtol=1e-12)
    for profile in ("P2", "P5"):
        first = FIRST_ROWS[profile]
        a, b, c = raw[profile][first : first + 3]
        smoothed = scores[profile].iloc[first : first + 3].tolist()
        assert smoothed == pytest.approx([a, a / 2 + b / 2, a / 4 + b / 4 + c / 2], rel=1e-12)


def test_smoothing_as_built_starts_from_zero(random_bars: Bars) -> None:
    market = OHLCV(random_bars(4, 120))
    features = compute_features(market)
    implied = ImpliedVolatility.realized_proxy(features)
    first = 23  # five values of vol_of_vol, from row 19 on
    a, b = geometric_mean(profile_factors(market, features, implied, warm_up="as_built"), "P2")[first : first + 2]
    smoothed = profile_scores(market, features, implied, warm_up="as_built")["P2"].tolist()
    assert smoothed[:first] == [0.0] * first
    assert smoothed[first : first + 2] == pytest.approx([a / 2, a / 4 + b / 2], rel=1e-12)


def test_nan_in_the_warm_up_only(random_bars: Bars) -> None:
    market = OHLCV(random_bars(6, 300))
    features = compute_features(market)
    scores = profile_scores(market, features, ImpliedVolatility.realized_proxy(features))
    for profile, first in FIRST_ROWS.items():
        assert scores[profile].iloc[:first].isna().all()
        assert scores[profile].iloc[first:].notna().all()
    built = profile_scores(market, features, ImpliedVolatility.realized_proxy(features), warm_up="as_built")
    assert built.notna().all(axis=None)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-6, 1e-3, 1.0, 5.0]))
def test_scores_lie_between_zero_and_one(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(np.clip(0.01 * scale * rng.standard_t(3, size=150), -2, 2)))
    wick = np.exp(0.01 * scale * rng.random(150))
    index = pd.bdate_range("2020-01-01", periods=150)
    market = OHLCV(
        pd.DataFrame({"open": close, "high": close * wick, "low": close / wick, "close": close}, index=index)
    )
    features = compute_features(market)
    for implied in (ImpliedVolatility.realized_proxy(features), own_volatility(index, seed)):
        scores = profile_scores(market, features, implied)
        settled = scores.iloc[38:]
        assert settled.notna().all(axis=None)
        assert ((settled >= 0) & (settled <= 1)).all(axis=None)


def test_a_market_that_stands_still_has_scores(from_closes: Callable[[list[float]], OHLCV]) -> None:
    market = from_closes([100.0] * 60)
    features = compute_features(market)
    scores = profile_scores(market, features, ImpliedVolatility.realized_proxy(features))
    assert scores.iloc[38:].notna().all(axis=None)
    assert ((scores.iloc[38:] >= 0) & (scores.iloc[38:] <= 1)).all(axis=None)


def test_extra_dates_of_the_index_do_not_matter(random_bars: Bars) -> None:
    market = OHLCV(random_bars(6, 100))
    features = compute_features(market)
    wide = own_volatility(pd.date_range("2014-12-01", "2016-01-01"))
    skew = pd.Series(np.random.default_rng(2).normal(size=len(wide)), index=wide.index)
    narrow = wide.on(market.index)
    pd.testing.assert_frame_equal(
        profile_scores(market, features, wide, skew=skew),
        profile_scores(market, features, narrow, skew=skew[market.index]),
    )


def test_refuses_what_does_not_belong_together(random_bars: Bars) -> None:
    market = OHLCV(random_bars(6, 60))
    features, implied = compute_features(market), own_volatility(market.index)
    with pytest.raises(LabelError, match="features and market have different dates"):
        profile_scores(market, features.iloc[1:], implied)
    other = OHLCV(market.frame[["open", "high", "low", "close"]] * 2)
    with pytest.raises(InputError, match="features come from other prices than the market at 2015-01-02"):
        profile_scores(other, features, implied)
    with pytest.raises(LabelError, match="implied volatility is missing on 1 of 60 dates, first at 2015-01-02"):
        profile_scores(market, features, implied.on(market.index[1:]))
    with pytest.raises(LabelError, match=r"lacks columns: \['atr5'\]"):
        profile_scores(market, features.drop(columns="atr5"), implied)
    with pytest.raises(SpecificationError, match="warm_up is unknown: 'zero'"):
        profile_scores(market, features, implied, warm_up="zero")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="market is not of type OHLCV"):
        profile_scores(market.frame, features, implied)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="features is not of type DataFrame"):
        profile_scores(market, features["close"], implied)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="implied is not of type ImpliedVolatility"):
        profile_scores(market, features, implied.frame)  # type: ignore[arg-type]


def test_refuses_a_skew_with_holes(random_bars: Bars) -> None:
    market = OHLCV(random_bars(6, 60))
    features, implied = compute_features(market), own_volatility(market.index)
    skew = pd.Series(130.0, index=market.index)
    with pytest.raises(LabelError, match="skew is missing on 1 of 60 dates, first at 2015-01-02"):
        profile_scores(market, features, implied, skew=skew.iloc[1:])
    for value in (math.nan, math.inf):
        holed = skew.copy()
        holed.iloc[7] = value
        with pytest.raises(InputError, match="skew is not finite at 2015-01-13"):
            profile_scores(market, features, implied, skew=holed)
    with pytest.raises(LabelError, match="skew mixes dates with and without a time zone"):
        profile_scores(market, features, implied, skew=skew.tz_localize("UTC"))
    with pytest.raises(ShapeError, match="skew is not of type Series"):
        profile_scores(market, features, implied, skew=skew.to_frame())  # type: ignore[arg-type]
