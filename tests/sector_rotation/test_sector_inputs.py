"""What is wrong with the input is said: what, where, and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import InputError, LabelError, ShapeError, SpecificationError
from allocopt.backtests.overlays import Fixed, VixSteps, VolatilityTarget
from allocopt.backtests.schedules import EveryRows
from allocopt.backtests.sector_rotation import (
    SECTORS,
    SectorData,
    SectorRotation,
    decide,
    rotation_from_settings,
    weighting_from,
    wide_closes,
)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"momentum": 0}, "momentum is not a whole number"),
        ({"momentum": 12.0}, "momentum is not a whole number"),
        ({"momentum": {"AA": 10}}, r"not one for each sector.*\['BB', 'CC', 'DD', 'EE'\]"),
        ({"top_n": True}, "top_n is not a whole number"),
        ({"min_momentum": float("nan")}, "min_momentum is no decimal"),
        ({"min_momentum": -0.1, "weighting": "momentum"}, "below 0 is no desirability"),
        ({"trend_filter": 0}, "trend_filter is not a whole number"),
        ({"leverage": -1.0}, "leverage is no number"),
        ({"leverage": "vix"}, "leverage is no number"),
        ({"leverage": 1.5, "financing_rate": None}, "above 1 and borrowing has no financing rate"),
        ({"financing_rate": 5.0}, "no rate between -1 and 1"),
        ({"schedule": "sometimes"}, "not a schedule"),
        ({"costs": 0.001}, "not a cost"),
        ({"weighting": "best"}, "not a weighting"),
        ({"limits": 0.4}, "limits are no Limits"),
        ({"universe": ["AA", "AA"]}, "no sequence of different tickers"),
        ({"universe": "AA"}, "no sequence of different tickers"),
        ({"universe": []}, "no sequence of different tickers"),
        ({"defensive": "AA"}, "defensive asset is one of the sectors"),
        ({"benchmark": None}, "benchmark is no ticker"),
    ],
)
def test_settings_outside_their_range(small: SectorRotation, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecificationError, match=told) as caught:
        replace(small, **changes)
    assert caught.value.remedy


def test_leverage_that_a_policy_decides_needs_a_rate_too(
    closes: pd.DataFrame, vix: pd.Series[float], small: SectorRotation
) -> None:
    free = replace(small, leverage=VixSteps(base=1.25), financing_rate=None)
    with pytest.raises(SpecificationError, match=r"more than the capital is held.*2019-10-01: 1.25"):
        free.run(closes, vix)
    calm = replace(free, leverage=VixSteps(base=0.8))
    assert calm.run(closes, vix).ledger.interest.abs().sum() == 0.0
    assert replace(small, leverage=1.0, financing_rate=None).run(closes).metrics["average_leverage"] < 1.01


def test_interest_is_charged_on_what_is_borrowed(closes: pd.DataFrame, small: SectorRotation) -> None:
    rates = pd.Series(0.05, index=closes.index)
    constant, series = small.run(closes), replace(small, financing_rate=rates).run(closes)
    pd.testing.assert_series_equal(constant.equity, series.equity)
    free = replace(small, financing_rate=0.0).run(closes)
    assert free.metrics["cagr"] - constant.metrics["cagr"] == pytest.approx(0.25 * 0.05, abs=0.003)
    with pytest.raises(LabelError, match="no value on a row"):
        replace(small, financing_rate=rates.iloc[:-5]).run(closes)


def test_missing_tickers_are_named_by_their_role(closes: pd.DataFrame, small: SectorRotation) -> None:
    with pytest.raises(LabelError, match=r"lack tickers: \['CC \(sector\)', 'TLT \(defensive\)'\].*universe = "):
        small.run(closes.drop(columns=["CC", "TLT"]))
    with pytest.raises(LabelError, match=r"SPY \(benchmark\)"):
        small.run(closes.drop(columns="SPY"))
    fewer = replace(small, universe=["AA", "BB"]).run(closes.drop(columns=["CC", "DD", "EE"]))
    assert list(fewer.holdings.columns) == ["AA", "BB", "TLT"]
    with pytest.raises(LabelError, match="XLK"):
        SectorRotation(financing_rate=0.0).run(closes)
    assert len(SECTORS) == 11


def test_a_hole_in_the_closes_is_named(closes: pd.DataFrame, small: SectorRotation) -> None:
    for place, name in ((200, "BB"), (200, "EE"), (10, "SPY"), (419, "TLT")):
        holes = closes.copy()
        holes.loc[holes.index[place], name] = np.nan
        day = f"{holes.index[place]:%Y-%m-%d}"
        with pytest.raises(InputError, match=f"missing after the ticker's first one at {day}, ticker '{name}'"):
            small.run(holes)
    assert small.run(holes, end=holes.index[418]).dates[-1] == holes.index[418], "what comes after the end is not read"
    holiday = closes.copy()
    holiday.iloc[300] = np.nan
    with pytest.raises(InputError, match=r"no ticker has a close at 2020-04-27\. Remedy: drop the row"):
        small.run(holiday)
    for bad in (0.0, -3.0, np.inf):
        wrong = closes.copy()
        wrong.iloc[50, 1] = bad
        with pytest.raises(InputError, match="infinite or not positive"):
            small.run(wrong)


def test_benchmark_and_defensive_asset_must_have_begun(closes: pd.DataFrame, small: SectorRotation) -> None:
    late = closes.copy()
    late.loc[late.index[:100], "TLT"] = np.nan
    assert small.run(late).dates[0] == late.index[100]
    with pytest.raises(InputError, match=r"the defensive asset has no close, its first is on 2019-07-22.*'TLT'"):
        small.run(late, start=late.index[60])
    late["TLT"], late["SPY"] = closes["TLT"], np.nan
    with pytest.raises(ShapeError, match="too few closes for the warm-up"):
        small.run(late)
    with pytest.raises(InputError, match="the benchmark has no close, it has none"):
        small.run(late, start=late.index[60])


def test_too_little_to_study(closes: pd.DataFrame, small: SectorRotation) -> None:
    with pytest.raises(ShapeError, match="too few closes for the warm-up: 30"):
        small.run(closes.iloc[:30])
    with pytest.raises(ShapeError, match="fewer than 2 sessions"):
        small.run(closes, start=closes.index[-1])
    assert len(decide(small, closes, start=closes.index[-1])) == 1, "a decision needs no next row"
    with pytest.raises(ShapeError, match="fewer than 1 sessions"):
        decide(small, closes, start="2030-01-01")
    with pytest.raises(SpecificationError, match="decides on no row"):
        replace(small, schedule=EveryRows(9000, offset=8999)).run(closes)
    for start in ("soon", None, float("nan")):
        if start is not None:
            with pytest.raises(SpecificationError, match="the start is no date"):
                small.run(closes, start=start)  # type: ignore[arg-type]


def test_vix_missing_is_an_error_where_it_is_needed(
    closes: pd.DataFrame, vix: pd.Series[float], small: SectorRotation
) -> None:
    stepped = replace(small, leverage=VixSteps(base=1.25))
    with pytest.raises(SpecificationError, match="needs volatility_index, which is not given"):
        stepped.run(closes)
    rows = decide(stepped, closes, vix).exposure.index
    with pytest.raises(InputError, match=f"volatility_index has no value on 1 of .*{rows[3]:%Y-%m-%d}"):
        stepped.run(closes, vix.drop(rows[3]))
    others = vix.drop(vix.index.difference(rows))
    pd.testing.assert_series_equal(stepped.run(closes, others).equity, stepped.run(closes, vix).equity)
    with pytest.raises(InputError, match="looks like a decimal"):
        stepped.run(closes, vix / 100.0)
    with pytest.raises(InputError, match="undefined in its warm-up"):
        replace(small, leverage=VolatilityTarget(0.2, 20, periods_per_year=252)).run(closes)
    with pytest.raises(SpecificationError, match="given twice"):
        stepped.run(SectorData(closes, vix), vix)
    assert replace(small, leverage=Fixed(1.25)).run(closes).metrics["cagr"] == small.run(closes).metrics["cagr"]


def test_clocks(closes: pd.DataFrame, vix: pd.Series[float], small: SectorRotation) -> None:
    data = SectorData(closes, vix).at_new_york_midnight()
    hours = pd.DatetimeIndex(data.closes.index).hour
    assert set(hours) == {4, 5}, "five hours behind in winter, four in summer"
    stepped = replace(small, leverage=VixSteps(base=1.25))
    span = ("2019-06-03", "2020-09-30")
    plain = stepped.run(closes, vix, *span)
    shifted = stepped.run(data, None, *span)
    assert len(plain.dates) == len(shifted.dates)
    np.testing.assert_array_equal(plain.equity.to_numpy(), shifted.equity.to_numpy())
    with pytest.raises(LabelError, match="mixes dates with and without a time zone"):
        stepped.run(data.closes, vix)
    with pytest.raises(LabelError, match="mixes dates with and without a time zone"):
        stepped.run(closes, start=pd.Timestamp("2019-06-03", tz="UTC"))
    assert data.at_new_york_midnight().dates.equals(data.dates), "the original's bars are dated so already"
    in_utc = SectorData(closes.tz_localize("UTC"))
    with pytest.raises(LabelError, match="not at midnight in New York at 2019-03-04"):
        in_utc.at_new_york_midnight()
    assert data.until("2020-03-16").closes.index[-1] == pd.Timestamp("2020-03-16 04:00", tz="UTC")
    assert data.until(pd.Timestamp("2020-03-16 00:00", tz="UTC")).closes.index[-1] < pd.Timestamp(
        "2020-03-14", tz="UTC"
    )


def test_the_weekday_slips_when_the_clocks_go_forward(closes: pd.DataFrame, small: SectorRotation) -> None:
    weekly = replace(small, schedule="7D")
    by_session = decide(weekly, closes, start="2020-01-06").exposure.index
    assert set(pd.DatetimeIndex(by_session).day_name()) == {"Monday"}
    slipped = decide(weekly, SectorData(closes).at_new_york_midnight(), start="2020-01-06").exposure.index
    names = pd.DatetimeIndex(slipped).tz_convert("America/New_York").day_name()
    assert slipped[names == "Tuesday"][0] == pd.Timestamp("2020-03-10 04:00", tz="UTC"), (
        "clocks went forward on the 8th"
    )
    assert (names[slipped < pd.Timestamp("2020-03-09", tz="UTC")] == "Monday").all()
    assert (names[slipped > pd.Timestamp("2020-03-09", tz="UTC")] == "Tuesday").all()


def test_holidays_are_rows_that_are_not_there(closes: pd.DataFrame, small: SectorRotation) -> None:
    monday = pd.Timestamp("2020-06-01")
    without = closes.drop(monday)
    assert monday in decide(small, closes).exposure.index
    assert pd.Timestamp("2020-06-02") in decide(small, without).exposure.index, "the month's first session"


def test_long_tables(closes: pd.DataFrame) -> None:
    long = closes.rename_axis("date").reset_index().melt("date", var_name="ticker", value_name="close").dropna()
    shuffled = long.sample(frac=1.0, random_state=1)
    pd.testing.assert_frame_equal(wide_closes(shuffled)[list(closes.columns)], closes, check_freq=False)
    with pytest.raises(LabelError, match=r"a ticker has a date twice at 2019-03-04, ticker 'AA'"):
        wide_closes(pd.concat([long, long.iloc[:1]]))
    with pytest.raises(LabelError, match="lacks columns"):
        wide_closes(long.drop(columns="close"))


def test_objects_that_are_not_data(closes: pd.DataFrame, small: SectorRotation) -> None:
    with pytest.raises(ShapeError):
        small.run([1.0])  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="not sorted"):
        small.run(closes.iloc[::-1])
    with pytest.raises(SpecificationError, match="not a weighting"):
        weighting_from(SectorData)
    flat = closes.copy()
    flat.loc[flat.index[100] :, "BB"] = 1e6
    with pytest.raises(InputError, match="do not move over the window"):
        decide(
            replace(small, weighting="inverse_volatility", universe=["BB"]),
            flat,
            start=flat.index[200],
            end=flat.index[230],
        )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"lookback": 1}, "'lookback' is no setting.*use momentum, top_n"),
        ({"leverage": {"policy": "vix"}}, "not a leverage policy: 'vix'.*vix-steps"),
        (
            {"leverage": {"policy": "vix-steps", "bse": 1}},
            "'bse' is no parameter of the policy vix-steps.*base, levels",
        ),
        ({"leverage": {"policy": "volatility-target"}}, "lacks a parameter"),
        ({"limits": {"top": 1}}, "'top' is no limit"),
        ({"costs": {"tax": 1}}, "'tax' is no cost"),
        ({"weighting": {"inverse": 3}}, "'inverse' is no weighting with a window"),
        ({"schedule": {"every": 3}}, "'every' is no part of a schedule"),
        ({"schedule": {"row": 3}}, "neither rows nor a calendar"),
    ],
)
def test_plain_settings_are_checked(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecificationError, match=told):
        rotation_from_settings({"financing_rate": 0.0, **settings})


def test_plain_settings_are_read() -> None:
    assert rotation_from_settings({"leverage": "vix-steps", "momentum": np.int64(3)}).needs_volatility_index
    found = rotation_from_settings(
        {
            "leverage": {"policy": "volatility-target", "target": 0.2, "window": 20, "undefined": "flat"},
            "schedule": {"calendar": "MS", "row": 3},
            "costs": {"slippage": 0.0005, "commission": 0.001},
            "weighting": {"inverse_correlation": 21},
            "limits": {"cap": 0.4},
            "trend_filter": False,
        }
    )
    assert isinstance(found.leverage, VolatilityTarget)
    assert found.leverage.periods_per_year == 252
    assert found.decision_schedule.label == "MS, row 3"
    assert [cost.label for cost in found.execution.causes] == ["spread and slippage", "proportional cost"]
    assert (found.limits.cap, found.limits.floor, found.trend_filter) == (0.4, 0.0, None)
    rows = rotation_from_settings({"schedule": {"rows": 21, "offset": 4}, "leverage": 1.0}).decision_schedule
    assert rows == EveryRows(21, offset=4)
