"""The documentation tells the truth: its code runs as printed, its examples run, it names everything public."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

import allocopt

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEED_DATA = ("programs.py",)  # prices to be named; it has tests of its own
PUBLIC = ("allocopt", *(m.name for m in pkgutil.walk_packages(allocopt.__path__, "allocopt.") if m.ispkg))


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_run() -> None:
    pages = {_named(page) for page in PAGES}
    assert {"docs/index.md", "docs/mathematics.md", "docs/how-to.md", "docs/programs/index.md"} <= pages
    assert len(EXAMPLES) >= 3
    assert set(NEED_DATA) < {example.name for example in EXAMPLES}


def test_every_term_has_a_page_with_an_example() -> None:
    folder = ROOT / "docs" / "programs"
    contents = (folder / "index.md").read_text(encoding="utf-8")
    pages = {page.stem: page.read_text(encoding="utf-8") for page in folder.glob("*.md") if page.stem != "index"}
    for stem, text in pages.items():
        assert f"({stem}.md)" in contents
        assert {"## Example", "## Pitfalls", "## Reference"} <= set(re.findall(r"^## \w+", text, re.MULTILINE)), stem
        assert "$$" in text, stem
        assert ">>> " in text, stem
    everything = "".join(pages.values())
    for name in importlib.import_module("allocopt.solvers.terms").__all__:
        if name not in ("Term", "Context"):
            assert re.search(rf"\b{name}\b", everything), name


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_code_on_the_page_prints_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    # A fence right after an expected output would be read as part of it. Blank lines keep the line numbers.
    text = re.sub(r"^ *```.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, page.name, str(page), 0)
    report: list[str] = []
    doctest.DocTestRunner().run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.name not in NEED_DATA], ids=_named)
def test_example_runs_on_its_own(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example), str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.strip()


PROGRAMS = ROOT / "examples" / "programs.py"


def _run_programs(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_gallery_on_prices_of_ones_own(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    tickers = [f"S{i}" for i in range(9)]
    dates = pd.bdate_range("2020-01-01", periods=330, name="date")
    prices = pd.DataFrame(100 * np.exp(rng.normal(0, 0.012, (330, 9)).cumsum(axis=0)), dates, tickers)
    file = tmp_path / f"prices.{kind}"
    prices.to_csv(file) if kind == "csv" else prices.to_parquet(file)
    pd.Series([f"sector {i % 4}" for i in range(9)], pd.Index(tickers, name="ticker"), name="sector").to_csv(
        tmp_path / "sectors.csv"
    )
    arguments = ("--prices", str(file), "--sectors", str(tmp_path / "sectors.csv"), "--output", str(tmp_path / "out"))
    done = _run_programs(tmp_path, str(PROGRAMS), *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for text in ("turnover a month, most", "months failed", "closed form", "separable, compiled", "cvxpy, clarabel"):
        assert text in done.stdout
    weights = pd.read_csv(tmp_path / "out" / "weights.csv", index_col=0, parse_dates=True)
    assert list(weights.columns) == tickers
    assert len(weights) == 5  # month ends after the first year
    assert weights.to_numpy().max() <= 0.15
    assert (tmp_path / "out" / "programs.png").stat().st_size > 20_000
    assert {path.name for path in tmp_path.iterdir()} == {file.name, "sectors.csv", "out"}


def test_gallery_says_where_prices_come_from(tmp_path: Path) -> None:
    code = f"import runpy, sys; sys.modules['skfolio'] = None; runpy.run_path({str(PROGRAMS)!r}, run_name='__main__')"
    done = _run_programs(tmp_path, "-c", code)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "pip install skfolio, or pass --prices FILE" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("module", PUBLIC)
def test_reference_names_everything_public(module: str) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").iterdir())
    for name in importlib.import_module(module).__all__:
        if not name.startswith("__"):
            entry = rf"^\.\. auto\w+:: allocopt[\w.]*\.{name}(\(\))?$"
            assert re.search(entry, pages, re.MULTILINE), f"{module}.{name}"


def test_docstrings_have_examples() -> None:
    found = doctest.DocTestFinder().find(importlib.import_module("allocopt.allocation"))
    assert sum(len(test.examples) for test in found) > 0
