"""Every bit flip and truncation of a kept file is found, named, and what it took is computed again."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import DataFileError
from allocopt.backtests.runs import CellResult, CellStore, cell_keys, run_cells, same_result, verify_store

pytestmark = pytest.mark.slow

DATA = pd.DataFrame(
    {"a": np.linspace(1.0, 2.0, 30), "b": 0.5}, index=pd.date_range("2024-01-01", periods=30, tz="America/New_York")
)
CELLS = [{"x": x, "note": "é"} for x in range(12)]


@dataclass(frozen=True)
class Counted:
    """A cell that counts how often each set of parameters is run."""

    begun: list[int] = field(default_factory=list)

    def content_key(self) -> str:
        return "counted"

    def __call__(self, data: pd.DataFrame, parameters: Mapping[str, Any]) -> CellResult:
        x = parameters["x"]
        self.begun.append(x)
        curves = data * (x + 1 / 3) if x < 6 else data[["a"]] / (x + 1)
        return CellResult({"third": x / 3, "none": float("nan"), "end": float("inf")}, None if x == 11 else curves)


REFERENCE = [Counted()(DATA, cell) for cell in CELLS]


def make(folder: Path) -> dict[str, bytes]:
    """A store with cells in three Parquet files, closed; the content of its kept files."""
    with CellStore(folder) as store:
        run_cells(Counted(), CELLS[:3], DATA, store=store)
        run_cells(Counted(), CELLS, DATA, store=store)
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "cells.lock"}
    assert len(kept) == 5
    return kept


def run_again(folder: Path) -> tuple[CellStore, list[int]]:
    function = Counted()
    with CellStore(folder) as store:
        results = run_cells(function, CELLS, DATA, store=store)
    for one, other in zip(REFERENCE, results, strict=True):
        assert same_result(one, other)
    return store, function.begun


def flip(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(8 * len(content))
    changed = bytearray(content)
    changed[place // 8] ^= 1 << (place % 8)
    return bytes(changed)


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


@pytest.mark.parametrize("harm", [flip, cut])
def test_a_thousand_damages_are_found_and_named(tmp_path: Path, harm: Any) -> None:
    draw = random.Random(7)
    folder = tmp_path / "store"
    kept = make(folder)
    assert verify_store(folder) == ()
    for number in range(1000):
        name = sorted(kept)[number % len(kept)]
        (folder / name).write_bytes(harm(kept[name], draw))
        found = verify_store(folder)
        assert [damage.file for damage in found] == [name]
        if name.startswith("curves-"):
            assert len(found[0].cells) in (3, 5)  # the cells in that file, by their parameters
            assert all(text.startswith('{"note":') for text in found[0].cells)
        (folder / name).write_bytes(kept[name])
    assert verify_store(folder) == ()


@pytest.mark.parametrize("harm", [flip, cut])
def test_what_damages_take_is_computed_again(tmp_path: Path, harm: Any) -> None:
    draw = random.Random(11)
    kept = make(tmp_path / "whole")
    recomputed = 0
    for number in range(40):
        name = sorted(kept)[number % len(kept)]
        folder = tmp_path / str(number)
        folder.mkdir()
        for file, content in kept.items():
            (folder / file).write_bytes(harm(content, draw) if file == name else content)
        store, begun = run_again(folder)
        damage, *more = store.report.damages
        assert damage.file == name
        assert not more or name == "cells.sqlite"  # a row that names a file which does not exist
        unreadable = sum(one.unreadable for one in store.report.damages)
        assert store.report.kept == store.report.recomputed + unreadable == len(begun)
        assert store.report.reused == len(CELLS) - len(begun)
        assert sum(len(one.cells) for one in store.report.damages) + unreadable == len(begun)
        if name.startswith("curves-"):
            assert len(begun) in (3, 5)
        if name != "cells.sha256":
            assert damage.set_aside is not None
            assert (folder / damage.set_aside).exists()  # never deleted
        recomputed += len(begun)
        assert verify_store(folder) == ()
        if number % 5 == number // 5 % 5:  # mended for good
            store, begun = run_again(folder)
            assert store.report.damages == ()
            assert begun == []
        shutil.rmtree(folder)
    assert recomputed > 60


def test_without_a_seal_damage_never_gives_a_wrong_result(tmp_path: Path) -> None:
    draw = random.Random(13)
    kept = make(tmp_path / "whole")
    found = 0
    for number in range(40):
        name = sorted(kept)[1:][number % 4]  # all but the seal: as after a kill
        folder = tmp_path / str(number)
        folder.mkdir()
        for file, content in kept.items():
            if file != "cells.sha256":
                (folder / file).write_bytes(
                    (flip if number % 8 < 4 else cut)(content, draw) if file == name else content
                )
        store, _ = run_again(folder)
        found += len(store.report.damages)
        assert name == "cells.sqlite" or store.report.damages
        assert verify_store(folder) == ()
    assert found >= 30


@pytest.mark.parametrize("name", ["cells.sqlite", "cells.sha256", "curves"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    kept = make(tmp_path)
    file = next(file for file in sorted(kept) if file.startswith(name))
    (tmp_path / file).unlink()
    if name == "cells.sha256":  # as after a kill: nothing is lost
        assert verify_store(tmp_path) == ()
    else:
        assert [(damage.file, damage.what) for damage in verify_store(tmp_path)] == [(file, "the file is missing")]
    store, begun = run_again(tmp_path)
    assert [damage.file for damage in store.report.damages] == ([] if name == "cells.sha256" else [file])
    assert len(begun) == {"cells.sqlite": 12, "cells.sha256": 0, "curves": len(begun)}[name]


def test_damage_while_the_store_is_open_is_found_at_the_cell(tmp_path: Path) -> None:
    make(tmp_path)
    function = Counted()
    keys = cell_keys(function, CELLS, DATA)
    with CellStore(tmp_path) as store:
        file = sorted(tmp_path.glob("curves-*"))[0]
        file.write_bytes(flip(file.read_bytes(), random.Random(3)))
        found = [store.get(key) for key in keys]
        assert 3 <= sum(result is None for result in found) <= 5
        assert {damage.file for damage in store.report.damages} == {file.name}
        for one, other in zip(REFERENCE, run_cells(function, CELLS, DATA, store=store), strict=True):
            assert same_result(one, other)
        assert store.report.recomputed == len(function.begun) == sum(result is None for result in found)


def test_database_changed_by_hand_is_named(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    make(tmp_path)
    with closing(sqlite3.connect(tmp_path / "cells.sqlite")) as connection, connection:
        connection.execute("UPDATE cells SET metrics = replace(metrics, '0.3333333333333333', '0.34')")
    (damage,) = verify_store(tmp_path)
    assert damage.file == "cells.sqlite"
    store, begun = run_again(tmp_path)
    assert begun == [1]
    assert store.report.damages[0].what.startswith("contents differ")


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    make(tmp_path)
    mine = [tmp_path / "notes.txt", tmp_path / "curves-of-mine.parquet", tmp_path / "pending-letters.bin"]
    for path in mine:
        path.write_text("mine")
    orphan = tmp_path / f"curves-{'0' * 64}.parquet"
    orphan.write_text("left by a kill before the database named it")
    run_again(tmp_path)
    assert all(path.read_text() == "mine" for path in mine)
    assert not orphan.exists()


def test_seal_is_what_sha256sum_reads(tmp_path: Path) -> None:
    kept = make(tmp_path)
    lines = [line for line in kept["cells.sha256"].decode().splitlines() if not line.startswith("#")]
    assert {name: hashlib.sha256(kept[name]).hexdigest() for name in kept if name != "cells.sha256"} == {
        name: checksum for checksum, name in (line.split("  ") for line in lines)
    }


def test_parquet_files_can_be_read_by_others(tmp_path: Path) -> None:
    make(tmp_path)
    tables = [pd.read_parquet(path) for path in tmp_path.glob("curves-*.parquet")]
    assert sorted(len(table) // 30 for table in tables) == [3, 3, 5]
    wide = next(table for table in tables if "b" in table)
    assert list(wide.columns) == ["__cell__", "__row__", "a", "b"]
    assert wide["__row__"].iloc[0] == DATA.index[0]
    with CellStore(tmp_path) as store:
        table = store.table()
    assert list(table.columns) == ["third", "none", "end", "seconds"]
    assert table.loc['{"note":"\\u00e9","x":1}', "third"] == 1 / 3


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    make(tmp_path)
    text = (tmp_path / "cells.sha256").read_text()
    (tmp_path / "cells.sha256").write_text(text.replace("format 1", "format 2"))
    with pytest.raises(DataFileError, match="format 2, and this version of allocopt reads up to 1"):
        CellStore(tmp_path)
    (tmp_path / "cells.sha256").unlink()
    with closing(sqlite3.connect(tmp_path / "cells.sqlite")) as connection:
        connection.execute("PRAGMA user_version=2")
    before = (tmp_path / "cells.sqlite").read_bytes()
    with pytest.raises(DataFileError, match="install the newer allocopt"):
        CellStore(tmp_path)
    assert (tmp_path / "cells.sqlite").read_bytes() == before  # and left as it is


def test_there_is_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="there is no kept work"):
        verify_store(tmp_path)
