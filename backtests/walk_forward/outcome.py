"""From finished cells to the result: choose, chain, and set beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.accounting import Ledger
from allocopt.backtests.walk_forward.cells import TOO_LITTLE
from allocopt.backtests.walk_forward.finished import Outcome, curves_of, matrix_of
from allocopt.backtests.walk_forward.grid import configuration_name
from allocopt.backtests.walk_forward.result import Stitched, WalkForward
from allocopt.backtests.walk_forward.rows import until
from allocopt.backtests.walk_forward.scoring import FIGURES
from allocopt.backtests.walk_forward.selection import choose, degradation, ranks, stability
from allocopt.backtests.walk_forward.series import run_of_returns
from allocopt.backtests.walk_forward.stitching import Leg, stitch
from allocopt.backtests.walk_forward.study import Run, read_result, run_study
from allocopt.errors import SpecificationError

_MISSING: Mapping[str, float] = dict.fromkeys(("score", *FIGURES), math.nan)


def conclude(out: Outcome) -> WalkForward:
    """Choose on the train scores, and gather everything that is said of the choice."""
    width, sign = len(out.grid), out.scoring.sign
    before, after = out.cells.train["score"][:, :width], out.cells.test["score"][:, :width]
    windows = [f"fold {k}, trained to {day(out.rows[train[-1]])}" for k, (train, _) in enumerate(out.folds.windows)]
    failures = _failures(out)
    why = ["; ".join(failures.loc[failures["fold"] == k, "why"].unique()[:3]) for k in range(len(windows))]
    chosen = choose(before, sign, windows, why)
    table, changes = stability(out.grid, chosen)
    history = _paths(out, chosen) if not out.folds.forward else _history(out, chosen)
    matrix = matrix_of(out, full=False)
    first = int(out.folds.tested[0])
    return WalkForward(
        score=out.scoring.name,
        periods_per_year=float(out.scoring.periods_per_year),
        cash_rate=out.scoring.cash_rate,
        configurations=out.grid,
        folds=_folds(out, chosen),
        chosen=_chosen(out, chosen),
        stability=table,
        changes=changes,
        scores=_scores(out, chosen),
        degradation=degradation(out.scoring.name, sign, before, after, chosen),
        comparison=_comparison(out, history, matrix),
        failures=failures,
        switches=history.switches,
        stitching=history.kind,
        paths=history.paths,
        ledger=history.ledger,
        bankrupt=history.bankrupt,
        _returns=history.returns,
        _before=out.rows[max(first - 1, 0)],
        _benchmark=None
        if out.benchmark is None
        else pd.Series(out.benchmark, index=out.rows[out.folds.tested], name="benchmark"),
        _baseline=None
        if out.baseline is None
        else curves_of(out, out.baseline, full=False)["return"].rename("baseline"),
        _tested=matrix,
        _full=matrix_of(out, full=True),
    )


@dataclass(frozen=True, eq=False)
class _History:
    """The chained test windows."""

    kind: Stitched
    runs: Mapping[str, Run | None]
    switches: pd.DataFrame
    returns: pd.Series | None = None
    paths: pd.DataFrame | None = None
    ledger: Ledger | None = None
    bankrupt: pd.Timestamp | None = None


def _history(out: Outcome, chosen: Sequence[int]) -> _History:
    """One history: by one account where there are accounts and they are wanted, by returns otherwise."""
    tests = [test for _, test in out.folds.windows]
    low, high = int(tests[0][0]), int(tests[-1][-1])
    curves = [out.cells.curves[fold][which] for fold, which in enumerate(chosen)]
    accounts = all(curve is not None and "turnover" in curve.columns for curve in curves)
    if out.stitching == "account" and not accounts:
        raise SpecificationError(
            "the study gives no ledgers, and one account was asked for",
            value=out.stitching,
            remedy='return a Ledger from the study, or say stitching="returns"',
        )
    if accounts and out.stitching != "returns":
        legs = [
            Leg(out.again(fold, which), int(test[0]), int(test[-1]), fold > 0 and which != chosen[fold - 1])
            for fold, (which, test) in enumerate(zip(chosen, tests, strict=True))
        ]
        kind: Stitched = "account"
        run: Run | None = stitch(legs, out.rows)
    else:
        parts = [curve.iloc[-len(test) :] for curve, test in zip(curves, tests, strict=True) if curve is not None]
        kind, run = "returns", run_of_returns(pd.concat(parts), low)
    assert run is not None
    end = min(run.last, high)
    returns = pd.Series(run.returns(low, end), index=out.rows[low : end + 1], name="return")
    return _History(
        kind,
        {"walk-forward": run},
        _switches(out, chosen, run if kind == "account" else None),
        returns=returns,
        ledger=run.ledger,
        bankrupt=out.rows[end + 1] if end < high else None,
    )


def _paths(out: Outcome, chosen: Sequence[int]) -> _History:
    """Every path of combinatorial splits: each row's return is that of the configuration that its split chose."""
    if out.stitching == "account":
        raise SpecificationError(
            "combinatorial splits make several histories, and one account holds one",
            value=out.stitching,
            remedy='leave stitching at "auto", or use a splitter that goes forward',
        )
    assert out.folds.paths is not None
    returns = matrix_of(out, full=True)
    picked = np.take_along_axis(returns.to_numpy(), np.array(chosen)[out.folds.paths[:, 1:]].T, axis=1)
    names = [f"path {number}" for number in range(picked.shape[1])]
    frame = pd.DataFrame(picked, index=returns.index, columns=names)
    runs = {name: run_of_returns(frame[[name]].set_axis(["return"], axis=1), 1) for name in names}
    return _History("paths", runs, _switches(out, chosen, None).iloc[:0], paths=frame)


