"""`evidence`: every test of luck that a walk-forward study allows, made at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import plain
from allocopt.backtests.statistics import (
    BacktestOverfitting,
    DeflatedSharpe,
    SharpeDifference,
    StationaryBootstrap,
    TrackRecord,
    backtest_overfitting,
    deflated_sharpe,
    minimum_track_record,
    performance_intervals,
    reality_check,
    sharpe_difference,
    sharpe_estimate,
    sharpe_trials,
    stepwise_superiority,
    superior_ability,
    track_record,
)
from allocopt.backtests.walk_forward.result import WalkForward
from allocopt.backtests.walk_forward.verdict import Evidence
from allocopt.errors import AllocoptError, InputError, SpecificationError

_Found = TypeVar("_Found")

#: Rows that a block of the test of backtest overfitting has at least.
ROWS_A_BLOCK = 20

#: Blocks that it has at most: 2.7 million splits.
MOST_BLOCKS = 24

#: Returns that differ by no more are the same.
SAME = 1e-12

#: Tests of all configurations against the benchmark.
COMPETITION = ("Reality check", "Superior ability", "Stepwise")


def evidence(
    found: WalkForward,
    *,
    blocks: int = 16,
    replications: int = 1000,
    seed: int = 0,
    cash_rate: float | pd.Series[float] | None = None,
    rows: Literal["full", "test"] = "full",
) -> Evidence:
    """Ask of a walk-forward study whether its result could be the best of many tries.

    Parameters
    ----------
    found : WalkForward
        With one history: not combinatorial splits.
    blocks : int, default 16
        Blocks of the test of backtest overfitting, an even number from 4 to 24. Fewer are used where rows are few, at
        least 20 a block; ``Evidence.overfitting.blocks`` has those that were used.
    replications : int, default 1000
        Of the stationary bootstrap, at least 99.
    seed : int, default 0
        Of the bootstrap.
    cash_rate : float or Series, optional
        Decimal per year, as for `walk_forward`. Default: the study's.
    rows : {"full", "test"}, default "full"
        Rows on which configurations are compared in the test of backtest overfitting: all from the first train row
        on, or the test rows.

    Returns
    -------
    Evidence

    Raises
    ------
    SpecificationError
        For combinatorial splits, or a setting outside its range.
    InputError
        If the account was lost or its value never changed, so that there is no Sharpe ratio to test.

    Notes
    -----
    All configurations of the grid count as trials. One without a return on every test row (its history was too short,
    or its account was lost) has no Sharpe ratio there and takes no part in the other tests; ``Evidence.incomplete``
    names it. A test that cannot be made is not an error: ``Evidence.left_out`` says why.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from allocopt.backtests.splitters import Rolling
    >>> from allocopt.backtests.walk_forward import evidence, walk_forward
    >>> days = pd.bdate_range("2016-01-01", periods=1500)
    >>> noise = pd.DataFrame(np.random.default_rng(1).normal(0, 0.01, (1500, 20)), days)
    >>> noise.iloc[0] = 0.0
    >>> splitter = Rolling(train=500, test=250, incomplete="drop")
    >>> best = walk_forward(lambda data, p: data[p["column"]], {"column": list(range(20))}, noise, splitter,
    ...                     periods_per_year=252)
    >>> evidence(best, replications=200).survives
    False
    """
    if found.stitching == "paths":
        raise SpecificationError(
            "combinatorial splits make several histories, and not one",
            remedy="use a splitter that goes forward in time",
        )
    require_blocks(blocks)
    bootstrap = StationaryBootstrap(seed=seed, replications=replications)
    if found.bankrupt is not None:
        raise InputError(
            "the account was lost, so there is no Sharpe ratio to test",
            where=f"{found.bankrupt:%Y-%m-%d}",
            remedy="look at WalkForward.comparison; trade smaller",
        )
    years, history = found.periods_per_year, found.returns
    rate = found.cash_rate if cash_rate is None else cash_rate
    tests = _Tests(found, years, rate, bootstrap, _complete(found.returns_matrix("test")))
    record = track_record(history, periods_per_year=years, cash_rate=rate)
    return Evidence(
        configurations=len(found.configurations),
        sharpe=sharpe_estimate(history, periods_per_year=years, cash_rate=rate),
        track=minimum_track_record(record),
        deflated=tests.deflated(record),
        overfitting=tests.overfitting(blocks, rows),
        reality=tests.competition("Reality check", reality_check),
        superior=tests.competition("Superior ability", superior_ability),
        stepwise=tests.competition("Stepwise", stepwise_superiority),
        against_benchmark=tests.difference("Against the benchmark", found.benchmark),
        against_baseline=tests.difference("Against the baseline", found.baseline),
        intervals=performance_intervals(
            found.equity, bootstrap, periods_per_year=years, cash_rate=rate, standard_error=False
        ),
        incomplete=tuple(str(name) for name in tests.incomplete),
        left_out=tests.left_out,
    )


def require_blocks(blocks: int) -> None:
    """Raise a `SpecificationError` for a number of blocks that cannot be halved, or is too small or too large."""
    whole = isinstance(blocks, (int, np.integer)) and not isinstance(blocks, bool)
    if not whole or blocks % 2 or not 4 <= blocks <= MOST_BLOCKS:
        raise SpecificationError(
            f"blocks is not an even number from 4 to {MOST_BLOCKS}", value=plain(blocks), remedy="give 16"
        )


@dataclass(frozen=True, eq=False)
class _Tests:
    """The tests of one study, and why some were not made. ``tried`` has the complete configurations' test rows."""

    found: WalkForward
    years: float
    cash_rate: float | pd.Series[float]
    bootstrap: StationaryBootstrap
    tried: pd.DataFrame
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def incomplete(self) -> list[object]:
        """Configurations without a return on every test row."""
        return [name for name in self.found.returns_matrix("test").columns if name not in self.tried.columns]

    def deflated(self, record: TrackRecord) -> DeflatedSharpe | None:
        """Test the history against the best of as many trials as the grid has."""
        number = len(self.found.configurations)
        moving = _columns(self.tried, np.ptp(self.tried.to_numpy(), axis=0) > SAME)
        if number < 2:
            self.left_out["Deflated Sharpe ratio"] = "one configuration: nothing was chosen"
            return None
        if moving.shape[1] < 2:
            self.left_out["Deflated Sharpe ratio"] = (
                f"{moving.shape[1]} of {number} configurations have returns that vary on every test row"
            )
            return None

        def make() -> DeflatedSharpe:
            trials = sharpe_trials(moving, periods_per_year=self.years, cash_rate=self.cash_rate)
            return deflated_sharpe(record, replace(trials, number=number, independent=float(number)))

        return self._made("Deflated Sharpe ratio", make)

    def overfitting(self, blocks: int, rows: Literal["full", "test"]) -> BacktestOverfitting | None:
        """Test whether the best configuration of some rows is good on the others."""
        # From the first row on which all of them have a return.
        searched = self.found.returns_matrix(rows)[list(self.tried.columns)].dropna()
        fitting = min(blocks, len(searched) // ROWS_A_BLOCK) // 2 * 2
        if searched.shape[1] < 2:
            number = len(self.found.configurations)
            self.left_out["Backtest overfitting"] = (
                "one configuration: nothing was chosen"
                if number < 2
                else f"{searched.shape[1]} of {number} configurations have a return on every test row"
            )
            return None
        if fitting < 4:
            self.left_out["Backtest overfitting"] = f"{len(searched)} rows are too few: {4 * ROWS_A_BLOCK} are needed"
            return None
        return self._made(
            "Backtest overfitting",
            lambda: backtest_overfitting(
                searched, periods_per_year=self.years, blocks=fitting, cash_rate=self.cash_rate
            ),
        )

    def competition(
        self, test: str, make: Callable[[pd.DataFrame, pd.Series[float], StationaryBootstrap], _Found]
    ) -> _Found | None:
        """Test all configurations against the benchmark, but for those that are the benchmark itself."""
        benchmark = self.found.benchmark
        if benchmark is None:
            self.left_out[test] = "no benchmark"
            return None
        apart = np.abs(self.tried.to_numpy() - benchmark.to_numpy()[:, None]).max(axis=0, initial=0.0) > SAME
        if not apart.any():
            self.left_out[test] = "no configuration has other returns than the benchmark on every test row"
            return None
        return self._made(test, lambda: make(_columns(self.tried, apart), benchmark, self.bootstrap))

    def difference(self, test: str, other: pd.Series[float] | None) -> SharpeDifference | None:
        """Test the history's Sharpe ratio against another one's."""
        history = self.found.returns
        if other is None:
            self.left_out[test] = "none given"
            return None
        if np.abs(history.to_numpy() - other.to_numpy()).max() <= SAME:
            self.left_out[test] = "the same returns"
            return None
        return self._made(
            test, lambda: sharpe_difference(history, other, periods_per_year=self.years, cash_rate=self.cash_rate)
        )

    def _made(self, test: str, make: Callable[[], _Found]) -> _Found | None:
        """Make a test, or say why it cannot be made: a configuration in cash for half of the rows, too few rows."""
        try:
            return make()
        except AllocoptError as error:
            self.left_out[test] = error.what if error.where is None else f"{error.what} ({error.where})"
            return None


def _complete(matrix: pd.DataFrame) -> pd.DataFrame:
    """Keep the configurations with a return on every row."""
    return _columns(matrix, ~np.isnan(matrix.to_numpy()).any(axis=0))


def _columns(matrix: pd.DataFrame, wanted: npt.ArrayLike) -> pd.DataFrame:
    return matrix[matrix.columns[np.asarray(wanted, dtype=bool)]]
