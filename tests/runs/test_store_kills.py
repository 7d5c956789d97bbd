"""Killing at any moment loses no finished cell and yields no wrong one; two processes do no cell twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from allocopt.backtests.runs import CellStore, verify_store

pytestmark = pytest.mark.slow


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []


def check(store: CellStore, wanted: list[dict[str, Any]], finished: set[str]) -> int:
    """Compare what is kept with the reference; all that was finished must be there. Gives the number kept."""
    kept = 0
    for number, cell in enumerate(wanted):
        result = store.get(cell["key"])
        if result is None:
            assert str(number) not in finished, f"cell {number} was finished and is lost"
            continue
        kept += 1
        assert [v.hex() for v in result.metrics.values()] == [v.hex() for v in cell["metrics"].values()]
        assert list(result.metrics) == list(cell["metrics"])
        assert result.curves is not None
        assert [v.hex() for v in result.curves["price"].tolist()] == cell["curve"]
        assert str(result.curves.index[0]) == "2024-01-01 00:00:00"
    assert store.report.damages == ()
    return kept


def kill(pid: int, *, group: bool) -> None:
    with suppress(ProcessLookupError):  # it has ended
        os.kill(pid, signal.SIGKILL)
    if group:
        with suppress(ProcessLookupError):  # or has not made a group yet
            os.killpg(pid, signal.SIGKILL)


def test_fifty_kills_lose_nothing(nursery: Any, tmp_path: Path) -> None:
    draw = random.Random(20201102)
    folder = tmp_path / "store"
    count = 2000
    job = {"store": str(folder), "log": str(tmp_path), "first": 0, "last": count, "seconds": 0.01}
    wanted = nursery.reference(**job)
    reach = 0.1  # seconds in which a child gets well into the work; follows the speed of the machine
    seen = before = 0
    for attempt in range(50):
        several = attempt % 5 == 4  # one in five with worker processes
        pid = nursery.start(**job, n_jobs=2 if several else 1, backend="multiprocessing")
        time.sleep(draw.uniform(0.0, 2.0 * reach if several else reach))
        kill(pid, group=attempt % 10 == 4)  # or only the parent: its workers go on for a while
        nursery.wait(pid)
        finished = set(lines(tmp_path / "finished"))
        gained, before = len(finished) - before, len(finished)
        reach = min(1.0, reach * (0.7 if gained > 15 else 1.3 if gained == 0 else 1.0))
        with CellStore(folder) as store:
            # All that was finished is there; all that is there is right: looked at closely every tenth time.
            assert all(wanted[int(x)]["key"] in store for x in finished)
            if attempt % 10 == 9:
                kept = check(store, wanted, finished)
                assert kept >= seen
                seen = kept
        kill(pid, group=True)
    assert 20 < seen < count  # the kills came in the middle of the work
    assert nursery.wait(nursery.start(**{**job, "seconds": 0.0})) == 0
    with CellStore(folder) as store:
        assert check(store, wanted, {str(x) for x in range(count)}) == count
    assert verify_store(folder) == ()
    begun = Counter(lines(tmp_path / "begun"))
    assert max(begun.values()) <= 5  # only cells that a kill cut off were begun again
    assert sum(begun.values()) - count <= 70


def test_kills_while_opening_packing_and_sealing(nursery: Any, tmp_path: Path) -> None:
    draw = random.Random(5)
    folder = tmp_path / "store"
    log = {"store": str(folder), "log": str(tmp_path), "seconds": 0.0}
    wanted = nursery.reference(**log, first=0, last=96)
    killed = 0
    reach = 0.05
    for attempt in range(24):  # each opens, runs four cells, packs and seals, all in some hundredths of a second
        pid = nursery.start(**log, first=0, last=4 * attempt + 4)
        time.sleep(draw.uniform(0.0, reach))
        kill(pid, group=True)
        cut_off = nursery.wait(pid) == -signal.SIGKILL
        reach = min(1.0, reach * (1.2 if cut_off else 0.8))  # about half of them are cut off somewhere
        killed += cut_off
        if attempt % 4 == 3:
            with CellStore(folder) as store:
                check(store, wanted, set(lines(tmp_path / "finished")))
    assert killed > 3
    assert nursery.wait(nursery.start(**log, first=0, last=96)) == 0
    with CellStore(folder) as store:
        assert check(store, wanted, {str(x) for x in range(96)}) == 96
    names = {path.name.split("-")[0] for path in folder.iterdir()}
    assert names == {"cells.lock", "cells.sqlite", "cells.sha256", "curves"}  # nothing is left lying about


def test_kill_with_loky_workers(nursery: Any, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    job = {"store": str(folder), "log": str(tmp_path), "first": 0, "last": 300, "seconds": 0.004}
    wanted = nursery.reference(**job)
    pid = nursery.start(**job, n_jobs=2)
    deadline = time.monotonic() + 60
    while len(lines(tmp_path / "finished")) < 20 and time.monotonic() < deadline:
        time.sleep(0.005)
    kill(pid, group=False)  # the workers end by themselves
    nursery.wait(pid)
    finished = set(lines(tmp_path / "finished"))
    assert 20 <= len(finished) < 300
    with CellStore(folder) as store:
        assert check(store, wanted, finished) >= len(finished)
    assert nursery.wait(nursery.start(**{**job, "seconds": 0.0})) == 0
    with CellStore(folder) as store:
        assert check(store, wanted, {str(x) for x in range(300)}) == 300


def test_two_processes_do_no_cell_twice(nursery: Any, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    job = {"store": str(folder), "log": str(tmp_path), "first": 0, "last": 240, "seconds": 0.003}
    wanted = nursery.reference(**job)
    pids = [
        nursery.start(**job),
        nursery.start(**job, backwards=True),
        nursery.start(**job, n_jobs=2, backend="multiprocessing"),
    ]
    assert [nursery.wait(pid) for pid in pids] == [0, 0, 0]
    begun = Counter(lines(tmp_path / "begun"))
    assert begun == Counter({str(x): 1 for x in range(240)})
    assert verify_store(folder) == ()
    with CellStore(folder) as store:
        assert check(store, wanted, {str(x) for x in range(240)}) == 240


def test_cells_of_a_dead_process_are_taken_over_at_once(nursery: Any, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    job = {"store": str(folder), "log": str(tmp_path), "first": 0, "last": 4}
    with CellStore(folder):  # so that the claims of the dead one are not swept away by a first opening
        pid = nursery.start(**job, seconds=60.0)
        deadline = time.monotonic() + 30
        while not lines(tmp_path / "begun") and time.monotonic() < deadline:
            time.sleep(0.002)
        kill(pid, group=True)
        nursery.wait(pid)
        start = time.monotonic()
        assert nursery.wait(nursery.start(**job, seconds=0.0)) == 0
        assert time.monotonic() - start < 5.0
    begun = Counter(lines(tmp_path / "begun"))
    assert begun == Counter({"0": 2, "1": 1, "2": 1, "3": 1})


def test_a_claimed_cell_is_waited_for_and_read(nursery: Any, tmp_path: Path) -> None:
    job = {"store": str(tmp_path / "store"), "log": str(tmp_path), "first": 0, "last": 1, "seconds": 0.4}
    first = nursery.start(**job)
    deadline = time.monotonic() + 30
    while not lines(tmp_path / "begun") and time.monotonic() < deadline:
        time.sleep(0.002)
    second = nursery.start(**job)
    assert [nursery.wait(first), nursery.wait(second)] == [0, 0]
    assert lines(tmp_path / "begun") == ["0"]
