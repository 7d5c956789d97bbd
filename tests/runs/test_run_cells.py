"""Cells run in processes: the same results to the bit, errors with their cell, finished work kept."""

from __future__ import annotations

import functools
import importlib
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from allocopt import AllocoptError, DataFileError, InputError, LabelError, SolveError, SpecificationError
from allocopt.backtests.runs import CellFunction, CellResult, CellStore, cell_keys, run_cells, same_result
from allocopt.backtests.runs import _work as work_module
from allocopt.backtests.runs._batches import TARGET, Batches
from allocopt.backtests.runs._rows import Decoder, encode
from allocopt.backtests.runs._work import Cell, Done

pytestmark = pytest.mark.slow

# Workers cannot import a test module. Older versions of joblib bring a cloudpickle of their own.
for _name in ("cloudpickle", "joblib.externals.cloudpickle"):
    with suppress(ImportError):
        importlib.import_module(_name).register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    rng = np.random.default_rng(20201102)
    dates = pd.bdate_range("2015-01-01", periods=700, tz="America/New_York", name="date")
    frame = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (700, 40)).cumsum(axis=0)), dates)
    return frame.rename(columns=lambda name: f"S{name}")


def study(data: pd.DataFrame, parameters: Mapping[str, Any]) -> CellResult:
    """A cell whose last bits depend on the order of its sums: a matrix product, rows and columns."""
    window = parameters["window"]
    returns = data.pct_change().iloc[1:]
    momentum = data.pct_change(window).rank(axis=1).iloc[1:]
    covariance = returns.to_numpy().T @ returns.to_numpy()
    curve = (momentum * returns).sum(axis=1)
    metrics = {"risk": float(np.linalg.inv(covariance).sum()), "mean": curve.mean(), "gap": float("nan")}
    return CellResult(metrics, pd.DataFrame({"curve": curve, "wide": momentum.to_numpy().sum(axis=1)}))


CELLS = [{"window": window} for window in range(2, 26)]


def all_same(one: Sequence[CellResult], other: Sequence[CellResult]) -> bool:
    return all(same_result(a, b) for a, b in zip(one, other, strict=True))


def test_results_are_equal_to_the_bit(prices: pd.DataFrame, tmp_path: Path) -> None:
    plain = run_cells(study, CELLS, prices)
    assert all_same(plain, run_cells(study, CELLS, prices, n_jobs=2))
    with CellStore(tmp_path) as store:
        assert all_same(plain[:9], run_cells(study, CELLS[:9], prices, store=store))
        assert all_same(plain, run_cells(study, CELLS, prices, store=store, n_jobs=2))
        assert (store.report.reused, store.report.kept) == (9, 24)
    with CellStore(tmp_path) as store:
        assert all_same(plain[::-1], run_cells(study, CELLS[::-1], prices, store=store, n_jobs=2))
        assert (store.report.reused, store.report.kept) == (24, 0)
    frames = [result.curves for result in plain]
    for frame, other in zip(frames, run_cells(study, CELLS, np_layout(prices)), strict=True):
        assert frame is not None
        assert other.curves is not None
        pd.testing.assert_frame_equal(frame, other.curves, rtol=1e-12)


def np_layout(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.asfortranarray(frame.to_numpy()), frame.index, frame.columns)


