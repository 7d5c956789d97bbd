"""What running and keeping cells costs: ``python benchmarks/cells.py``.

    pip install allocopt

Cells of a fixed amount of work (a product of small matrices, repeated as often as takes the wanted time on one core),
of 5,031 rows of data, with and without a curve of 5,031 rows to keep. Wall time of `run_cells`, workers started before,
the least of several runs, one and two workers in turn. The overhead a cell is what a worker's time exceeds the bare
loop by: (wall x workers - bare loop) / cells. Wall times mean something on a quiet machine only; the load is printed.
Arguments: names of measures, ``speed``, ``processor``, ``resume``, ``start``; none for all.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from allocopt.backtests.runs import CellResult, CellStore, run_cells

REPEATS = 4
DATA = pd.DataFrame(
    np.random.default_rng(1).normal(size=(5031, 3)), pd.bdate_range("1999-01-04", periods=5031), columns=list("abc")
)
BLOCK = np.random.default_rng(2).normal(size=(60, 60))


def cell(data: pd.DataFrame, parameters: Mapping[str, Any]) -> CellResult:
    total = 0.0
    for _ in range(parameters["rounds"]):
        total += float((BLOCK @ BLOCK)[0, 0])
    curve = data[["a"]] if parameters["curve"] else None
    return CellResult({"total": total, "x": parameters["x"]}, curve)


def best(repeats: int, **runs: Callable[[], object]) -> dict[str, float]:
    found = dict.fromkeys(runs, math.inf)
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            found[name] = min(found[name], time.perf_counter() - start)
    return found


def rounds_for(seconds: float) -> int:
    def loop(rounds: int) -> float:
        return best(5, one=lambda: cell(DATA, {"rounds": rounds, "curve": False, "x": 0.0}))["one"]

    return max(1, round(2000 * seconds / loop(2000)))


def cells_of(seconds: float, count: int, curve: bool) -> list[dict[str, Any]]:
    rounds = rounds_for(seconds)
    return [{"rounds": rounds, "curve": curve, "x": float(number)} for number in range(count)]


def kept(cells: list[dict[str, Any]], n_jobs: int, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with CellStore(folder) as store:
        run_cells(cell, cells, DATA, store=store, n_jobs=n_jobs)


def speed(folder: Path) -> None:
    print(f"{'cell':>6} {'curve':>6} {'kept':>5} {'bare':>8} {'1 worker':>9} {'2 workers':>10} {'speed-up':>9} "
          f"{'overhead a cell, 1 and 2 workers':>34}")  # fmt: skip
    for milliseconds, count in ((5, 400), (1, 2000)):
        for curve in (False, True):
            cells = cells_of(milliseconds / 1e3, count, curve)
            for keep in (False, True):

                def run(n_jobs: int, cells: list[dict[str, Any]] = cells, keep: bool = keep) -> object:
                    return kept(cells, n_jobs, folder) if keep else run_cells(cell, cells, DATA, n_jobs=n_jobs)

                run_cells(cell, cells[:20], DATA, n_jobs=2)  # starts the workers
                times = best(
                    REPEATS, bare=lambda cells=cells: [cell(DATA, c) for c in cells],
                    one=lambda: run(1), two=lambda: run(2),
                )  # fmt: skip
                one, two = ((times[name] * jobs - times["bare"]) / count for name, jobs in (("one", 1), ("two", 2)))
                print(f"{milliseconds:>4} ms {curve!s:>6} {keep!s:>5} {times['bare']:>7.3f}s {times['one']:>8.3f}s "
                      f"{times['two']:>9.3f}s {times['one'] / times['two']:>8.2f}x {one * 1e3:>20.3f} ms "
                      f"{two * 1e3:>8.3f} ms")  # fmt: skip


def processor(folder: Path) -> None:
    """Processor time of one process, which other work on the machine changes little."""
    for curve in (False, True):
        cells = [{"rounds": 1, "curve": curve, "x": float(number)} for number in range(600)]
        run_cells(cell, cells[:2], DATA)
        least = dict.fromkeys(("bare", "run", "kept"), math.inf)
        for _ in range(REPEATS):
            for name, run in (
                ("bare", lambda cells=cells: [cell(DATA, one) for one in cells]),
                ("run", lambda cells=cells: run_cells(cell, cells, DATA)),
                ("kept", lambda cells=cells: kept(cells, 1, folder)),
            ):
                begin = time.process_time()
                run()
                least[name] = min(least[name], time.process_time() - begin)
        run_only, run_kept = ((least[name] - least["bare"]) / len(cells) * 1e3 for name in ("run", "kept"))
        print(
            f"curve {curve!s:>5}: processor time a cell {run_only:.3f} ms to run it, {run_kept:.3f} ms with keeping it"
        )


def resume(folder: Path) -> None:
    cells = cells_of(1e-4, 2000, True)
    kept(cells, 1, folder)

    def again() -> None:
        with CellStore(folder) as store:
            run_cells(cell, cells, DATA, store=store)

    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    times = best(REPEATS, again=again, first=lambda: kept(cells, 1, folder))
    print(f"2,000 cells of 0.1 ms with curves, {size:.0f} MB: {times['first']:.2f} s to run and keep, "
          f"{times['again']:.2f} s to open, check and read")  # fmt: skip


def start(folder: Path) -> None:
    del folder
    from joblib.externals.loky import get_reusable_executor

    cells = cells_of(1e-4, 4, False)
    get_reusable_executor().shutdown(wait=True)
    times = best(
        1, cold=lambda: run_cells(cell, cells, DATA, n_jobs=2), warm=lambda: run_cells(cell, cells, DATA, n_jobs=2)
    )
    print(f"starting two workers takes {times['cold']:.2f} s, once; the next call {times['warm'] * 1e3:.0f} ms")


def main() -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before")
    measures = {"speed": speed, "processor": processor, "resume": resume, "start": start}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        for name in sys.argv[1:] or measures:
            measures[name](Path(folder) / "store")
    print(f"load {os.getloadavg()[0]:.2f} after")


if __name__ == "__main__":
    main()
