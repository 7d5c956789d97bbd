"""Whether a surface admits calendar or butterfly arbitrage on a grid of expiries and strikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import require_kind
from allocopt.backtests.options._arguments import FloatArray, numbers
from allocopt.backtests.options.black_scholes import DAYS_PER_YEAR, price
from allocopt.backtests.options.surface import VolatilitySurface
from allocopt.errors import ShapeError, SpecificationError

#: Calendar days to expiry of the default grid.
TENORS: Final = (2.0, 3.0, 5.0, 7.0, 9.0, 12.0, 16.0, 21.0, 30.0, 37.0, 45.0, 60.0, 75.0, 93.0, 105.0, 120.0)

#: Strikes of the default grid over the forward: within 20 %, a step of half a percent.
STRIKES: Final = tuple((np.arange(160, 241) / 200).tolist())

_ROUNDING = 1e-13  # of a price over the forward; a second difference sums four of them
_LARGEST_BATCH = 500_000  # options marked at once


@dataclass(frozen=True, eq=False)
class ArbitrageCheck:
    """Where a surface admits arbitrage, and on how many points it was looked for.

    Attributes
    ----------
    calendar : DataFrame
        Columns ``date``, ``days``, ``strike``, ``amount``: the total variance at that strike (over the forward) falls
        by `amount` from the expiry before. Empty where there is none.
    butterfly : DataFrame
        The same columns: at that strike the call price, over the forward, is above the line through its neighbours, or
        falls faster than the strike rises, or rises: `amount` is the gain of the arbitrage over the forward.
    points : int
        Options marked.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.options import FlatSurface, check_arbitrage
    >>> dates = pd.to_datetime(["2018-02-02", "2018-02-05"])
    >>> check_arbitrage(FlatSurface(pd.Series([0.17, 0.37], index=dates), "desk"), dates)
    ArbitrageCheck(free: 2592 points)
    """

    calendar: pd.DataFrame
    butterfly: pd.DataFrame
    points: int

    @property
    def free(self) -> bool:
        """Whether neither kind was found."""
        return self.calendar.empty and self.butterfly.empty

    def __repr__(self) -> str:
        found = "free" if self.free else f"calendar {len(self.calendar)}, butterfly {len(self.butterfly)}"
        return f"ArbitrageCheck({found}: {self.points} points)"


def check_arbitrage(
    surface: VolatilitySurface,
    dates: pd.DatetimeIndex,
    days: npt.ArrayLike = TENORS,
    strikes: npt.ArrayLike = STRIKES,
) -> ArbitrageCheck:
    """Look for calendar and butterfly arbitrage on every date, on a grid of expiries and strikes.

    A surface is free of static arbitrage if the total variance at every ratio of strike to forward does not fall with
    the expiry, and if at every expiry the price of a call falls and is convex in the strike.

    Parameters
    ----------
    surface : VolatilitySurface
        Any surface.
    dates : DatetimeIndex, shape (T,)
        Dates to check.
    days : array, shape (n,)
        Calendar days to expiry, rising; by default 16 from 2 to 120.
    strikes : array, shape (m,)
        Strikes over the forward, rising, at least 3; by default from 0.80 to 1.20 by 0.005.

    Returns
    -------
    ArbitrageCheck
        Prices are compared at the precision of their rounding, 1e-13 of the forward.

    Raises
    ------
    SpecificationError
        Days or strikes do not rise.
    ShapeError
        Dates are no DatetimeIndex, or there are fewer than 3 strikes.
    AllocoptError
        Whatever the surface raises for these dates.

    References
    ----------
    Gatheral and Jacquier (2014), "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14(1), section 2.
    """
    require_kind(dates, pd.DatetimeIndex, "the dates")
    tenors = numbers(days, "days", above=0.0)
    ratios = numbers(strikes, "strikes", above=0.0)
    if tenors.ndim != 1 or ratios.ndim != 1 or len(ratios) < 3 or not len(tenors):
        raise ShapeError(
            "the grid is too small", value=(tenors.shape, ratios.shape), remedy="pass at least 1 expiry and 3 strikes"
        )
    for name, values in (("days", tenors), ("strikes", ratios)):
        if (np.diff(values) <= 0).any():
            raise SpecificationError(f"{name} do not rise", value=values.tolist(), remedy="sort them")
    per_date = len(tenors) * len(ratios)
    batch = max(1, _LARGEST_BATCH // per_date)
    found = [_batch(surface, dates[at : at + batch], tenors, ratios) for at in range(0, len(dates), batch)]
    empty = pd.DataFrame({"date": dates[:0], "days": [], "strike": [], "amount": []})
    calendar = [table for table, _ in found if len(table)]
    butterfly = [table for _, table in found if len(table)]
    return ArbitrageCheck(
        pd.concat(calendar, ignore_index=True) if calendar else empty,
        pd.concat(butterfly, ignore_index=True) if butterfly else empty.copy(),
        len(dates) * per_date,
    )


def _batch(
    surface: VolatilitySurface, dates: pd.DatetimeIndex, tenors: FloatArray, ratios: FloatArray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    shape = (len(dates), len(tenors), len(ratios))
    days = np.broadcast_to(tenors[:, None], shape)
    strike = np.broadcast_to(ratios, shape)
    volatility = surface.implied_volatility(
        dates.repeat(len(tenors) * len(ratios)), days.ravel(), np.log(strike).ravel()
    ).reshape(shape)
    years = days / DAYS_PER_YEAR
    fall = -np.diff(volatility**2 * years, axis=1, prepend=0.0)
    calls = price(1, 1.0, strike, years, volatility)
    slope = np.diff(calls, axis=2) / np.diff(ratios)
    # What buying the butterfly, or the call spread at either end, earns beyond doubt.
    step = np.diff(ratios)
    gain = np.zeros(shape)
    gain[..., 1:-1] = -np.diff(slope, axis=2) / (1 / step[1:] + 1 / step[:-1])
    gain[..., 0] = (-1 - slope[..., 0]) * step[0]
    gain[..., -1] = slope[..., -1] * step[-1]
    return _table(dates, tenors, ratios, fall), _table(dates, tenors, ratios, gain)


def _table(dates: pd.DatetimeIndex, tenors: FloatArray, ratios: FloatArray, amount: FloatArray) -> pd.DataFrame:
    at, expiry, strike = np.nonzero(amount > _ROUNDING)
    return pd.DataFrame(
        {"date": dates[at], "days": tenors[expiry], "strike": ratios[strike], "amount": amount[at, expiry, strike]}
    )
