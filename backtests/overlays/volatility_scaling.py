"""What a volatility target did, and what volatility it delivered."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.backtests._checks import day, require_dates, require_kind, require_numbers
from allocopt.backtests.accounting import executed_weights
from allocopt.backtests.overlays.exposure import SMALLEST, require_number
from allocopt.errors import InputError, LabelError, ShapeError


@dataclass(frozen=True, eq=False)
class VolatilityScaling:
    """Scaled weights of a `VolatilityTarget`, with what they were scaled by.

    Parameters
    ----------
    target : float
        Decimal per year.
    cap : float
        Largest scale.
    periods_per_year : float
        Rows in a year.
    lag : int
        Rows from a decision to the period that it earns.
    scale : Series, shape (T,)
        Decided with the row's own information; not shifted.
    realized : Series, shape (T,)
        Volatility of the unscaled book, decimal per year; NaN where there is no estimate.
    weights : DataFrame, shape (T, n)
        Decided weights times scale.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.overlays import VolatilityTarget
    >>> days = pd.date_range("2024-01-01", periods=5)
    >>> weights = pd.DataFrame({"BTC": [0.5] * 5}, index=days)
    >>> returns = pd.DataFrame({"BTC": [0.0, 0.04, -0.04, 0.01, 0.01]}, index=days)
    >>> scaling = VolatilityTarget(0.20, 2, periods_per_year=365, undefined="full").scale(weights, returns)
    >>> scaling.warm_up_rows, scaling.zero_rows, scaling.capped_rows
    (1, 1, 0)
    """

    target: float
    cap: float
    periods_per_year: float
    lag: int
    scale: pd.Series[float]
    realized: pd.Series[float]
    weights: pd.DataFrame

    @property
    def invested(self) -> pd.Series[bool]:
        """Rows on which a weight is decided that is not zero, after scaling."""
        return (self.weights != 0.0).any(axis=1).rename("invested")

    @property
    def warm_up_rows(self) -> int:
        """Rows without an estimate."""
        return int(self.realized.isna().sum())

    @property
    def zero_rows(self) -> int:
        """Rows on which the estimate is exactly zero."""
        return int((self.realized == 0.0).sum())

    @property
    def capped_rows(self) -> int:
        """Invested rows on which the cap held the scale below ``target / realized``. Zero estimates are not counted."""
        return int((self._capped & self.invested).sum())

    @property
    def _capped(self) -> NDArray[np.bool_]:
        # Rows without an estimate compare as false; a zero estimate asks for no particular scale.
        realized = self.realized.to_numpy()
        return (realized > 0.0) & (self.cap * realized < self.target)

    def delivered(self, returns: pd.Series[float], leverage: float = 1.0) -> DeliveredVolatility:
        """Compare the target with the volatility of the returns that the accounting found.

        Parameters
        ----------
        returns : Series, shape (T,)
            Decimal return of the whole portfolio over each row, such as ``ledger.returns``, on the same dates. Row 0
            ends no period and is left out.
        leverage : float, default 1.0
            What the scaled weights were multiplied by before the accounting, above 0. It is part of what the returns
            hold already; here it states what the chain of target and leverage aims at.

        Returns
        -------
        DeliveredVolatility
            Target and delivered volatility with the counts that explain the difference.

        Raises
        ------
        LabelError, ShapeError
            Other dates, fewer than three rows, or not a Series.
        InputError
            A return is missing or infinite.
        SpecificationError
            `leverage` is not positive.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.overlays import VolatilityTarget
        >>> days = pd.date_range("2024-01-01", periods=5)
        >>> weights = pd.DataFrame({"BTC": [0.5] * 5}, index=days)
        >>> returns = pd.DataFrame({"BTC": [0.0, 0.01, -0.01, 0.01, -0.01]}, index=days)
        >>> scaling = VolatilityTarget(0.20, 2, periods_per_year=365, undefined="full").scale(weights, returns)
        >>> print(scaling.delivered(0.75 * 0.5 * returns["BTC"], leverage=0.75))
        target 20.0 % a year, times leverage 0.75: 15.0 %
        delivered 8.3 %, 0.41 of the target; 8.3 % on the 4 of 4 rows with a position
        held down by the cap of 1: 4 of 5 invested decisions
        rows without an estimate: 1; with an estimate of zero: 0
        """
        require_kind(returns, pd.Series, "the returns")
        require_dates(returns.index, "the series of returns")
        values = require_numbers(returns, "return")
        if not returns.index.equals(self.scale.index):
            raise LabelError(
                "the returns are not on the dates of the scaled weights",
                value=(len(returns), len(self.scale)),
                remedy="pass the returns of the ledger that accounted for these weights",
            )
        if len(values) < 3:
            raise ShapeError(
                "there are too few returns for a volatility", value=len(values), remedy="give at least three rows"
            )
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise InputError(
                "a return is missing or infinite", where=day(returns.index[bad[0]]), value=values[bad[0]],
                remedy="mend the return",
            )  # fmt: skip
        require_number(leverage, "leverage", SMALLEST, math.inf, "1.0 leaves the scaled weights as they are")
        held = (executed_weights(self.weights, self.lag).to_numpy() != 0.0).any(axis=1)[1:]
        annual = math.sqrt(self.periods_per_year)
        earned = values[1:]
        return DeliveredVolatility(
            target=self.target,
            leverage=leverage,
            cap=self.cap,
            delivered=float(earned.std(ddof=1)) * annual,
            delivered_in_position=float(earned[held].std(ddof=1)) * annual if held.sum() > 1 else math.nan,
            rows=len(earned),
            rows_in_position=int(held.sum()),
            decisions=len(self.scale),
            invested_decisions=int(self.invested.sum()),
            capped_decisions=self.capped_rows,
            warm_up_rows=self.warm_up_rows,
            zero_rows=self.zero_rows,
        )


@dataclass(frozen=True)
class DeliveredVolatility:
    """Target against delivered volatility, and why they differ. ``print`` it for a summary.

    Three things keep the delivered volatility below the target: a cap (at 1 the book is cut, never geared up), leverage
    below 1 applied afterwards, and time spent flat. One lifts it above on the rows with a position: after a flat spell
    the estimate still counts flat rows, so the scale is too large.

    Parameters
    ----------
    target, delivered : float
        Decimal per year. ``delivered`` is the standard deviation (ddof 1) of all row returns but the first.
    delivered_in_position : float
        The same over the rows on which a position is held; NaN with fewer than two of them.
    leverage : float
        What the scaled weights were multiplied by.
    cap : float
        Largest scale.
    rows, rows_in_position : int
        Returns counted, and those of rows with a position.
    decisions, invested_decisions, capped_decisions : int
        Rows decided on, those with a weight, and those of them on which the cap held the scale down.
    warm_up_rows, zero_rows : int
        Rows decided without an estimate, and with an estimate of zero.

    Examples
    --------
    >>> from allocopt.backtests.overlays import DeliveredVolatility
    >>> report = DeliveredVolatility(0.20, 0.10, 0.14, 0.75, 1.0, 999, 500, 1000, 500, 375, 20, 0)
    >>> report.ratio, report.aim, report.capped_share
    (0.5, 0.15000000000000002, 0.75)
    """

    target: float
    delivered: float
    delivered_in_position: float
    leverage: float
    cap: float
    rows: int
    rows_in_position: int
    decisions: int
    invested_decisions: int
    capped_decisions: int
    warm_up_rows: int
    zero_rows: int

    @property
    def ratio(self) -> float:
        """Delivered over target."""
        return self.delivered / self.target

    @property
    def aim(self) -> float:
        """Target times leverage: what would be delivered if no cap bound and the book were never flat."""
        return self.target * self.leverage

    @property
    def capped_share(self) -> float:
        """Part of the invested decisions on which the cap held the scale down; 0 if there are none."""
        return self.capped_decisions / self.invested_decisions if self.invested_decisions else 0.0

    def __str__(self) -> str:
        return (
            f"target {self.target:.1%} a year, times leverage {self.leverage:g}: {self.aim:.1%}\n"
            f"delivered {self.delivered:.1%}, {self.ratio:.2f} of the target; {self.delivered_in_position:.1%} on the "
            f"{self.rows_in_position} of {self.rows} rows with a position\n"
            f"held down by the cap of {self.cap:g}: {self.capped_decisions} of {self.invested_decisions} "
            f"invested decisions\n"
            f"rows without an estimate: {self.warm_up_rows}; with an estimate of zero: {self.zero_rows}"
        ).replace("%", " %")
