"""Folders of runs: what was asked, what came out, and what is no run."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import allocopt
from allocopt import DataFileError, SpecificationError
from allocopt.backtests.runs import CellResult, RunFolder, last_run, list_runs, new_run, run_cells

TABLE = pd.DataFrame({"sharpe": [1 / 3, np.nan], "trades": [3, 4]}, index=pd.Index(["a", "b"], name="name"))


def test_a_run_from_beginning_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/allocopt", "study", "two words.toml"])
    text = 'title = "é"\r\n# as it was given\n'
    run = new_run(tmp_path / "runs", "grid-1", "a grid\nof two", text)
    assert run.path.parent == tmp_path / "runs"
    assert run.name.startswith("grid-1-20")
    assert (run.status, run.title, run.version) == ("running", "a grid of two", allocopt.__version__)
    assert run.command == "allocopt study 'two words.toml'"
    assert run.configuration() == text
    with pytest.raises(DataFileError, match="the run is running and has no table yet"):
        run.table()
    with run.store() as store:
        run_cells(lambda data, p: CellResult({"y": p["x"]}), [{"x": 1}], None, store=store)
    assert run.interrupt().status == RunFolder.open(run.path).status == "interrupted"
    assert run.resume().status == RunFolder.open(run.path).status == "running"
    done = run.finish(TABLE)
    assert done == RunFolder.open(run.path) == last_run(tmp_path / "runs")
    assert done.status == "finished"
    pd.testing.assert_frame_equal(done.table(), TABLE, check_exact=True)
    assert done.damages() == ()
    assert {path.name for path in run.path.iterdir()} == {"run.json", "configuration.toml", "table.csv", "cells"}


def test_runs_are_listed_by_age_and_kind(tmp_path: Path) -> None:
    made = [new_run(tmp_path, kind, str(number), "") for number, kind in enumerate("abab")]
    stamps = [
        "2024-01-04T00:00:00+00:00",
        "2024-01-01T23:00:00+00:00",
        "2024-01-02T01:00:00+05:00",
        "2023-01-01T00:00:00",
    ]
    for run, stamp in zip(made, stamps, strict=True):
        object.__setattr__(run, "created", stamp)
        run.resume()
    assert [run.title for run in list_runs(tmp_path)] == ["3", "2", "1", "0"]
    assert len(list_runs(tmp_path)) == 4
    assert last_run(tmp_path).title == "0"
    assert last_run(tmp_path, "b").title == "1"
    with pytest.raises(DataFileError, match="no run of kind c"):
        last_run(tmp_path, "c")
    with pytest.raises(DataFileError, match="there is no run"):
        last_run(tmp_path / "nowhere")


def test_what_is_no_run_is_named_and_not_crashed_on(tmp_path: Path) -> None:
    good = new_run(tmp_path, "grid", "good", "")
    (tmp_path / "notes.txt").write_text("a file is no folder")
    (tmp_path / "photos").mkdir()
    contents = {
        "text": b"not json", "list": b"[1]", "bytes": b"\xff\xfe", "empty": b"", "field": b'{"format": 1}',
        "newer": b'{"format": 2, "checksum": ""}', "number": b'{"format": 1, "checksum": 3, "kind": 4}',
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_bytes(content)
    found = list_runs(tmp_path)
    assert found.runs == (good,)
    assert [problem.split(":")[0] for problem in found.problems] == sorted(["photos", *contents])
    reasons = dict(problem.split(": ", 1) for problem in found.problems)
    assert "no run" in reasons["photos"]
    assert "format 2, newer" in reasons["newer"]
    assert all("damaged" in reasons[name] for name in contents if name != "newer")


def test_every_changed_bit_of_a_run_is_found(tmp_path: Path) -> None:
    draw = random.Random(3)
    run = new_run(tmp_path, "grid", "bits", "x = 1\n").finish(TABLE)
    for number in range(300):
        file = run.path / ("run.json", "configuration.toml", "table.csv")[number % 3]
        content = file.read_bytes()
        if number % 2:
            place = draw.randrange(8 * len(content))
            changed = bytearray(content)
            changed[place // 8] ^= 1 << (place % 8)
        else:
            changed = bytearray(content[: draw.randrange(len(content))])
        file.write_bytes(changed)
        if file.name == "run.json":
            try:
                opened: RunFolder | None = RunFolder.open(run.path)
            except DataFileError:
                opened = None
            # Only blanks between the fields may differ without harm: what it says is the same.
            assert opened is None or (opened == run and json.loads(changed) == json.loads(content))
        else:
            assert [text.split(":")[0] for text in run.damages()] == [file.name]
            with pytest.raises(DataFileError, match="contents differ"):
                run.configuration() if file.name == "configuration.toml" else run.table()
        file.write_bytes(content)
    (run.path / "table.csv").unlink()
    assert "cannot be read" in run.damages()[0]


def test_kinds_and_names_are_plain(tmp_path: Path) -> None:
    for kind in ("", "Grid", "a/b", "../a", "1a"):
        with pytest.raises(SpecificationError, match="no plain word"):
            new_run(tmp_path, kind, "", "")
    for name in ("run.json", "../x.toml", "cells", ""):
        with pytest.raises(SpecificationError, match="cannot have this name"):
            new_run(tmp_path, "grid", "", "", configuration_file=name)
    assert not any(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFileError):
        new_run(tmp_path / "file", "grid", "", "")
    with pytest.raises(DataFileError):
        list_runs(tmp_path / "file")


def test_default_folder_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list_runs().runs == ()
    run = new_run("allocopt-runs", "grid", "here", "")
    assert last_run() == run
    assert os.listdir(tmp_path) == ["allocopt-runs"]
