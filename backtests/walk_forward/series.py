"""Runs made of returns alone: kept curves, benchmarks, chained histories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, require_dates, require_kind, require_numbers, require_same_clock
from allocopt.backtests.walk_forward.scoring import Rows
from allocopt.backtests.walk_forward.study import FloatArray, Run
from allocopt.errors import InputError, LabelError

#: Closes of a benchmark reach this at least: cash that earns .0002 a day is a series of positive returns.
LOWEST_HIGH = 0.5


def run_of_returns(curves: pd.DataFrame, first: int = 0) -> Run | None:
    """Run with these returns and turnovers, whose first row is row ``first`` of the data; None without any return.

    It ends before the first return that is missing after one that is not.
    """
    values = curves["return"].to_numpy()
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return None
    low = int(known[0])
    missing = np.flatnonzero(np.isnan(values[low:]))
    high = low + int(missing[0]) if missing.size else len(values)
    equity = np.concatenate([[1.0], np.cumprod(1.0 + values[low:high])])
    turnover = None
    if "turnover" in curves.columns:
        turnover = np.concatenate([[0.0], curves["turnover"].to_numpy()[low:high]])
    return Run(first + low - 1, equity, turnover)


def read_benchmark(benchmark: pd.Series[Any], rows: pd.DatetimeIndex, tested: Rows) -> FloatArray:
    """Return of the benchmark on every tested row: from closes if all values are positive, as they are otherwise."""
    require_kind(benchmark, pd.Series, "the benchmark")
    index = require_dates(benchmark.index, "the benchmark")
    require_same_clock(rows, index, "the benchmark, beside the data,")
    values = pd.Series(require_numbers(benchmark, "the benchmark"), index=index)
    closes = bool((values.dropna() > 0.0).all())
    if closes and float(values.max()) < LOWEST_HIGH:
        raise InputError(
            "it cannot be told whether the benchmark is closes or returns: all values are positive and small",
            value=float(values.max()),
            remedy="give closes: of returns their growth, (1 + returns).cumprod(); or multiply small closes by 100",
        )
    wanted = np.union1d(tested, tested - 1) if closes else tested
    wanted = wanted[wanted >= 0]
    on: FloatArray = np.asarray(values.reindex(rows[wanted]), dtype=np.float64)
    if not np.isfinite(on).all():
        raise LabelError(
            f"the benchmark has no {'close' if closes else 'return'} on a row that it is needed on",
            where=day(rows[wanted[int((~np.isfinite(on)).argmax())]]),
            remedy="give one on every test row, and of closes on the row before the first",
        )
    if not closes:
        if (on <= -1.0).any():
            raise InputError(
                "the benchmark is neither closes nor returns",
                where=day(rows[wanted[int((on <= -1.0).argmax())]]),
                value=float(on.min()),
                remedy="give positive closes, or decimal returns above -1",
            )
        return on
    place = np.searchsorted(wanted, tested)
    found: FloatArray = on[place] / on[np.maximum(place - 1, 0)] - 1.0
    return found
