"""A server that forks children which run cells on a store; `conftest.Nursery` talks to it by lines of JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd

from allocopt.backtests.runs import CellResult, CellStore, canonical_parameters, cell_keys, run_cells

DATA = pd.DataFrame(
    {"price": np.linspace(1.0, 2.0, 40)}, index=pd.date_range("2024-01-01", periods=40, freq="D", name="date")
)
_last: dict[int, str] = {}


@dataclass(frozen=True)
class Logged:
    """A cell that logs what this process finished before it, and that it has begun."""

    folder: str
    seconds: float

    def content_key(self) -> str:
        return "logged cell 1"  # where it logs does not change what it gives

    def __call__(self, data: pd.DataFrame, parameters: Mapping[str, Any]) -> CellResult:
        x = parameters["x"]
        if os.getpid() in _last:  # whoever begins the next cell has kept the one before
            self._append("finished", _last[os.getpid()])
        self._append("begun", str(x))
        time.sleep(self.seconds)
        _last[os.getpid()] = str(x)
        return CellResult({"x": x, "root": x**0.5, "none": float("nan")}, data * (x + 1 / 3))

    def _append(self, name: str, text: str) -> None:
        if not self.folder:
            return
        log = os.open(os.path.join(self.folder, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, f"{text}\n".encode())
        os.close(log)


def cells(job: Mapping[str, Any]) -> list[dict[str, int]]:
    return [{"x": x} for x in range(job["first"], job["last"])]


def child(job: Mapping[str, Any]) -> None:
    function = Logged(job["log"], job["seconds"])
    listed = cells(job)[::-1] if job.get("backwards") else cells(job)
    with CellStore(job["store"]) as store, joblib.parallel_config(backend=job.get("backend", "loky")):
        run_cells(function, listed, DATA, store=store, n_jobs=job.get("n_jobs", 1))


def start(job: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        sys.stdin.close()
        child(job)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def reference(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    function = Logged("", 0.0)
    listed = cells(job)
    results = [function(DATA, cell) for cell in listed]
    return [
        {
            "key": key,
            "text": canonical_parameters(cell),
            "metrics": result.metrics,
            "curve": [value.hex() for value in result.curves["price"].tolist()] if result.curves is not None else None,
        }
        for cell, key, result in zip(listed, cell_keys(function, listed, DATA), results, strict=True)
    ]


def main() -> None:
    # What takes time at first use is done once, before any fork.
    import pyarrow.parquet  # noqa: F401

    cell_keys(Logged("", 0.0), [], DATA)
    run_cells(Logged("", 0.0), [{"x": 0}], DATA)
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "start":
            answer: Any = start(order)
        elif order["do"] == "wait":
            answer = os.waitstatus_to_exitcode(os.waitpid(order["pid"], 0)[1])
        else:
            answer = reference(order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
