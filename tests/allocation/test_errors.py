"""Bad input gets a typed error that names the date, the sleeve, the value and what to do."""

from __future__ import annotations

import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import AllocoptError, InputError, LabelError, Limits, ShapeError, SpecificationError, allocate
from allocopt.solvers import Heuristic, Projection, Reference

NAN, INF = float("nan"), float("inf")
DATES = pd.date_range("2020-03-12", periods=2)


def frame(*values: Any, dtype: Any = None) -> pd.DataFrame:
    return pd.DataFrame([[1.0, 2.0], list(values)], index=DATES, columns=["P1", "P2"], dtype=dtype)


BAD: list[tuple[Any, type[AllocoptError], list[str]]] = [
    ([1.0, NAN], InputError, ["missing", "column 1", "nan", "exclude"]),
    ([1.0, None], InputError, ["missing", "column 1", "exclude"]),
    ([1.0, pd.NA], InputError, ["missing", "column 1", "exclude"]),
    ((INF, 1.0), InputError, ["infinite", "column 0", "inf", "finite"]),
    ([10**400, 1.0], InputError, ["infinite", "column 0"]),
    ([1.0, -0.5], InputError, ["negative", "column 1", "-0.5", "not live"]),
    ([1.0, -INF], InputError, ["negative", "column 1", "-inf"]),
    ([1.0, -5e-324], InputError, ["negative", "column 1", "5e-324"]),
    ([1.0, "2.0"], InputError, ["not a real number", "column 1", "'2.0'", "floats"]),
    ([1.0, 1j], InputError, ["not a real number", "column 1", "1j"]),
    ({"a": 1.0, "b": -1.0}, InputError, ["negative", "sleeve 'b'", "-1.0"]),
    ({"a": "x"}, InputError, ["not a real number", "sleeve 'a'", "'x'"]),
    (pd.Series([1.0, NAN], index=["x", "y"]), InputError, ["missing", "sleeve 'y'"]),
    (pd.Series(["1", "2"], index=["x", "y"]), InputError, ["not a real number", "sleeve 'x'", "'1'"]),
    (np.array([[1.0, 2.0], [3.0, NAN]]), InputError, ["missing", "row 1, column 1", "nan"]),
    (np.array([[1.0, 2.0], [-3.0, NAN]]), InputError, ["negative", "row 1, column 0", "-3.0"]),
    (np.array([["1", "b"]]), InputError, ["not a real number", "row 0, column 0", "'1'"]),
    (np.array([1.0 + 1j, 2.0]), InputError, ["not a real number", "column 0"]),
    (frame(1.0, NAN), InputError, ["missing", "date 2020-03-13, sleeve 'P2'", "nan", "exclude"]),
    (frame(-2.0, 1.0), InputError, ["negative", "date 2020-03-13, sleeve 'P1'", "-2.0"]),
    (frame(INF, 1.0), InputError, ["infinite", "date 2020-03-13, sleeve 'P1'", "inf"]),
    (frame("x", 1.0), InputError, ["not a real number", "date 2020-03-13, sleeve 'P1'", "'x'"]),
    (frame(None, 1.0, dtype="Float64"), InputError, ["missing", "date 2020-03-13, sleeve 'P1'"]),
    (frame(DATES[0], 1.0), InputError, ["not a real number", "date 2020-03-13, sleeve 'P1'"]),
    ([], ShapeError, ["no sleeve", "at least one"]),
    ({}, ShapeError, ["no sleeve"]),
    (np.empty(0), ShapeError, ["no sleeve"]),
    (np.empty((3, 0)), ShapeError, ["no sleeve", "(3, 0)"]),
    (pd.DataFrame(index=DATES), ShapeError, ["no sleeve"]),
    (pd.Series([], dtype=float), ShapeError, ["no sleeve"]),
    (np.array(1.0), ShapeError, ["neither 1-D nor 2-D", "()"]),
    (np.ones((2, 2, 2)), ShapeError, ["neither 1-D nor 2-D", "(2, 2, 2)", "DataFrame"]),
    ([[1.0, 2.0], [3.0, 4.0]], ShapeError, ["more than one dimension", "2-D array"]),
    (1.0, ShapeError, ["no container", "float"]),
    ("12", ShapeError, ["no container", "str"]),
    (None, ShapeError, ["no container", "NoneType"]),
    ({1.0, 2.0}, ShapeError, ["no container", "set"]),
    (pd.Series([1.0, 2.0], index=["x", "x"]), LabelError, ["duplicate sleeve", "'x'"]),
    (pd.DataFrame([[1.0, 2.0]], columns=["x", "x"]), LabelError, ["duplicate sleeve", "'x'"]),
    (pd.DataFrame([[1.0], [2.0]], index=DATES[[0, 0]]), LabelError, ["duplicate date", "2020-03-12"]),
]


def check(error: AllocoptError, kind: type[AllocoptError], words: list[str]) -> None:
    assert type(error) is kind
    assert isinstance(error, AllocoptError)
    message = str(error)
    for word in [*words, "Remedy:"]:
        assert word in message
    assert "np.float64" not in message
    assert error.remedy in message
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == message
    assert (again.what, again.where, again.remedy) == (error.what, error.where, error.remedy)


