"""Rotations run beside each other on the same closes, and what the number of them means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocopt.backtests.sector_rotation.data import SectorData, rows_from
from allocopt.backtests.sector_rotation.result import METRICS
from allocopt.backtests.sector_rotation.specification import SESSIONS, Date, SectorRotation
from allocopt.backtests.studies.sweeps import run_all
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from allocopt.backtests.statistics import DeflatedSharpe, SharpeDifference


@dataclass(frozen=True, eq=False)
class Comparison:
    """Rotations over the same dates.

    Attributes
    ----------
    table : DataFrame
        One row a rotation, the benchmark last; figures as in `SectorRotationResult.metrics`.
    returns : DataFrame, shape (T - 1, k)
        Daily returns of the rotations, decimal.
    benchmark : Series, shape (T - 1,)
        Daily returns of the benchmark.
    """

    table: pd.DataFrame
    returns: pd.DataFrame
    benchmark: pd.Series[float]

    def against_benchmark(self, name: str) -> SharpeDifference:
        """Test one rotation's Sharpe ratio against the benchmark's, paired, with a HAC error."""
        from allocopt.backtests.statistics import sharpe_difference

        return sharpe_difference(self.returns[name], self.benchmark, periods_per_year=SESSIONS)

    @cached_property
    def tested(self) -> pd.DataFrame:
        """The table with ``p_benchmark``: the p-value of each Sharpe ratio being the benchmark's, each by itself."""
        table = self.table.copy()
        p_values = {name: self.against_benchmark(str(name)).p_value for name in self.returns.columns}
        table["p_benchmark"] = pd.Series(p_values).reindex(table.index)
        return table


@dataclass(frozen=True, eq=False)
class ResearchTable:
    """A question, the runs that answer it, and how many were tried to get there.

    Attributes
    ----------
    name, question : str
    table : DataFrame
        One row a variant, the benchmark last. Figures as in `SectorRotationResult.metrics`; with a first level
        ``before`` and ``after`` where a choice was made on the first of two windows. ``p_benchmark``: p-value of the
        paired test that the Sharpe ratio is the benchmark's, each variant by itself.
    trials : Comparison
        All that was run on the closes on which the choice was made.
    notes : tuple of str
        What the table does not say.

    Examples
    --------
    >>> import numpy as np
    >>> days = pd.bdate_range("2024-01-01", periods=60)
    >>> rising, falling = np.linspace(10.0, 12.0, 60), np.linspace(10.0, 9.0, 60)
    >>> closes = pd.DataFrame({"A": rising, "TLT": falling, "SPY": rising}, index=days)
    >>> one = SectorRotation(momentum=5, leverage=1.0, universe=["A"])
    >>> found = comparison({"one": one}, SectorData(closes))
    >>> ResearchTable("one", "Does it run?", found.table, found).tried
    1
    """

    name: str
    question: str
    table: pd.DataFrame
    trials: Comparison
    notes: tuple[str, ...] = field(default=())

    @property
    def tried(self) -> int:
        """Variants that were run."""
        return self.trials.returns.shape[1]

    @cached_property
    def best(self) -> str:
        """The variant with the highest Sharpe ratio on the closes on which the choice was made."""
        return str(self.trials.table.loc[self.trials.returns.columns, "sharpe"].idxmax())

    @cached_property
    def deflated(self) -> DeflatedSharpe:
        """What the best variant earned over the benchmark, judged by what the best of as many without skill would show.

        Daily returns less the benchmark's; trials that are alike count for less than one each, by their average
        correlation.
        """
        from allocopt.backtests.statistics import AverageCorrelation, deflated_sharpe_of_best

        over = self.trials.returns.sub(self.trials.benchmark, axis=0)
        return deflated_sharpe_of_best(
            over, periods_per_year=SESSIONS, independent=AverageCorrelation(), chosen=self.best
        )

    @property
    def multiple_testing(self) -> str:
        """What is left of the best variant beside the benchmark, and after the number of trials."""
        years = len(self.trials.returns) / SESSIONS
        test = self.trials.against_benchmark(self.best)
        told = (
            f"{self.tried} variant{'s were' if self.tried > 1 else ' was'} run on the same {years:.1f} years. The best "
            f"by Sharpe ratio, {self.best}, has {test.first:.2f} and the benchmark {test.second:.2f} "
            f"(p = {test.p_value:.2f} for no difference, not corrected for the choice)."
        )
        if self.tried < 2:
            return told
        found = self.deflated
        return (
            f"{told} Its return over the benchmark's has a ratio of {found.record.sharpe:.2f}; the best of "
            f"{found.trials.independent:.1f} independent trials, which is what these amount to, would show "
            f"{found.hurdle:.2f} without skill. Probability that it is better than that: {found.probability:.2f}."
        )


