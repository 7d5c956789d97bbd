"""Covariances, labels, shapes and scales that programs are given; drift of what is held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import (
    AllocoptError,
    InputError,
    LabelError,
    Limits,
    ProportionalCost,
    ShapeError,
    SpecificationError,
    SquareRootImpact,
    allocate,
)
from allocopt.solvers import (
    ConvexProgram,
    CostPenalty,
    Custom,
    Distance,
    ExposureLimits,
    FactorCovariance,
    GroupLimits,
    PreviousWeights,
    RiskPenalty,
    SleeveLimits,
    Term,
    TurnoverLimit,
    VolatilityLimit,
)
from allocopt.solvers.base import FloatArray

BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])
SLEEVES = ["a", "b", "c", "d"]
DATES = pd.date_range("2021-06-01", periods=4)
NAN = float("nan")


def scores() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(np.exp(rng.normal(size=(4, 4))), index=DATES, columns=SLEEVES)


def covariance(seed: int = 1, n: int = 4) -> FloatArray:
    factor = np.random.default_rng(seed).normal(size=(n, n))
    matrix: FloatArray = 0.01 * factor @ factor.T
    return matrix


def solve(given: Any, *terms: Term, **settings: Any) -> Any:
    return allocate(given, Limits(), solver=ConvexProgram(terms=terms, **settings))


@BOTH
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_units_do_not_matter(scale: float, distance: Distance) -> None:
    matrix = covariance()
    plain = solve(scores(), RiskPenalty(matrix, 4.0), distance=distance).weights
    scaled = solve(scores(), RiskPenalty(scale * matrix, 4.0 / scale), distance=distance).weights
    assert np.abs(plain - scaled).max(axis=None) <= 1e-7
    limit = float(np.sqrt(0.0625 * matrix.sum()))
    plain = solve(scores(), VolatilityLimit(matrix, limit), distance=distance).weights
    scaled = solve(scores(), VolatilityLimit(scale * matrix, limit * scale**0.5), distance=distance).weights
    assert np.abs(plain - scaled).max(axis=None) <= 2e-5
    plain = solve(scores(), RiskPenalty(matrix, 4.0), distance=distance).weights
    scaled = solve(scale * scores(), RiskPenalty(matrix, 4.0), distance=distance).weights
    assert np.abs(plain - scaled).max(axis=None) <= 1e-13


def test_a_singular_covariance_is_fine() -> None:
    factor = np.array([1.0, 2.0, -1.0, 0.5])
    for matrix in (np.outer(factor, factor) * 0.04, np.zeros((4, 4)), np.ones((4, 4)) * 0.04):
        w = solve(scores(), RiskPenalty(matrix, 10.0), VolatilityLimit(matrix, 0.9)).weights
        assert np.abs(w.sum(axis=1) - 1.0).max() <= 1e-15
    # A common variance says nothing about how to spread a given sum.
    common = solve(scores(), RiskPenalty(np.ones((4, 4)), 10.0)).weights
    assert np.abs(common - allocate(scores()).weights).max(axis=None) <= 1e-12


def test_what_a_covariance_may_not_be() -> None:
    matrix = covariance()
    values, vectors = np.linalg.eigh(matrix)
    values[0] = -0.001
    bad = vectors @ np.diag(values) @ vectors.T
    with pytest.raises(SpecificationError, match="smallest eigenvalue is") as caught:
        solve(scores(), RiskPenalty(bad, 1.0))
    value: Any = caught.value.value
    assert abs(value + 0.001) <= 1e-12
    missing = matrix.copy()
    missing[1, 2] = missing[2, 1] = NAN
    with pytest.raises(InputError, match="row 1, column 2"):
        solve(scores(), RiskPenalty(missing, 1.0))
    lopsided = matrix.copy()
    lopsided[0, 1] += 1e-4
    with pytest.raises(SpecificationError, match="not symmetric"):
        solve(scores(), VolatilityLimit(lopsided, 0.1))
    several = np.stack([matrix, matrix, bad, matrix])
    with pytest.raises(SpecificationError, match=r"2021-06-03.*smallest eigenvalue"):
        solve(scores(), RiskPenalty(several, 1.0))
    with pytest.raises(SpecificationError, match="factor covariance is not positive"):
        FactorCovariance(np.ones((4, 2)), -np.eye(2), 0.1)
    with pytest.raises(ShapeError, match="fit together"):
        FactorCovariance(np.ones((4, 2)), np.eye(3), 0.1)
    with pytest.raises(InputError, match="idiosyncratic"):
        solve(scores(), RiskPenalty(FactorCovariance(np.ones((4, 1)), np.eye(1), -0.1), 1.0))


def test_rounding_of_a_semidefinite_matrix_is_no_error() -> None:
    factor = np.random.default_rng(3).normal(size=(4, 1))
    matrix = factor @ factor.T
    assert np.linalg.eigvalsh(matrix)[0] < 0.0 or np.linalg.eigvalsh(matrix - 1e-17 * np.eye(4))[0] < 0.0
    solve(scores(), RiskPenalty(matrix - 1e-17 * np.eye(4), 1.0))


def test_a_labelled_covariance_is_put_in_the_order_of_the_sleeves() -> None:
    frame = pd.DataFrame(covariance(), index=SLEEVES, columns=SLEEVES)
    plain = solve(scores(), RiskPenalty(covariance(), 4.0)).weights
    shuffled = frame.loc[["c", "a", "d", "b"], ["b", "d", "a", "c"]]
    assert np.array_equal(solve(scores(), RiskPenalty(shuffled, 4.0)).weights, plain)
    more = frame.reindex(index=[*SLEEVES, "e"], columns=["e", *SLEEVES], fill_value=0.0)
    assert np.array_equal(solve(scores(), RiskPenalty(more, 4.0)).weights, plain)
    with pytest.raises(LabelError, match="'d'"):
        solve(scores(), RiskPenalty(frame.drop(index="d", columns="d"), 4.0))
    with pytest.raises(ShapeError):
        solve(scores(), RiskPenalty(covariance(n=3), 4.0))
    with pytest.raises(ShapeError):
        solve(scores(), RiskPenalty(np.stack([covariance()] * 3), 4.0))


def test_one_covariance_a_date_as_pandas_gives_it() -> None:
    rng = np.random.default_rng(5)
    returns = pd.DataFrame(
        rng.normal(scale=0.02, size=(40, 4)), index=pd.date_range("2021-04-26", periods=40), columns=SLEEVES
    )
    rolling = returns.rolling(20).cov()
    table = scores()
    together = solve(table, RiskPenalty(rolling, 400.0)).weights
    for date in table.index:
        alone = solve(table.loc[date], RiskPenalty(rolling.loc[date], 400.0)).weights
        assert np.abs(together.loc[date] - alone).max() <= 1e-13
    stacked = np.stack([rolling.loc[date].to_numpy() for date in table.index])
    assert np.array_equal(solve(table, RiskPenalty(stacked, 400.0)).weights, together)
    with pytest.raises(LabelError, match="no matrix for a date"):
        solve(table.set_axis(table.index + pd.Timedelta(days=300)), RiskPenalty(rolling, 400.0))
    with pytest.raises(LabelError, match="DataFrame"):
        solve(table.to_numpy(), RiskPenalty(rolling, 400.0))
    with pytest.raises(InputError, match="not finite"):
        solve(table.set_axis(returns.index[:4]), RiskPenalty(rolling, 400.0))


@pytest.mark.parametrize("route", ["auto", "cvxpy"])
def test_drift_against_a_loop_by_hand(route: Any) -> None:
    rng = np.random.default_rng(7)
    table = scores()
    returns = pd.DataFrame(rng.normal(scale=0.1, size=(4, 4)), index=DATES, columns=SLEEVES)
    penalty = CostPenalty(ProportionalCost(0.002), aversion=20.0)
    start: dict[Any, float] = {"a": 0.4, "b": 0.1, "c": 0.2, "d": 0.2}
    # The columns of the returns may come in any order, and there may be more of them.
    shuffled = returns[["d", "b", "a", "c"]].assign(e=0.0)
    together = solve(table, penalty, previous=PreviousWeights(start, shuffled), route=route).weights
    held = np.array(list(start.values()))
    for date in DATES:
        r = returns.loc[date].to_numpy()
        held = held * (1.0 + r) / (1.0 + held @ r)
        one = solve(table.loc[date].to_numpy(), penalty, previous=PreviousWeights(held), route=route)
        assert np.abs(together.loc[date].to_numpy() - one.weights).max() <= 1e-13
        held = together.loc[date].to_numpy()


BAD: list[tuple[tuple[Term, ...], dict[str, Any], type[AllocoptError], str]] = [
    ((GroupLimits({"g": ["a", "x"]}, upper=0.5),), {}, LabelError, "'x'"),
    ((SleeveLimits(cap={"x": 0.5}),), {}, LabelError, "'x'"),
    ((SleeveLimits(floor={"a": 0.5}),), {}, SpecificationError, "sleeve 'a'"),
    ((SleeveLimits(cap=[0.5, 0.5]),), {}, ShapeError, "4 numbers"),
    ((SleeveLimits(cap=1.2),), {}, SpecificationError, "floor <= cap <= 1"),
    ((SleeveLimits(cap=NAN),), {}, SpecificationError, "floor <= cap <= 1"),
    ((SleeveLimits(always=["x"]),), {}, LabelError, "'x'"),
    ((SleeveLimits(cap=pd.DataFrame(0.5, index=DATES[:3], columns=SLEEVES)),), {}, LabelError, "other dates"),
    ((ExposureLimits(pd.DataFrame({"beta": [1.0]}, index=["a"]), upper=1.0),), {}, LabelError, "'b'"),
    ((ExposureLimits(np.ones((4, 1)), upper={"beta": 1.0}),), {}, LabelError, "'beta'"),
    ((ExposureLimits(np.ones((3, 1)), upper=1.0),), {}, ShapeError, "4 rows"),
    ((TurnoverLimit(0.5),), {"previous": PreviousWeights([0.1, 0.2])}, ShapeError, "4 numbers"),
    ((TurnoverLimit(0.5),), {"previous": PreviousWeights({"a": 0.1})}, LabelError, "'b'"),
    ((TurnoverLimit(0.5),), {"previous": PreviousWeights(0.3)}, InputError, "fractions of capital"),
    ((TurnoverLimit(0.5),), {"previous": PreviousWeights([-0.1, 0.1, 0.1, 0.1])}, InputError, "fractions of capital"),
    ((TurnoverLimit(0.5),), {"previous": PreviousWeights(returns=np.zeros((4, 3)))}, ShapeError, r"\(4, 4\)"),
    ((TurnoverLimit(0.5),), {"previous": PreviousWeights(returns=np.full((4, 4), -1.0))}, InputError, "at most -1"),
    ((TurnoverLimit(0.5),), {"previous": PreviousWeights(returns=np.full((4, 4), NAN))}, InputError, "missing"),
    (
        (TurnoverLimit(0.5),),
        {"previous": PreviousWeights(returns=pd.DataFrame(0.0, index=DATES[::-1], columns=SLEEVES))},
        LabelError,
        "other dates",
    ),
    (
        (TurnoverLimit(0.5),),
        {"previous": PreviousWeights(returns=pd.DataFrame(0.0, index=DATES, columns=["a", "b", "c"]))},
        LabelError,
        "'d'",
    ),
]


@pytest.mark.parametrize(("terms", "settings", "kind", "words"), BAD)
def test_what_does_not_fit(
    terms: tuple[Term, ...], settings: dict[str, Any], kind: type[AllocoptError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        solve(scores(), *terms, **settings)
    assert "Remedy:" in str(caught.value)
    assert "np." not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GroupLimits({"g": ["a"]}),
        lambda: GroupLimits({"g": ["a"]}, lower=0.5, upper=0.4),
        lambda: GroupLimits({"g": ["a"]}, upper=-0.1),
        lambda: ExposureLimits(np.ones((4, 1))),
        lambda: ExposureLimits(np.ones(4), upper=1.0),
        lambda: ExposureLimits(np.full((4, 1), NAN), upper=1.0),
        lambda: TurnoverLimit(-0.1),
        lambda: TurnoverLimit(NAN),
        lambda: TurnoverLimit(True),
        lambda: RiskPenalty(np.eye(4), -1.0),
        lambda: RiskPenalty(np.eye(4), NAN),
        lambda: VolatilityLimit(np.eye(4), 0.0),
        lambda: CostPenalty(SquareRootImpact(0.1), NAN),
    ],
)
def test_terms_that_cannot_be_made(make: Any) -> None:
    with pytest.raises(SpecificationError, match="Remedy:"):
        make()


def test_a_limit_that_names_no_group() -> None:
    with pytest.raises(LabelError, match="'h'"):
        GroupLimits({"g": ["a"]}, upper={"h": 0.5})


@pytest.mark.parametrize("route", ["auto", "cvxpy"])
def test_limits_of_each_sleeve_and_date(route: Any) -> None:
    table = scores()
    cap = pd.DataFrame(0.5, index=DATES, columns=["b", "d"])
    cap.loc[DATES[1], "b"] = 0.1
    together = solve(table, SleeveLimits(cap=cap), route=route).weights
    for date in DATES:
        alone = solve(table.loc[date], SleeveLimits(cap=cap.loc[date].to_dict()), route=route).weights
        assert np.abs(together.loc[date] - alone).max() <= 1e-14
    assert together.loc[DATES[1], "b"] <= 0.1


@pytest.mark.parametrize("terms", [(), (SleeveLimits(),), (Custom("nothing"),)], ids=["plain", "kernels", "cvxpy"])
def test_missing_values(terms: tuple[Term, ...]) -> None:
    table = scores()
    table.loc[DATES[2], "b"] = NAN
    with pytest.raises(InputError, match="date 2021-06-03, sleeve 'b'"):
        solve(table, *terms)
    result = allocate(table, solver=ConvexProgram(terms=terms), missing="exclude")
    zero = allocate(table.fillna(0.0), solver=ConvexProgram(terms=terms))
    assert np.array_equal(result.weights, zero.weights)
    assert result.status.excluded.tolist() == [0, 0, 1, 0]
    assert result.status.live.tolist() == [4, 4, 3, 4]
    for bad, words in ((-1.0, "negative"), (float("inf"), "infinite")):
        table.loc[DATES[3], "a"] = bad
        with pytest.raises(InputError, match=f"{words}.*2021-06-04"):
            allocate(table, solver=ConvexProgram(terms=terms), missing="exclude")


def test_the_inputs_are_left_alone() -> None:
    table, matrix = scores().to_numpy(), covariance()
    start, before = np.full(4, 0.2), (scores().to_numpy(), covariance(), np.full(4, 0.2))
    solve(table, RiskPenalty(matrix, 1.0), TurnoverLimit(0.8), previous=PreviousWeights(start))
    for found, wanted in zip((table, matrix, start), before, strict=True):
        assert np.array_equal(found, wanted)
