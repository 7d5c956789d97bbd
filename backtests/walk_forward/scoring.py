"""Figures of a run on some rows, and the one by which configurations are chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import plain, require_kind, require_periods
from allocopt.backtests.metrics._curve import Curve
from allocopt.backtests.metrics._figures import Given, measure
from allocopt.backtests.walk_forward.rows import span
from allocopt.backtests.walk_forward.study import FloatArray, Run
from allocopt.errors import InputError, LabelError, SpecificationError

#: Figures of every table, as `allocopt.backtests.metrics.Performance` defines them.
FIGURES = ("sharpe", "sortino", "calmar", "cagr", "total_return", "volatility", "max_drawdown", "turnover_per_year")

#: What configurations may be chosen by.
SELECTABLE = (
    "sharpe", "sortino", "calmar", "cagr", "total_return", "annual_return", "mean_annual_return", "volatility",
    "max_drawdown", "win_rate_all", "profit_factor", "bps",
)  # fmt: skip

#: Figures of which less is better.
LOWER_IS_BETTER = frozenset({"max_drawdown", "volatility"})

#: A figure's name, or a function of the returns on the rows of which more is better.
Select: TypeAlias = str | Callable[[pd.Series], float]

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Scoring:
    """How a run is judged on some rows.

    Attributes
    ----------
    select : str or callable
    periods_per_year : float
    cash_rate : float or Series by date
        Decimal per year, for the Sharpe and Sortino ratios.
    """

    select: Select
    periods_per_year: float
    cash_rate: float | pd.Series = 0.0

    def __post_init__(self) -> None:
        require_periods(self.periods_per_year)
        if not callable(self.select) and self.select not in SELECTABLE:
            raise SpecificationError(
                "unknown figure to select by",
                value=self.select,
                remedy=f"use one of {', '.join(SELECTABLE)}, or a function of a Series of returns",
            )
        if isinstance(self.cash_rate, pd.Series):
            return
        number = isinstance(self.cash_rate, (int, float, np.number)) and not isinstance(self.cash_rate, bool)
        if not number or not abs(self.cash_rate) < 1.0:
            raise SpecificationError(
                "cash_rate is no decimal per year", value=plain(self.cash_rate), remedy="write 0.05 for 5 %"
            )

    @property
    def name(self) -> str:
        """What the score is called in tables."""
        return self.select if isinstance(self.select, str) else getattr(self.select, "__name__", "score")

    @property
    def sign(self) -> float:
        """1.0 where more is better, -1.0 where less is."""
        return -1.0 if self.select in LOWER_IS_BETTER else 1.0

    def figures(self, run: Run, rows: Rows, dates: pd.DatetimeIndex) -> dict[str, float]:
        """Give ``score`` and `FIGURES` on these rows; all NaN where the run does not have every one of them.

        The first row of a run ends no period: it is left out.
        """
        if len(rows) and rows[0] == run.first:
            rows = rows[1:]
        if not len(rows) or rows[0] < run.first or rows[-1] > run.last:
            return dict.fromkeys(("score", *FIGURES), math.nan)
        low, high = int(rows[0]) - 1, int(rows[-1])
        bars_of = span(dates, low, high)
        value = run.equity[low - run.first : high + 1 - run.first]
        curve = Curve(bars_of, value, value[1:] / value[:-1] - 1.0)
        given = Given(
            periods_per_year=float(self.periods_per_year),
            cash=self._cash(bars_of),
            lags=None,
            active=None,
            turnover=None if run.turnover is None else run.turnover[low + 1 - run.first : high + 1 - run.first],
        )
        bars = rows - (low + 1)
        measured = measure(curve, given, None if len(bars) == len(curve.returns) else bars.astype(np.int64))
        found = {name: getattr(measured, name) for name in FIGURES}
        score = getattr(measured, self.select) if isinstance(self.select, str) else self._own(curve, bars)
        return {"score": float(score), **{k: math.nan if v is None else float(v) for k, v in found.items()}}

    def _own(self, curve: Curve, bars: Rows) -> float:
        assert callable(self.select)
        score = self.select(pd.Series(curve.returns[bars], index=curve.dates[bars + 1], name="return"))
        if isinstance(score, bool) or not isinstance(score, (int, float, np.integer, np.floating)):
            raise SpecificationError(
                f"{self.name} gave no number", value=type(score).__name__, remedy="return a float, NaN if there is none"
            )
        return float(score)

    def _cash(self, dates: pd.DatetimeIndex) -> FloatArray | float:
        """Return on cash of each bar of a span, which begins with the row before the first bar."""
        if not isinstance(self.cash_rate, pd.Series):
            return float(self.cash_rate) / self.periods_per_year
        rate = require_kind(self.cash_rate, pd.Series, "cash_rate").reindex(dates[1:])
        values = rate.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise LabelError(
                "cash_rate has no value on a row that is scored",
                where=str(dates[1:][int((~np.isfinite(values)).argmax())]),
                remedy="give one on every row, for example with reindex(dates, method='ffill')",
            )
        if (np.abs(values) >= 1.0).any():
            raise InputError(
                "cash_rate is not a decimal per year", value=float(np.abs(values).max()), remedy="divide it by 100"
            )
        found: FloatArray = values / self.periods_per_year
        return found
