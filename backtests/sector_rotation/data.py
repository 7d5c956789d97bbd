"""Daily closes of sectors, bonds and the benchmark, with a volatility index: checks, dates, clocks, shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_columns, require_dates, require_kind, require_same_clock
from allocopt.containers import require_unique
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

if TYPE_CHECKING:
    from allocopt.backtests.sector_rotation.specification import Date

NEW_YORK = "America/New_York"


@dataclass(frozen=True, eq=False)
class SectorData:
    """Closes and, where a policy looks at one, a volatility index: all that a rotation runs on.

    Parameters
    ----------
    closes : DataFrame, shape (T, n)
        Dividend-adjusted closes by session and ticker, ascending; NaN before a ticker's first close.
    volatility_index : Series, optional
        Levels in points, on the same clock (time zone or none) as the closes.

    Raises
    ------
    ShapeError, LabelError
        For something that is no table or no Series, or dates that do not ascend or are on different clocks.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-01", periods=3)
    >>> data = SectorData(pd.DataFrame({"XLK": [1.0, 2.0, 3.0]}, index=days))
    >>> len(data.until("2024-01-02").closes)
    2
    >>> data.at_new_york_midnight().closes.index[0]
    Timestamp('2024-01-01 05:00:00+0000', tz='UTC')
    """

    closes: pd.DataFrame
    volatility_index: pd.Series[float] | None = None

    def __post_init__(self) -> None:
        require_kind(self.closes, pd.DataFrame, "the table of closes")
        dates = require_dates(self.closes.index, "the table of closes")
        require_unique(self.closes.columns, "ticker")
        if self.volatility_index is not None:
            require_kind(self.volatility_index, pd.Series, "the volatility index")
            index = require_dates(self.volatility_index.index, "the volatility index")
            require_same_clock(dates, index, "the volatility index, beside the closes,")

    @property
    def dates(self) -> pd.DatetimeIndex:
        """Rows of the closes."""
        return pd.DatetimeIndex(self.closes.index)

    def until(self, date: Date) -> SectorData:
        """Keep rows up to the date, a date without a time meaning its whole day: nothing later can be seen."""
        level = self.volatility_index
        return SectorData(
            self.closes[rows_until(self.closes.index, date)],
            None if level is None else level[rows_until(level.index, date)],
        )

    def at_new_york_midnight(self) -> SectorData:
        """Date each session at its midnight in New York, written in UTC: the bar times of the original.

        They are 05:00 in winter and 04:00 in summer, so from one weekday to the same one of the next week it is an hour
        less than seven days when the clocks go forward. Bars that are midnights of New York already stay as they are.

        Raises
        ------
        LabelError
            For dates that have a time of day, or a time zone in which they are no midnights of New York.
        """
        level = self.volatility_index
        closes = self.closes.set_axis(_new_york(pd.DatetimeIndex(self.closes.index)), axis=0)
        return SectorData(closes, None if level is None else level.set_axis(_new_york(pd.DatetimeIndex(level.index))))


def wide_closes(table: pd.DataFrame) -> pd.DataFrame:
    """Put a long table (one row a ticker and date) side by side.

    Parameters
    ----------
    table : DataFrame
        Columns ``ticker``, ``date`` and ``close``; others are not read. Any order of rows.

    Returns
    -------
    DataFrame, shape (T, n)
        Closes by date, ascending, and ticker, in the order in which they first come; NaN where there is no row.

    Raises
    ------
    LabelError
        For a column that is missing, or a ticker that has a date twice.

    Examples
    --------
    >>> long = pd.DataFrame({"ticker": ["XLK", "TLT"], "date": pd.to_datetime(["2024-01-02"] * 2), "close": [1.0, 2.0]})
    >>> wide_closes(long).to_dict("records")
    [{'XLK': 1.0, 'TLT': 2.0}]
    """
    require_kind(table, pd.DataFrame, "the table of closes")
    require_columns(table, ("ticker", "date", "close"), "the table of closes", "name them ticker, date and close")
    twice = table.duplicated(["ticker", "date"])
    if twice.any():
        row = table[twice].iloc[0]
        raise LabelError(
            "a ticker has a date twice",
            where=f"{day(row['date'])}, ticker {row['ticker']!r}",
            remedy="keep one of them",
        )
    wide = table.pivot(index="date", columns="ticker", values="close")
    return wide[list(pd.unique(table["ticker"]))].rename_axis(columns=None)


def given_data(closes: pd.DataFrame | SectorData, volatility_index: pd.Series[float] | None) -> SectorData:
    """Make the data of a run from what `SectorRotation.run` is given."""
    if not isinstance(closes, SectorData):
        return SectorData(closes, volatility_index)
    if volatility_index is not None:
        raise SpecificationError(
            "the volatility index is given twice", remedy="give it with the closes, in SectorData, or as an argument"
        )
    return closes


def require_complete(closes: pd.DataFrame, tickers: Sequence[str]) -> dict[str, int]:
    """Raise unless the closes are positive and complete from each ticker's first one; return the rows of the firsts."""
    values = closes[list(tickers)].to_numpy(dtype=np.float64)
    missing = np.isnan(values)
    firsts = np.where(missing.all(axis=0), len(values), missing.argmin(axis=0))
    late = missing & (np.arange(len(values))[:, None] >= firsts)
    wrong = ~missing & ~((values > 0.0) & (values < np.inf))
    if late.any() or wrong.any():
        row, column = np.argwhere(late | wrong)[0].tolist()
        where = f"{day(closes.index[row])}, ticker {tickers[column]!r}"
        if late[row, column]:
            all_tickers = bool(late[row].all())
            raise InputError(
                "no ticker has a close" if all_tickers else "a close is missing after the ticker's first one",
                where=where if not all_tickers else day(closes.index[row]),
                remedy="drop the row if it is no session" if all_tickers else "complete the closes, or end before it",
            )
        raise InputError(
            "a close is infinite or not positive",
            where=where,
            value=plain(values[row, column]),
            remedy="mend the close",
        )
    return dict(zip(tickers, firsts.tolist(), strict=True))


