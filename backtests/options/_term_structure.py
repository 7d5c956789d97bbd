"""Total variance by maturity from the levels of the volatility indices, date by date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.options._arguments import FloatArray
from allocopt.backtests.options.black_scholes import DAYS_PER_YEAR
from allocopt.backtests.options.clock import BusinessClock
from allocopt.backtests.options.smile import HIGHEST_DEVIATION
from allocopt.errors import InputError

#: Maturities of the indices in calendar days, in the order of the columns of every table here.
MATURITIES: Final = {"VIX9D": 9, "VIX": 30, "VIX3M": 93, "VIX6M": 184}
VIX_COLUMN: Final = 1
_FIRST, _THIRD, _LAST = 0, 2, 3


@dataclass(frozen=True, eq=False)
class TermStructure:
    """Total variance at the four maturities of every date, none below the one before."""

    nodes: FloatArray  # (dates, 4) business time of the maturities
    variance: FloatArray  # (dates, 4)
    raised: npt.NDArray[np.bool_]  # (dates,) where a longer index had less total variance than a shorter one

    def total_variance(self, rows: npt.NDArray[np.intp], elapsed: FloatArray) -> FloatArray:
        """Total variance after so much business time: in proportion at both ends, linear between the maturities."""
        nodes, variance = self.nodes[rows], self.variance[rows]
        result = variance[:, _FIRST] * elapsed / nodes[:, _FIRST]
        for left in range(_LAST):
            right = left + 1
            share = (elapsed - nodes[:, left]) / (nodes[:, right] - nodes[:, left])
            within = variance[:, left] + share * (variance[:, right] - variance[:, left])
            result = np.where(elapsed > nodes[:, left], within, result)
        beyond = elapsed > nodes[:, _LAST]
        return np.where(beyond, variance[:, _LAST] * elapsed / nodes[:, _LAST], result)


def term_structure(index: pd.DatetimeIndex, levels: FloatArray, clock: BusinessClock) -> TermStructure:
    """Build the term structure from levels in points, NaN where an index has no value; VIX always has one."""
    maturities = np.array(list(MATURITIES.values()), np.float64)
    nodes = clock.elapsed(index, np.tile(maturities, (len(index), 1)))
    quoted = (levels / 100) ** 2 * maturities / DAYS_PER_YEAR
    if (high := quoted > HIGHEST_DEVIATION**2).any():
        row, column = (int(at) for at in np.argwhere(high)[0])
        raise InputError(
            f"{list(MATURITIES)[column]} is above what the smile covers",
            where=day(index[row]),
            value=float(levels[row, column]),
            remedy="mend the value; an index is given in points",
        )
    known = ~np.isnan(quoted)
    floor = np.maximum.accumulate(np.where(known, quoted, 0.0), axis=1)
    variance = np.where(known, floor, np.nan)
    # A missing index gets the value that the curve through the others has there, so that the curve does not change.
    between = (nodes[:, _THIRD] - nodes[:, VIX_COLUMN]) / (nodes[:, _LAST] - nodes[:, VIX_COLUMN])
    through = variance[:, VIX_COLUMN] + between * (variance[:, _LAST] - variance[:, VIX_COLUMN])
    third = np.where(known[:, _LAST], through, _level(variance, nodes, VIX_COLUMN, _THIRD))
    _fill(variance, known, _FIRST, _level(variance, nodes, VIX_COLUMN, _FIRST))
    _fill(variance, known, _THIRD, third)
    _fill(variance, known, _LAST, _level(variance, nodes, _THIRD, _LAST))
    return TermStructure(nodes, variance, np.asarray((known & (floor > quoted)).any(axis=1)))


def _fill(variance: FloatArray, known: npt.NDArray[np.bool_], column: int, values: FloatArray) -> None:
    variance[:, column] = np.where(known[:, column], variance[:, column], values)


def _level(variance: FloatArray, nodes: FloatArray, known: int, wanted: int) -> FloatArray:
    """Total variance at another maturity when the level of the known one is held flat on the business clock."""
    return variance[:, known] * nodes[:, wanted] / nodes[:, known]
