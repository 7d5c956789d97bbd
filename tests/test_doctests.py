"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import allocopt

NAMES = sorted(module.name for module in pkgutil.walk_packages(allocopt.__path__, "allocopt."))
MODULES = ["allocopt", *(name for name in NAMES if not name.endswith("__main__"))]


def test_the_package_has_been_walked() -> None:
    assert {"allocopt.allocation", "allocopt.solvers.projection", "allocopt.backtests.rotation"} <= set(MODULES)
    assert {"allocopt.costs", "allocopt.solvers.program", "allocopt.solvers.terms.risk"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0
