"""What the tests of many strategies refuse: what, where, and with which remedy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.statistics import (
    StationaryBootstrap,
    model_confidence_set,
    reality_check,
    stepwise_superiority,
    superior_ability,
)
from allocopt.errors import AllocoptError, InputError, LabelError, ShapeError, SpecificationError

BOOTSTRAP = StationaryBootstrap(seed=1, block=2.0, replications=99)


@pytest.fixture
def returns(rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(rng.normal(0.0, 0.01, (100, 3)), pd.bdate_range("2020-01-01", periods=100), list("abc"))


def changed(returns: pd.DataFrame, value: float) -> pd.DataFrame:
    table = returns.copy()
    table.iloc[4, 1] = value
    return table


@pytest.mark.parametrize(
    ("value", "what"),
    [(math.nan, "missing or infinite"), (math.inf, "missing or infinite"), (-1.5, "below -1"), (-math.inf, "infinite")],
)
@pytest.mark.parametrize("test", [reality_check, superior_ability, stepwise_superiority])
def test_values_are_named(returns: pd.DataFrame, value: float, what: str, test: Any) -> None:
    with pytest.raises(InputError, match=what) as caught:
        test(changed(returns, value), 0.0, BOOTSTRAP)
    assert caught.value.where == "2020-01-07, strategy 'b'"
    with pytest.raises(InputError, match=what):
        model_confidence_set(changed(returns, value), BOOTSTRAP)
    with pytest.raises(InputError, match="benchmark") as caught:
        test(returns, changed(returns, value)["b"], BOOTSTRAP)
    assert caught.value.where == "2020-01-07"


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (lambda r: r["a"], ShapeError),
        (lambda r: r.iloc[:29], ShapeError),
        (lambda r: r.iloc[:, :0], ShapeError),
        (lambda r: r.reset_index(drop=True), LabelError),
        (lambda r: r.iloc[::-1], LabelError),
        (lambda r: r.set_axis(list("aba"), axis=1), LabelError),
        (lambda r: r.astype(str), InputError),
    ],
)
def test_tables_that_are_none(returns: pd.DataFrame, table: Any, kind: type[AllocoptError]) -> None:
    for test in (reality_check, superior_ability, stepwise_superiority):
        with pytest.raises(kind):
            test(table(returns), 0.0, BOOTSTRAP)
    with pytest.raises(kind):
        model_confidence_set(table(returns), BOOTSTRAP)


def test_a_strategy_that_is_the_benchmark(returns: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="same number on every row") as caught:
        superior_ability(returns, returns["b"], BOOTSTRAP)
    assert caught.value.where == "strategy 'b'"
    with pytest.raises(InputError, match="same number on every row"):
        superior_ability(returns.assign(b=0.001), 0.0, BOOTSTRAP)
    with pytest.raises(InputError, match="two strategies differ") as caught:
        model_confidence_set(returns.assign(d=returns["b"] + 0.001), BOOTSTRAP)
    assert caught.value.where in {"strategy 'b' and strategy 'd'", "strategy 'd' and strategy 'b'"}


@pytest.mark.parametrize("against", [math.nan, True, "cash", None, [0.0]])
def test_benchmarks_that_are_none(returns: pd.DataFrame, against: Any) -> None:
    with pytest.raises(SpecificationError, match="benchmark"):
        superior_ability(returns, against, BOOTSTRAP)


def test_benchmark_of_other_dates(returns: pd.DataFrame) -> None:
    with pytest.raises(LabelError, match="other dates") as caught:
        superior_ability(returns, returns["a"].iloc[1:], BOOTSTRAP)
    assert caught.value.where == "2020-01-01"


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": -1}, {"seed": 1.0}, {"seed": True}, {"seed": 1, "replications": 98}, {"seed": 1, "block": 0.5},
        {"seed": 1, "block": math.inf}, {"seed": 1, "block": "andrews"}, {"seed": 1, "block": True},
    ],
)  # fmt: skip
def test_settings_of_the_bootstrap(settings: Any) -> None:
    with pytest.raises(SpecificationError):
        StationaryBootstrap(**settings)


def test_a_seed_has_no_default() -> None:
    with pytest.raises(TypeError, match="seed"):
        StationaryBootstrap()  # type: ignore[call-arg]


def test_settings_of_the_tests(returns: pd.DataFrame) -> None:
    wrong: Any = "yes"
    with pytest.raises(SpecificationError, match="blocks"):
        reality_check(returns, 0.0, StationaryBootstrap(seed=1, block=10.5))
    with pytest.raises(ShapeError, match="bootstrap"):
        reality_check(returns, 0.0, 7)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="studentised"):
        superior_ability(returns, 0.0, BOOTSTRAP, studentised=wrong)
    with pytest.raises(SpecificationError, match="studentised"):
        stepwise_superiority(returns, 0.0, BOOTSTRAP, studentised=wrong)
    with pytest.raises(SpecificationError, match="recentring"):
        stepwise_superiority(returns, 0.0, BOOTSTRAP, recentring=wrong)
    with pytest.raises(SpecificationError, match="statistic"):
        model_confidence_set(returns, BOOTSTRAP, statistic=wrong)
    with pytest.raises(SpecificationError, match="confidence"):
        stepwise_superiority(returns, 0.0, BOOTSTRAP, confidence=wrong)
    with pytest.raises(SpecificationError, match="at least 200 replications"):
        stepwise_superiority(returns, 0.0, BOOTSTRAP, confidence=0.995)
    with pytest.raises(ShapeError):
        model_confidence_set(returns[["a"]], BOOTSTRAP)


def test_what_is_said(returns: pd.DataFrame) -> None:
    returns["b"] += 0.02
    assert "p < 0.01 (lower < 0.01, upper < 0.01), studentised" in str(superior_ability(returns, 0.0, BOOTSTRAP))
    assert "reality check: p < 0.01, 100 rows" in str(reality_check(returns, 0.0, BOOTSTRAP))
    step = stepwise_superiority(returns, 0.0, BOOTSTRAP, studentised=False, recentring="consistent")
    assert "1 of 3 strategies beat the benchmark, family-wise error 5 %: b\nnot studentised, clearly worse" in str(step)
    assert "1 of 3 strategies may be the best, with confidence 95 %: b\n" in str(
        model_confidence_set(returns, BOOTSTRAP)
    )
    none = stepwise_superiority(returns[["a", "c"]] - 0.01, 0.0, BOOTSTRAP)
    assert none.superior == []
    assert "family-wise error 5 %: none" in str(none)
    every = model_confidence_set(returns[["a", "c"]], BOOTSTRAP).table["p_value"]
    assert every.iloc[-1] == 1.0