@pytest.mark.parametrize(("given", "kind", "words"), BAD)
@pytest.mark.parametrize("solver", ["euclidean", "kl", "heuristic"])
def test_bad_desirability(given: Any, kind: type[AllocoptError], words: list[str], solver: Any) -> None:
    with pytest.raises(AllocoptError) as caught:
        allocate(given, solver=solver)
    check(caught.value, kind, words)


@pytest.mark.parametrize("bad", [INF, -1.0, "x"])
def test_exclude_excludes_only_what_is_missing(bad: Any) -> None:
    with pytest.raises(InputError, match="column 1"):
        allocate([NAN, bad, 1.0], missing="exclude")


def test_the_reference_reports_like_the_projection() -> None:
    for given in ([1.0, NAN], [1.0, -1.0], [INF, 1.0]):
        with pytest.raises(InputError) as fast:
            allocate(given)
        with pytest.raises(InputError) as slow:
            allocate(given, solver=Reference())
        assert str(fast.value) == str(slow.value)
    with pytest.raises(SpecificationError, match="13"):
        allocate(np.ones(13), solver=Reference())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cap": 40}, ["cap", "40.0", "0.40 for 40 %"]),
        ({"floor": 5}, ["floor", "5.0"]),
        ({"cap": 1.0000001}, ["cap", "1.0000001"]),
        ({"cap": -0.1}, ["cap", "-0.1"]),
        ({"floor": -0.1}, ["floor", "-0.1"]),
        ({"floor": 0.5}, ["floor", "0.5", "cap 0.4"]),
        ({"budget": 0}, ["budget", "0.0"]),
        ({"budget": 1.5}, ["budget", "1.5", "leverage"]),
        ({"budget": -1.0}, ["budget", "-1.0"]),
        ({"cap": NAN}, ["cap", "nan", "finite"]),
        ({"floor": INF}, ["floor", "inf"]),
        ({"cap": True}, ["cap", "True"]),
        ({"budget": "1"}, ["budget", "'1'"]),
        ({"floor": None}, ["floor", "finite number"]),
        ({"cap": [0.4, 0.3]}, ["cap", "[0.4, 0.3]", "per-sleeve"]),
        ({"cap": np.array([0.4])}, ["cap", "per-sleeve"]),
        ({"cap": 1j}, ["cap", "1j"]),
    ],
)
def test_bad_limits(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(AllocoptError) as caught:
        Limits(**settings)
    check(caught.value, SpecificationError, words)


def test_numbers_that_are_no_floats_become_floats() -> None:
    settings: dict[str, Any] = {"cap": np.float32(0.5), "floor": Fraction(1, 4), "budget": 1}
    limits = Limits(**settings)
    assert limits == Limits(0.5, 0.25, 1.0)
    assert {type(limits.cap), type(limits.floor), type(limits.budget)} == {float}
    assert allocate([Decimal(1), Fraction(1)]).weights == [0.4, 0.4]


BAD_CALLS: list[tuple[dict[str, Any], list[str]]] = [
    ({"solver": "euclid"}, ["unknown solver", "'euclid'", "euclidean, kl, heuristic"]),
    ({"solver": Projection}, ["not a solver"]),
    ({"solver": None}, ["not a solver"]),
    ({"missing": "drop"}, ["missing", "'drop'", "'exclude'"]),
    ({"missing": None}, ["missing", "'raise'"]),
    ({"limits": 0.4}, ["not a Limits", "0.4", "Limits(cap="]),
    ({"limits": {"cap": 0.4}}, ["not a Limits"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_CALLS)
def test_bad_options(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(AllocoptError) as caught:
        allocate([1.0, 2.0], **arguments)
    assert type(caught.value) is SpecificationError
    assert all(word in str(caught.value) for word in [*words, "Remedy:"])


@pytest.mark.parametrize(
    ("make", "settings", "word"),
    [
        (Projection, {"distance": "l1"}, "'l1'"),
        (Projection, {"distance": None}, "distance"),
        (Reference, {"distance": "KL"}, "'KL'"),
        (Projection, {"n_jobs": 0}, "n_jobs"),
        (Projection, {"n_jobs": -2}, "-2"),
        (Projection, {"n_jobs": 1.0}, "1.0"),
        (Projection, {"n_jobs": True}, "True"),
        (Heuristic, {"n_jobs": "2"}, "'2'"),
        (Heuristic, {"max_passes": -1}, "-1"),
        (Heuristic, {"max_passes": 2.5}, "2.5"),
        (Heuristic, {"max_passes": True}, "True"),
        (Heuristic, {"max_passes": None}, "max_passes"),
    ],
)
def test_bad_solver_settings(make: Any, settings: dict[str, Any], word: str) -> None:
    with pytest.raises(AllocoptError) as caught:
        make(**settings)
    check(caught.value, SpecificationError, [word])
