"""A full disk, a folder that cannot be written, a database that another process holds: clear errors, nothing lost."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import DataFileError
from allocopt.backtests.runs import CellResult, CellStore, run_cells, verify_store
from allocopt.backtests.runs._database import Database
from allocopt.backtests.runs._locks import Owner

DATA = pd.DataFrame({"a": np.arange(500.0)}, index=pd.date_range("2024-01-01", periods=500))
CELLS = [{"x": x} for x in range(300)]


def cell(data: pd.DataFrame, parameters: Mapping[str, Any]) -> CellResult:
    return CellResult({"x": parameters["x"]}, data + parameters["x"])


def run(folder: Path, cells: list[dict[str, int]]) -> CellStore:
    with CellStore(folder) as store:
        results = run_cells(cell, cells, DATA, store=store)
    for parameters, result in zip(cells, results, strict=True):
        assert result.metrics == {"x": parameters["x"]}
        assert result.curves is not None
        assert (result.curves["a"] == DATA["a"] + parameters["x"]).all()
    return store


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 700 kB, where one may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_a_clear_error_and_loses_nothing(small_disk: Path) -> None:
    folder = small_disk / "store"
    with pytest.raises(DataFileError, match=r"the disk is full.*make room"):
        run(folder, CELLS)
    # A bigger disk: what was finished is there, and the rest is computed.
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    store = run(folder, CELLS)
    assert 20 < store.report.reused < 300
    assert store.report.kept == 300 - store.report.reused
    assert store.report.damages == ()
    assert verify_store(folder) == ()


def test_a_read_only_file_system_is_a_clear_error(small_disk: Path) -> None:
    folder = small_disk / "store"
    run(folder, CELLS[:5])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(DataFileError, match="the folder of kept work cannot be written"):
        CellStore(folder)
    assert verify_store(folder) == ()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert run(folder, CELLS[:5]).report.reused == 5


def test_a_database_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = Database._prepare

    def cramped(self: Database, create: bool) -> None:
        prepare(self, create)
        self._connection.execute("PRAGMA max_page_count=16")  # SQLite itself then says that the disk is full

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_prepare", cramped)
        with pytest.raises(DataFileError, match="the disk is full"):
            run(tmp_path, CELLS)
    store = run(tmp_path, CELLS[:150])
    assert store.report.reused > 20
    assert store.report.damages == ()


def test_curves_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Owner.append
    left = [40]

    def full(self: Owner, *parts: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            os.write(self._lock._file, b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return append(self, *parts)

    with monkeypatch.context() as patch:
        patch.setattr(Owner, "append", full)
        with pytest.raises(DataFileError, match="the disk is full"):
            run(tmp_path, CELLS[:60])
    store = run(tmp_path, CELLS[:60])
    assert (store.report.reused, store.report.kept) == (40, 20)


def test_parquet_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr("allocopt.backtests.runs.store.write_parquet", full)
        with pytest.raises(DataFileError, match="the disk is full"):
            run(tmp_path, CELLS[:9])
        assert not (tmp_path / "cells.sha256").exists()
    assert run(tmp_path, CELLS[:9]).report.reused == 9
    assert verify_store(tmp_path) == ()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFileError, match="choose another one"):
        CellStore(tmp_path / "file")


def test_closing_twice_and_use_after_it(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.close()
    store.close()
    with pytest.raises(DataFileError, match="closed"):
        len(store)


def test_a_store_needs_posix_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(DataFileError, match="POSIX"):
        CellStore(tmp_path)
