"""`walk_forward`: any study, any grid, any splitter; selection on train rows, judged on test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_option
from allocopt.backtests.runs import CellResult, run_cells
from allocopt.backtests.splitters import Splitter
from allocopt.backtests.walk_forward.cells import BatchedFoldCells, FoldCells, WholeCells
from allocopt.backtests.walk_forward.finished import Cells, Outcome
from allocopt.backtests.walk_forward.folds import Folds, read_folds
from allocopt.backtests.walk_forward.grid import Grid, Parameters, configuration_key, grid_configurations
from allocopt.backtests.walk_forward.outcome import conclude
from allocopt.backtests.walk_forward.result import WalkForward
from allocopt.backtests.walk_forward.rows import rows_of_data
from allocopt.backtests.walk_forward.scoring import FIGURES, Scoring, Select
from allocopt.backtests.walk_forward.series import read_benchmark, run_of_returns
from allocopt.backtests.walk_forward.study import Study, is_batched, require_mapping, require_study


def walk_forward(
    study: Study,
    grid: Grid,
    data: Any,
    splitter: Splitter,
    *,
    select: Select = "sharpe",
    periods_per_year: float,
    cash_rate: float | pd.Series = 0.0,
    baseline: Parameters | None = None,
    benchmark: pd.Series | None = None,
    dates: pd.DatetimeIndex | None = None,
    stitching: Literal["auto", "account", "returns"] = "auto",
    check_causality: bool = True,
    seed: int = 0,
    store: Any = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> WalkForward:
    """Choose the parameters of a study on each train window, and chain what they earn on the test windows.

    For each fold and configuration the study runs twice. On all rows up to the end of the train window, where its
    train rows are scored; and on all rows up to the end of the test window, where its test rows are. Rows before a
    train window are history, so that look-back windows are filled. On the rows that both runs saw they must have
    earned and decided the same: a study that looks ahead is found in every cell.

    Parameters
    ----------
    study : callable or frozen dataclass
        A function ``(data, parameters) -> result``, or an instance with ``run(data) -> result`` whose fields are the
        parameters; a name with dots, such as ``"limits.cap"``, sets a field of a field. A result is a `Ledger`,
        anything with ``.ledger``, or a Series of decimal returns by date. Where the study also has
        ``many(data, list of parameters) -> list of results``, the configurations of a fold are run in one call.
    grid : mapping of str to values, sequence of mappings, or sampler
        As for `grid_configurations`.
    data : DataFrame, Series, mapping of these, or an object with ``until(date)``
        What the study is given, cut after a date.
    splitter : splitter
        One of `allocopt.backtests.splitters`, or of scikit-learn's. Positions count the rows of the data. Test
        windows adjoin. For `CombinatorialPurged` every configuration runs once on all rows, and only the scoring is by
        rows.
    select : str or callable, default "sharpe"
        Figure of `allocopt.backtests.metrics.performance` to choose by (of drawdown and volatility the least), or a
        function of the Series of returns on the rows, of which more is better. Of equals the first in the grid.
    periods_per_year : float
        Rows a year.
    cash_rate : float or Series by date, default 0.0
        Decimal per year, on the row that it stands on, for the Sharpe and the Sortino ratio.
    baseline : mapping, optional
        Parameters that are run beside the grid and never selected, such as a heuristic's.
    benchmark : Series by date, optional
        Bought and held: closes if every value is positive, decimal returns otherwise.
    dates : DatetimeIndex, optional
        The rows. Default: those of the data; of several tables, all that any of them has.
    stitching : {"auto", "account", "returns"}
        ``"account"``: one account through all folds that pays for its switches. ``"returns"``: returns are chained
        and switches are free. ``"auto"``: an account if the study gives ledgers.
    check_causality : bool, default True
        False runs each cell once, on the rows up to the end of the test window, and scores both windows there: for
        studies that are known to be causal.
    seed : int, default 0
        For a sampler; a `RandomSampler` has its own.
    store : CellStore, optional
        Where finished cells are kept; those that it has are not run again.
    n_jobs : int, default 1
        Processes, as for joblib. The result does not depend on it.
    progress : bool, default False
        Show a progress bar on standard error.

    Returns
    -------
    WalkForward
        Tables, the history, the matrix of returns, figures.

    Raises
    ------
    SpecificationError
        For a study that looks ahead (its parameters and the first date), a study that gives other returns when it is
        run again, settings outside their range, or chosen configurations that one account cannot hold.
    InputError
        Where a fold has no configuration with a score.
    LabelError, ShapeError
        For results or a benchmark on other rows than the data, or folds that make no history.

    Notes
    -----
    A configuration whose score is NaN, or which raises an `InputError` or a `ShapeError` on a train window because its
    history is too short, is not chosen there; `WalkForward.failures` names it. Other errors come through. Cells are
    run and kept by `allocopt.backtests.runs.run_cells`; the chosen ones are run once more for their accounts.

    References
    ----------
    R. Pardo, "The Evaluation and Optimization of Trading Strategies", 2nd edition (2008), chapter 11.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from allocopt.backtests.accounting import account
    >>> from allocopt.backtests.splitters import Rolling
    >>> def momentum(prices, parameters):
    ...     up = prices > prices.rolling(parameters["window"]).mean()
    ...     return account(up / up.shape[1], prices)
    >>> rng = np.random.default_rng(3)
    >>> days = pd.bdate_range("2020-01-01", periods=600)
    >>> prices = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (600, 2)).cumsum(axis=0)), days, ["A", "B"])
    >>> splitter = Rolling(train=200, test=100, warm_up=50, incomplete="drop")
    >>> found = walk_forward(momentum, {"window": [10, 50]}, prices, splitter, periods_per_year=252)
    >>> found.folds["configuration"].tolist(), found.stitching
    (['window=10', 'window=50', 'window=50'], 'account')
    """
    require_study(study)
    require_option(stitching, ("auto", "account", "returns"), "stitching")
    scoring = Scoring(select, periods_per_year, cash_rate)
    grid_of = grid_configurations(grid, seed=seed)
    rows = rows_of_data(data, dates)
    folds = read_folds(splitter, rows)
    run = [*grid_of]
    other = None
    if baseline is not None:
        wanted = require_mapping(baseline, "the baseline")
        keys = [configuration_key(parameters) for parameters in grid_of]
        other = keys.index(configuration_key(wanted)) if configuration_key(wanted) in keys else len(run)
        run += [wanted] if other == len(run) else []
    how: dict[str, Any] = {"store": store, "n_jobs": n_jobs, "progress": progress, "what": "cells"}
    if folds.forward:
        kind = BatchedFoldCells if is_batched(study) else FoldCells
        wanted_cells = fold_cells(folds, run)
        results = run_cells(kind(study, scoring, dates, check_causality), wanted_cells, data, **how)
        cells = _by_fold(results, folds, len(run))
    else:
        results = run_cells(WholeCells(study, dates), [{"parameters": one} for one in run], data, **how)
        cells = _by_rows(results, folds, rows, scoring)
    return conclude(
        Outcome(
            study=study,
            data=data,
            rows=rows,
            folds=folds,
            scoring=scoring,
            grid=tuple(grid_of),
            run=tuple(run),
            cells=cells,
            baseline=other,
            benchmark=None if benchmark is None else read_benchmark(benchmark, rows, folds.tested),
            stitching=stitching,
        )
    )


def fold_cells(folds: Folds, configurations: Sequence[Parameters]) -> list[dict[str, Any]]:
    """List the cells, fold by fold: windows by first and last row, what is kept, and the parameters."""
    first = min(int(train[0]) for train, _ in folds.windows)
    cells: list[dict[str, Any]] = []
    for number, (train, test) in enumerate(folds.windows):
        window = {
            "train": [int(train[0]), int(train[-1])],
            "test": [int(test[0]), int(test[-1])],
            "keep": first if number == len(folds.windows) - 1 else int(test[0]),
        }
        cells += [{**window, "parameters": dict(parameters)} for parameters in configurations]
    return cells


def _by_fold(results: Sequence[CellResult], folds: Folds, width: int) -> Cells:
    """Figures in and out of sample, and kept curves, by fold and configuration."""
    metrics = [[results[k * width + i].metrics for i in range(width)] for k in range(len(folds.windows))]
    return Cells(
        {name: np.array([[cell[f"train_{name}"] for cell in row] for row in metrics]) for name in ("score", *FIGURES)},
        {name: np.array([[cell[f"test_{name}"] for cell in row] for row in metrics]) for name in ("score", *FIGURES)},
        np.array([[cell["failed"] == 1.0 for cell in row] for row in metrics]),
        [[results[k * width + i].curves for i in range(width)] for k in range(len(folds.windows))],
    )


def _by_rows(results: Sequence[CellResult], folds: Folds, rows: pd.DatetimeIndex, scoring: Scoring) -> Cells:
    """Give the same from one run on all rows for each configuration."""
    runs = [None if one.curves is None else run_of_returns(one.curves) for one in results]
    nothing: Mapping[str, float] = dict.fromkeys(("score", *FIGURES), float("nan"))
    parts: list[dict[str, Any]] = []
    for part in (0, 1):
        found = [
            [nothing if run is None else scoring.figures(run, window[part], rows) for run in runs]
            for window in folds.windows
        ]
        parts.append({name: np.array([[cell[name] for cell in row] for row in found]) for name in nothing})
    failed = np.array([[run is None for run in runs]] * len(folds.windows))
    return Cells(parts[0], parts[1], failed, [[one.curves for one in results]] * len(folds.windows))
