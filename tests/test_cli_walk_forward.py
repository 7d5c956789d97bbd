"""``allocopt walk-forward`` as a user meets it: a study file in, a kept run with tables, figures and a page out."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

import allocopt.study_page
from allocopt.backtests.accounting import account
from allocopt.backtests.runs import RunFolder, last_run, list_runs
from allocopt.backtests.splitters import Rolling
from allocopt.backtests.walk_forward import WalkForward, evidence
from allocopt.backtests.walk_forward import walk_forward as walk
from allocopt.study_page import (
    degradation_sentence,
    page_table,
    study_answer,
    study_figures,
    study_page,
)
from allocopt.walk_forward_command import walk_forward

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[1] / "docs" / "study-files.md"

app = typer.Typer()
app.command()(walk_forward)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, Result]:
    """The example of the documentation as a reader copies it: its folder, the dry run, the run."""
    folder = tmp_path_factory.mktemp("example")
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(python|toml)\n(?!>>>)(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (folder / "trend.py").write_text(blocks[0][1])
    (folder / "trend.toml").write_text(blocks[1][1])
    from arch.data import nasdaq, sp500

    closes = pd.DataFrame({"SPX": sp500.load()["Adj Close"], "IXIC": nasdaq.load()["Adj Close"]})
    closes.to_csv(folder / "closes.csv", index_label="date")
    dry = call(folder / "trend.toml", "--dry-run", "--runs", folder / "runs")
    assert not (folder / "runs").exists()
    return folder, dry, call(folder / "trend.toml", "--runs", folder / "runs", "--jobs", "1")


def test_the_example_prints_what_the_page_says(example: tuple[Path, Result, Result]) -> None:
    _, dry, done = example
    assert dry.exit_code == 0, dry.output
    assert done.exit_code == 0, done.output
    shown = re.findall(r"^```text\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert shown[0] in dry.stdout
    assert shown[1] in done.stdout
    assert shown[2] in done.stdout


def test_a_dry_run_counts_the_cells_that_the_run_then_has(example: tuple[Path, Result, Result]) -> None:
    _, dry, done = example
    count = re.search(r"5 folds x 8 configurations: (\d+) cells", dry.stdout)
    assert count is not None
    assert f"{count[1]} cells run, 0 kept from before" in done.stdout
    assert re.search(r"About \d+ ms a cell on the longest fold, so at most about .* with \d process", dry.stdout)


def test_the_run_is_kept_whole(example: tuple[Path, Result, Result]) -> None:
    folder, _, _ = example
    (run,) = list_runs(folder / "runs").runs
    assert (run.status, run.kind, run.title) == (
        "finished",
        "walk-forward",
        "Two indices, each held above its moving average",
    )
    assert run.configuration() == (folder / "trend.toml").read_text()
    assert not run.damages()
    files = {path.name for path in run.path.iterdir()}
    named = set(re.findall(r"`([a-z-]+\.(?:csv|png|html|toml|json))`", PAGE.read_text(encoding="utf-8")))
    assert named - {"closes.csv", "trend.toml"} <= files
    assert {name for name in files if not name.startswith((".", "cells"))} <= named
    history = pd.read_csv(run.path / "history.csv", index_col="date", parse_dates=True)
    assert list(history) == ["equity", "returns", "benchmark", "baseline"]
    table = run.table()
    last = float(history["equity"].to_numpy()[-1])
    totals = table["total_return"].to_dict()
    assert totals["walk-forward"] == pytest.approx(last - 1.0, abs=1e-12)
    assert np.prod(1.0 + history["returns"].to_numpy()[1:]) == pytest.approx(last, rel=1e-12)
    grown = float(np.prod(1.0 + history["benchmark"].to_numpy()[1:]))
    assert totals["benchmark"] == pytest.approx(grown - 1.0, abs=1e-12)


class Reader(HTMLParser):
    """What a browser would have to fetch or run, headings, and the cells of the tables."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.headings: list[str] = []
        self.tables: list[list[str]] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open = tag
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag == "table":
            self.tables.append([])
        if tag in ("td", "th"):
            self.tables[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("td", "th"):
            self.tables[-1][-1] += data
        if self._open in ("h1", "h2"):
            self.headings.append(data)


def read_page(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_the_page_needs_nothing_else(example: tuple[Path, Result, Result]) -> None:
    folder, _, done = example
    run = last_run(folder / "runs")
    text = (run.path / "summary.html").read_text(encoding="utf-8")
    page = read_page(text)
    assert len(page.fetched) == 4
    assert all(source.startswith("data:image/png;base64,") for source in page.fetched)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    assert "url(" not in text
    assert "@import" not in text
    assert page.headings == [
        "Two indices, each held above its moving average", "Out of sample, beside each other", "The history",
        "Could it be luck?", "How sure are the figures?", "Overfitting of the grid", "In sample and out of sample",
        "What was chosen", "What the changes cost", "Fold by fold", "Data", "Configuration",
    ]  # fmt: skip
    first = page.tables[0]
    assert first[first.index("walk-forward") + 1] == "2.83"  # percent, as the printed 0.02832
    verdict = "The study does not survive: it fails the deflated Sharpe ratio and the test of superior ability."
    assert text.index(verdict) < text.index("<h2>")
    assert verdict in done.stdout
    proof = pd.read_csv(run.path / "evidence.csv", index_col="test")
    second = page.tables[1]
    for test, row in proof.iterrows():
        place = second.index(str(test))
        assert second[place + 1 : place + 5] == row.tolist()
    for name in ("history", "scores", "chosen", "overfitting"):
        assert (run.path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


SMALL = """
title = "Small <b>&"
kind = "hold.py:hold"
[data]
prices = "closes.csv"
[grid]
column = ["A", "B", "C"]
[splitter]
kind = "rolling"
train = 100
test = 100
incomplete = "keep"
[selection]
periods_per_year = 252
[evidence]
replications = 99
blocks = 4
"""

HOLD = """
import time
from pathlib import Path
HERE = Path({here!r})

def hold(closes, parameters):
    if (HERE / "slow").exists():
        time.sleep(0.15)
    if (HERE / "broken").exists() and parameters["column"] == "C":
        raise KeyError("no such ticker")
    return closes[parameters["column"]].pct_change().fillna(0.0)
"""


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out where a test is about something else: they take most of the time of a small run."""
    monkeypatch.setattr("allocopt.study_page.study_figures", lambda found, proof: {"history": b"drawn elsewhere"})


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A study of three columns of noise in four folds."""
    rng = np.random.default_rng(5)
    days = pd.bdate_range("2020-01-01", periods=501, name="date")
    closes = 100 * np.exp(rng.normal(0, 0.01, (501, 3)).cumsum(axis=0))
    pd.DataFrame(closes, days, list("ABC")).to_csv(tmp_path / "closes.csv")
    (tmp_path / "hold.py").write_text(HOLD.format(here=str(tmp_path)))
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


def test_resume_repeats_nothing_and_guards_what_was_edited(small: Path, undrawn: None) -> None:
    where = ("--runs", small / "runs", "--jobs", "1")
    first = call(small / "small.toml", *where)
    assert first.exit_code == 0, first.output
    assert "12 cells run, 0 kept from before" in first.stdout
    assert "Not tested: Superior ability (no benchmark)" in first.stdout
    run = last_run(small / "runs")
    page = (run.path / "summary.html").read_text(encoding="utf-8")
    assert "<h1>Small &lt;b&gt;&amp;</h1>" in page
    assert "<b>" not in page
    before = {path.name: path.read_bytes() for path in run.path.glob("*.csv")}
    again = call(small / "small.toml", *where, "--resume")
    assert again.exit_code == 0, again.output
    assert "0 cells run, 12 kept from before" in again.stdout
    assert again.stdout.split("\n")[1:] == first.stdout.split("\n")[1:]
    assert {path.name: path.read_bytes() for path in run.path.glob("*.csv")} == before
    assert len(list_runs(small / "runs").runs) == 1

    (run.path / "folds.csv").write_text("mine")
    edited = call(small / "small.toml", *where, "--resume")
    assert edited.exit_code == 2
    assert re.search(r"folds\.csv exists.*was changed since.*move it away, and go on with --resume", edited.stderr)
    assert last_run(small / "runs").status == "interrupted"
    (run.path / "folds.csv").unlink()
    (run.path / "table.csv").unlink()  # lost: it is written again
    assert call(small / "small.toml", *where, "--resume").exit_code == 0
    assert last_run(small / "runs").damages() == ()

    (small / "small.toml").write_text(SMALL.replace("99", "100"))
    other = call(small / "small.toml", *where, "--resume")
    assert other.exit_code == 2
    assert re.search(r"the study file was changed since its last run at .*study\.toml", other.stderr)
    assert "no run of this study file is kept" in call(small / "small.toml", "--resume", "--runs", small / "no").stderr
    assert not (small / "no").exists()


def test_a_study_that_raises_keeps_what_was_finished(small: Path, undrawn: None) -> None:
    (small / "broken").touch()
    where = ("--runs", small / "runs", "--jobs", "1")
    failed = call(small / "small.toml", *where)
    assert failed.exit_code == 1
    assert isinstance(failed.exception, KeyError)
    assert any('{"column":"C"}' in note for note in failed.exception.__notes__)
    assert "go on with --resume" in failed.stderr
    run = last_run(small / "runs")
    assert run.status == "interrupted"
    assert kept(run) == 2
    (small / "broken").unlink()
    assert "10 cells run, 2 kept from before" in call(small / "small.toml", *where, "--resume").stdout


def kept(run: RunFolder) -> int:
    path = run.path / "cells" / "cells.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM cells").fetchone()[0])
        except sqlite3.OperationalError:  # not made yet
            return 0


def stopped(small: Path, sign: signal.Signals, *arguments: str, least: int) -> tuple[subprocess.Popen[str], str]:
    """Start the command, wait for some kept cells, and send its group a signal, as a terminal does."""
    command = [sys.executable, "-m", "allocopt", "walk-forward", "small.toml", *arguments]
    child = subprocess.Popen(
        command, cwd=small, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"MPLBACKEND": "Agg"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120.0
        while not any(kept(run) >= least for run in list_runs(small / "allocopt-runs").runs):
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(child.pid, sign)
        _, errors = child.communicate(timeout=60)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    return child, errors


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a group of processes")
def test_ctrl_c_and_a_kill_lose_no_finished_cell(small: Path, undrawn: None) -> None:
    """Two processes are stopped, the run goes on and is killed, and goes on again; the workers read hold.py."""
    (small / "slow").touch()
    child, errors = stopped(small, signal.SIGINT, "--jobs", "2", least=2)
    assert child.returncode == 130, errors
    assert "Finished cells are kept in allocopt-runs" in errors
    assert "allocopt: stopped before it was done" in errors
    assert "Traceback" not in errors
    run = last_run(small / "allocopt-runs")
    assert run.status == "interrupted"
    assert not (run.path / "summary.html").exists()
    before = kept(run)
    assert before >= 2

    child, _ = stopped(small, signal.SIGKILL, "--jobs", "1", "--resume", least=before + 1)
    assert child.returncode == -signal.SIGKILL
    run = last_run(small / "allocopt-runs")
    assert run.status == "running"
    after = kept(run)
    assert before < after < 12

    (small / "slow").unlink()
    done = call(small / "small.toml", "--runs", small / "allocopt-runs", "--jobs", "1", "--resume")
    assert f"{12 - after} cells run, {after} kept from before" in done.stdout, done.output
    assert len(list_runs(small / "allocopt-runs").runs) == 1
    assert last_run(small / "allocopt-runs").status == "finished"


def test_nothing_is_begun_that_cannot_be_done(small: Path) -> None:
    for text, words in (
        (SMALL.replace("train = 100", "train = 900"), "too short for one fold"),
        (SMALL.replace('"hold.py:hold"', '"gone.py:hold"'), "gone.py"),
        (SMALL.replace("blocks", "block"), "an unknown key at [evidence] of small.toml: 'block'"),
    ):
        (small / "small.toml").write_text(text)
        done = call(small / "small.toml", "--runs", small / "runs")
        assert done.exit_code == 2
        assert words in done.stderr
    assert "0 is no number of processes at --jobs" in call(small / "small.toml", "--jobs", "0").stderr
    assert "there is no file" in call(small / "none.toml").stderr
    assert not (small / "runs").exists()


def test_combinatorial_splits_have_paths_and_no_verdict(small: Path) -> None:
    splitter = 'kind = "combinatorial"\ngroups = 4\ntest_groups = 2'
    (small / "small.toml").write_text(re.sub(r'kind = "rolling".*?"keep"', splitter, SMALL, flags=re.DOTALL))
    dry = call(small / "small.toml", "--dry-run")
    assert "6 splits, 3 configurations run once each: 3 cells" in dry.stdout
    done = call(small / "small.toml", "--runs", small / "runs", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert "3 cells run" in done.stdout
    assert "Combinatorial splits make 3 histories of the same rows." in done.stdout
    run = last_run(small / "runs")
    assert not (run.path / "evidence.csv").exists()
    assert list(pd.read_csv(run.path / "history.csv", index_col="date")) == ["path 0", "path 1", "path 2"]
    page = (run.path / "summary.html").read_text(encoding="utf-8")
    assert "Combinatorial splits make 3 histories" in page
    assert "Could it be luck?" not in page
    assert read_page(page).tables[0].count("path 0") == 1
    assert (run.path / "history.png").read_bytes().startswith(b"\x89PNG")


def noise(columns: int = 3, rows: int = 400, seed: int = 3) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(0.0, 0.01, (rows, columns))
    values[0] = 0.0
    return pd.DataFrame(values, pd.bdate_range("2020-01-01", periods=rows))


def study(data: pd.DataFrame, columns: list[int]) -> WalkForward:
    return walk(
        lambda table, p: table[p["column"]], {"column": columns}, data, Rolling(100, 100, incomplete="drop"),
        periods_per_year=252,
    )  # fmt: skip


def drawn(found: WalkForward, title: str = "A title") -> str:
    proof = None if found.bankrupt is not None or found.paths is not None else evidence(found, replications=99)
    return study_page(
        title, found, proof, answer=study_answer(found, proof, "the account was lost"), subtitle="a & b",
        notes=["<i>note</i>"], configuration='a = "<script>"', figures=allocopt.study_page.study_figures(found, proof),
    )  # fmt: skip


def test_a_page_of_one_configuration_has_no_figure_of_a_choice() -> None:
    found = study(noise(), [1])
    assert list(study_figures(found, None)) == ["history", "chosen"]
    assert "median configuration" not in degradation_sentence(found)
    text = drawn(found)
    assert len(read_page(text).fetched) == 2
    assert "one configuration: nothing was chosen" in text
    assert "<script>" not in text
    assert "<i>" not in text
    assert "nan" not in " ".join(map(" ".join, read_page(text).tables)).lower()


def test_a_lost_account_is_said_first(undrawn: None) -> None:
    closes = pd.DataFrame({"A": np.ones(400)}, pd.bdate_range("2020-01-01", periods=400))
    closes.iloc[1::2] *= 1.01
    closes.iloc[250:] *= 3.0
    days = pd.DatetimeIndex(closes.index)
    found = walk(
        lambda table, p: account(pd.DataFrame(-p["short"], table.index, ["A"]), table), {"short": [1.0]},
        closes, Rolling(100, 100, incomplete="drop"), periods_per_year=252,
    )  # fmt: skip
    assert found.bankrupt == days[250]
    answer = study_answer(found, None, "there is no Sharpe ratio to test")
    assert answer == [
        f"The account was lost on {days[250]:%Y-%m-%d}: the study does not survive.",
        "The tests of luck could not be made: there is no Sharpe ratio to test.",
    ]
    assert answer[0] in drawn(found)


def test_tables_are_written_for_readers() -> None:
    frame = pd.DataFrame(
        {"cagr": [0.12345, np.nan], "sharpe": [1.23456, -0.5], "of": [12345, 3], "chosen": [True, False],
         "why": ["a reason", "another"], "test_start": [pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-02 06:30")]},
        index=pd.Index(["a", "b"], name="the_name"),
    )  # fmt: skip
    table = page_table(frame)
    assert list(table.header) == ["the name", "cagr, %", "sharpe", "of", "chosen", "why", "test start"]
    assert list(table.rows[0]) == ["a", "12.35", "1.235", "12,345", "yes", "a reason", "2020-01-02"]
    assert list(table.rows[1]) == ["b", "-", "-0.5", "3", "no", "another", "2020-01-02 06:30"]
    assert list(table.prose) == [5]
    double = page_table(
        pd.DataFrame({"share": [0.5]}, pd.MultiIndex.from_tuples([("n", 4)], names=["parameter", None]))
    )
    assert (list(double.header), list(double.rows[0])) == (["parameter", "", "share, %"], ["n", "4", "50.00"])


def test_a_long_list_of_failures_is_cut_on_the_page_and_says_so(monkeypatch: pytest.MonkeyPatch, undrawn: None) -> None:
    """Five of six configurations have no score in the first fold."""
    monkeypatch.setattr("allocopt.study_page.LONGEST", 3)

    def late(table: pd.DataFrame, p: dict[str, int]) -> pd.Series[float]:
        return table[0] if p["n"] == 0 else table[0].where(np.arange(len(table)) >= 150)

    found = walk(
        late, {"n": list(range(6))}, noise(1), Rolling(100, 200, incomplete="drop"), periods_per_year=252,
        check_causality=False,
    )  # fmt: skip
    assert len(found.failures) == 5
    text = drawn(found)
    page = read_page(text)
    assert "Not scored" in page.headings
    assert "The first 3 of 5; failures.csv has all." in text
    (table,) = [table for table in page.tables if "why" in table]
    assert len(table) == 4 * 4
