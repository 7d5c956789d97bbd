"""Schedules: the rows on which weights may be re-set, and the phases that a schedule could have had instead.

Whether a row is a decision row depends on the dates up to that row and on nothing later.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset, Day, Tick

from allocopt.backtests._checks import plain, require_dates
from allocopt.errors import SpecificationError

BoolArray = npt.NDArray[np.bool_]

_WORDS = {
    "day-start": "D",
    "week-start": "W-MON",
    "month-start": "MS",
    "quarter-start": "QS",
    "year-start": "YS",
}
_TIME = re.compile(r"(\d+(?:\.\d+)?) ?(W|D|h|min|s|weeks?|days?|hours?|minutes?|seconds?)", re.IGNORECASE)
_UNITS = {
    "w": pd.Timedelta(weeks=1),
    "d": pd.Timedelta(days=1),
    "h": pd.Timedelta(hours=1),
    "m": pd.Timedelta(minutes=1),
    "s": pd.Timedelta(seconds=1),
}
_FORMS = f'give "every-row", {", ".join(map(repr, _WORDS))}, rows as "168", a gap as "7D", or an offset as "W-MON"'


@runtime_checkable
class Schedule(Protocol):
    """Which rows of an index are decision rows."""

    @property
    def label(self) -> str:
        """Short name for tables and messages; the phases of a schedule have different ones."""
        ...

    def rows(self, index: pd.DatetimeIndex) -> BoolArray:
        """Mark the rows on which weights may be re-set, one value a row of the index."""
        ...

    def phases(self, index: pd.DatetimeIndex) -> tuple[Schedule, ...]:
        """Every offset at which the same schedule could have run on this index; itself alone if it has no other."""
        ...


@dataclass(frozen=True)
class EveryRow:
    """Decide on every row.

    Examples
    --------
    >>> EveryRow().rows(pd.date_range("2024-01-01", periods=3)).tolist()
    [True, True, True]
    """

    @property
    def label(self) -> str:
        """``"every row"``."""
        return "every row"

    def rows(self, index: pd.DatetimeIndex) -> BoolArray:
        """Mark all rows."""
        return np.ones(len(require_dates(index, "the index of a schedule")), dtype=np.bool_)

    def phases(self, index: pd.DatetimeIndex) -> tuple[EveryRow, ...]:
        """Itself alone."""
        return (self,)


@dataclass(frozen=True)
class EveryRows:
    """Decide every so many rows, counted from a start: rows i with ``(i - start - offset) mod interval == 0``.

    Parameters
    ----------
    interval : int
        Rows from one decision to the next, at least 1.
    start : int, default 0
        Row from which rows are counted, for a warm-up: there is no decision before row ``start + offset``.
    offset : int, default 0
        The phase, from 0 to ``interval - 1``.

    Raises
    ------
    SpecificationError
        For a setting outside its range.

    Examples
    --------
    >>> hours = pd.date_range("2024-01-01", periods=9, freq="h")
    >>> np.flatnonzero(EveryRows(3, start=2).rows(hours)).tolist()
    [2, 5, 8]
    >>> [np.flatnonzero(phase.rows(hours)).tolist() for phase in EveryRows(3, start=2).phases(hours)]
    [[2, 5, 8], [3, 6], [4, 7]]
    """

    interval: int
    start: int = 0
    offset: int = 0

    def __post_init__(self) -> None:
        _require_rows(self.interval, "interval of EveryRows", 1)
        _require_rows(self.start, "start of EveryRows", 0)
        _require_rows(self.offset, "offset of EveryRows", 0)
        if self.offset >= self.interval:
            raise SpecificationError(
                "offset of EveryRows is not below its interval",
                value=plain(self.offset),
                remedy=f"give 0 to {self.interval - 1}",
            )

    @property
    def label(self) -> str:
        """Interval, and start and offset where they are not 0."""
        start = f", from row {self.start}" if self.start else ""
        return f"every {self.interval} rows{start}" + (f", offset {self.offset}" if self.offset else "")

    def rows(self, index: pd.DatetimeIndex) -> BoolArray:
        """Mark every ``interval``-th row from ``start + offset``."""
        found = np.zeros(len(require_dates(index, "the index of a schedule")), dtype=np.bool_)
        found[self.start + self.offset :: self.interval] = True
        return found

    def phases(self, index: pd.DatetimeIndex) -> tuple[EveryRows, ...]:
        """All offsets from 0 to ``interval - 1``, whatever the index."""
        return tuple(replace(self, offset=offset) for offset in range(self.interval))


@dataclass(frozen=True)
class Calendar:
    """Decide once a day, week, month, quarter or year, on its first row or on a later one.

    A period begins on the dates of a pandas offset: ``"MS"`` on the first of each month, ``"W-MON"`` on each Monday.
    Its first row is the first one of the index on or after that date, so a month that begins on a holiday begins with
    its first session.

    Parameters
    ----------
    offset : str or pandas offset
        ``"D"``, ``"W-MON"`` to ``"W-SUN"``, ``"MS"``, ``"QS"``, ``"YS"`` and others that name the *start* of a period.
        A period's last session is not known on its day, so offsets that name an end are refused.
    row : int, default 0
        Which row of the period decides, counted from 0: 2 for the third session. A period that turns out to have no
        such row is made up for on the first row of the next.
    first_row : bool, default False
        Whether row 0 of the index decides. Where a period begins is seen from the row before, so of the period that
        row 0 lies in nothing is known, and otherwise no row of it decides.

    Raises
    ------
    SpecificationError
        For an offset that is unknown, names an end, is shorter than a day or is a multiple.

    Examples
    --------
    The first of June 2024 is a Saturday.

    >>> days = pd.bdate_range("2024-05-29", "2024-07-02")
    >>> days[Calendar("MS").rows(days)].strftime("%a %d %b").tolist()
    ['Mon 03 Jun', 'Mon 01 Jul']
    >>> days[Calendar("MS", row=1, first_row=True).rows(days)].strftime("%a %d %b").tolist()
    ['Wed 29 May', 'Tue 04 Jun', 'Tue 02 Jul']
    """

    offset: str | BaseOffset
    row: int = 0
    first_row: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "offset", _period_start(self.offset))
        _require_rows(self.row, "row of Calendar", 0)

    @property
    def label(self) -> str:
        """The offset's name, and the row where it is not 0."""
        return self._offset.freqstr + (f", row {self.row}" if self.row else "")

    def rows(self, index: pd.DatetimeIndex) -> BoolArray:
        """Mark row number ``row`` of each period."""
        starts = self._starts(index)
        found = np.zeros(len(index), dtype=np.bool_)
        reached = starts + self.row
        late = starts[1:][reached[:-1] >= starts[1:]]
        found[late] = True
        reached = reached[reached < np.append(starts[1:], len(index))]
        found[reached] = True
        if self.first_row and len(found):
            found[0] = True
        return found

    def phases(self, index: pd.DatetimeIndex) -> tuple[Calendar, ...]:
        """Row numbers from 0 to the last one of a period of median length (of the complete ones), or to its own.

        Raises
        ------
        SpecificationError
            For an index without a complete period.
        """
        lengths = np.diff(self._starts(index))
        if not lengths.size:
            raise SpecificationError(
                f"the index holds no complete period of {self._offset.freqstr}",
                value=f"{len(index)} rows",
                remedy="give a longer index, or a schedule of shorter periods",
            )
        phases = max(int(np.median(lengths)), self.row + 1)  # a schedule is one of its own phases
        return tuple(replace(self, row=row) for row in range(phases))

    @property
    def _offset(self) -> BaseOffset:
        assert isinstance(self.offset, BaseOffset)
        return self.offset

    def _starts(self, index: pd.DatetimeIndex) -> npt.NDArray[np.intp]:
        """Rows on which a period begins that the row before does not lie in."""
        require_dates(index, "the index of a schedule")
        if not len(index):
            return np.empty(0, dtype=np.intp)
        days = index.tz_localize(None).normalize()
        dates = pd.date_range(self._offset.rollback(days[0]), days.max(), freq=self._offset)
        # The local date may step back where clocks are set back at midnight: a period does not begin twice.
        period = np.maximum.accumulate(dates.searchsorted(days, side="right"))
        return np.flatnonzero(np.diff(period)) + 1


