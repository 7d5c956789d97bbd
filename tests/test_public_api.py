"""Public names exist and are documented; importing is light; the layout is packaged as it is."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import allocopt
from allocopt import errors

PUBLIC = ("allocopt", *(m.name for m in pkgutil.walk_packages(allocopt.__path__, "allocopt.") if m.ispkg))
NAMES = [(module, name) for module in PUBLIC for name in importlib.import_module(module).__all__]
ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("numba", "cvxpy", "matplotlib", "scipy.optimize", "arch", "statsmodels")


def checkout() -> Path:
    """Root of the checkout that these tests are part of, or a skip."""
    project = ROOT / "pyproject.toml"
    if not project.is_file() or not (ROOT / "solvers" / "__init__.py").is_file():
        pytest.skip("the tests are not in a checkout of allocopt")
    return ROOT


def documented_constants() -> set[str]:
    """Names that a ``#:`` comment documents, anywhere in the package."""
    found = set()
    for module in pkgutil.walk_packages(allocopt.__path__, "allocopt."):
        if module.name.endswith("__main__"):
            continue
        lines = inspect.getsource(importlib.import_module(module.name)).splitlines()
        for comment, line in pairwise(lines):
            if comment.startswith("#:"):
                found.add(line.split("=")[0].split(":")[0].strip())
    return found


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_public_names_exist_and_are_documented(module: str, name: str) -> None:
    thing: Any = getattr(importlib.import_module(module), name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        text = inspect.getdoc(thing)
        assert text
        assert len(text) > 20
        assert not text.startswith(f"{name}(")  # what dataclasses write when nobody else does
    elif name != "__version__":
        assert name in documented_constants()


@pytest.mark.parametrize("module", PUBLIC)
def test_all_is_complete_and_without_duplicates(module: str) -> None:
    namespace = importlib.import_module(module)
    assert namespace.__doc__
    assert len(set(namespace.__all__)) == len(namespace.__all__)


def test_every_module_says_what_it_is_for() -> None:
    names = [m.name for m in pkgutil.walk_packages(allocopt.__path__, "allocopt.") if not m.name.endswith("__main__")]
    assert len(names) > 10
    for name in names:
        assert importlib.import_module(name).__doc__, name


def test_every_exception_has_the_base() -> None:
    kinds = {
        thing
        for module in (allocopt, errors)
        for thing in vars(module).values()
        if inspect.isclass(thing) and issubclass(thing, BaseException) and thing.__module__.startswith("allocopt")
    }
    assert len(kinds) >= 7
    assert all(issubclass(kind, allocopt.AllocoptError) for kind in kinds)
    for kind in kinds:
        assert kind.__name__ in allocopt.__all__


def test_public_things_are_named_as_they_are_imported() -> None:
    assert allocopt.__version__
    assert all(part.isdigit() for part in allocopt.__version__.split(".")[:2])


def test_importing_is_light() -> None:
    code = "import json, sys, allocopt; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "allocopt.solvers.projection" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("folder", ["solvers", "backtests"])
def test_folders_refuse_their_bare_names(folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=checkout(), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "ImportError" in done.stderr
    assert f"import this package as allocopt.{folder}" in done.stderr


def test_every_package_is_listed() -> None:
    root = checkout()
    listed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = set()
    for top, prefix in (("allocopt", ""), ("solvers", "allocopt."), ("backtests", "allocopt.")):
        for init in (root / top).rglob("__init__.py"):
            parts = init.parent.relative_to(root).parts
            if parts[:2] not in (("allocopt", "solvers"), ("allocopt", "backtests")):  # the links
                found.add(prefix + ".".join(parts))
    assert found == set(listed)
    assert len(listed) == len(set(listed))
