"""The probability of backtest overfitting, by combinatorially symmetric cross-validation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_option
from allocopt.backtests.statistics import _splits
from allocopt.backtests.statistics._splits import Chunk, Metric
from allocopt.backtests.statistics._streams import FloatArray, IntArray, Streams, read_trials, require_number
from allocopt.backtests.statistics.overfitting_result import BacktestOverfitting
from allocopt.errors import InputError, SpecificationError

#: 24 blocks make 2,704,156 splits; two more make four times as many.
MOST_BLOCKS = 24
#: Levels at which the distributions of performance are compared.
LEVELS = 500


def backtest_overfitting(
    trials: pd.DataFrame,
    *,
    periods_per_year: float,
    blocks: int = 16,
    metric: Literal["sharpe"] | Metric = "sharpe",
    cash_rate: float | pd.Series[float] = 0.0,
    remainder: Literal["drop_last", "spread"] = "drop_last",
    loss_below: float = 0.0,
) -> BacktestOverfitting:
    """Ask whether the best trial of a search is better than the median of them on rows it was not selected on.

    The rows are cut into blocks. For every choice of half of them the trial with the best performance there is
    selected, and ranked among all trials on the other half. The probability of backtest overfitting (PBO) is the share
    of splits in which it does no better than the median.

    Parameters
    ----------
    trials : DataFrame, shape (n, M), M >= 2
        Returns as decimals per row, one column for *every* trial of the search, by date in order. Leave out rows
        without a period, such as row 0 of a ledger.
    periods_per_year : float
        P, the rows of one year.
    blocks : int, default 16
        S, even, from 2 to 24: ``S! / (S/2)!**2`` splits, 12,870 for 16. A half has to hold at least 2 rows.
    metric : "sharpe" or callable, default "sharpe"
        Performance, more is better. "sharpe": annualised, ddof 1, from the blocks' sums. A callable takes excess
        returns of shape (rows, M), the blocks of a half put together in order, and returns M finite numbers; it is
        called once for each split.
    cash_rate : float or Series, default 0.0
        Decimal per year, taken off as ``cash_rate / P`` a row.
    remainder : {"drop_last", "spread"}, default "drop_last"
        What is done where S does not divide n. "drop_last": equal blocks, as in the paper; the last rows, fewer than
        S, are left out, and the result says how many. "spread": all rows are used; the first blocks are one row longer.
    loss_below : float, default 0.0
        Performance out of sample below which it counts as a loss, in the units of the metric.

    Returns
    -------
    BacktestOverfitting
        The probability, the choice of every split, degradation, probability of loss, stochastic dominance; figures.

    Raises
    ------
    InputError
        A return is missing, infinite or below -1; a trial does not vary over some half of the blocks; the metric of a
        trial is not finite.
    LabelError
        The dates are out of order or twice there; a label is there twice; `cash_rate` has other dates.
    ShapeError
        `trials` is no DataFrame, or has fewer than two columns or too few rows; the metric gives another shape.
    SpecificationError
        A setting is out of its range.

    Notes
    -----
    Of trials that are equally good in sample the first column is selected. Out of sample, equal trials share the mean
    of their ranks r, the relative rank is ``r / (M + 1)``, and the logit of exactly the median, 0, counts as
    overfitting. Ratios are equal where they differ by less than 1e-12 of one plus their size, so that rounding
    decides nothing: two leverages of one strategy are equal. With most trials the same the PBO says little: it
    is 1 where all are.

    References
    ----------
    D. H. Bailey, J. M. Borwein, M. Lopez de Prado and Q. J. Zhu, "The Probability of Backtest Overfitting", Journal of
    Computational Finance 20 (2017), section "The CSCV procedure".

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import backtest_overfitting
    >>> days = pd.bdate_range("2015-01-01", periods=1600)
    >>> noise = pd.DataFrame(np.random.default_rng(2).normal(0, 0.01, (1600, 20)), days)
    >>> backtest_overfitting(noise, periods_per_year=252, blocks=8).probability
    0.6
    >>> skilled = noise.assign(skilled=noise[0] + 0.0015)
    >>> backtest_overfitting(skilled, periods_per_year=252, blocks=8).probability
    0.0
    """
    _require_blocks(blocks)
    require_option(remainder, ("drop_last", "spread"), "remainder")
    threshold = require_number(loss_below, "loss_below", "give a performance, 0.0 for the Sharpe ratio")
    if isinstance(metric, str):
        require_option(metric, ("sharpe",), "metric")
    elif not callable(metric):
        raise SpecificationError("metric is not callable", value=type(metric).__name__, remedy="give 'sharpe'")
    streams = read_trials(trials, cash_rate, periods_per_year, max(blocks, 4))  # two rows in every half, or more
    bounds = _bounds(len(streams.dates), blocks, remainder)
    streams = Streams(streams.values[: bounds[-1]], streams.dates[: bounds[-1]], streams.labels, streams.periods)
    if isinstance(metric, str):
        _require_variation(streams, bounds)

    kept: list[Chunk] = []
    if not isinstance(metric, str):  # a callable is dear: what it found is kept, not computed again
        kept = list(_splits.metric_chunks(streams.values, bounds, metric, list(streams.labels)))

    def chunks() -> Iterable[Chunk]:
        return kept or _splits.sharpe_chunks(streams.values, bounds, streams.periods)

    choices, low, high = _splits.choose(chunks(), blocks)
    high += 1e-9 * ((high - low) or (1.0 + abs(high)))  # so that the highest performance is below the last level
    edges = np.linspace(low, high, LEVELS + 1)
    counts = _splits.count_levels(chunks(), edges)
    relative = choices.rank / (streams.values.shape[1] + 1)
    splits = pd.DataFrame(
        {
            "selected": streams.labels.take(choices.selected),
            "in_sample": choices.inside,
            "out_of_sample": choices.outside,
            "rank": choices.rank,
            "logit": np.log(relative / (1.0 - relative)),
        },
        index=pd.RangeIndex(len(relative), name="split"),
    )
    return BacktestOverfitting(
        splits=splits,
        levels=_levels(choices.outside, counts, edges),
        blocks=_table_of_blocks(streams.dates, bounds),
        trials=streams.values.shape[1],
        dropped=len(trials) - int(bounds[-1]),
        metric="Sharpe ratio" if isinstance(metric, str) else _name(metric),
        loss_below=threshold,
        periods_per_year=streams.periods,
    )


def _require_blocks(blocks: int) -> None:
    whole = isinstance(blocks, (int, np.integer)) and not isinstance(blocks, bool)
    if not whole or blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        raise SpecificationError(
            f"blocks is not an even number from 2 to {MOST_BLOCKS}",
            value=plain(blocks),
            remedy="give 16, or fewer for few rows",
        )


def _bounds(rows: int, blocks: int, remainder: str) -> IntArray:
    """First row of each block, and the row after the last one."""
    length, over = divmod(rows, blocks)
    lengths = np.full(blocks, length)
    if remainder == "spread":
        lengths[:over] += 1
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def _require_variation(streams: Streams, bounds: IntArray) -> None:
    found = _splits.flat_half(streams.values, bounds)
    if found is None:
        return
    column, flat = found
    dates = ", ".join(
        f"{day(streams.dates[bounds[block]])} to {day(streams.dates[bounds[block + 1] - 1])}" for block in flat[:3]
    )
    raise InputError(
        f"trial {plain(streams.labels[column])!r} does not vary over half of the blocks: no Sharpe ratio there",
        where=dates + (", ..." if len(flat) > 3 else ""),
        remedy="start where every trial trades, give fewer blocks, a metric that is defined there, or leave it out",
    )


def _levels(outside: FloatArray, counts: IntArray, levels: FloatArray) -> pd.DataFrame:
    ours = np.searchsorted(np.sort(outside), levels, side="left") / len(outside)
    anyone = np.concatenate(([0], np.cumsum(counts))) / counts.sum()
    gap = anyone - ours
    area = np.concatenate(([0.0], np.cumsum(0.5 * (gap[1:] + gap[:-1]) * np.diff(levels))))
    return pd.DataFrame(
        {"selected": ours, "any": anyone, "second_order": area}, index=pd.Index(levels, name="performance")
    )


def _table_of_blocks(dates: pd.DatetimeIndex, bounds: IntArray) -> pd.DataFrame:
    return pd.DataFrame(
        {"first": dates[bounds[:-1]], "last": dates[bounds[1:] - 1], "rows": np.diff(bounds)},
        index=pd.RangeIndex(len(bounds) - 1, name="block"),
    )


def _name(metric: Metric) -> str:
    name = getattr(metric, "__name__", "")
    return "metric" if name in ("", "<lambda>") else name.replace("_", " ")
