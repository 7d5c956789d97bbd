"""Regimes: every rule, every boundary, the order of the rules, the warm-up."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.rotation import (
    OHLCV,
    PUBLISHED_RULES,
    RegimeRules,
    classify_regimes,
    compute_features,
)
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError
from allocopt.regimes import Regime

# A day on which no rule holds; each case changes what it needs.
QUIET = {
    "close": 100.0, "rv20": 0.20, "ma20": 100.0, "ma50": 100.0, "slope20": 0.0, "ret20": 0.0, "range10": 0.05,
    "rv20_rank": 0.45, "vol_of_vol": 0.01,
}  # fmt: skip
BREAKING = {"rv20_rank": 0.81, "rv20": 0.41}
DOWN = {"ret20": -0.021, "ma20": 100.1, "ma50": 100.1, "slope20": -1e-9, "rv20_rank": 0.51}
UP = {"ret20": 0.021, "ma20": 99.9, "ma50": 99.9, "slope20": 1e-9, "rv20_rank": 0.39}
COMPRESSION = {"range10": 0.034, "rv20_rank": 0.29, "slope20": 0.0049}


def frame(*days: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame([{**QUIET, **day} for day in days], index=pd.date_range("2024-01-01", periods=len(days)))


def label(day: dict[str, float], rules: RegimeRules = PUBLISHED_RULES) -> Regime:
    return Regime(classify_regimes(frame(day), rules=rules).iloc[0])


def test_each_rule() -> None:
    assert label({}) is Regime.CHOPPY
    assert label(BREAKING) is Regime.BREAKING_VOL
    assert label({"rv20_rank": 0.81, "rv20": 0.10, "vol_of_vol": 0.031}) is Regime.BREAKING_VOL
    assert label(DOWN) is Regime.TREND_DOWN
    assert label(UP) is Regime.TREND_UP
    assert label(COMPRESSION) is Regime.COMPRESSION
    assert label({**COMPRESSION, "slope20": -0.0049}) is Regime.COMPRESSION


@pytest.mark.parametrize(
    ("day", "name", "boundary"),
    [
        (BREAKING, "rv20_rank", 0.80),
        (BREAKING, "rv20", 0.40),
        ({"rv20_rank": 0.9, "vol_of_vol": 0.061}, "vol_of_vol", 0.30 * 0.20),
        (DOWN, "ret20", -0.02),
        (DOWN, "ma20", 100.0),
        (DOWN, "ma50", 100.0),
        (DOWN, "slope20", 0.0),
        (DOWN, "rv20_rank", 0.50),
        (UP, "ret20", 0.02),
        (UP, "ma20", 100.0),
        (UP, "ma50", 100.0),
        (UP, "slope20", 0.0),
        (UP, "rv20_rank", 0.40),
        (COMPRESSION, "range10", 0.035),
        (COMPRESSION, "rv20_rank", 0.30),
        (COMPRESSION, "slope20", 0.005),
        (COMPRESSION, "slope20", -0.005),
    ],
)
def test_every_condition_is_needed_and_strict(day: dict[str, float], name: str, boundary: float) -> None:
    assert label(day) is not Regime.CHOPPY
    assert label({**day, name: boundary}) is Regime.CHOPPY


def test_the_first_rule_that_holds_decides() -> None:
    falling = {**DOWN, **BREAKING}
    rising = {**UP, **COMPRESSION, "rv20_rank": 0.29}
    assert label(falling) is Regime.BREAKING_VOL
    assert label({**UP, **BREAKING}) is Regime.BREAKING_VOL
    assert label(rising) is Regime.TREND_UP
    days = frame(falling, rising, COMPRESSION, {})
    labels = classify_regimes(days, event_dates=[str(day.date()) for day in days.index])
    assert labels.tolist() == [Regime.EVENT] * 4


def test_trend_down_comes_before_trend_up_and_compression() -> None:
    # With loosened ranks one day can satisfy two rules; the published order decides.
    loose = RegimeRules(trend_down_rank=0.0, compression_rank=1.0, compression_slope=1.0)
    assert label({**DOWN, "range10": 0.01, "rv20_rank": 0.1}, loose) is Regime.TREND_DOWN
    assert label({"range10": 0.01, "rv20_rank": 0.1}, loose) is Regime.COMPRESSION


def test_rules_can_be_changed() -> None:
    assert label(UP, RegimeRules(trend_return=0.03)) is Regime.CHOPPY
    assert label(BREAKING, RegimeRules(breaking_rv=0.5)) is Regime.CHOPPY
    assert label({**BREAKING, "vol_of_vol": 0.1}, RegimeRules(breaking_rv=0.5, breaking_vol_of_vol=0.2)) is (
        Regime.BREAKING_VOL
    )


def test_event_window_counts_calendar_days_on_both_sides() -> None:
    days = frame(*[{}] * 10)  # 1 to 10 January
    labels = classify_regimes(days, event_dates=["2024-01-05"])
    assert [stamp.day for stamp in labels.index[labels == Regime.EVENT]] == [2, 3, 4, 5, 6, 7, 8]
    labels = classify_regimes(days, event_dates=["2024-01-05"], rules=RegimeRules(event_days=0))
    assert [stamp.day for stamp in labels.index[labels == Regime.EVENT]] == [5]
    assert (classify_regimes(days, event_dates=["2023-01-05"]) == Regime.CHOPPY).all()


def test_event_dates_may_be_dates_or_stamps_and_bars_may_have_a_time() -> None:
    days = frame(*[{}] * 10)
    expected = classify_regimes(days, event_dates=["2024-01-05"]).tolist()
    for event in (date(2024, 1, 5), np.datetime64("2024-01-05"), pd.Timestamp("2024-01-05 14:00")):
        assert classify_regimes(days, event_dates=[event]).tolist() == expected
    # Midnight in New York, kept in UTC, is five in the morning of the same date.
    midnight = pd.DatetimeIndex(days.index)
    for index in (midnight.tz_localize("America/New_York").tz_convert("UTC"), midnight + pd.Timedelta(hours=16)):
        assert classify_regimes(days.set_axis(index, axis=0), event_dates=["2024-01-05"]).tolist() == expected


@pytest.mark.parametrize("events", [[], "2024-01-05", ["not a date"], [None]])
def test_refuses_event_dates_that_are_none(events: list[str]) -> None:
    with pytest.raises(InputError, match="Remedy"):
        classify_regimes(frame({}), event_dates=events)


def test_a_warm_up_row_has_no_regime() -> None:
    days = frame({"rv20_rank": math.nan}, {**UP, "ma50": math.nan}, {})
    days.loc[days.index[0], "ma50"] = math.nan
    days.loc[days.index[1], "rv20_rank"] = math.nan
    ours = classify_regimes(days)
    assert ours.isna().tolist() == [True, True, False]
    assert str(ours.dtype) == "Int64"
    assert ours.dropna().astype(int).tolist() == [Regime.CHOPPY]
    # Not even an event: what the other features say is unknown.
    assert classify_regimes(days, event_dates=["2024-01-02"]).isna().tolist() == [True, True, False]


def test_as_built_a_warm_up_row_falls_through() -> None:
    days = frame({**UP, "rv20_rank": math.nan}, {})
    labels = classify_regimes(days, warm_up="as_built")
    assert labels.tolist() == [Regime.CHOPPY, Regime.CHOPPY]
    # A rule whose own inputs are known still holds.
    assert classify_regimes(frame({**UP, "vol_of_vol": math.nan}), warm_up="as_built").tolist() == [Regime.TREND_UP]


def test_a_feature_that_is_lost_is_an_error() -> None:
    days = frame({}, {"slope20": math.nan}, {})
    with pytest.raises(InputError, match="slope20 is missing after its warm-up at 2024-01-02"):
        classify_regimes(days)


def test_refuses_wrong_tables() -> None:
    with pytest.raises(LabelError, match=r"lacks columns: \['ma50'\]"):
        classify_regimes(frame({}).drop(columns="ma50"))
    with pytest.raises(LabelError, match="not sorted"):
        classify_regimes(frame({}, {}).iloc[::-1])
    with pytest.raises(ShapeError, match="not of type DataFrame"):
        classify_regimes(frame({})["close"])  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="warm_up is unknown: 'drop'"):
        classify_regimes(frame({}), warm_up="drop")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("breaking_rank", 80), ("breaking_rv", 40.0), ("breaking_vol_of_vol", -0.1), ("trend_return", 2.0),
        ("trend_down_rank", math.nan), ("trend_up_rank", math.inf), ("compression_range", 3.5),
        ("compression_rank", "0.3"), ("compression_slope", True), ("compression_slope", None),
    ],
)  # fmt: skip
def test_rules_refuse_percent_and_nonsense(name: str, value: object) -> None:
    with pytest.raises(SpecificationError, match=f"{name} is not between 0 and"):
        RegimeRules(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, 2.5, True])
def test_rules_refuse_event_days_that_are_no_count(value: object) -> None:
    with pytest.raises(SpecificationError, match="event_days"):
        RegimeRules(event_days=value)  # type: ignore[arg-type]


def test_published_thresholds() -> None:
    assert RegimeRules() == PUBLISHED_RULES
    assert RegimeRules(
        breaking_rank=0.80, breaking_rv=0.40, breaking_vol_of_vol=0.30, trend_return=0.02, trend_down_rank=0.50,
        trend_up_rank=0.40, compression_range=0.035, compression_rank=0.30, compression_slope=0.005, event_days=3,
    ) == PUBLISHED_RULES  # fmt: skip


def twin_regime(day: dict[str, float]) -> int:
    """The rules as a chain of questions."""
    close, rank, slope = day["close"], day["rv20_rank"], day["slope20"]
    if rank > 0.80 and (day["rv20"] > 0.40 or day["vol_of_vol"] > 0.30 * day["rv20"]):
        return 4
    if day["ret20"] < -0.02 and close < day["ma20"] and close < day["ma50"] and slope < 0 and rank > 0.50:
        return 2
    if day["ret20"] > 0.02 and close > day["ma20"] and close > day["ma50"] and slope > 0 and rank < 0.40:
        return 1
    if day["range10"] < 0.035 and rank < 0.30 and abs(slope) < 0.005:
        return 3
    return 5


@pytest.mark.parametrize("seed", range(4))
def test_against_the_twin(seed: int, random_bars: Callable[[int, int], pd.DataFrame]) -> None:
    features = compute_features(OHLCV(random_bars(seed, 600)), rank_window="as_built")
    labels = classify_regimes(features, warm_up="as_built")
    expected = [twin_regime({str(k): v for k, v in day.items()}) for day in features.to_dict("records")]
    assert len(labels) == 600
    assert labels.tolist() == expected
    assert len(set(expected)) >= 4  # the markets visit most regimes
    ours = classify_regimes(features)
    assert ours.isna().sum() == 49  # ma50 is the last to be defined with the as-built rank
    assert ours.dropna().tolist() == expected[49:]
