"""Decision rows: by hand, against an obvious twin, known in time, and all phases of a schedule."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.tseries.offsets import BDay, MonthBegin

from allocopt import LabelError, SpecificationError
from allocopt.backtests.schedules import Calendar, EveryRow, EveryRows, MinimumGap, Schedule, schedule_from

DAYS = pd.bdate_range("2023-12-27", "2024-04-10")
HOURS = pd.date_range("2024-01-30 05:00", periods=24 * 40, freq="h", tz="UTC")
SESSIONS = DAYS.drop(pd.DatetimeIndex(["2024-01-01", "2024-01-15", "2024-02-19", "2024-03-29", "2024-04-01"]))

SCHEDULES: list[Schedule] = [
    EveryRow(),
    EveryRows(1),
    EveryRows(5),
    EveryRows(5, start=12, offset=3),
    EveryRows(1000),
    Calendar("D"),
    Calendar("W-MON"),
    Calendar("W-FRI", row=1),
    Calendar("MS"),
    Calendar("MS", first_row=True),
    Calendar("MS", row=20),
    Calendar("QS", row=3),
    Calendar("YS"),
    MinimumGap("7D"),
    MinimumGap("36h", start=4),
    MinimumGap("400D", start=1),
]


def found(schedule: Schedule, index: pd.DatetimeIndex) -> list[str]:
    rows = schedule.rows(index)
    assert rows.dtype == np.bool_
    assert rows.shape == (len(index),)
    return index[rows].strftime("%m-%d").tolist()


def test_by_hand() -> None:
    assert found(EveryRow(), DAYS[:3]) == ["12-27", "12-28", "12-29"]
    assert np.flatnonzero(EveryRows(168, start=2880, offset=5).rows(HOURS[:1])).size == 0
    assert np.flatnonzero(EveryRows(100, start=30, offset=7).rows(DAYS)).tolist() == [37]
    # New Year's Day and the first of April (here a holiday) begin on the next session.
    assert found(Calendar("MS"), SESSIONS) == ["01-02", "02-01", "03-01", "04-02"]
    assert found(Calendar("MS", first_row=True), SESSIONS) == ["12-27", "01-02", "02-01", "03-01", "04-02"]
    assert found(Calendar("MS", row=2), SESSIONS) == ["01-04", "02-05", "03-05", "04-04"]
    assert found(Calendar("QS"), SESSIONS) == ["01-02", "04-02"]
    assert found(Calendar("YS"), SESSIONS) == ["01-02"]
    assert found(Calendar("W-MON"), SESSIONS[:15]) == ["01-02", "01-08", "01-16"]
    assert found(Calendar("W-WED"), SESSIONS[:15]) == ["01-03", "01-10", "01-17"]
    assert found(Calendar(MonthBegin()), SESSIONS) == found(Calendar("MS"), SESSIONS)
    assert found(Calendar(BDay()), SESSIONS[:4]) == ["12-28", "12-29", "01-02"]


def test_a_row_that_a_period_lacks_is_made_up_for_on_the_first_row_of_the_next() -> None:
    # Sessions: four in the weeks of 2 January and 16 January, else five.
    assert found(Calendar("W-MON", row=4), SESSIONS[:23]) == ["01-08", "01-12", "01-22", "01-26"]
    # February 2024 has 20 sessions, so its 21st is made up for on the first of March, whose 20 end it as well.
    assert found(Calendar("MS", row=20), SESSIONS) == ["01-31", "03-01", "04-02"]


def test_the_clock_of_the_index_counts() -> None:
    rows = Calendar("D").rows(HOURS)
    assert (HOURS[rows].hour == 0).all()
    assert rows.sum() == 40
    local = HOURS.tz_convert("America/New_York")
    assert set(local[Calendar("D").rows(local)].strftime("%H:%M")) == {"00:00"}
    assert local[Calendar("MS").rows(local)].strftime("%m-%d %H:%M").tolist() == ["02-01 00:00", "03-01 00:00"]
    # Seven days by the clock: where clocks go forward in between the local hour moves.
    year = pd.date_range("2024-03-01", periods=24 * 21, freq="h", tz="America/New_York")
    assert year[MinimumGap("7D").rows(year)].strftime("%m-%d %H").tolist() == ["03-01 00", "03-08 00", "03-15 01"]


def test_clocks_set_back_over_midnight_begin_no_day_twice() -> None:
    # St. John's set its clocks back at 00:01 until 2011, to 23:01 of the day before.
    times = pd.date_range("2010-11-06 12:00", periods=60, freq="30min", tz="America/St_Johns")
    dates = times.tz_localize(None).normalize()
    assert (np.diff(dates) < np.timedelta64(0)).any()
    rows = Calendar("D").rows(times)
    assert times[rows].strftime("%m-%d").tolist() == ["11-07"]


def test_minimum_gap_by_hand() -> None:
    index = pd.DatetimeIndex(["2024-01-01", "2024-01-05", "2024-01-08", "2024-01-09", "2024-01-14", "2024-01-30"])
    assert np.flatnonzero(MinimumGap("7D").rows(index)).tolist() == [0, 2, 5]
    assert np.flatnonzero(MinimumGap("7D", start=1).rows(index)).tolist() == [1, 4, 5]
    assert np.flatnonzero(MinimumGap(dt.timedelta(days=6)).rows(index)).tolist() == [0, 2, 4, 5]
    assert np.flatnonzero(MinimumGap("1h").rows(index)).tolist() == [0, 1, 2, 3, 4, 5]
    assert np.flatnonzero(MinimumGap(pd.Timedelta(days=100_000)).rows(index)).tolist() == [0]


def twin(schedule: Any, index: pd.DatetimeIndex) -> list[int]:
    """Row by row, knowing only the rows so far."""
    rows: list[int] = []
    number, owed = -1, False
    for i, date in enumerate(index):
        if isinstance(schedule, EveryRow):
            decide = True
        elif isinstance(schedule, EveryRows):
            first = schedule.start + schedule.offset
            decide = i >= first and (i - first) % schedule.interval == 0
        elif isinstance(schedule, MinimumGap):
            decide = i >= schedule.start and (not rows or date - index[rows[-1]] >= pd.Timedelta(schedule.gap))
        else:
            here, before = (schedule.offset.rollback(d.tz_localize(None).normalize()) for d in (date, index[i - 1]))
            if i > 0 and here > before:
                decide = owed or schedule.row == 0
                number, owed = 0, schedule.row > 0
            else:
                number += 1 if number >= 0 else 0
                decide = i == 0 and schedule.first_row
            if number == schedule.row and owed:
                decide, owed = True, False
        if decide:
            rows.append(i)
    return rows


@pytest.mark.parametrize("index", [DAYS, SESSIONS, HOURS, SESSIONS[:1], SESSIONS[:0]], ids=len)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.label)
def test_the_obvious_twin_agrees(schedule: Schedule, index: pd.DatetimeIndex) -> None:
    assert np.flatnonzero(schedule.rows(index)).tolist() == twin(schedule, index)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.label)
def test_a_row_decides_whatever_comes_later(schedule: Schedule) -> None:
    for index in (SESSIONS, HOURS[::7]):
        whole = schedule.rows(index)
        for end in range(len(index) + 1):
            assert np.array_equal(schedule.rows(index[:end]), whole[:end])


@settings(max_examples=60)
@given(
    steps=st.lists(st.integers(1, 9 * 86_400), min_size=1, max_size=60),
    schedule=st.sampled_from(SCHEDULES),
    end=st.integers(0, 60),
)
def test_irregular_rows(steps: list[int], schedule: Schedule, end: int) -> None:
    index = pd.DatetimeIndex(pd.Timestamp("2023-11-20") + pd.to_timedelta(np.cumsum(steps), unit="s"))
    rows = schedule.rows(index)
    assert np.flatnonzero(rows).tolist() == twin(schedule, index)
    assert np.array_equal(schedule.rows(index[:end]), rows[:end])


def test_phases_of_a_row_count_part_the_rows() -> None:
    phases = EveryRows(168, start=2880).phases(HOURS)
    assert [phase.offset for phase in phases] == list(range(168))
    index = pd.date_range("2024-01-01", periods=3500, freq="h")
    count = sum(phase.rows(index).astype(int) for phase in phases)
    assert (np.asarray(count) == (np.arange(3500) >= 2880)).all()
    assert EveryRows(3, start=1, offset=2).phases(index) == EveryRows(3, start=1).phases(index)
    assert EveryRow().phases(index) == (EveryRow(),)


def test_phases_of_a_calendar() -> None:
    weeks = Calendar("W-MON").phases(SESSIONS)
    assert weeks == tuple(Calendar("W-MON", row=row) for row in range(5))
    assert weeks[3].phases(SESSIONS) == weeks
    # Complete months: 21, 20 and 20 sessions.
    assert len(Calendar("MS", first_row=True).phases(SESSIONS)) == 20
    assert all(phase.first_row for phase in Calendar("MS", first_row=True).phases(SESSIONS))
    counts = [int(phase.rows(SESSIONS).sum()) for phase in Calendar("MS").phases(SESSIONS)]
    assert set(counts) <= {3, 4}
    with pytest.raises(SpecificationError, match="no complete period of YS"):
        Calendar("YS").phases(SESSIONS)


def test_phases_of_a_gap_start_before_its_second_decision() -> None:
    gap = MinimumGap("7D", start=2)
    assert [phase.start for phase in gap.phases(DAYS)] == [2, 3, 4, 5, 6]
    assert MinimumGap("7D", start=2).phases(DAYS[:1]) == (gap,)
    assert [phase.start for phase in MinimumGap("900D", start=60).phases(DAYS)] == list(range(60, len(DAYS)))
    firsts = [int(np.flatnonzero(phase.rows(DAYS))[0]) for phase in gap.phases(DAYS)]
    assert firsts == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("schedule", SCHEDULES[1:], ids=lambda schedule: schedule.label)
def test_labels_tell_phases_apart(schedule: Schedule) -> None:
    phases = schedule.phases(pd.bdate_range("2020-01-01", periods=1100))
    assert isinstance(schedule, Schedule)
    assert len({phase.label for phase in phases}) == len(phases)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("every-row", EveryRow()),
        ("168", EveryRows(168)),
        ("every 168", EveryRows(168)),
        ("every 168 rows", EveryRows(168)),
        (168, EveryRows(168)),
        (np.int64(5), EveryRows(5)),
        ("7D", MinimumGap("7D")),
        ("36h", MinimumGap("36h")),
        ("7 days", MinimumGap("7D")),
        ("1.5 hours", MinimumGap("90min")),
        ("2W", MinimumGap("14d")),
        ("30 s", MinimumGap(pd.Timedelta(seconds=30))),
        ("W", Calendar("W-SUN")),
        ("day-start", Calendar("D")),
        ("week-start", Calendar("W-MON")),
        ("Month-Start", Calendar("MS")),
        ("quarter-start", Calendar("QS")),
        ("year-start", Calendar("YS")),
        (" MS ", Calendar("MS")),
        ("W-FRI", Calendar("W-FRI")),
        (Calendar("MS", row=3), Calendar("MS", row=3)),
    ],
)
def test_schedules_from_words(value: Any, wanted: Schedule) -> None:
    found = schedule_from(value)
    assert found == wanted
    assert found.label == wanted.label


@pytest.mark.parametrize(
    "value",
    ["", "monthly", "0", "-5", "0D", "NaT", "2MS", "ME", "BME", "h", "5 sheep", 0, True, None, 1.5, Calendar],
)
def test_words_that_are_no_schedule(value: Any) -> None:
    with pytest.raises(SpecificationError) as caught:
        schedule_from(value)
    assert caught.value.remedy
    assert repr(value) in str(caught.value) or value in (None, 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EveryRows(0), "interval"),
        (lambda: EveryRows(True), "interval"),
        (lambda: EveryRows(2.0), "interval"),  # type: ignore[arg-type]
        (lambda: EveryRows(5, start=-1), "start"),
        (lambda: EveryRows(5, offset=5), "not below its interval"),
        (lambda: EveryRows(5, offset=-1), "offset"),
        (lambda: Calendar("MS", row=-1), "row of Calendar"),
        (lambda: Calendar("ME"), "only when it is over"),
        (lambda: Calendar("BQE"), "only when it is over"),
        (lambda: Calendar("2W-MON"), "multiple"),
        (lambda: Calendar("h"), "shorter than a day"),
        (lambda: Calendar("moon"), "not an offset"),
        (lambda: Calendar(None), "not an offset"),  # type: ignore[arg-type]
        (lambda: MinimumGap("-7D"), "no time"),
        (lambda: MinimumGap("2MS"), "no time"),
        (lambda: MinimumGap("0D"), "above 0"),
        (lambda: MinimumGap(pd.Timedelta(days=-7)), "above 0"),
        (lambda: MinimumGap(pd.NaT), "no time"),  # type: ignore[arg-type]
        (lambda: MinimumGap("a week"), "no time"),
        (lambda: MinimumGap(7), "no time"),  # type: ignore[arg-type]
        (lambda: MinimumGap("7D", start=-1), "start"),
    ],
)
def test_settings_outside_their_range(make: Any, words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        make()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.label)
def test_an_index_without_order_is_refused(schedule: Schedule) -> None:
    for index in (DAYS[::-1], pd.RangeIndex(5), DAYS[[0, 0]]):
        with pytest.raises(LabelError):
            schedule.rows(index)  # type: ignore[arg-type]