def _switches(out: Outcome, chosen: Sequence[int], run: Run | None) -> pd.DataFrame:
    rows = []
    for fold, (one, other) in enumerate(pairwise(chosen), start=1):
        if one == other:
            continue
        first = int(out.folds.windows[fold][1][0])
        turnover = cost = math.nan
        if run is not None and run.turnover is not None and run.ledger is not None and first <= run.last:
            turnover = float(run.turnover[first - run.first])
            cost = float(run.ledger.cost.iloc[first - run.first]) / float(run.equity[first - 1 - run.first])
        rows.append((fold, out.rows[first], out.names[one], out.names[other], turnover, cost))
    frame = pd.DataFrame(rows, columns=["fold", "date", "from", "to", "turnover", "cost"])
    return frame.astype({"fold": "int64", "turnover": "float64", "cost": "float64"})


def _folds(out: Outcome, chosen: Sequence[int]) -> pd.DataFrame:
    width, sign = len(out.grid), out.scoring.sign
    after = out.cells.test["score"][:, :width]
    rank = ranks(after, sign)
    rows = []
    for fold, ((train, test), which) in enumerate(zip(out.folds.windows, chosen, strict=True)):
        rows.append(
            {
                "train_start": out.rows[train[0]],
                "train_end": out.rows[train[-1]],
                "test_start": out.rows[test[0]],
                "test_end": out.rows[test[-1]],
                "test_rows": len(test),
                "configuration": out.names[which],
                "in_sample": out.cells.train["score"][fold, which],
                "out_of_sample": after[fold, which],
                "rank": rank[fold, which],
                "of": int((~np.isnan(after[fold])).sum()),
                **{name: out.cells.test[name][fold, which] for name in FIGURES},
            }
        )
    return pd.DataFrame(rows).rename_axis("fold")


def _chosen(out: Outcome, chosen: Sequence[int]) -> pd.DataFrame:
    index = pd.DatetimeIndex([out.rows[test[0]] for _, test in out.folds.windows], name="test_start")
    if not out.folds.forward:
        return pd.DataFrame([out.grid[which] for which in chosen]).rename_axis("fold")
    return pd.DataFrame([out.grid[which] for which in chosen], index=index)


def _scores(out: Outcome, chosen: Sequence[int]) -> pd.DataFrame:
    folds, width, sign = len(chosen), len(out.grid), out.scoring.sign
    before, after = out.cells.train["score"][:, :width], out.cells.test["score"][:, :width]
    return pd.DataFrame(
        {
            "fold": np.repeat(np.arange(folds), width),
            "configuration": out.names * folds,
            "in_sample": before.ravel(),
            "out_of_sample": after.ravel(),
            "rank_in_sample": ranks(before, sign).ravel(),
            "rank_out_of_sample": ranks(after, sign).ravel(),
            "chosen": (np.arange(width) == np.array(chosen)[:, None]).ravel(),
        }
    )


def _failures(out: Outcome) -> pd.DataFrame:
    """Name the configurations of the grid without a score, fold by fold, and why."""
    rows = []
    for fold, which in np.argwhere(np.isnan(out.cells.train["score"][:, : len(out.grid)])).tolist():
        why = "its score is NaN"
        if out.cells.failed[fold, which]:
            last = out.last(fold, train=True)
            seen = out.data if not out.folds.forward else until(out.data, out.rows[last])
            try:
                read_result(run_study(out.study, seen, out.run[which]), out.rows[: last + 1])
            except TOO_LITTLE as error:
                why = str(error)
        rows.append((fold, out.names[which], why))
    return pd.DataFrame(rows, columns=["fold", "configuration", "why"]).astype({"fold": "int64"})


def _comparison(out: Outcome, history: _History, matrix: pd.DataFrame) -> pd.DataFrame:
    """Figures on all test rows, side by side."""
    tested = out.folds.tested if out.folds.forward else out.folds.tested[out.folds.tested > 0]
    first = int(out.rows.get_loc(matrix.index[0]))  # type: ignore[arg-type]

    def judged(run: Run | None) -> Mapping[str, float]:
        return _MISSING if run is None else out.scoring.figures(run, tested, out.rows)

    def curve(values: pd.DataFrame) -> Mapping[str, float]:
        return judged(run_of_returns(values, first))

    rows: list[tuple[str, str, Mapping[str, float]]] = [(name, "", judged(run)) for name, run in history.runs.items()]
    if out.benchmark is not None:
        rows.append(("benchmark", "", curve(pd.DataFrame({"return": out.benchmark[-len(matrix) :]}))))
    if out.baseline is not None:
        name = configuration_name(out.run[out.baseline])
        rows.append(("baseline", name, curve(curves_of(out, out.baseline, full=False))))
    each = [curve(curves_of(out, which, full=False)) for which in range(len(out.grid))]
    scores = out.scoring.sign * np.array([figures["score"] for figures in each])
    order = [int(i) for i in np.argsort(-scores, kind="stable") if not math.isnan(scores[i])]
    if order:
        for label, which in (("best in hindsight", order[0]), ("median configuration", order[len(order) // 2])):
            rows.append((label, out.names[which], each[which]))
    frame = pd.DataFrame(
        [{"configuration": name, **figures} for _, name, figures in rows],
        index=pd.Index([label for label, _, _ in rows], name="history"),
    )
    return frame.rename(columns={"score": "selected_by"})
