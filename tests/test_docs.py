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
import pytest

import allocopt

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PUBLIC = ("allocopt", "allocopt.solvers", "allocopt.backtests.rotation")


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_run() -> None:
    assert {"docs/index.md", "docs/mathematics.md", "docs/how-to.md"} <= {_named(page) for page in PAGES}
    assert len(EXAMPLES) >= 2


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
@pytest.mark.parametrize("example", EXAMPLES, ids=_named)
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


@pytest.mark.parametrize("module", PUBLIC)
def test_reference_names_everything_public(module: str) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").iterdir())
    for name in importlib.import_module(module).__all__:
        if not name.startswith("__"):
            entry = rf"^\.\. auto\w+:: allocopt[\w.]*\.{name}(\(\))?$"
            assert re.search(entry, pages, re.MULTILINE), f"{module}.{name}"


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.walk_packages(allocopt.__path__, "allocopt."))


def test_docstrings_have_examples() -> None:
    found = doctest.DocTestFinder().find(importlib.import_module("allocopt.allocation"))
    assert sum(len(test.examples) for test in found) > 0


@pytest.mark.parametrize("module", [name for name in _modules() if not name.endswith("__main__")])
def test_docstring_examples_print_what_they_say(module: str) -> None:
    report: list[str] = []
    for test in doctest.DocTestFinder().find(importlib.import_module(module)):
        doctest.DocTestRunner().run(test, out=report.append)
    assert not report, "".join(report)
