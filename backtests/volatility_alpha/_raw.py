"""Bars as arrays, the inputs of one run, and what the compiled ladder gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

VARIANTS = ("full", "ath_only", "ath_sell")


@dataclass(frozen=True, eq=False)
class Bars:
    """Checked bars: dates and four prices, shape (T,) each."""

    dates: pd.DatetimeIndex
    opens: FloatArray
    highs: FloatArray
    lows: FloatArray
    closes: FloatArray


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that one run takes."""

    bars: Bars
    first: int
    last: int
    trigger: float
    sharing: float
    variant: str
    lifo: bool
    exact: bool
    whole: bool
    margin: bool
    fee: float
    lending: FloatArray  # (T,) per row; empty where no interest is booked
    borrowing: FloatArray
    shares: float
    cash: float


@dataclass(frozen=True, eq=False)
class Raw:
    """One run as arrays; the rows and entries are named in ``_kernels``."""

    by_row: FloatArray
    lots: FloatArray
    unwinds: FloatArray
    figures: FloatArray


def run_compiled(inputs: Inputs) -> Raw:
    """One run, with everything that it notes by row."""
    from allocopt.backtests.volatility_alpha import _kernels as k

    rows = len(inputs.bars.closes)
    by_row = np.zeros((k.COLUMNS, rows))
    by_row[[k.BUY_PRICE, k.SELL_PRICE, k.BUY_LIMIT, k.SELL_LIMIT]] = np.nan
    lots = np.zeros((k.LOT_COLUMNS, rows))
    unwinds = np.zeros((k.UNWIND_COLUMNS, 2 * rows))
    figures = np.zeros(k.FIGURES)
    bars = inputs.bars
    k.ladder(
        bars.opens, bars.highs, bars.lows, bars.closes, inputs.first, inputs.last, inputs.trigger, inputs.sharing,
        VARIANTS.index(inputs.variant), inputs.lifo, inputs.exact, inputs.whole, inputs.margin, inputs.fee,
        inputs.lending, inputs.borrowing, inputs.shares, inputs.cash, by_row, lots,
        np.zeros(rows, dtype=np.int64), unwinds, figures,
    )  # fmt: skip
    stop = int(figures[k.LAST_ROW]) + 1
    return Raw(
        by_row[:, inputs.first : stop],
        lots[:, : int(figures[k.LOT_COUNT])],
        unwinds[:, : int(figures[k.UNWIND_COUNT])],
        figures,
    )
