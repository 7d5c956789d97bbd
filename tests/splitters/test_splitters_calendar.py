"""Calendar windows: by hand, against a slow twin that goes through the dates, and at the edges of the index."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt.backtests.splitters import CalendarSplits
from allocopt.errors import LabelError, ShapeError, SpecificationError


def test_three_years_and_one() -> None:
    days = pd.bdate_range("2001-01-02", "2006-12-29")
    folds = list(CalendarSplits(train="3YS", test="YS").split(days))
    assert [sorted(set(days[test].year)) for _, test in folds] == [[2004], [2005], [2006]]
    assert [sorted(set(days[train].year)) for train, _ in folds] == [
        [2001, 2002, 2003],
        [2002, 2003, 2004],
        [2003, 2004, 2005],
    ]
    for train, test in folds:
        assert test[0] - train[-1] - 1 == 1
    assert np.concatenate([test for _, test in folds]).tolist() == np.flatnonzero(days.year >= 2004).tolist()


def test_expanding_keeps_the_first_boundary() -> None:
    days = pd.bdate_range("2001-01-02", "2006-12-29")
    folds = list(CalendarSplits(train="3YS", test="YS", expanding=True, horizon=4).split(days))
    assert [train[0] for train, _ in folds] == [0, 0, 0]
    assert [test[0] - train[-1] - 1 for train, test in folds] == [5, 5, 5]


def test_first_window_is_whole_and_holidays_do_not_count() -> None:
    whole = pd.bdate_range("2001-01-02", "2003-12-31")
    late = pd.bdate_range("2001-02-01", "2003-12-31")
    splitter = CalendarSplits(train="YS", test="YS")
    assert splitter.get_n_splits(whole) == 2
    assert splitter.get_n_splits(late) == 1  # 2001 has no January
    train, test = next(splitter.split(late))
    assert late[train[0]] == pd.Timestamp("2002-01-01")
    assert late[test[0]] == pd.Timestamp("2003-01-01")


def test_start_leaves_history_before_the_first_window() -> None:
    days = pd.bdate_range("1999-01-04", "2005-12-30")
    train, test = next(CalendarSplits(train="3YS", test="YS", start="2001-01-01").split(days))
    assert str(days[train[0]].date()) == "2001-01-01"
    assert str(days[test[0]].date()) == "2004-01-01"
    with pytest.raises(ShapeError, match="start is before the first row"):
        list(CalendarSplits(train="3YS", test="YS", start="1990-01-01").split(days))


def test_windows_of_different_offsets_begin_on_boundaries_of_the_test() -> None:
    days = pd.date_range("2001-03-01", "2006-12-31")
    train, test = next(CalendarSplits(train="36MS", test="YS").split(days))
    assert str(days[test[0]].date()) == "2005-01-01"
    assert str(days[train[0]].date()) == "2002-01-01"


def test_offsets_without_a_calendar_count_from_the_first_day() -> None:
    days = pd.date_range("2001-03-15", periods=730)
    folds = list(CalendarSplits(train=pd.DateOffset(years=1), test="90D", gap=0, incomplete="keep").split(days))
    assert [(len(train), len(test)) for train, test in folds] == [(365, 90)] * 4 + [(365, 5)]
    hours = pd.date_range("2024-01-01 05:00", periods=96, freq="h", tz="UTC")
    folds = list(CalendarSplits(train="48h", test="24h", gap=2).split(hours))
    assert [(train[0], train[-1], test[0], test[-1]) for train, test in folds] == [(0, 45, 48, 71), (24, 69, 72, 95)]


def test_incomplete_last_window() -> None:
    days = pd.bdate_range("2001-01-02", "2004-03-31")
    with pytest.raises(ShapeError, match="to 2005-01-01, is incomplete at fold 2, 2004-01-01"):
        list(CalendarSplits(train="YS", test="YS").split(days))
    keep = list(CalendarSplits(train="YS", test="YS", incomplete="keep").split(days))
    drop = list(CalendarSplits(train="YS", test="YS", incomplete="drop").split(days))
    assert [len(test) for _, test in keep] == [261, 261, 65]
    assert [len(test) for _, test in drop] == [261, 261]


def test_monthly_rows_at_month_ends() -> None:
    months = pd.date_range("2001-01-31", "2004-12-31", freq="ME")
    folds = list(CalendarSplits(train="2YS", test="YS", gap=0).split(months))
    assert [(train[0], train[-1], test[0], test[-1]) for train, test in folds] == [(0, 23, 24, 35), (12, 35, 36, 47)]


@given(
    first=st.integers(0, 700), length=st.integers(2, 1500), train=st.integers(1, 3), test=st.integers(1, 2),
    gap=st.integers(0, 5), expanding=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_against_going_through_the_dates(
    first: int, length: int, train: int, test: int, gap: int, expanding: bool, seed: int
) -> None:
    """Quarters numbered 0, 1, 2...: a fold is a set of quarters, found by asking each date for its own."""
    calendar = pd.date_range("2000-01-01", periods=2300)
    kept = np.random.default_rng(seed).random(2300) < 0.8
    days = calendar[kept][first : first + length]
    splitter = CalendarSplits(f"{train}QS", f"{test}QS", step="QS", gap=gap, expanding=expanding, incomplete="keep")
    try:
        found = [(a.tolist(), b.tolist()) for a, b in splitter.split(days)]
    except ShapeError:
        found = []
    spacing = max((b - a for a, b in pairwise(days)), default=pd.Timedelta(0))
    quarter = [d.year * 4 + d.quarter - 1 for d in days]
    opening = pd.Timestamp(days[0].year, 3 * days[0].quarter - 2, 1)
    begin = quarter[0] if days[0] - opening <= spacing else quarter[0] + 1
    expected: list[tuple[list[int], list[int]]] = []
    for q in range(begin + train, quarter[-1] + 1):
        rows = [i for i in range(len(days)) if (begin if expanding else q - train) <= quarter[i] < q]
        tested = [i for i in range(len(days)) if q <= quarter[i] < q + test]
        rows = rows[: len(rows) - gap]
        if not rows or not tested:
            expected = []
            break
        expected.append((rows, tested))
        if tested[-1] == len(days) - 1 and (q + test) > quarter[-1]:
            break
    assert found == expected


def test_a_hole_in_the_dates_is_named() -> None:
    days = pd.bdate_range("2001-01-02", "2002-12-31").append(pd.bdate_range("2004-01-01", "2005-12-30"))
    with pytest.raises(ShapeError, match="a test window has no rows at 2003-01-01 to 2004-01-01"):
        list(CalendarSplits(train="YS", test="YS").split(days))
    with pytest.raises(ShapeError, match="a train window has no rows before its gap of 70"):
        list(CalendarSplits(train="QS", test="QS", gap=70).split(pd.bdate_range("2001-01-01", "2002-12-31")))


def test_too_short_an_index() -> None:
    with pytest.raises(ShapeError, match="which trains from 2001-01-01 and tests from 2004-01-01"):
        list(CalendarSplits(train="3YS", test="YS").split(pd.bdate_range("2001-01-02", "2003-06-30")))
    with pytest.raises(ShapeError, match="too short"):
        list(CalendarSplits(train="YS", test="YS").split(pd.DatetimeIndex(["2001-01-01"])))


def test_dates_are_needed() -> None:
    splitter = CalendarSplits(train="YS", test="YS")
    for X in (range(10), pd.RangeIndex(10), None):
        with pytest.raises(LabelError, match="calendar windows need dates"):
            splitter.get_n_splits(X)
    with pytest.raises(LabelError, match="with and without a time zone"):
        list(
            CalendarSplits("YS", "YS", start=pd.Timestamp("2001-01-01", tz="UTC")).split(
                pd.bdate_range("2001-01-02", "2005-12-30")
            )
        )


@pytest.mark.parametrize(
    "settings",
    [{"train": "3 winters"}, {"test": "-1YS"}, {"step": 5}, {"expanding": 1}, {"start": "soon"}, {"gap": -1},
     {"lag": 0}, {"incomplete": "pad"}],
)  # fmt: skip
def test_settings_outside_their_range(settings: dict[str, Any]) -> None:
    with pytest.raises(SpecificationError):
        CalendarSplits(**{"train": "3YS", "test": "YS", **settings})


def test_a_hole_of_months_excuses_no_short_last_window() -> None:
    dates = pd.bdate_range("2000-01-03", "2005-07-29")
    dates = dates[(dates < pd.Timestamp("2002-02-01")) | (dates > pd.Timestamp("2002-07-31"))]
    with pytest.raises(ShapeError, match="last test window"):
        list(CalendarSplits("2YS", "YS").split(dates))
    assert len(list(CalendarSplits("2YS", "YS", incomplete="drop").split(dates))) == 3
