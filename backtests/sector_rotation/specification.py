"""The parameters of the sector rotation."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from allocopt.allocation import AnySolver, SolverName
from allocopt.backtests._checks import plain
from allocopt.backtests.accounting import Execution, Financing
from allocopt.backtests.overlays import LeveragePolicy, VixFineSteps, VixInverse, VixSteps, VolatilityTarget
from allocopt.backtests.schedules import Calendar, Schedule, schedule_from
from allocopt.backtests.sector_rotation.weighting import MomentumWeighting, Weighting, weighting_from
from allocopt.costs import Cost, ProportionalCost, SpreadCost
from allocopt.errors import SpecificationError
from allocopt.limits import Limits

if TYPE_CHECKING:
    from allocopt.backtests.sector_rotation.data import SectorData
    from allocopt.backtests.sector_rotation.result import SectorRotationResult

#: The eleven sector funds of the original, in its order.
SECTORS: Final = ("XLK", "XLF", "XLE", "XLV", "XLI", "XLP", "XLU", "XLY", "XLC", "XLB", "XLRE")

#: The original's costs a side: 5 basis points of slippage and 10 of commission.
SECTOR_COSTS: Final[tuple[Cost, ...]] = (SpreadCost(0.0, slippage=0.0005), ProportionalCost(0.001))

#: Sessions in a year, by which daily figures are annualised.
SESSIONS: Final = 252

#: No limits but the capital: two survivors hold half each.
NO_LIMITS: Final = Limits(cap=1.0, floor=0.0)

WeightingName = Literal["equal", "momentum", "inverse_volatility", "inverse_correlation"]
Date = str | dt.datetime | pd.Timestamp


@dataclass(frozen=True, eq=False)
class SectorRotation:
    """Hold the sectors with the best momentum, or bonds where none has any, levered by a policy.

    On each row of the schedule: of the sectors with enough history, the ``top_n`` best by momentum ``C_t / C_{t-m} -
    1`` are taken, those below ``min_momentum`` dropped, and the capital divided among the rest through
    `allocopt.allocate`. If none is left, or the trend filter is not passed, the defensive asset is the one desirable
    sleeve. All weights, also the defensive one, are multiplied by the leverage of that row. Shares are then held:
    weights drift until the next row of the schedule. What is decided at a close is filled at that close.

    Parameters
    ----------
    momentum : int or mapping of str to int, default 126
        Sessions of the momentum; one for all, or one for each sector of the universe.
    top_n : int, default 3
        Most sectors held.
    min_momentum : float, default 0.0
        Decimal return; a sector below it is dropped, one at exactly this value is kept.
    leverage : float, LeveragePolicy or VolatilityTarget, default 1.25
        Multiple of the composition. A number is fixed. A policy decides on each row of the schedule, with the
        volatility index of that date or the benchmark's volatility of 20 sessions. Rows that a policy counts are
        rebalances.
    trend_filter : int, optional
        N: hold sectors only if the benchmark's close is above the mean of its N previous closes, today's excluded.
    schedule : str or Schedule, default "month-start"
        As `schedule_from` reads it. A calendar given by name also decides on the first row of the study, as the
        original did. ``"7D"`` is the original's other schedule: at least seven days by the clock since the last
        decision.
    costs : Cost or sequence of Cost, default 5 + 10 basis points a side
        What trading costs.
    financing_rate : float or Series, optional
        Interest on borrowed cash, decimal per year: one for all rows, or a Series with a value on every row of the
        study. Needed as soon as more than the capital is held; 0.0 where borrowing is meant to be free. Idle cash
        earns nothing.
    defensive, benchmark : str, default "TLT" and "SPY"
        Columns of the defensive asset, and of the index that the filter and the comparison use.
    solver : str or solver, default "euclidean"
        As for `allocopt.allocate`.
    weighting : str or Weighting, default "equal"
        Desirability of the survivors: ``"equal"``, ``"momentum"``, ``"inverse_volatility"``, ``"inverse_correlation"``,
        or `InverseVolatility` and `InverseCorrelation` with a window of their own.
    limits : Limits, default cap 1 and floor 0
        What the composition is held to, the defensive asset included; what they leave over is cash.
    universe : sequence of str, default `SECTORS`
        Columns of the sectors. All must be there; name fewer to do without some.

    Raises
    ------
    SpecificationError
        For a parameter outside its range, or a fixed leverage above 1 without a financing rate.

    Examples
    --------
    >>> rotation = SectorRotation(financing_rate=0.05)
    >>> rotation.momentum, rotation.leverage, rotation.decision_schedule.label
    (126, 1.25, 'MS')
    >>> SectorRotation()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    allocopt.errors.SpecificationError: leverage is above 1 and borrowing has no financing rate: 1.25. Remedy: ...
    """

    momentum: int | Mapping[str, int] = 126
    top_n: int = 3
    min_momentum: float = 0.0
    leverage: float | LeveragePolicy | VolatilityTarget = 1.25
    trend_filter: int | None = None
    schedule: str | int | Schedule = "month-start"
    costs: Cost | Sequence[Cost] = SECTOR_COSTS
    financing_rate: float | pd.Series | None = None
    defensive: str = "TLT"
    benchmark: str = "SPY"
    solver: SolverName | AnySolver = "euclidean"
    weighting: WeightingName | Weighting = "equal"
    limits: Limits = NO_LIMITS
    universe: Sequence[str] = SECTORS

    def __post_init__(self) -> None:
        self._require_universe()
        self._require_momentum()
        _require_whole(self.top_n, "top_n", 1)
        if self.trend_filter is not None:
            _require_whole(self.trend_filter, "trend_filter", 1)
        low = self.min_momentum
        if isinstance(low, bool) or not isinstance(low, (int, float, np.number)) or not -math.inf <= low < math.inf:
            raise SpecificationError(
                "min_momentum is no decimal return", value=plain(low), remedy="give such as 0.0, or -inf for none"
            )
        if isinstance(weighting_from(self.weighting), MomentumWeighting) and low < 0.0:
            raise SpecificationError(
                "a momentum below 0 is no desirability",
                value=float(low),
                remedy="give min_momentum of at least 0, or another weighting",
            )
        if not isinstance(self.limits, Limits):
            raise SpecificationError(
                "limits are no Limits", value=self.limits, remedy="give Limits(cap=..., floor=...)"
            )
        self._require_leverage()
        schedule_from(self.schedule)
        _ = self.execution

    def _require_universe(self) -> None:
        names = () if isinstance(self.universe, str) else tuple(self.universe)
        if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise SpecificationError(
                "the universe is no sequence of different tickers",
                value=self.universe,
                remedy='give ("XLK", "XLF", ...)',
            )
        for role in ("defensive", "benchmark"):
            if not isinstance(getattr(self, role), str):
                raise SpecificationError(
                    f"{role} is no ticker", value=plain(getattr(self, role)), remedy="name a column of the closes"
                )
        if self.defensive in names:
            raise SpecificationError(
                "the defensive asset is one of the sectors", value=self.defensive, remedy="take it out of the universe"
            )
        object.__setattr__(self, "universe", names)

    def _require_momentum(self) -> None:
        if not isinstance(self.momentum, Mapping):
            _require_whole(self.momentum, "momentum", 1)
            object.__setattr__(self, "momentum", int(self.momentum))
            return
        given = dict(self.momentum)
        if set(given) != set(self.universe):
            raise SpecificationError(
                "look-backs are not one for each sector of the universe",
                value=sorted(map(str, set(given) ^ set(self.universe))),
                remedy="give one for each, or one number for all",
            )
        for name, sessions in given.items():
            _require_whole(sessions, f"momentum of {name}", 1)
        object.__setattr__(self, "momentum", {name: int(given[name]) for name in self.universe})

    def _require_leverage(self) -> None:
        if isinstance(self.leverage, (LeveragePolicy, VolatilityTarget)) and not isinstance(self.leverage, type):
            return
        number = isinstance(self.leverage, (int, float, np.number)) and not isinstance(self.leverage, bool)
        if not number or not 0.0 <= float(self.leverage) < math.inf:  # type: ignore[arg-type]
            raise SpecificationError(
                "leverage is no number of at least 0 and no policy",
                value=plain(self.leverage),
                remedy="give such as 1.25, VixSteps(base=1.25) or VolatilityTarget(...)",
            )
        if float(self.leverage) > 1.0 and self.financing_rate is None:  # type: ignore[arg-type]
            raise SpecificationError(
                "leverage is above 1 and borrowing has no financing rate",
                value=plain(self.leverage),
                remedy="give financing_rate as a decimal per year, 0.0 where borrowing is meant to be free",
            )

    @property
    def needs_volatility_index(self) -> bool:
        """Whether the leverage is one of the three rules that look at a volatility index."""
        return isinstance(self.leverage, (VixSteps, VixFineSteps, VixInverse))

    @property
    def look_backs(self) -> dict[str, int]:
        """Sessions of the momentum by sector."""
        if isinstance(self.momentum, Mapping):
            return dict(self.momentum)
        return dict.fromkeys(self.universe, int(self.momentum))

    @property
    def decision_schedule(self) -> Schedule:
        """The schedule; a calendar given by name decides on the first row of the study too."""
        found = schedule_from(self.schedule)
        named = isinstance(self.schedule, str)
        return replace(found, first_row=True) if named and isinstance(found, Calendar) else found

    @property
    def execution(self) -> Execution:
        """How decided weights are carried out: shares are held between decisions, filled at the deciding close."""
        rate = self.financing_rate
        financing = None if rate is None else Financing(lending=0.0, borrowing=rate, periods_per_year=SESSIONS)
        return Execution(mode="holdings", lag=1, costs=self.costs, financing=financing)

    def run(
        self,
        closes: pd.DataFrame | SectorData,
        volatility_index: pd.Series[float] | None = None,
        start: Date | None = None,
        end: Date | None = None,
    ) -> SectorRotationResult:
        """Decide, execute and account for the rotation on daily closes.

        Parameters
        ----------
        closes : DataFrame, shape (T, n), or SectorData
            Dividend-adjusted closes by session and ticker, ascending; NaN before a ticker's first close and nowhere
            else. Columns that the rotation does not name are not read. `SectorData` holds the volatility index as
            well.
        volatility_index : Series, optional
            Levels in points on every row of the schedule (other dates are not read); only for policies that need it.
        start, end : str or timestamp, optional
            First and last date of the study, both included; a date without a time means its whole day. Rows before
            ``start`` are history for momentum, filter and volatilities. Without ``start`` the study begins on the first
            row on which these are known for at least one sector, so that what comes before is the warm-up.

        Returns
        -------
        SectorRotationResult

        Raises
        ------
        LabelError
            For a ticker that is missing, dates that do not ascend, or mixed time zones.
        InputError
            For a close that is missing after a ticker's first one (date and ticker are named) or no positive number, a
            volatility index without a value on a deciding row, or too little history on one.
        SpecificationError
            For a policy without what it decides on, or weights above 1 without a financing rate.
        """
        from allocopt.backtests.sector_rotation.result import run_sectors

        return run_sectors(self, closes, volatility_index, start, end)


def _require_whole(value: object, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SpecificationError(
            f"{name} is not a whole number of at least {least}", value=plain(value), remedy="give a whole number"
        )