def require_begun(closes: pd.DataFrame, firsts: dict[str, int], roles: dict[str, str], row: int) -> None:
    """Raise unless each of these tickers has a close on the row already."""
    for name, role in roles.items():
        begins = firsts[name]
        if begins > row:
            known = f"its first is on {day(closes.index[begins])}" if begins < len(closes) else "it has none"
            raise InputError(
                f"the {role} has no close, {known}",
                where=f"{day(closes.index[row])}, ticker {name!r}",
                remedy="start later, or name another one",
            )


def require_tickers(closes: pd.DataFrame, roles: dict[str, str]) -> None:
    """Raise a `LabelError` that names the tickers that are no columns, and what they are for."""
    missing = [f"{name} ({role})" for name, role in roles.items() if name not in closes.columns]
    if missing:
        raise LabelError(
            "the closes lack tickers",
            value=missing,
            remedy="add them; to do without a sector name the others: universe = [...]",
        )


def rows_until(index: pd.Index[Any], date: Date) -> pd.Series[bool] | Any:
    """Rows at or before a date; a date without a time means its whole day."""
    dates = pd.DatetimeIndex(index)
    bound, whole = read_date(date, dates, "the end")
    return dates.tz_localize(None).normalize() <= bound.tz_localize(None) if whole else dates <= bound


def rows_from(index: pd.Index[Any], date: Date) -> pd.Series[bool] | Any:
    """Rows at or after a date."""
    dates = pd.DatetimeIndex(index)
    bound, whole = read_date(date, dates, "the start")
    return dates.tz_localize(None).normalize() >= bound.tz_localize(None) if whole else dates >= bound


def read_date(date: object, dates: pd.DatetimeIndex, what: str) -> tuple[pd.Timestamp, bool]:
    """Read a date on the clock of the index, and whether it means a whole day."""
    found: object
    try:
        found = pd.Timestamp(date)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = None
    if not isinstance(found, pd.Timestamp) or pd.isna(found):
        raise SpecificationError(f"{what} is no date", value=plain(date), remedy="write it as 2020-01-02")
    if found.tzinfo is not None:
        require_same_clock(dates, pd.DatetimeIndex([found]), f"{what}, beside the closes,")
        return found.tz_convert(dates.tz), False
    return (found.tz_localize(dates.tz), True) if found == found.normalize() else (found.tz_localize(dates.tz), False)


def require_sessions(sessions: int, least: int) -> None:
    """Raise unless a study has that many sessions."""
    if sessions < least:
        raise ShapeError(
            f"there are fewer than {least} sessions to study",
            value=sessions,
            remedy="give more closes, or other dates for start and end",
        )


def _new_york(dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
    local = dates.tz_localize(NEW_YORK) if dates.tz is None else dates.tz_convert(NEW_YORK)
    wrong = np.asarray(local != local.normalize())
    if wrong.any():
        raise LabelError(
            "the sessions are not at midnight in New York",
            where=str(dates[int(wrong.argmax())]),
            remedy="give dates without a time and a time zone: closes.index.tz_localize(None).normalize()",
        )
    return local.tz_convert("UTC")
