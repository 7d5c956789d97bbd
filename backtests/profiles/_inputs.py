"""Read what a run is given, once, and line it up on the rows of the market."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_numbers
from allocopt.backtests.options import VolatilitySurface
from allocopt.backtests.profiles._calendar import DayArray, exchange_holidays
from allocopt.backtests.rotation import OHLCV
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError
from allocopt.regimes import Regime

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Days beyond the last row up to which holidays are worked out: more than any leg lasts.
_BEYOND = 1200


@dataclass(frozen=True, eq=False)
class Rows:
    """A market as a run of closes, with what carries it and its volatility surface."""

    dates: pd.DatetimeIndex
    days: DayArray
    ordinals: IntArray  # of the days, so that differences are calendar days
    spot: FloatArray
    rate: FloatArray
    dividend: FloatArray
    surface: VolatilitySurface
    holidays: DayArray

    def __len__(self) -> int:
        return len(self.spot)

    @classmethod
    def read(
        cls,
        market: OHLCV,
        surface: VolatilitySurface,
        rate: float | pd.Series,
        dividend: float | pd.Series,
        holidays: Iterable[Any] | None,
    ) -> Rows:
        """Check and convert."""
        require_kind(market, OHLCV, "the market")
        if not callable(getattr(surface, "implied_volatility", None)):
            raise ShapeError(
                "the volatility surface has no method implied_volatility",
                value=type(surface).__name__,
                remedy="pass an object with implied_volatility(dates, days, log_moneyness)",
            )
        dates = market.index
        days = dates.tz_localize(None).normalize().to_numpy().astype("datetime64[D]")
        twice = np.flatnonzero(days[1:] == days[:-1])
        if twice.size:
            raise LabelError(
                "the market has two bars on one day",
                where=day(dates[int(twice[0]) + 1]),
                remedy="pass daily bars: options are aged by calendar days",
            )
        return cls(
            dates,
            days,
            days.astype(np.int64),
            market.close.to_numpy().astype(np.float64),
            _annual(rate, dates, "rate"),
            _annual(dividend, dates, "dividend"),
            surface,
            _holidays(holidays, days),
        )

    def years_since_last(self) -> FloatArray:
        """Calendar years from the row before to each row; 0.0 on row 0."""
        return np.diff(self.ordinals, prepend=self.ordinals[0]) / 365.0

    def volatility(self, rows: IntArray, days: FloatArray, log_moneyness: FloatArray) -> FloatArray:
        """Ask the surface, and check the shape of what it says. NaN is left for the rows that need it."""
        found = np.asarray(self.surface.implied_volatility(self.dates[rows], days, log_moneyness), dtype=np.float64)
        if found.shape != rows.shape:
            raise ShapeError(
                "the volatility surface does not answer elementwise",
                value=found.shape,
                remedy=f"return one volatility for each of the {len(rows)} dates asked for",
            )
        return found


@dataclass(frozen=True, eq=False)
class Signals:
    """Scores and regimes by row; NaN and 0 in the warm-up."""

    scores: FloatArray
    regimes: IntArray

    @classmethod
    def read(cls, scores: pd.Series, regimes: pd.Series, dates: pd.DatetimeIndex) -> Signals:
        """Check that both stand on the market's rows, and that nothing is missing once it was there."""
        for series, what in ((scores, "scores"), (regimes, "regimes")):
            require_kind(series, pd.Series, f"the table of {what}")
            require_dates(series.index, f"the table of {what}")
            if not series.index.equals(dates):
                raise LabelError(
                    f"{what} and market differ in their dates",
                    value=(len(series), len(dates)),
                    remedy="compute them from the same bars, and keep every row",
                )
        score = _no_gap(require_numbers(scores, "score"), "score", dates)
        if np.isinf(score).any():
            raise InputError(
                "a score is infinite", where=day(dates[int(np.isinf(score).argmax())]), remedy="scores lie in [0, 1]"
            )
        number = _no_gap(require_numbers(regimes, "regime"), "regime", dates)
        known = [int(regime) for regime in Regime]
        odd = ~np.isnan(number) & ~np.isin(number, known)
        if odd.any():
            row = int(odd.argmax())
            raise InputError(
                "a regime has no such number",
                where=day(dates[row]),
                value=plain(number[row]),
                remedy="give numbers of allocopt.regimes.Regime, from 1 to 6",
            )
        return cls(score, np.nan_to_num(number).astype(np.int64))


def _no_gap(values: FloatArray, name: str, dates: pd.DatetimeIndex) -> FloatArray:
    known = ~np.isnan(values)
    lost = np.logical_or.accumulate(known) & ~known
    if lost.any():
        raise InputError(
            f"a {name} is missing after its warm-up",
            where=day(dates[int(lost.argmax())]),
            remedy="compute it from bars without gaps",
        )
    return values


def _annual(value: float | pd.Series, dates: pd.DatetimeIndex, name: str) -> FloatArray:
    """Put a rate a year on every row."""
    if isinstance(value, pd.Series):
        require_dates(value.index, f"the {name}")
        if not value.index.equals(dates):
            raise LabelError(
                f"{name} and market differ in their dates",
                value=(len(value), len(dates)),
                remedy="give one value for each row of the market, or a number",
            )
        found = require_numbers(value, name)
        bad = ~np.isfinite(found)
        if bad.any():
            raise InputError(
                f"the {name} is missing or infinite",
                where=day(dates[int(bad.argmax())]),
                value=plain(found[int(bad.argmax())]),
                remedy="give a decimal a year on every row",
            )
        return found
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise SpecificationError(
            f"{name} is no finite number", value=plain(value), remedy="give a decimal a year, such as 0.02, or a Series"
        )
    return np.full(len(dates), float(value))


def _holidays(given: Iterable[Any] | None, days: DayArray) -> DayArray:
    if given is None:
        return exchange_holidays(days[0], days[-1] + np.timedelta64(_BEYOND, "D"))
    try:
        found = pd.DatetimeIndex(list(given))
    except (TypeError, ValueError) as error:
        raise InputError("a holiday is no date", value=str(error), remedy="write it as YYYY-MM-DD") from error
    if found.isna().any():
        raise InputError("a holiday is missing", where=f"item {int(found.isna().argmax())}", remedy="drop it")
    return found.tz_localize(None).normalize().to_numpy().astype("datetime64[D]")
