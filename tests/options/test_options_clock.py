"""The business clock: counted by hand, by a loop, and against the sessions that took place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.options import BusinessClock
from allocopt.errors import InputError, SpecificationError


def _one(date: str, days: float, rest_day: float = 0.15) -> float:
    return float(BusinessClock(rest_day).elapsed(pd.DatetimeIndex([date]), [days])[0])


def test_counted_by_hand() -> None:
    assert _one("2018-02-05", 4) == pytest.approx(4)  # Monday to Friday
    assert _one("2018-02-05", 7) == pytest.approx(5.3)  # and the weekend
    assert _one("2018-02-16", 4) == pytest.approx(1.45)  # a weekend and Presidents' Day before Tuesday
    assert _one("2018-03-29", 4) == pytest.approx(1.45)  # Good Friday
    assert _one("2018-02-02", 2.5) == pytest.approx(0.3 + 0.5)  # half of Monday
    assert _one("2018-02-02", 0) == 0
    assert _one("2018-02-02", 30, rest_day=1) == pytest.approx(30)


def test_closings_at_short_notice_were_not_known() -> None:
    assert _one("2012-10-26", 3) == pytest.approx(1.3)  # the Monday of the storm
    assert _one("2018-12-04", 1) == 1  # a day of mourning
    assert _one("2021-06-17", 1) == 1  # Juneteenth became a holiday of the exchange in 2022
    assert _one("2023-06-16", 3) == pytest.approx(0.45)


def test_slow_twin_and_shapes(rng: np.random.Generator) -> None:
    clock = BusinessClock(0.3)
    dates = pd.DatetimeIndex(pd.to_datetime("2019-12-20") + pd.to_timedelta(rng.integers(0, 40, 50), "D"))
    days = rng.integers(0, 60, (50, 2)).astype(float)
    closed = pd.DatetimeIndex(["2019-12-25", "2020-01-01", "2020-01-20", "2020-02-17"])

    def slow(start: pd.Timestamp, ahead: float) -> float:
        span = [start + pd.Timedelta(days=step + 1) for step in range(int(ahead))]
        return sum(1.0 if day.day_of_week < 5 and day not in closed else 0.3 for day in span)

    found = clock.elapsed(dates, days)
    wanted = [[slow(start, ahead) for ahead in row] for start, row in zip(dates, days, strict=True)]
    np.testing.assert_allclose(found, wanted)
    np.testing.assert_allclose(clock.elapsed(dates, days[:, 0]), found[:, 0])
    assert clock.elapsed(dates[:0], np.zeros(0)).shape == (0,)


def test_bad_settings_and_days() -> None:
    for wrong in (0.0, -0.1, 1.1, np.nan):
        with pytest.raises(SpecificationError, match="day of rest"):
            BusinessClock(wrong)
    with pytest.raises(InputError, match="days is not finite and at least 0"):
        _one("2018-02-02", -1)


@pytest.mark.market_data
def test_trading_days_are_the_sessions_that_took_place(market_data: Path) -> None:
    sessions = pd.DatetimeIndex(pd.read_parquet(market_data / "index" / "spy_daily.parquet").index).normalize()
    days = pd.date_range(sessions[0], sessions[-1])[:-1]
    counted = BusinessClock().elapsed(days, np.ones(len(days)))
    trading = (days + pd.Timedelta(days=1))[counted > 0.5]
    assert not len(sessions[1:].difference(trading))
    unscheduled = trading.difference(sessions)
    assert [str(day.date()) for day in unscheduled] == [
        "1994-04-27", "2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14", "2004-06-11", "2007-01-02",
        "2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09",
    ]  # fmt: skip
