"""The trend basket's parameters, and the name that holds them all."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from allocopt.allocation import AnySolver, SolverName
from allocopt.backtests._checks import plain, require_option
from allocopt.backtests.accounting import Execution
from allocopt.costs import Cost, ProportionalCost
from allocopt.errors import SpecificationError
from allocopt.limits import Limits

if TYPE_CHECKING:
    from allocopt.backtests.trend_basket.result import TrendBasketResult

#: The published candidate.
PUBLISHED = "trend_basket-1h-lb720-tr1440-bt2880-rb168-top2-mm0.000-bm0.000-vw336-vc0.0300-lev0.75-exp0.50-vt0.2000"

#: A taker fee of 4 basis points.
TAKER_FEE = 0.0004
ORIGINAL_COST = ProportionalCost(TAKER_FEE)

#: No limits but the capital: two coins hold half each, one holds all.
ORIGINAL_LIMITS = Limits(cap=1.0, floor=0.0)

#: Desirability of the selected coins.
Weighting = Literal["equal", "momentum"]

#: Smallest volatility target that is one, decimal a year.
SMALLEST_TARGET = 1e-6

_YEAR = pd.Timedelta(days=365)
_NUMBER = r"-?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|inf)"


@dataclass(frozen=True)
class _Part:
    """One piece of the name: its prefix, the field it stands for, and how the field is written."""

    prefix: str
    field: str
    decimals: int | None  # None for a whole number
    always: bool = True


_PARTS = (
    _Part("lb", "momentum", None),
    _Part("tr", "trend", None),
    _Part("bt", "market_trend", None),
    _Part("rb", "interval", None),
    _Part("top", "top", None),
    _Part("mm", "min_momentum", 3),
    _Part("bm", "min_market_momentum", 3),
    _Part("vw", "volatility_window", None),
    _Part("vc", "volatility_cap", 4),
    _Part("lev", "leverage", 2),
    _Part("exp", "exposure", 2),
    _Part("vt", "volatility_target", 4),
    _Part("ph", "offset", None, always=False),
    _Part("cap", "cap", 2, always=False),
    _Part("floor", "floor", 2, always=False),
    _Part("budget", "budget", 2, always=False),
)
_LIMITS = ("cap", "floor", "budget")


@dataclass(frozen=True)
class TrendBasket:
    """Hold the coins with the best momentum while the market trends up, sized to a volatility target.

    On each row of the schedule: if the market coin is above its moving average, its momentum is over a minimum and its
    volatility not over a cap, the coins above their own average with momentum over a minimum are eligible, and the
    best of them share the capital equally, through `allocopt.allocate`. Otherwise all is cash. On every row the book
    is scaled to a volatility target, and executed one row later.

    Parameters
    ----------
    bar : str, default "1h"
        Length of a row, as pandas writes it.
    momentum, trend, market_trend : int
        Rows of the momentum, of each coin's moving average, and of the market coin's.
    interval : int
        Rows from one selection to the next, counted from the warm-up, the longest of all windows.
    top : int
        Most coins held.
    min_momentum, min_market_momentum : float
        Decimal return over ``momentum`` rows that a coin, and the market coin, must exceed.
    volatility_window : int
        Rows of the market coin's volatility and of the volatility target.
    volatility_cap : float
        Largest standard deviation of the market coin's returns, decimal per row (not annualised).
    leverage : float
        Factor on the executed weights. Turnover and the volatility target do not count it.
    exposure : float
        Factor on the composition, before the volatility target.
    volatility_target : float
        Decimal per year. The scale never exceeds 1.
    offset : int, default 0
        Phase of the schedule, 0 to ``interval - 1`` rows after the warm-up.
    limits : Limits, default cap 1 and floor 0
        What the composition is held to: a coin holds nothing, or at least the floor and at most the cap.
    weighting : {"equal", "momentum"}
        Desirability of the selected coins: 1 for each, or their momentum (which must then be positive).
    solver : str or solver
        As for `allocopt.allocate`.
    market : str, optional
        Column of the market coin. None: the one whose name begins with "BTC" in any capitalisation.
    costs : Cost or sequence of Cost, default 4 basis points
        What trading costs, on the executed weights times leverage.

    Raises
    ------
    SpecificationError
        For a parameter outside its range, or a name that cannot be read.

    Examples
    --------
    >>> basket = TrendBasket.from_name(PUBLISHED)
    >>> basket.momentum, basket.volatility_target
    (720, 0.2)
    >>> TrendBasket(limits=Limits(cap=0.4, floor=0.05)).name.removeprefix(PUBLISHED)
    '-cap0.40-floor0.05'
    """

    bar: str = "1h"
    momentum: int = 720
    trend: int = 1440
    market_trend: int = 2880
    interval: int = 168
    top: int = 2
    min_momentum: float = 0.0
    min_market_momentum: float = 0.0
    volatility_window: int = 336
    volatility_cap: float = 0.03
    leverage: float = 0.75
    exposure: float = 0.5
    volatility_target: float = 0.2
    offset: int = 0
    limits: Limits = ORIGINAL_LIMITS
    weighting: Weighting = "equal"
    solver: SolverName | AnySolver = "euclidean"
    market: str | None = None
    costs: Cost | Sequence[Cost] = ORIGINAL_COST

    def __post_init__(self) -> None:
        least = {"momentum": 1, "trend": 1, "market_trend": 1, "interval": 1, "top": 1, "volatility_window": 2}
        for name, lowest in least.items():
            _require_whole(getattr(self, name), name, lowest)
        _require_whole(self.offset, "offset", 0)
        if self.offset >= self.interval:
            raise SpecificationError(
                "offset is not below the interval", value=self.offset, remedy=f"give 0 to {self.interval - 1}"
            )
        for name in ("min_momentum", "min_market_momentum"):
            _require_number(getattr(self, name), name, -math.inf, math.inf)
        for name in ("volatility_cap", "leverage", "exposure"):
            _require_number(getattr(self, name), name, 0.0, math.inf)
        _require_number(self.volatility_target, "volatility_target", SMALLEST_TARGET, math.inf)
        if self.volatility_target > 5.0 and self.volatility_target < math.inf:
            raise SpecificationError(
                "volatility_target looks like percent", value=self.volatility_target, remedy="give a decimal, 0.20"
            )
        require_option(self.weighting, get_args(Weighting), "weighting")
        if not isinstance(self.limits, Limits):
            raise SpecificationError(
                "limits are no Limits", value=self.limits, remedy="give Limits(cap=..., floor=...)"
            )
        Execution(costs=self.costs)
        require_bar(self.bar)

    @property
    def warm_up(self) -> int:
        """Rows before the first selection: the longest window."""
        return max(self.momentum, self.trend, self.market_trend, self.volatility_window)

    @property
    def periods_per_year(self) -> float:
        """Rows in a year of 365 days: 8760 for hours."""
        return float(_YEAR / pd.Timedelta(self.bar))

    @property
    def name(self) -> str:
        """All parameters in one word; phase, limits and weighting only where they are not the original's.

        ``market``, ``solver`` and ``costs`` are no part of it.
        """
        pieces = ["trend_basket", self.bar]
        original = TrendBasket()
        for part in _PARTS:
            value = self._value(part.field)
            if part.always or value != original._value(part.field):
                pieces.append(part.prefix + _written(value, part.decimals))
        return "-".join(pieces) + (f"-w{self.weighting}" if self.weighting != original.weighting else "")

    def _value(self, field: str) -> float:
        value: float = getattr(self.limits if field in _LIMITS else self, field)
        return value

    @classmethod
    def from_name(cls, name: str) -> TrendBasket:
        """Read the parameters from a name as `name` writes it.

        Raises
        ------
        SpecificationError
            For a name of another form (the piece is named), or parameters outside their range.
        """
        pattern = r"trend_basket-(?P<bar>[0-9]*[A-Za-z]+)"
        for part in _PARTS:
            number = r"\d+" if part.decimals is None else _NUMBER
            piece = f"-{part.prefix}(?P<{part.field}>{number})"
            pattern += piece if part.always else f"(?:{piece})?"
        pattern += f"(?:-w(?P<weighting>{'|'.join(get_args(Weighting))}))?"
        found = re.fullmatch(pattern, name) if isinstance(name, str) else None
        if found is None:
            raise SpecificationError("not the name of a trend basket", value=name, remedy=f"write it like {PUBLISHED}")
        given: dict[str, Any] = {"bar": found["bar"]}
        for part in _PARTS:
            if found[part.field] is not None:
                given[part.field] = (int if part.decimals is None else float)(found[part.field])
        if found["weighting"] is not None:
            given["weighting"] = found["weighting"]
        original = cls()
        limits = {field: given.pop(field, getattr(original.limits, field)) for field in _LIMITS}
        return replace(original, limits=Limits(**limits), **given)

    def run(self, closes: pd.DataFrame, *, funding: pd.DataFrame | None = None) -> TrendBasketResult:
        """Decide, size, execute and account for the basket on closes.

        Parameters
        ----------
        closes : DataFrame, shape (T, n)
            Close of each coin by bar, positive and without gaps: one row a bar, ascending. `regular_closes` makes such
            a table of one with missing bars.
        funding : DataFrame, shape (T, n), optional
            Perpetual funding, decimal per row on the position, paid by longs. None: spot, or no funding.

        Returns
        -------
        TrendBasketResult

        Raises
        ------
        InputError, LabelError, ShapeError
            For closes that are missing, not positive, not one a bar, or fewer than the warm-up.
        SpecificationError
            Where it is not clear which column is the market coin.
        """
        from allocopt.backtests.trend_basket.result import run_basket

        return run_basket(self, closes, funding)


def require_bar(bar: object) -> None:
    """Raise unless the bar is a length of time as the name can hold it: "1h", "15min", "1D"."""
    try:
        good = isinstance(bar, str) and re.fullmatch(r"[0-9]*[A-Za-z]+", bar) and pd.Timedelta(bar) > pd.Timedelta(0)
    except ValueError:
        good = False
    if not good:
        raise SpecificationError(
            "bar is no length of time", value=plain(bar), remedy='give one such as "1h" or "15min"'
        )


def _written(value: float, decimals: int | None) -> str:
    """Write a number with the decimals of the name, or with as many as it needs to be read back."""
    if decimals is None:
        return str(value)
    short = f"{value:.{decimals}f}"
    return short if float(short) == value else repr(float(value))


def _require_whole(value: object, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SpecificationError(
            f"{name} is not a whole number of at least {least}", value=plain(value), remedy="give a number of rows"
        )


def _require_number(value: object, name: str, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)) or not low <= value <= high:
        raise SpecificationError(f"{name} is outside its range", value=plain(value), remedy=f"give {low:g} to {high:g}")
