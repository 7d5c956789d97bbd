"""Grids and samplers, and parameters with dots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt import Limits
from allocopt.backtests.overlays import VixSteps
from allocopt.backtests.splitters import Rolling
from allocopt.backtests.walk_forward import (
    RandomSampler,
    Sampler,
    configuration_name,
    grid_configurations,
    walk_forward,
)
from allocopt.backtests.walk_forward.grid import configuration_key, configuration_names
from allocopt.backtests.walk_forward.study import configured
from allocopt.errors import InputError, SpecificationError


def test_a_mapping_is_the_product_of_its_lists() -> None:
    assert grid_configurations({"a": [1, 2], "b": ("x", "y")}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    assert grid_configurations({"a": range(3)}) == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert grid_configurations({}) == [{}]
    assert grid_configurations([{"a": 1}, {"b": 2}]) == [{"a": 1}, {"b": 2}]


def test_numbers_of_arrays_become_pythons_own() -> None:
    found = grid_configurations({"a": np.array([0.1, 0.2]), "b": np.arange(1, 2)})
    assert [type(value) for value in found[0].values()] == [float, int]


def test_a_sampler_is_asked_with_the_seed() -> None:
    class Own:
        def sample(self, random_state: int) -> Iterable[Mapping[str, Any]]:
            return [{"a": random_state}, {"a": random_state + 1}]

    assert isinstance(Own(), Sampler)
    assert grid_configurations(Own(), seed=7) == [{"a": 7}, {"a": 8}]


@given(n=st.integers(1, 12), seed=st.integers(0, 1000))
def test_random_samples_are_different_ones_and_repeat(n: int, seed: int) -> None:
    sampler = RandomSampler({"a": range(3), "b": ["x", "y", "z", "w"]}, n, seed)
    found = grid_configurations(sampler)
    assert len(found) == n == len({configuration_name(one) for one in found})
    assert all(one["a"] in range(3) and one["b"] in "xyzw" for one in found)
    assert found == list(sampler)


def test_distributions_of_scipy_are_drawn_from() -> None:
    stats = pytest.importorskip("scipy.stats")
    found = list(RandomSampler({"a": stats.uniform(2.0, 1.0), "b": [1, 2]}, 50, seed=1))
    assert all(2.0 <= one["a"] <= 3.0 and type(one["a"]) is float for one in found)
    assert {one["b"] for one in found} == {1, 2}


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (3, "the grid is none"),
        ("ab", "the grid is none"),
        ([], "the grid is empty"),
        ({"a": []}, "parameter 'a' has no value"),
        ({"a": 5}, "parameter 'a' has no list of values"),
        ({"a": "xyz"}, "parameter 'a' has no list of values"),
        ({3: [1]}, "not named by a string"),
        ([{"a": 1}, 5], "a configuration is no mapping at number 1: 5"),
        ({"a": [1, 2, 1]}, "in the grid twice: 'a=1'"),
    ],
)
def test_what_is_no_grid(grid: Any, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        grid_configurations(grid)


@pytest.mark.parametrize(
    "settings", [{"n": 0}, {"n": 7}, {"n": 1.5}, {"seed": -1}, {"distributions": {}}, {"distributions": {"a": 3}}]
)
def test_samplers_outside_their_range(settings: dict[str, Any]) -> None:
    with pytest.raises(SpecificationError):
        RandomSampler(**{"distributions": {"a": range(6)}, "n": 3, **settings})


@dataclass(frozen=True)
class Inner:
    limits: Limits = field(default_factory=Limits)
    depth: int = 1


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    window: int = 20
    name: str = "x"


def test_names_with_dots_set_fields_of_fields() -> None:
    found = configured(Outer(), {"inner.limits.cap": 0.5, "inner.depth": 3, "window": 5})
    assert found == Outer(Inner(Limits(cap=0.5), 3), 5)
    both = configured(Outer(), {"inner": Inner(depth=9), "inner.limits.floor": 0.1})
    assert both == Outer(Inner(Limits(floor=0.1), 9))
    with pytest.raises(SpecificationError, match="not a parameter of Limits: 'lid'"):
        configured(Outer(), {"inner.limits.lid": 0.5})
    with pytest.raises(SpecificationError, match=r"'window' has no fields to set: 'window\.size'"):
        configured(Outer(), {"window.size": 3})
    with pytest.raises(SpecificationError, match="cap"):
        configured(Outer(), {"inner.limits.cap": 1.5})


def test_configurations_are_told_apart_by_content_and_not_by_label() -> None:
    calm, quick = VixSteps(bounds=(0.0, 1.0)), VixSteps()
    assert calm.label == quick.label
    grid = grid_configurations({"leverage": [calm, quick]})
    assert configuration_names(grid)[1] == f"{configuration_name(grid[0])} (2)"
    assert len(grid_configurations({"a": [1, "1"]})) == 2
    assert configuration_key({"a": 1, "b": 2}) == configuration_key({"b": 2, "a": 1})
    with pytest.raises(SpecificationError, match="in the grid twice"):
        grid_configurations([{"a": 1, "b": 2}, {"b": 2, "a": 1}])


def test_a_baseline_of_the_same_name_is_run_on_its_own() -> None:
    days = pd.bdate_range("2020-01-01", periods=120)
    data = pd.DataFrame({"1": np.full(120, 0.001), "2": np.tile([0.01, -0.009], 60)}, days)
    data.iloc[0] = 0.0
    found = walk_forward(
        lambda table, parameters: table[str(int(parameters["column"]))], {"column": ["1"]}, data,
        Rolling(40, 20, incomplete="drop"), baseline={"column": 2}, periods_per_year=252, select="total_return",
    )  # fmt: skip
    assert found.baseline is not None
    assert float(found.baseline.iloc[0]) != float(found.returns.iloc[0])
    same = walk_forward(
        lambda table, parameters: table[str(int(parameters["column"]))], {"column": ["1"]}, data,
        Rolling(40, 20, incomplete="drop"), baseline={"column": 1}, periods_per_year=252, select="total_return",
    )  # fmt: skip
    total = same.comparison["total_return"].astype(float)
    assert float(total["baseline"]) == float(total["walk-forward"])


def test_a_benchmark_of_small_positive_values_is_neither() -> None:
    days = pd.bdate_range("2020-01-01", periods=120)
    data = pd.DataFrame({"1": np.tile([0.01, -0.009], 60)}, days)
    data.iloc[0] = 0.0
    with pytest.raises(InputError, match="cannot be told whether the benchmark is closes or returns"):
        walk_forward(
            lambda table, parameters: table["1"], {}, data, Rolling(40, 20, incomplete="drop"), periods_per_year=252,
            benchmark=pd.Series(0.0002, days), select="total_return",
        )  # fmt: skip
