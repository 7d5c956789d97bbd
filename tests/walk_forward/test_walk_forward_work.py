"""Work: kinds of studies and data, workers, kept cells, the batch axis, and the allocator's own parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import Limits, ProportionalCost, allocate
from allocopt.backtests.accounting import Execution, Ledger, account
from allocopt.backtests.runs import CellStore, same_result
from allocopt.backtests.splitters import Rolling
from allocopt.backtests.walk_forward import WalkForward, walk_forward
from allocopt.backtests.walk_forward.cells import BatchedFoldCells
from allocopt.backtests.walk_forward.folds import read_folds
from allocopt.backtests.walk_forward.run import fold_cells
from allocopt.backtests.walk_forward.scoring import Scoring
from allocopt.errors import LabelError, SpecificationError
from allocopt.solvers.projection import Projection

Parameters = Mapping[str, Any]

SPLITTER = Rolling(train=120, test=60, warm_up=40, incomplete="drop")


@dataclass(frozen=True)
class MomentumAllocation:
    """Momentum above zero is desirability; the weights are `allocate`'s."""

    window: int = 20
    limits: Limits = field(default_factory=lambda: Limits(cap=0.5, floor=0.05))
    solver: Any = "euclidean"

    def run(self, data: pd.DataFrame) -> Ledger:
        momentum = (data / data.shift(self.window) - 1.0).clip(lower=0.0).fillna(0.0)
        weights = allocate(momentum, self.limits, solver=self.solver).weights
        return account(weights, data, Execution(costs=ProportionalCost(0.0005)))


def prices(seed: int = 21, rows: int = 401, sleeves: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2015-01-01", periods=rows, name="date")
    steps = rng.normal(0.0002, 0.01, (rows, sleeves))
    return pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), days, list("ABCDE"[:sleeves]))


def crossing(data: pd.DataFrame, parameters: Parameters) -> Ledger:
    up = data > data.rolling(parameters["window"]).mean()
    return account(up / data.shape[1], data, Execution(costs=ProportionalCost(0.001)))


@dataclass(frozen=True)
class Batched:
    """The same, many at once; each call leaves a mark in a folder."""

    folder: str | None = None

    def __call__(self, data: pd.DataFrame, parameters: Parameters) -> Ledger:
        self._mark("one")
        return crossing(data, parameters)

    def many(self, data: pd.DataFrame, several: Sequence[Parameters]) -> list[Ledger]:
        self._mark(f"many-{len(several)}")
        return [crossing(data, parameters) for parameters in several]

    def _mark(self, name: str) -> None:
        if self.folder is not None:
            number = len(list(Path(self.folder).iterdir()))
            (Path(self.folder) / f"{name}.{number}").touch()


def same(one: WalkForward, other: WalkForward) -> None:
    """Everything is equal to the last bit."""
    assert one.returns.to_numpy().tobytes() == other.returns.to_numpy().tobytes()
    assert one.returns.index.equals(other.returns.index)
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, other.tables[name], check_exact=True)
    for rows in ("test", "full"):
        pd.testing.assert_frame_equal(one.returns_matrix(rows), other.returns_matrix(rows), check_exact=True)


GRID = {"window": [5, 10, 20, 40]}


@pytest.mark.slow  # its workers import the tests, which they cannot outside the checkout
def test_workers_and_kept_cells_change_nothing(tmp_path: Path) -> None:
    data = prices()
    alone = walk_forward(crossing, GRID, data, SPLITTER, periods_per_year=252)
    with CellStore(tmp_path / "cells") as store:
        same(alone, walk_forward(crossing, GRID, data, SPLITTER, periods_per_year=252, store=store, n_jobs=2))
        assert (store.report.kept, store.report.reused) == (16, 0)
    with CellStore(tmp_path / "cells") as store:
        same(alone, walk_forward(crossing, GRID, data, SPLITTER, periods_per_year=252, store=store))
        assert (store.report.kept, store.report.reused) == (0, 16)


def test_cells_that_are_kept_are_not_run_again(tmp_path: Path) -> None:
    data, marks = prices(), tmp_path / "marks"
    marks.mkdir()
    with CellStore(tmp_path / "cells") as store:
        first = walk_forward(
            Counted(str(marks)), {"window": [5, 10]}, data, SPLITTER, periods_per_year=252, store=store
        )
        ran = len(list(marks.iterdir()))
        assert ran == 4 * 2 * 2 + 4  # folds, configurations, two runs each; the chosen ones once more
        again = walk_forward(
            Counted(str(marks)), {"window": [5, 10]}, data, SPLITTER, periods_per_year=252, store=store
        )
        assert len(list(marks.iterdir())) == ran + 4
        same(first, again)
        walk_forward(Counted(str(marks)), {"window": [5, 10, 20]}, data, SPLITTER, periods_per_year=252, store=store)
        assert len(list(marks.iterdir())) == ran + 4 + 4 * 2 + 4  # the new configuration alone


@dataclass(frozen=True)
class Counted:
    """Leave a mark for every run."""

    folder: str

    def __call__(self, data: pd.DataFrame, parameters: Parameters) -> Ledger:
        (Path(self.folder) / str(len(list(Path(self.folder).iterdir())))).touch()
        return crossing(data, parameters)


def test_a_batch_axis_is_used_and_gives_the_same(tmp_path: Path) -> None:
    data = prices()
    alone = walk_forward(crossing, GRID, data, SPLITTER, periods_per_year=252)
    batched = walk_forward(Batched(str(tmp_path)), GRID, data, SPLITTER, periods_per_year=252)
    same(alone, batched)
    marks = [path.name.split(".")[0] for path in tmp_path.iterdir()]
    assert marks.count("one") == 4  # the chosen ones, for their accounts
    # However the cells are cut into batches, each runs twice, and those of a fold in one call.
    assert sum(int(mark.removeprefix("many-")) for mark in marks if mark != "one") == 2 * 16
    found = BatchedFoldCells(Batched(), Scoring("sharpe", 252), None, True)
    cells = fold_cells(read_folds(SPLITTER, pd.DatetimeIndex(data.index)), [{"window": w} for w in (5, 10)])
    for one, other in zip(found.many(data, cells), [found(data, cell) for cell in cells], strict=True):
        assert same_result(one, other)


