"""What the tests of many strategies are computed from: returns in excess of a benchmark, and their resampled means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_numbers
from allocopt.backtests.metrics._numbers import deviation
from allocopt.backtests.statistics._pair import FEWEST_ROWS, FloatArray
from allocopt.backtests.statistics._streams import require_confidence
from allocopt.backtests.statistics.stationary_bootstrap import (
    StationaryBootstrap,
    block_in_use,
    long_run_deviation,
    politis_white_lengths,
    resampled_means,
)
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

_NAMES_SHOWN: Final = 3


@dataclass(frozen=True, eq=False)
class Competition:
    """Differences of k strategies to a benchmark on n rows, and what the bootstrap makes of their means.

    `means` are per row; `errors` their standard errors under the bootstrap; `scattered` the resampled means minus the
    means, shape (replications, k).
    """

    names: pd.Index[Any]
    differences: FloatArray
    means: FloatArray
    block: float
    estimated: FloatArray
    bootstrap: StationaryBootstrap

    @property
    def rows(self) -> int:
        """Number of rows, n."""
        return len(self.differences)

    @cached_property
    def errors(self) -> FloatArray:
        """Standard error of each mean, by the long-run variance that belongs to the bootstrap."""
        return long_run_deviation(self.differences, self.block) / math.sqrt(self.rows)

    @cached_property
    def scattered(self) -> FloatArray:
        """Resampled means less the means."""
        return resampled_means(self.differences - self.means, self.block, self.bootstrap)

    @cached_property
    def relevant(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether a strategy is not so much worse than the benchmark that it cannot matter: Hansen (2005), page 371."""
        return self.means >= -self.errors * math.sqrt(2.0 * math.log(math.log(self.rows)))

    def table(self) -> pd.DataFrame:
        """Mean difference, standard error and t statistic by strategy."""
        columns = {
            "mean_difference": self.means,
            "standard_error": self.errors,
            "t_statistic": self.means / self.errors,
        }
        return pd.DataFrame(columns, index=self.names)


def compete(returns: pd.DataFrame, benchmark: pd.Series[float] | float, bootstrap: StationaryBootstrap) -> Competition:
    """Check the returns and the benchmark, and choose the block length from the differences."""
    require_kind(bootstrap, StationaryBootstrap, "the bootstrap")
    values = read_returns(returns, fewest=1)
    against = _read_benchmark(benchmark, pd.DatetimeIndex(returns.index))
    differences = values - against
    names = returns.columns
    for place, name in enumerate(names):
        if not deviation(differences[:, place]) > 0.0:
            raise InputError(
                "a strategy differs from the benchmark by the same number on every row",
                where=f"strategy {name!r}",
                value=float(differences[0, place]),
                remedy="leave it out: there is no sampling error to test with",
            )
    means = differences.mean(axis=0)
    estimated = np.empty(0)
    if isinstance(bootstrap.block, str):
        estimated = politis_white_lengths(differences, [f"strategy {name!r}" for name in names])
    block = block_in_use(bootstrap, estimated, len(differences))
    return Competition(names, differences, means, block, estimated, bootstrap)


def read_returns(returns: pd.DataFrame, fewest: int) -> FloatArray:
    """Check a table of returns: dates in order, one column a strategy with a name of its own, finite, not below -1."""
    require_kind(returns, pd.DataFrame, "the table of returns")
    dates = require_dates(returns.index, "the table of returns")
    if not returns.columns.is_unique:
        raise LabelError(
            "a strategy is there twice",
            value=plain(returns.columns[returns.columns.duplicated()][0]),
            remedy="give each column a name of its own",
        )
    if returns.shape[1] < fewest or len(dates) < FEWEST_ROWS:
        raise ShapeError(
            "the table of returns is too small for a test",
            value=returns.shape,
            remedy=f"give at least {FEWEST_ROWS} rows, better some hundred, and {fewest} strategies or more",
        )
    if all(dtype == np.float64 for dtype in returns.dtypes):
        values = returns.to_numpy()
    else:
        names = enumerate(returns.columns)
        values = np.column_stack([require_numbers(returns.iloc[:, k], f"return of {name!r}") for k, name in names])
    good = (values >= -1.0) & (values < math.inf)  # NaN fails too
    if not good.all():
        row, column = (int(place[0]) for place in np.nonzero(~good))
        value = float(values[row, column])
        raise InputError(
            "a return is below -1" if math.isfinite(value) else "a return is missing or infinite",
            where=f"{day(dates[row])}, strategy {returns.columns[column]!r}",
            value=value,
            remedy="give decimals, 0.01 for one percent, on every row; cut all strategies to their common dates",
        )
    return values


def _read_benchmark(benchmark: pd.Series[float] | float, dates: pd.DatetimeIndex) -> FloatArray:
    if isinstance(benchmark, pd.Series):
        if not benchmark.index.equals(dates):
            differ = benchmark.index.symmetric_difference(dates)
            raise LabelError(
                "the benchmark has other dates than the strategies",
                where=day(differ[0]) if len(differ) else None,
                value=None if len(differ) else "same dates, other order",
                remedy="cut both to their common dates",
            )
        values = require_numbers(benchmark, "return of the benchmark")
        good = (values >= -1.0) & (values < math.inf)
        if not good.all():
            row = int(np.argmin(good))
            raise InputError(
                "the return of the benchmark is missing, infinite or below -1",
                where=day(dates[row]),
                value=float(values[row]),
                remedy="give decimals, 0.01 for one percent, on every row",
            )
        return values[:, None]
    number = isinstance(benchmark, (int, float, np.integer, np.floating)) and not isinstance(benchmark, bool)
    if not number or not math.isfinite(benchmark):
        raise SpecificationError(
            "the benchmark is neither a Series nor a return per row",
            value=plain(benchmark),
            remedy="give the returns of the benchmark by date, or 0.0 for an account that stands still",
        )
    return np.full((1, 1), float(benchmark))


def require_reachable(confidence: float, replications: int) -> float:
    """Return the confidence if it is between 0 and 1 and the replications are enough for its tail."""
    confidence = require_confidence(confidence)
    if (1.0 - confidence) * replications < 1.0 - 1e-9:
        raise SpecificationError(
            "the replications cannot reach the confidence",
            value=f"{replications} replications, confidence {confidence}",
            remedy=f"give at least {math.ceil(1.0 / (1.0 - confidence) - 1e-9)} replications",
        )
    return confidence


def shown_p(p: float, replications: int) -> str:
    """Write a p-value that is a share of replications: none of them says only that it is below one of them."""
    return f"< {1.0 / replications:.2g}" if p == 0.0 else f"{p:.3f}"


def shown_names(names: list[Any]) -> str:
    """Write the first few names of a list and how many more there are."""
    if not names:
        return "none"
    more = len(names) - _NAMES_SHOWN
    return ", ".join(map(str, names[:_NAMES_SHOWN])) + (f" and {more} more" if more > 0 else "")


def shown_bootstrap(block: float, bootstrap: StationaryBootstrap) -> str:
    """Write how the samples were drawn."""
    chosen = "by Politis and White" if isinstance(bootstrap.block, str) else "given"
    return f"{bootstrap.replications} samples, mean block {block:.1f} rows ({chosen}), seed {bootstrap.seed}"