@dataclass(frozen=True)
class MinimumGap:
    """Decide again as soon as that much time has passed since the last decision.

    The first decision is on row ``start``, each next one on the first row at least ``gap`` later, by the clock.

    Parameters
    ----------
    gap : str or timedelta
        Time, above 0: ``"7D"``, ``"36h"``, ``"90min"``, ``pandas.Timedelta(days=7)``. Days are 24 hours.
    start : int, default 0
        Row of the first decision.

    Raises
    ------
    SpecificationError
        For a gap that is no time above 0, or a start below 0.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-01", periods=9)
    >>> days[MinimumGap("3D").rows(days)].strftime("%a %d").tolist()
    ['Mon 01', 'Thu 04', 'Mon 08', 'Thu 11']
    """

    gap: str | dt.timedelta | pd.Timedelta
    start: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "gap", _positive_time(self.gap))
        _require_rows(self.start, "start of MinimumGap", 0)

    @property
    def label(self) -> str:
        """The gap, and the start where it is not 0."""
        return f"at least {_words(self._gap)} apart" + (f", from row {self.start}" if self.start else "")

    def rows(self, index: pd.DatetimeIndex) -> BoolArray:
        """Mark row ``start`` and each first row at least ``gap`` after the last decision."""
        require_dates(index, "the index of a schedule")
        found = np.zeros(len(index), dtype=np.bool_)
        if self.start >= len(index):
            return found
        times = index.as_unit("ns").asi8
        # Longer than the index is as good as any longer: the sum cannot overflow.
        gap = min(self._gap, index[-1] - index[0] + pd.Timedelta(1, "ns")).as_unit("ns").value
        following: list[int] = times.searchsorted(times + gap).tolist()
        row = self.start
        while row < len(found):
            found[row] = True
            row = following[row]
        return found

    def phases(self, index: pd.DatetimeIndex) -> tuple[MinimumGap, ...]:
        """All starts from ``start`` to the last row before the second decision."""
        decided = np.flatnonzero(self.rows(index))
        if not decided.size:
            return (self,)
        end = int(decided[1]) if decided.size > 1 else len(index)
        return tuple(replace(self, start=start) for start in range(self.start, end))

    @property
    def _gap(self) -> pd.Timedelta:
        assert isinstance(self.gap, pd.Timedelta)
        return self.gap