@dataclass(frozen=True)
class Tally:
    """A cell that logs each of its executions."""

    folder: str
    seconds: float = 0.0
    fails_at: int = -1

    def content_key(self) -> str:
        return "tally"

    def __call__(self, data: Any, parameters: Mapping[str, Any]) -> CellResult:
        x = parameters["x"]
        if x == self.fails_at:
            raise InputError("price is negative", where="row 3", value=-1.0, remedy="mend it")
        log = os.open(os.path.join(self.folder, "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, f"{x}\n".encode())
        os.close(log)
        time.sleep(self.seconds)
        return CellResult({"x": x})

    def executions(self) -> list[int]:
        path = Path(self.folder, "log")
        return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_resuming_repeats_nothing(tmp_path: Path) -> None:
    tally = Tally(str(tmp_path))
    cells = [{"x": x} for x in (1, 2, 3, 2, 1)]
    for _ in range(2):
        with CellStore(tmp_path / "store") as store:
            results = run_cells(tally, cells, None, store=store)
        assert [result.metrics["x"] for result in results] == [1, 2, 3, 2, 1]
    assert tally.executions() == [1, 2, 3]  # the same cell given twice is run once
    assert len(run_cells(tally, cells, None)) == 5  # without a store each is run


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_names_its_cell_and_finished_cells_stay(tmp_path: Path, n_jobs: int) -> None:
    tally = Tally(str(tmp_path), fails_at=30)
    cells = [{"x": x} for x in range(40)]
    with CellStore(tmp_path / "store") as store, pytest.raises(InputError) as caught:
        run_cells(tally, cells, None, store=store, n_jobs=n_jobs)
    assert caught.value.where == 'row 3, cell {"x":30}'
    assert caught.value.value == -1.0
    done = set(tally.executions())
    assert n_jobs == 2 or done == set(range(30))
    with CellStore(tmp_path / "store") as store:
        kept = {x for x, key in enumerate(cell_keys(tally, cells, None)) if key in store}
        assert kept <= done
        assert len(done - kept) <= 0 if n_jobs == 1 else 2  # at most what two workers were at
        run_cells(Tally(str(tmp_path)), cells, None, store=store)
        assert store.report.kept == 40 - len(kept)


def broken(data: Any, parameters: Mapping[str, Any]) -> CellResult:
    return CellResult({"x": 1 / parameters["x"]})


class UnpicklableError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("only one argument")


def odd(data: Any, parameters: Mapping[str, Any]) -> CellResult:
    raise UnpicklableError(1, 2)


def infeasible(data: Any, parameters: Mapping[str, Any]) -> CellResult:
    raise SolveError("no solution", remedy="relax a limit", failure="the failure")


def test_errors_of_all_kinds_come_through() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_cells(broken, [{"x": 1}, {"x": 0}], None)
    assert caught.value.__notes__ == ['in cell {"x":0}']
    with joblib.parallel_config(backend="threading"), pytest.raises(ZeroDivisionError) as far:
        run_cells(broken, [{"x": 0}, {"x": 0}], None, n_jobs=2)
    assert 'in cell {"x":0}' in far.value.__notes__
    assert "in broken" in "".join(far.value.__notes__)  # the traceback of the worker
    with pytest.raises(UnpicklableError) as strange:
        run_cells(odd, [{"x": 0}, {"x": 0}], None)
    assert strange.value.__notes__ == ['in cell {"x":0}']
    sent = pickle.loads(pickle.dumps(work_module.Failure(3, strange.value, "trace")))
    assert sent.number == 3
    assert "only one argument" in str(sent.error)  # as a RuntimeError, unless something taught pickle about it
    with pytest.raises(SolveError, match=r"at cell \{'x': <object") as solve:
        run_cells(infeasible, [{"x": object()}], None)
    assert solve.value.failure == "the failure"


def test_wrong_calls_are_named() -> None:
    with pytest.raises(SpecificationError, match="n_jobs"):
        run_cells(study, CELLS, None, n_jobs=0)
    with pytest.raises(SpecificationError, match="cannot be called"):
        run_cells("study", CELLS, None)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="cell 1"):
        run_cells(broken, [{"x": 1}, 2], None)  # type: ignore[list-item]
    with pytest.raises(SpecificationError, match="did not return a CellResult"):
        run_cells(lambda data, parameters: 3, [{"x": 1}], None)  # type: ignore[arg-type, return-value]
    with pytest.raises(SpecificationError, match="cannot be handed to worker processes"):
        run_cells(broken, [{"x": 1}], lambda: 0)
    assert run_cells(broken, [], None) == []


@dataclass(frozen=True)
class Batched:
    """A study with a batch axis."""

    calls: list[int] = field(default_factory=list)
    short: bool = False

    def content_key(self) -> str:
        return "batched"

    def __call__(self, data: Any, parameters: Mapping[str, Any]) -> CellResult:
        raise AssertionError("cells are run in batches")

    def many(self, data: Any, cells: Sequence[Mapping[str, Any]]) -> list[CellResult]:
        self.calls.append(len(cells))
        return [CellResult({"y": data * cell["x"]}) for cell in cells][self.short :]


def test_a_batch_axis_is_used(tmp_path: Path) -> None:
    function = Batched()
    cells = [{"x": x} for x in range(500)]
    with CellStore(tmp_path) as store:
        results = run_cells(function, cells, 2.0, store=store)
        assert [result.metrics["y"] for result in results] == [2.0 * x for x in range(500)]
        assert sum(function.calls) == 500
        assert len(function.calls) <= 4
        run_cells(function, [{"x": x} for x in range(490, 510)], 2.0, store=store)
        assert sum(function.calls) == 510
    assert all_same(results, run_cells(Batched(), cells, 2.0, n_jobs=2))
    with pytest.raises(SpecificationError, match="gave 9 results for 10 cells"):
        run_cells(Batched(short=True), cells[:10], 2.0)


def spoil(data: pd.DataFrame, parameters: Mapping[str, Any]) -> CellResult:
    data.to_numpy()[0, 0] = parameters["x"]
    return CellResult({"x": 1.0})


@dataclass(frozen=True)
class Bundle:
    prices: pd.DataFrame
    names: pd.Series[str]
    flags: Mapping[str, Any]


def compare(data: Bundle, parameters: Mapping[str, Any]) -> CellResult:
    expected = parameters["expected"]
    pd.testing.assert_frame_equal(data.prices, expected.prices)
    pd.testing.assert_series_equal(data.names, expected.names)
    assert data.flags == expected.flags
    assert not data.prices.to_numpy().flags.writeable
    doubled = data.prices.assign(S0=1.0)  # frames of read-only arrays can be worked with
    doubled.iloc[0, 0] = 2.0
    doubled.loc[doubled.index[1]] = 3.0
    doubled = doubled.sort_index(ascending=False).rolling(3).mean().dropna()
    return CellResult({"rows": len(doubled), "kept": float(data.prices.to_numpy()[0, 0])})


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_data_comes_whole_and_read_only(prices: pd.DataFrame, n_jobs: int) -> None:
    names = pd.Series(["a", "b", None], index=pd.Index([1, 2, 3], name="n"))
    bundle = Bundle(prices, names, {"flag": True, "none": None})
    results = run_cells(compare, [{"expected": bundle}] * 2, bundle, n_jobs=n_jobs)
    assert [result.metrics for result in results] == [{"rows": 698.0, "kept": prices.iloc[0, 0]}] * 2
    with pytest.raises(ValueError, match="read-only"):
        run_cells(spoil, [{"x": 1}], prices)


def test_batches_are_cut_by_measured_time() -> None:
    cells = [Cell(number, {}) for number in range(1000)]
    batches = Batches(cells, 2, many=False)
    sizes = []
    row = encode("", "", CellResult({}), 0.0)
    for batch in batches:
        sizes.append(len(batch))
        batches.learn(Done(tuple((cell.number, row) for cell in batch), (), 0.001 * len(batch), False))
    assert sizes[0] == 1
    assert max(sizes) == round(TARGET / 0.001)
    assert sum(sizes) == 1000
    assert sizes[-1] <= 4
    assert len(sizes) < 40
    slow = Batches(cells[:10], 2, many=False)
    slow.learn(Done(((0, row),), (), 5.0, False))
    assert [len(batch) for batch in slow] == [1] * 10


def test_backends_without_a_stream_of_results(tmp_path: Path) -> None:
    tally = Tally(str(tmp_path))
    with joblib.parallel_config(backend="multiprocessing"), CellStore(tmp_path / "store") as store:
        results = run_cells(tally, [{"x": x} for x in range(30)], None, n_jobs=2, store=store)
    assert [result.metrics["x"] for result in results] == list(range(30))
    assert sorted(tally.executions()) == list(range(30))


def test_backend_of_threads(tmp_path: Path) -> None:
    tally = Tally(str(tmp_path))
    with joblib.parallel_config(backend="threading"), CellStore(tmp_path / "store") as store:
        run_cells(tally, [{"x": x} for x in range(30)], None, n_jobs=2, store=store)
    assert sorted(tally.executions()) == list(range(30))


def test_workers_elsewhere_leave_writing_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally(str(tmp_path))
    monkeypatch.setattr(work_module.Place, "is_here", lambda place: False)
    with CellStore(tmp_path / "store") as store:
        run_cells(tally, [{"x": x} for x in range(12)], None, store=store)
        assert store.report.kept == len(store) == 12
    with CellStore(tmp_path / "store") as store:
        run_cells(tally, [{"x": x} for x in range(12)], None, store=store)
        assert (store.report.kept, store.report.reused) == (0, 12)


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tally = Tally(str(tmp_path))
    with CellStore(tmp_path / "store") as store:
        run_cells(tally, [{"x": 0}], None, store=store)
        assert capsys.readouterr().err == ""
        run_cells(tally, [{"x": x} for x in range(4)], None, store=store, progress=True, what="folds")
    out, err = capsys.readouterr()
    assert out == ""
    assert "folds:" in err
    assert "4/4" in err
    assert "<00:00" in err  # the time that remains


CHILD = """
import sys, time
from allocopt.backtests.runs import CellResult, CellStore, run_cells
def cell(data, parameters):
    print(parameters["x"], flush=True)
    time.sleep(0.02)
    return CellResult({"x": parameters["x"]})
with CellStore(sys.argv[1]) as store:
    run_cells(cell, [{"x": x} for x in range(5000)], None, store=store, n_jobs=int(sys.argv[2]))
"""


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_interrupt_stops_promptly_and_keeps_what_is_done(tmp_path: Path, n_jobs: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "store"), str(n_jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    for _ in range(12):
        assert child.stdout.readline()
    start = time.monotonic()
    os.killpg(child.pid, signal.SIGINT)  # as the terminal does: to the workers too
    _, err = child.communicate(timeout=60)
    assert time.monotonic() - start < 20
    assert child.returncode != 0
    assert "KeyboardInterrupt" in err
    with CellStore(tmp_path / "store") as store:
        assert len(store) >= 10
        assert store.report.damages == ()


def test_results_are_brought_to_one_form() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": pd.array([0.5, None], dtype="Float64")}, index=[np.int32(3), np.int32(4)])
    given: dict[str, Any] = {"n": np.int64(3), "x": np.float32(0.5), "gap": -float("nan")}
    result = CellResult(given, frame)
    assert result.metrics == {"n": 3.0, "x": 0.5, "gap": pytest.approx(math.nan, nan_ok=True)}
    assert result.curves is not None
    assert result.curves.dtypes.tolist() == [np.float64, np.float64]
    frame.iloc[0, 0] = 9
    assert result.curves.iloc[0, 0] == 1.0
    rename = result.curves
    rename.index.name = "mine"
    again = CellResult({}, frame)
    assert again.curves is not None
    assert again.curves.index.name is None
    for zone in (None, "UTC", "America/New_York", "+02:00", "Asia/Kolkata"):
        for unit in ("s", "ms", "us", "ns"):
            index = pd.date_range("2020-03-01", periods=60, tz=zone, name="date").as_unit(unit)
            one = CellResult({"x": -0.0}, pd.DataFrame({"a": np.arange(60.0)}, index))
            other = Decoder().decode(pickle.loads(pickle.dumps(encode("k", "{}", one, 0.1))))
            assert same_result(one, other)
            assert one.curves is not None
            assert other.curves is not None
            pd.testing.assert_frame_equal(one.curves, other.curves)
            assert math.copysign(1, other.metrics["x"]) == -1
    for empty in (pd.DataFrame(index=frame.index), pd.DataFrame({"a": []}, index=pd.DatetimeIndex([]))):
        one = CellResult({}, empty.astype(float))
        assert same_result(one, Decoder().decode(encode("k", "{}", one, 0.1)))


@pytest.mark.parametrize(
    ("metrics", "curves", "kind"),
    [
        ({"x": "1"}, None, InputError),
        ({"x": True}, None, InputError),
        ({1: 1.0}, None, LabelError),
        ({}, pd.DataFrame({1: [1.0]}), LabelError),
        ({}, pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), LabelError),
        ({}, pd.DataFrame({"a": ["x"]}), InputError),
        ({}, pd.DataFrame({"a": [True]}), InputError),
        ({}, pd.DataFrame({"a": [1.0]}, index=["x"]), LabelError),
        ({}, pd.DataFrame({"a": [1.0]}, index=pd.DatetimeIndex([pd.NaT])), LabelError),
        ({}, pd.DataFrame({"a": [1.0]}, index=pd.Index([1], name=2)), LabelError),
    ],
)
def test_results_that_cannot_be_kept_are_refused(metrics: Any, curves: Any, kind: type[AllocoptError]) -> None:
    with pytest.raises(kind):
        CellResult(metrics, curves)


def test_results_that_differ_are_told_apart() -> None:
    frame = pd.DataFrame({"a": [1.0]}, index=pd.DatetimeIndex(["2024-01-01"]))
    base = CellResult({"x": 1.0}, frame)
    others = [
        CellResult({"x": 1.0 + 2**-52}, frame),
        CellResult({"y": 1.0}, frame),
        CellResult({"x": 1.0}),
        CellResult({"x": 1.0}, frame + 2**-52),
        CellResult({"x": 1.0}, frame.rename(columns={"a": "b"})),
        CellResult({"x": 1.0}, frame.set_axis(pd.DatetimeIndex(["2024-01-02"]))),
        CellResult({"x": 1.0}, frame.tz_localize("UTC")),
        CellResult({"x": 1.0}, frame.rename_axis("date")),
    ]
    assert same_result(base, CellResult({"x": 1.0}, frame.copy()))
    assert not any(same_result(base, other) for other in others)


def test_a_worker_that_does_not_see_the_data_says_so() -> None:
    with pytest.raises(DataFileError, match="JOBLIB_TEMP_FOLDER"):
        work_module.SharedData("/nowhere/data.joblib").load()


def test_functions_of_each_kind_are_accepted() -> None:
    functions: list[CellFunction] = [
        functools.partial(shift, by=1.0),
        Shift(1.0),
        lambda data, p: shift(data, p, by=1.0),
    ]
    for function in functions:
        for n_jobs in (1, 2):
            one, _ = run_cells(function, [{"x": 1}, {"x": 2}], None, n_jobs=n_jobs)
            assert one.metrics == {"y": 2.0}
    assert len({cell_keys(function, [{"x": 1}], None)[0] for function in functions}) == 3


def shift(data: Any, parameters: Mapping[str, Any], *, by: float) -> CellResult:
    return CellResult({"y": parameters["x"] + by})


@dataclass(frozen=True)
class Shift:
    by: float

    def __call__(self, data: Any, parameters: Mapping[str, Any]) -> CellResult:
        return shift(data, parameters, by=self.by)
