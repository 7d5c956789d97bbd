"""``allocopt runs`` and ``allocopt show`` as a user meets them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from allocopt.backtests.runs import CellResult, RunFolder, new_run, run_cells
from allocopt.runs_command import runs, show

app = typer.Typer()
app.command()(runs)
app.command()(show)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def kept(tmp_path: Path) -> list[RunFolder]:
    """A finished run with cells, a running one without, in one folder."""
    first = new_run(tmp_path, "grid", "the first grid", "top = 3\n")
    with first.store() as store:
        curve = pd.DataFrame({"equity": [1.0, 2.0]}, index=pd.date_range("2024-01-01", periods=2))
        run_cells(lambda data, p: CellResult({"y": p["x"]}, curve), [{"x": 1}, {"x": 2}], None, store=store)
    table = pd.DataFrame(
        {"sharpe": [1 / 3, float("nan")], "trades": [3, 12345]}, index=pd.Index(["a", "b"], name="row")
    )
    first = first.finish(table)
    object.__setattr__(first, "created", "2024-01-01T00:00:00+00:00")
    return [first.written(), new_run(tmp_path, "walk", "a walk", "")]


def test_runs_lists_what_is_kept(tmp_path: Path, kept: list[RunFolder]) -> None:
    done = call("runs", "--runs", tmp_path)
    assert done.exit_code == 0, done.output
    header, first, second = done.stdout.splitlines()
    assert header.split() == ["run", "status", "cells", "version", "title"]
    assert first.split()[:3] == [kept[0].name, "finished", "2"]
    assert first.endswith("the first grid")
    assert second.split()[:3] == [kept[1].name, "running", "-"]
    only = call("runs", "--runs", tmp_path, "--kind", "walk")
    assert kept[0].name not in only.stdout
    assert kept[1].name in only.stdout


def test_runs_names_what_is_none(tmp_path: Path, kept: list[RunFolder]) -> None:
    (kept[1].path / "run.json").write_text("{")
    (kept[0].path / "cells" / "cells.sqlite").write_text("not a database")
    (tmp_path / "photos").mkdir()
    done = call("runs", "--runs", tmp_path)
    assert done.exit_code == 0
    assert f"{kept[1].name}: run.json is damaged" in done.stderr
    assert "photos: there is no run.json" in done.stderr
    assert kept[0].name in done.stdout
    assert "finished  damaged" in done.stdout
    empty = call("runs", "--runs", tmp_path / "nowhere")
    assert empty.exit_code == 0
    assert "No run is kept in" in empty.stdout
    assert "No walk run is kept" in call("runs", "--runs", tmp_path / "nowhere", "--kind", "walk").stdout


def test_show_prints_the_table_of_the_last_or_the_named_run(tmp_path: Path, kept: list[RunFolder]) -> None:
    done = call("show", "--runs", tmp_path, "--kind", "grid")
    assert done.exit_code == 0, done.output
    for part in (kept[0].name, "the first grid", "finished, made 2024-01-01", "command: ", "0.333333", "12345", "-"):
        assert part in done.stdout, part
    for name in (kept[0].name, kept[0].name[:8], str(kept[0].path)):
        assert call("show", name, "--runs", tmp_path).stdout == done.stdout
    assert call("show", kept[0].name, "--runs", tmp_path, "--configuration").stdout == "top = 3\n"


def test_show_says_why_it_cannot(tmp_path: Path, kept: list[RunFolder]) -> None:
    new_run(tmp_path, "grid", "another", "")
    for arguments, text in (
        ((), "has no table yet"),
        (("nothing",), "no run has this name"),
        (("grid",), "2 runs begin with this name"),
        (("--kind", "other"), "there is no run of kind other"),
    ):
        done = call("show", *arguments, "--runs", tmp_path)
        assert done.exit_code == 2
        assert text in done.stderr
        assert "Remedy:" in done.stderr
        assert done.stdout == ""


def test_show_verifies_every_file(tmp_path: Path, kept: list[RunFolder]) -> None:
    done = call("show", kept[0].name, "--runs", tmp_path, "--verify")
    assert done.exit_code == 0
    assert done.stdout == f"{kept[0].name}: no damage\n"
    (file,) = (kept[0].path / "cells").glob("curves-*.parquet")
    file.write_bytes(file.read_bytes()[:-1])
    (kept[0].path / "table.csv").write_text("row,sharpe\n")
    done = call("show", kept[0].name, "--runs", tmp_path, "--verify")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "table.csv: contents differ from the checksum of the run"
    assert lines[1].startswith(f"{file.name}: contents differ")
    assert '{"x":1}, {"x":2}' in lines[1]
    assert lines[2] == f"{kept[0].name}: 2 damages"
