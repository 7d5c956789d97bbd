"""Cells on a real local Dask cluster."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.runs import CellResult, CellStore, run_cells, same_result, verify_store

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow  # and its workers import the tests, which they cannot outside the checkout


def cell(data: pd.DataFrame, parameters: Mapping[str, Any]) -> CellResult:
    return CellResult(
        {"sum": float(data.to_numpy().sum()) * parameters["x"], "pid": os.getpid()}, data * parameters["x"]
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    # Workers cannot import a test module.
    importlib.import_module("cloudpickle").register_pickle_by_value(sys.modules[__name__])
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as local,
        distributed.Client(local),
    ):
        yield local


@pytest.mark.timeout(120)
def test_cells_run_on_the_cluster_and_are_kept(cluster: Any, tmp_path: Path) -> None:
    data = pd.DataFrame({"a": np.random.default_rng(1).normal(size=300)}, pd.date_range("2024-01-01", periods=300))
    cells = [{"x": x} for x in range(40)]
    with joblib.parallel_config(backend="dask"), CellStore(tmp_path) as store:
        results = run_cells(cell, cells, data, n_jobs=-1, store=store)
        assert (store.report.kept, store.report.reused) == (40, 0)
        again = run_cells(cell, cells, data, n_jobs=-1, store=store)
        assert (store.report.kept, store.report.reused) == (40, 40)
    assert all(same_result(one, other) for one, other in zip(results, again, strict=True))
    pids = {int(result.metrics["pid"]) for result in results}
    assert len(pids) == 2
    assert os.getpid() not in pids
    for one, other in zip(results, run_cells(cell, cells, data), strict=True):
        assert one.metrics["sum"].hex() == other.metrics["sum"].hex()
        assert one.curves is not None
        assert other.curves is not None
        assert one.curves.to_numpy().tobytes() == other.curves.to_numpy().tobytes()
    assert verify_store(tmp_path) == ()


@pytest.mark.timeout(120)
def test_an_error_on_the_cluster_names_its_cell(cluster: Any) -> None:
    def broken(data: Any, parameters: Mapping[str, Any]) -> CellResult:
        raise KeyError(parameters["x"])

    with joblib.parallel_config(backend="dask"), pytest.raises(KeyError) as caught:
        run_cells(broken, [{"x": 7}, {"x": 7}], None, n_jobs=-1)
    assert 'in cell {"x":7}' in caught.value.__notes__