def schedule_from(value: str | int | Schedule) -> Schedule:
    """Read a schedule from words, as a configuration or a command line gives it.

    Parameters
    ----------
    value : str, int or Schedule
        ``"every-row"``; ``"day-start"``, ``"week-start"``, ``"month-start"``, ``"quarter-start"``, ``"year-start"``;
        a number of rows, ``168``, ``"168"`` or ``"every 168"``; a gap of clock time, ``"7D"``; an offset of pandas
        that names the start of a period, ``"W-MON"``. A schedule is given back as it is.

    Returns
    -------
    Schedule
        `EveryRow`, `Calendar`, `EveryRows` or `MinimumGap`.

    Raises
    ------
    SpecificationError
        For a value that is none of these.

    Examples
    --------
    >>> schedule_from("every 168")
    EveryRows(interval=168, start=0, offset=0)
    >>> schedule_from("month-start").label
    'MS'
    >>> schedule_from("7D").label
    'at least 7 days apart'
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return EveryRows(int(value))
    if not isinstance(value, str):
        if isinstance(value, type) or not isinstance(value, Schedule):
            raise SpecificationError("not a schedule", value=plain(value), remedy=_FORMS)
        return value
    text = value.strip()
    if text.lower() in ("every-row", "every row"):
        return EveryRow()
    if text.lower() in _WORDS:
        return Calendar(_WORDS[text.lower()])
    count = re.fullmatch(r"(?:every )?(\d+)(?: rows)?", text)
    try:
        if count:
            return EveryRows(int(count.group(1)))
        return MinimumGap(text) if _TIME.fullmatch(text) else Calendar(text)
    except SpecificationError as error:
        raise SpecificationError(f"not a schedule ({error.what})", value=value, remedy=_FORMS) from error


def _require_rows(value: object, what: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SpecificationError(
            f"{what} is not a whole number of rows of at least {least}", value=plain(value), remedy="give an int"
        )


def _period_start(value: object) -> BaseOffset:
    """Offset whose dates are the starts of periods of a day or longer."""
    remedy = 'give "D", "W-MON", "MS", "QS" or "YS"'
    try:
        offset: Any = to_offset(value)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise SpecificationError("not an offset of pandas", value=value, remedy=remedy) from error
    if not isinstance(offset, BaseOffset):
        raise SpecificationError("not an offset of pandas", value=value, remedy=remedy)
    name = offset.freqstr
    if type(offset).__name__.endswith("End"):
        raise SpecificationError(
            "a period's last session is known only when it is over", value=name, remedy=f"name a start: {remedy}"
        )
    if isinstance(offset, Tick) and not isinstance(offset, Day):
        raise SpecificationError(
            "a period is shorter than a day", value=name, remedy="use EveryRows(...) or MinimumGap(...)"
        )
    if offset.n != 1:
        raise SpecificationError(
            "an offset is a multiple, so its dates depend on where the index begins",
            value=name,
            remedy="use EveryRows(...) or MinimumGap(...), or a multiple of 1",
        )
    return offset


def _positive_time(value: object) -> pd.Timedelta:
    remedy = 'give a time such as "7D" or "36h", in weeks, days, hours, minutes or seconds'
    if isinstance(value, (dt.timedelta, np.timedelta64)):
        gap = pd.Timedelta(value)
    else:
        # Not by pandas, which reads "2MS" as milliseconds and "1m" as a minute.
        read = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
        if read is None:
            raise SpecificationError("gap of MinimumGap is no time", value=plain(value), remedy=remedy)
        unit = next(unit for name, unit in _UNITS.items() if read.group(2).lower().startswith(name))
        gap = float(read.group(1)) * unit
    if not gap > pd.Timedelta(0):  # NaT too
        raise SpecificationError("gap of MinimumGap is not above 0", value=str(value), remedy=remedy)
    return gap


def _words(gap: pd.Timedelta) -> str:
    days = gap / pd.Timedelta(days=1)
    if days == int(days):
        return f"{int(days)} day{'s' if days > 1 else ''}"
    return str(gap).removeprefix("0 days ")