def test_a_dataclass_with_run_is_a_study_too() -> None:
    data = prices()
    found = walk_forward(
        MomentumAllocation(), {"window": [10, 40], "limits.cap": [0.3, 0.6]}, data, SPLITTER, periods_per_year=252
    )
    chosen = found.chosen.iloc[-1]
    own = MomentumAllocation(int(chosen["window"]), Limits(cap=float(chosen["limits.cap"]), floor=0.05)).run(data)
    last = found.folds.iloc[-1]
    rows = (data.index >= last["test_start"]) & (data.index <= last["test_end"])
    name = found.folds["configuration"].iloc[-1]
    np.testing.assert_allclose(found.returns_matrix()[name].iloc[-60:], own.returns[rows], rtol=0.0, atol=1e-15)


def test_nested_selection_for_the_allocator_itself() -> None:
    """Cap, floor, distance and solver are parameters like any other; the loop is the baseline."""
    data = prices()
    grid = {
        "limits.cap": [0.3, 0.5],
        "limits.floor": [0.0, 0.1],
        "solver": ["kl", Projection("kl"), Projection("kl")],
    }
    with pytest.raises(SpecificationError, match="twice"):
        walk_forward(MomentumAllocation(), grid, data, SPLITTER, periods_per_year=252)
    found = walk_forward(
        MomentumAllocation(), {**grid, "solver": ["euclidean", "kl"]}, data, SPLITTER, periods_per_year=252,
        baseline={"solver": "heuristic", "limits.cap": 0.5, "limits.floor": 0.1},
    )  # fmt: skip
    assert len(found.configurations) == 8
    assert found.ledger is not None
    weights = found.ledger.composition.loc[found.returns.index]
    starts = found.folds["test_start"]
    for fold, row in found.chosen.reset_index(drop=True).iterrows():
        begin = starts.iloc[int(fold)]  # type: ignore[call-overload]
        end = found.folds["test_end"].iloc[int(fold)]  # type: ignore[call-overload]
        held = weights.loc[begin:end].to_numpy()
        assert held.max() <= row["limits.cap"]
        assert held[held > 0.0].min() >= row["limits.floor"]
    assert str(found.comparison.loc["baseline", "configuration"]).startswith("solver=heuristic")


def test_several_tables_are_cut_together() -> None:
    data = {"closes": prices(), "vix": pd.Series(np.linspace(12, 30, 401), index=prices().index)}

    def study(tables: Mapping[str, Any], parameters: Parameters) -> Ledger:
        calm = tables["vix"] < parameters["level"]
        closes = tables["closes"]
        return account(closes.mul(0.0).add(calm.astype(float) / closes.shape[1], axis=0), closes)

    found = walk_forward(study, {"level": [15, 40]}, data, SPLITTER, periods_per_year=252)
    assert found.chosen["level"].isin([15, 40]).all()
    assert len(found.returns) == 240


def test_tables_with_other_dates_need_the_rows_to_be_named() -> None:
    closes = prices()
    data = {"closes": closes, "rates": pd.Series(0.01, index=pd.date_range("2015-01-01", closes.index[-1]))}

    def study(tables: Mapping[str, Any], parameters: Parameters) -> Ledger:
        return crossing(tables["closes"], parameters)

    with pytest.raises(LabelError, match="the ledger has other rows than the data"):
        walk_forward(study, GRID, data, SPLITTER, periods_per_year=252)
    found = walk_forward(study, GRID, data, SPLITTER, periods_per_year=252, dates=pd.DatetimeIndex(closes.index))
    same(found, walk_forward(crossing, GRID, closes, SPLITTER, periods_per_year=252))


@dataclass(frozen=True, eq=False)
class Panel:
    """Data of one's own kind that can be cut."""

    closes: pd.DataFrame

    @property
    def dates(self) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(self.closes.index)

    def until(self, date: pd.Timestamp) -> Panel:
        return Panel(self.closes.loc[:date])


def test_data_with_until() -> None:
    def study(panel: Panel, parameters: Parameters) -> Ledger:
        return crossing(panel.closes, parameters)

    found = walk_forward(study, GRID, Panel(prices()), SPLITTER, periods_per_year=252)
    same(found, walk_forward(crossing, GRID, prices(), SPLITTER, periods_per_year=252))
    with pytest.raises(SpecificationError, match="does not say which rows"):
        walk_forward(study, GRID, object(), SPLITTER, periods_per_year=252)
    with pytest.raises(SpecificationError, match="cannot be cut at a date"):
        walk_forward(study, GRID, object(), SPLITTER, periods_per_year=252, dates=Panel(prices()).dates)


def test_results_that_cannot_be_read() -> None:
    data = prices()

    def nothing(table: pd.DataFrame, parameters: Parameters) -> float:
        return 1.0

    def beginning(table: pd.DataFrame, parameters: Parameters) -> pd.Series[float]:
        return table["A"] * 0.0 + 0.01

    with pytest.raises(SpecificationError, match=r"neither accounts nor returns.*'float'"):
        walk_forward(nothing, GRID, data, SPLITTER, periods_per_year=252)
    with pytest.raises(SpecificationError, match="begin with a period that has no row before it"):
        walk_forward(beginning, GRID, data, SPLITTER, periods_per_year=252)
