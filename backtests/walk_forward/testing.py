"""`evidence`: every test of luck that a walk-forward study allows, made at once."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from allocopt.backtests.statistics import (
    BacktestOverfitting,
    DeflatedSharpe,
    RealityCheck,
    SharpeDifference,
    StationaryBootstrap,
    StepwiseSuperiority,
    SuperiorAbility,
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
from allocopt.backtests.walk_forward.evidence import Evidence
from allocopt.backtests.walk_forward.result import WalkForward
from allocopt.errors import InputError, SpecificationError

#: Rows that a block of the test of backtest overfitting has at least.
ROWS_A_BLOCK = 20

#: Returns that differ by no more are the same.
SAME = 1e-12


def evidence(
    found: WalkForward,
    *,
    blocks: int = 16,
    replications: int = 1000,
    seed: int = 0,
    cash_rate: float | pd.Series[float] = 0.0,
    rows: Literal["full", "test"] = "full",
) -> Evidence:
    """Ask of a walk-forward study whether its result could be the best of many tries.

    Parameters
    ----------
    found : WalkForward
        With one history: not combinatorial splits.
    blocks : int, default 16
        Blocks of the test of backtest overfitting, even. Fewer are used where rows are few: at least 20 a block.
    replications : int, default 1000
        Of the stationary bootstrap.
    seed : int, default 0
        Of the bootstrap.
    cash_rate : float or Series, default 0.0
        Decimal per year, as for `walk_forward`.
    rows : {"full", "test"}
        Rows on which trials are compared in the test of backtest overfitting.

    Returns
    -------
    Evidence

    Raises
    ------
    SpecificationError
        For combinatorial splits.
    InputError
        If the account was lost, so that there is no Sharpe ratio to test.

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
    if found.bankrupt is not None:
        raise InputError(
            "the account was lost, so there is no Sharpe ratio to test",
            where=f"{found.bankrupt:%Y-%m-%d}",
            remedy="look at WalkForward.comparison; trade smaller",
        )
    years = found.periods_per_year
    bootstrap = StationaryBootstrap(seed=seed, replications=replications)
    history = found.returns
    record = track_record(history, periods_per_year=years, cash_rate=cash_rate)
    left_out: dict[str, str] = {}
    deflated, overfitting = _selection(found, record, years, cash_rate, blocks, rows, left_out)
    reality, superior, stepwise = _competition(found, bootstrap, left_out)
    return Evidence(
        sharpe=sharpe_estimate(history, periods_per_year=years, cash_rate=cash_rate),
        track=minimum_track_record(record),
        deflated=deflated,
        overfitting=overfitting,
        reality=reality,
        superior=superior,
        stepwise=stepwise,
        against_benchmark=_paired(history, found.benchmark, years, cash_rate, "Against the benchmark", left_out),
        against_baseline=_paired(history, found.baseline, years, cash_rate, "Against the baseline", left_out),
        intervals=performance_intervals(
            found.equity, bootstrap, periods_per_year=years, cash_rate=cash_rate, standard_error=False
        ),
        left_out=left_out,
    )


def _selection(
    found: WalkForward,
    record: TrackRecord,
    years: float,
    cash_rate: float | pd.Series[float],
    blocks: int,
    rows: Literal["full", "test"],
    left_out: dict[str, str],
) -> tuple[DeflatedSharpe | None, BacktestOverfitting | None]:
    """Test what the number of configurations does to the history's Sharpe ratio, and to the search for the best."""
    tried, searched = _complete(found.returns_matrix("test")), _complete(found.returns_matrix(rows))
    deflated: DeflatedSharpe | None = None
    overfitting: BacktestOverfitting | None = None
    if tried.shape[1] < 2:
        left_out["Deflated Sharpe ratio"] = "one configuration"
    else:
        deflated = deflated_sharpe(record, sharpe_trials(tried, periods_per_year=years, cash_rate=cash_rate))
    fitting = min(blocks, len(searched) // ROWS_A_BLOCK) // 2 * 2
    if searched.shape[1] < 2:
        left_out["Backtest overfitting"] = "one configuration"
    elif fitting < 4:
        left_out["Backtest overfitting"] = f"{len(searched)} rows"
    else:
        try:
            overfitting = backtest_overfitting(searched, periods_per_year=years, blocks=fitting, cash_rate=cash_rate)
        except InputError as error:  # a configuration that is in cash for half of the rows
            left_out["Backtest overfitting"] = error.what
    return deflated, overfitting


def _competition(
    found: WalkForward, bootstrap: StationaryBootstrap, left_out: dict[str, str]
) -> tuple[RealityCheck | None, SuperiorAbility | None, StepwiseSuperiority | None]:
    """All configurations against the benchmark, on the test rows."""
    if found.benchmark is None:
        left_out.update(dict.fromkeys(("Reality check", "Superior ability", "Stepwise"), "no benchmark"))
        return None, None, None
    tried = _complete(found.returns_matrix("test"))
    if tried.shape[1] == 0:
        left_out.update(dict.fromkeys(("Reality check", "Superior ability", "Stepwise"), "no complete configuration"))
        return None, None, None
    return (
        reality_check(tried, found.benchmark, bootstrap),
        superior_ability(tried, found.benchmark, bootstrap),
        stepwise_superiority(tried, found.benchmark, bootstrap),
    )


def _paired(
    history: pd.Series[float],
    other: pd.Series[float] | None,
    years: float,
    cash_rate: float | pd.Series[float],
    test: str,
    left_out: dict[str, str],
) -> SharpeDifference | None:
    if other is None:
        left_out[test] = "none given"
        return None
    if np.abs(history.to_numpy() - other.to_numpy()).max() <= SAME:
        left_out[test] = "the same returns"
        return None
    return sharpe_difference(history, other, periods_per_year=years, cash_rate=cash_rate)


def _complete(matrix: pd.DataFrame) -> pd.DataFrame:
    """Keep the configurations with a return on every row."""
    return matrix.loc[:, matrix.notna().all(axis=0)]
