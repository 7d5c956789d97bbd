"""What idle cash earns and borrowed cash pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import (
    day,
    plain,
    require_dates,
    require_kind,
    require_numbers,
    require_periods,
    require_same_clock,
)
from allocopt.errors import InputError, LabelError, SpecificationError

FloatArray = npt.NDArray[np.float64]
Rate = float | pd.Series


@dataclass(frozen=True, eq=False)
class Financing:
    """Interest on the cash account: idle cash earns, borrowed cash pays.

    Each row books ``rate / periods_per_year`` on the cash after the trades at the row's start, so interest compounds
    per row. A rate that stands on row t is known at its close and applies from row t to row t+1. (The ``cash_rate`` of
    the metrics belongs to the row that it stands on: move the same series there with `in_force`.)

    Parameters
    ----------
    lending : float or Series by date
        What idle cash earns, decimal per year (0.02 for 2 %). May be negative. A constant, or one rate a row.
    borrowing : float or Series by date
        What borrowed cash pays, decimal per year. 0.0 where borrowing is meant to be free.
    periods_per_year : float
        Rows a year: 252 for trading days, 8760 for hours.

    Raises
    ------
    SpecificationError
        For a rate that is not between -1 and 1 (percent by mistake), or ``periods_per_year`` that is not positive.
    InputError, LabelError
        When used: for a rate series without a value on a row of the ledger.

    Examples
    --------
    >>> financing = Financing(lending=0.0, borrowing=0.05, periods_per_year=252)
    >>> financing.borrowing
    0.05
    """

    lending: Rate
    borrowing: Rate
    periods_per_year: float

    def __post_init__(self) -> None:
        for name in ("lending", "borrowing"):
            rate = getattr(self, name)
            if isinstance(rate, pd.Series):
                object.__setattr__(self, name, rate.copy())
            elif isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)) or not -1.0 < rate < 1.0:
                raise SpecificationError(
                    f"{name} is no rate between -1 and 1",
                    value=plain(rate),
                    remedy="give a decimal per year, or a Series",
                )
        require_periods(self.periods_per_year)

    def per_row(self, dates: pd.DatetimeIndex) -> tuple[FloatArray, FloatArray]:
        """Lending and borrowing rates of each row, decimal per row."""
        return (
            self._spread(self.lending, dates, "lending") / self.periods_per_year,
            self._spread(self.borrowing, dates, "borrowing") / self.periods_per_year,
        )

    def _spread(self, rate: Rate, dates: pd.DatetimeIndex, name: str) -> FloatArray:
        if not isinstance(rate, pd.Series):
            return np.full(len(dates), float(rate))
        values = on_rows(rate, dates, f"{name} rate")
        if not (np.abs(values) < 1.0).all():
            row = int((np.abs(values) >= 1.0).argmax())
            raise InputError(
                f"the {name} rate looks like percent",
                where=day(dates[row]),
                value=float(values[row]),
                remedy="divide it by 100: a decimal per year is wanted, 0.05 for 5 %",
            )
        return values


def on_rows(series: pd.Series[Any], dates: pd.DatetimeIndex, what: str) -> FloatArray:
    """Values of a series on the rows of a ledger; an error names the first row without a finite one."""
    require_kind(series, pd.Series, f"the {what}")
    require_dates(series.index, f"the {what}")
    require_same_clock(pd.DatetimeIndex(series.index), dates, f"the {what}, beside the rows of the ledger,")
    lacking = ~dates.isin(series.index) if not series.index.equals(dates) else np.zeros(0, dtype=bool)
    if lacking.any():
        raise LabelError(
            f"the {what} has no value on a row of the ledger",
            where=day(dates[int(lacking.argmax())]),
            remedy="give one on every row, for example with reindex(dates, method='ffill')",
        )
    chosen = series if series.index.equals(dates) else series.loc[dates]
    values = require_numbers(chosen, what)
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).argmax())
        raise InputError(
            f"the {what} is missing or infinite",
            where=day(dates[row]),
            value=float(values[row]),
            remedy="give a finite decimal on every row",
        )
    return values