def comparison(
    variants: Mapping[str, SectorRotation],
    data: SectorData,
    *,
    start: Date | None = None,
    end: Date | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> Comparison:
    """Run rotations over the same dates.

    Parameters
    ----------
    variants : mapping of str to SectorRotation
    data : SectorData
    start, end : str or timestamp, optional
        As for `SectorRotation.run`. Give ``start`` where variants have warm-ups of different lengths.
    n_jobs : int, default 1
        Processes, as for joblib.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    Comparison

    Raises
    ------
    SpecificationError
        For variants that do not begin on the same date.
    Exception
        What a run raises, with a note that names the variant.

    Examples
    --------
    >>> import numpy as np
    >>> days = pd.bdate_range("2024-01-01", periods=60)
    >>> rising, falling = np.linspace(10.0, 12.0, 60), np.linspace(10.0, 9.0, 60)
    >>> closes = pd.DataFrame({"A": rising, "TLT": falling, "SPY": rising}, index=days)
    >>> one = SectorRotation(momentum=5, leverage=1.0, universe=["A"])
    >>> comparison({"one": one}, SectorData(closes)).table.index.tolist()
    ['one', 'benchmark SPY']
    """
    known = data if end is None else data.until(end)
    found = run_all(
        partial(_figures, known, start), list(variants.items()), n_jobs=n_jobs, progress=progress, what="runs"
    )
    streams = [returns for _, returns, _, _ in found]
    if len({returns.index[0] for returns in streams}) > 1:
        raise SpecificationError(
            "the variants do not begin on the same date",
            value=[str(returns.index[0]) for returns in streams][:4],
            remedy="give a start after the longest warm-up",
        )
    rows = {name: run[0] for name, run in zip(variants, found, strict=True)}
    rows[f"benchmark {next(iter(variants.values())).benchmark}"] = found[0][2]
    table = pd.DataFrame.from_dict(rows, orient="index")[list(METRICS)].rename_axis("variant")
    return Comparison(table, pd.DataFrame(dict(zip(variants, streams, strict=True))), found[0][3])


def two_windows(
    variants: Mapping[str, SectorRotation],
    data: SectorData,
    start: Date | None,
    end: Date | None,
    split: Date,
    n_jobs: int,
    progress: bool,
) -> tuple[pd.DataFrame, Comparison]:
    """Figures before and after the split, and the runs before it."""
    first = comparison(variants, data, start=start, end=last_before(data, split), n_jobs=n_jobs, progress=progress)
    second = comparison(variants, data, start=split, end=end, n_jobs=n_jobs, progress=progress)
    shown = ["cagr", "sharpe", "max_drawdown", "average_leverage", "turnover"]
    return pd.concat({"before": first.table[shown], "after": second.table[shown]}, axis=1), first


def last_before(data: SectorData, split: Date) -> pd.Timestamp:
    """Last row before a date: the next run starts on the one after it."""
    after = np.asarray(rows_from(data.closes.index, split))
    row = int(after.argmax()) - 1 if after.any() else len(after)
    if row < 1 or row + 2 >= len(after):
        raise SpecificationError(
            "the split leaves no closes on one of its sides", value=str(split), remedy="give a date within the closes"
        )
    return pd.DatetimeIndex(data.closes.index)[row]


def _figures(
    data: SectorData, start: Date | None, variant: tuple[str, SectorRotation]
) -> tuple[pd.Series[float], pd.Series[float], pd.Series[float], pd.Series[float]]:
    """Figures and daily returns of a rotation and of its benchmark."""
    name, rotation = variant
    try:
        result = rotation.run(data, start=start)
        benchmark = result.benchmark_ledger
        return result.metrics, result.ledger.returns.iloc[1:], result.benchmark, benchmark.returns.iloc[1:]
    except Exception as error:
        error.add_note(f"variant {name!r}")
        raise
