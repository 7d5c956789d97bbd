"""Keys change with whatever a result depends on, and with nothing else."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import importlib
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import Limits, SpecificationError
from allocopt.backtests.runs import CellResult, canonical_parameters, cell_keys, content_hash
from allocopt.backtests.runs._code import package_version

DATES = pd.date_range("2024-01-01", periods=4)
FRAME = pd.DataFrame(np.arange(8.0).reshape(4, 2), index=DATES, columns=["a", "b"])


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Rule:
    top: int
    limits: Limits = Limits(cap=0.5, floor=0.0)  # noqa: RUF009 - Limits is frozen


def cell(data: Any, parameters: Any) -> CellResult:
    return CellResult({"x": float(parameters["x"])})


DIFFERENT: list[Any] = [
    FRAME,
    FRAME.astype("float32"),
    FRAME.astype(int),
    FRAME.rename(columns={"a": "c"}),
    FRAME.set_axis(DATES + pd.Timedelta(days=1)),
    FRAME.set_axis(DATES.tz_localize("UTC")),
    FRAME.set_axis(DATES.as_unit("s")),
    FRAME.rename_axis("date"),
    FRAME[["b", "a"]],
    FRAME.iloc[:3],
    FRAME.iloc[::-1],
    FRAME.where(FRAME > 0),
    -0.0 * FRAME.where(FRAME < 0, 0.0),
    0.0 * FRAME,
    FRAME.assign(b=pd.Series(["x", "y", "z", None], index=DATES, dtype=object)),
    FRAME.assign(b=pd.Categorical(["x", "y", "z", "x"])),
    FRAME.assign(b=pd.array([1, None, 3, 4], dtype="Int64")),
    FRAME["a"],
    FRAME["a"].rename("z"),
    FRAME["a"].to_numpy(),
    FRAME["a"].to_numpy().reshape(2, 2),
    FRAME.index,
    pd.MultiIndex.from_product([["a", "b"], [1, 2]]),
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    {"a": 1.0, "b": 2},
    [1, 2],
    (1, 2),
    {1, 2},
    None,
    True,
    1,
    1.0,
    np.float64(1.0),
    np.float32(1.0),
    "1",
    b"1",
    float("nan"),
    pd.NaT,
    pd.NA,
    datetime.date(2024, 1, 1),
    datetime.datetime(2024, 1, 1),
    pd.Timestamp("2024-01-01"),
    pd.Timestamp("2024-01-01", tz="UTC"),
    pd.Timedelta(days=1),
    pd.offsets.MonthEnd(1),
    range(3),
    Colour.RED,
    Colour.BLUE,
    Rule(3),
    Rule(4),
    Rule(3, Limits(cap=0.4, floor=0.0)),
    cell,
    functools.partial(cell, 1),
    functools.partial(cell, 2),
    Rule,
    len,
    os,
]


def test_different_content_has_different_hashes() -> None:
    hashes = [content_hash(value) for value in DIFFERENT]
    assert len(set(hashes)) == len(DIFFERENT) == 58


def test_equal_content_has_equal_hashes() -> None:
    wide = np.asfortranarray(FRAME.to_numpy())
    assert content_hash(pd.DataFrame(wide, DATES, ["a", "b"])) == content_hash(FRAME)
    assert content_hash(FRAME.iloc[:, ::-1].iloc[:, ::-1]) == content_hash(FRAME)
    assert content_hash(Rule(3)) == content_hash(dataclasses.replace(Rule(4), top=3))
    assert content_hash({3, 1, 2}) == content_hash({2, 3, 1})
    read_only = FRAME.to_numpy().copy()
    read_only.flags.writeable = False
    assert content_hash(read_only) == content_hash(FRAME.to_numpy())


def test_hashes_hold_in_another_process() -> None:
    code = (
        "import pandas as pd; from allocopt.backtests.runs import content_hash; from allocopt import Limits;"
        "print(content_hash((pd.DataFrame({'a': [1.5, None], 'b': ['x', 'y']}), {'k', 'l', 'm'}, Limits(cap=.5), len)))"
    )
    given = {content_hash((pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]}), {"k", "l", "m"}, Limits(cap=0.5), len))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {done.stdout.strip()} == given


def test_what_cannot_be_hashed_is_named_with_a_remedy() -> None:
    with pytest.raises(SpecificationError, match=r"at data\['a'\]\[1\].*content_key\(\)"):
        content_hash({"a": [1, object()]})
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(SpecificationError, match="contains itself"):
        content_hash(loop)
    with pytest.raises(SpecificationError, match=r"parameter \['model'\]"):
        canonical_parameters({"model": object()})


def test_content_key_speaks_for_an_object() -> None:
    class Model:
        def __init__(self, name: str) -> None:
            self.name = name

        def content_key(self) -> str:
            return self.name

    assert content_hash(Model("a")) == content_hash(Model("a")) != content_hash(Model("b"))
    assert json.loads(canonical_parameters({"m": Model("a")}))["m"]["content_key"] == "a"


def test_parameters_are_written_in_one_way() -> None:
    one = canonical_parameters({"b": (1, 2.5, None), "a": {"y": np.float64(0.1), "x": np.int64(3)}, "c": np.str_("s")})
    assert one == '{"a":{"x":3,"y":0.1},"b":[1,2.5,null],"c":"s"}'
    assert canonical_parameters({"c": "s", "a": {"x": 3, "y": 0.1}, "b": [1, 2.5, None]}) == one
    plain = json.loads(canonical_parameters({"rule": Rule(3), "day": datetime.date(2024, 1, 2), "kind": Colour.RED}))
    assert plain["rule"]["top"] == 3
    assert plain["rule"]["limits"]["cap"] == 0.5
    assert plain["day"]["value"] == "2024-01-02"
    assert plain["kind"]["name"] == "RED"
    assert "sha256" in json.loads(canonical_parameters({"array": np.arange(3)}))["array"]
    with pytest.raises(SpecificationError, match="not a string"):
        canonical_parameters({"a": {1: 2}})
    with pytest.raises(SpecificationError, match="not a mapping"):
        canonical_parameters([("a", 1)])  # type: ignore[arg-type]


def _made(source: str) -> Callable[..., Any]:
    module = types.ModuleType("typed_at_a_prompt")
    exec(source, module.__dict__)
    made: Callable[..., Any] = module.__dict__["f"]
    return made


def test_keys_follow_the_code() -> None:
    sources = [
        "def f(data, p): return data + 1",
        "def f(data, p): return data + 2",
        "def f(data, p): return data - 1",
        "def f(data, p, k=1): return data + 1",
        "def f(data, p, k=2): return data + 1",
        "def f(data, p): return [x + 1 for x in data]",
        "def f(data, p): return [x + 2 for x in data]",
        "def g(y):\n def f(data, p): return y\n return f\nf = g(1)",
        "def g(y):\n def f(data, p): return y\n return f\nf = g(2)",
        "class F:\n def __call__(self, data, p): return 1\nf = F",
        "class F:\n def __call__(self, data, p): return 2\nf = F",
    ]
    hashes = [content_hash(_made(source)) for source in sources]
    assert len(set(hashes)) == len(sources)
    assert hashes == [content_hash(_made("\n\n" + source)) for source in sources]  # not where it stands


def test_keys_follow_parameters_data_function_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    (base,) = cell_keys(cell, [{"x": 1}], FRAME)
    assert cell_keys(cell, [{"x": 1}, {"x": 1}], FRAME.copy()) == [base, base]
    others = [
        cell_keys(cell, [{"x": 2}], FRAME)[0],
        cell_keys(cell, [{"x": 1}], 2 * FRAME)[0],
        cell_keys(functools.partial(cell), [{"x": 1}], FRAME)[0],
    ]
    monkeypatch.setattr("allocopt.backtests.runs.keys.package_version", lambda: "another version")
    others.append(cell_keys(cell, [{"x": 1}], FRAME)[0])
    assert len({base, *others}) == 5
    assert all(len(key) == 64 for key in others)


def test_version_covers_every_source_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from allocopt.backtests.runs import _code

    read: list[Path] = []
    whole = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(path)
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    text = _code.package_version.__wrapped__()
    assert text.startswith("allocopt 0")
    assert f"pandas {pd.__version__}" in text
    loaded = {
        Path(str(module.__file__)).resolve()
        for name, module in sys.modules.items()
        if name.split(".")[0] == "allocopt" and getattr(module, "__file__", None)
    }
    assert len(loaded) > 20
    assert loaded <= set(read)
    assert package_version() == package_version()


def test_an_edited_and_reloaded_module_is_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "edited_study.py"
    file.write_text("FACTOR = 1\ndef cell(data, parameters):\n    return data * FACTOR\n")
    module = importlib.import_module("edited_study")
    before = cell_keys(module.cell, [{"x": 1}], 1.0)
    file.write_text("FACTOR = 20\ndef cell(data, parameters):\n    return data * FACTOR\n")
    importlib.invalidate_caches()
    module = importlib.reload(module)
    assert cell_keys(module.cell, [{"x": 1}], 1.0) != before
