"""Which route a program takes, and that the routes agree; parallel runs; the progress bar; one date alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import Limits, ProportionalCost, SpecificationError, SquareRootImpact, allocate, compare
from allocopt.solvers import (
    ConvexProgram,
    CostPenalty,
    Custom,
    Distance,
    ExposureLimits,
    FactorCovariance,
    GroupLimits,
    PreviousWeights,
    Projection,
    RiskPenalty,
    SleeveLimits,
    Term,
    TurnoverLimit,
    VolatilityLimit,
)
from allocopt.solvers.base import FloatArray

BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])


def sample(rng: np.random.Generator, dates: int, n: int) -> FloatArray:
    rows = np.exp(rng.normal(scale=1.2, size=(dates, n)))
    rows[::3] *= rng.uniform(size=rows[::3].shape) < 0.6
    return rows


@BOTH
@pytest.mark.parametrize(
    ("n", "limits"),
    [
        (5, Limits()),
        (8, Limits(cap=0.3, floor=0.1)),
        (4, Limits(cap=1.0, floor=0.0, budget=0.5)),
        (6, Limits(cap=0.25, floor=0.2, budget=0.9)),
        (1, Limits()),
    ],
    ids=repr,
)
def test_cvxpy_checks_the_closed_form(n: int, limits: Limits, distance: Distance) -> None:
    rows = sample(np.random.default_rng(17), 60, n)
    closed = allocate(rows, limits, solver=distance)
    found = allocate(rows, limits, solver=ConvexProgram(distance=distance, route="cvxpy"))
    assert closed.route == "closed form"
    assert found.route == "cvxpy, clarabel" + (", branch and bound" if limits.floor > 0.0 else "")
    assert ((closed.weights > 0.0) == (found.weights > 0.0)).all()
    assert np.abs(closed.weights - found.weights).max() <= 2e-15
    assert np.abs(closed.invested - found.invested).max() <= n * 2.0**-53
    first, second = closed.certificate.to_frame(), found.certificate.to_frame()
    assert np.abs(first.objective - second.objective).max() <= 1e-14
    assert (second.bound <= second.objective).all()
    assert second.gap.max() <= (5e-8 if distance == "kl" else 5e-9)


def test_names_of_solvers() -> None:
    rows = sample(np.random.default_rng(1), 12, 4)
    names: tuple[Any, ...] = ("euclidean", "auto", "cvxpy")
    by_name = {name: allocate(rows, solver=name) for name in names}
    routes = ["closed form", "closed form", "cvxpy, clarabel, branch and bound"]
    assert [result.route for result in by_name.values()] == routes
    assert np.array_equal(by_name["auto"].weights, by_name["euclidean"].weights)
    assert np.abs(by_name["cvxpy"].weights - by_name["euclidean"].weights).max() <= 1e-15
    found = compare(rows, solvers=("heuristic", "cvxpy", "euclidean"))
    assert list(found.allocations) == ["heuristic", "cvxpy", "euclidean"]
    summary = found.summary()
    assert summary["cvxpy"][["dates over the cap", "dates under the floor"]].tolist() == [0.0, 0.0]
    assert found.chosen == "cvxpy"
    assert np.allclose(summary["cvxpy"], summary["euclidean"], atol=1e-13)


@BOTH
def test_sleeve_limits_and_proportional_costs_go_to_the_kernels_and_agree_with_cvxpy(distance: Distance) -> None:
    rng = np.random.default_rng(2)
    for seed in range(4):
        n = int(rng.integers(3, 7))
        rows = sample(rng, 6, n)
        # A hundredth of a percent off round numbers, so that no two supports tie.
        cap = rng.choice([0.2, 0.3, 0.4, 1.0], n) + rng.uniform(0.0, 1e-4, n) * (seed % 2 - 1)
        floor = cap * rng.choice([0.0, 0.1, 0.3, 0.6, 1.0], n)
        always: Any = [0] if seed == 2 and distance != "kl" else False
        terms: list[Term] = [SleeveLimits(cap=cap, floor=floor, always=always)]
        settings: dict[str, Any] = {"on_failure": "cash"}
        if seed > 0:
            terms.append(CostPenalty(ProportionalCost(rng.choice([0.0, 0.001, 0.003], n)), aversion=20.0))
            returns = rng.normal(scale=0.03, size=rows.shape) if seed > 1 else None
            settings["previous"] = PreviousWeights(rng.dirichlet(np.ones(n)) * 0.9, returns)
        budget = Limits(budget=[1.0, 0.5, 0.9, 1.0][seed])
        kernel = allocate(rows, budget, solver=ConvexProgram(distance, tuple(terms), **settings))
        general = allocate(rows, budget, solver=ConvexProgram(distance, tuple(terms), route="cvxpy", **settings))
        assert kernel.route == "separable, compiled, branch and bound"
        assert general.route.startswith("cvxpy, clarabel")
        assert np.abs(kernel.weights - general.weights).max() <= 1e-9
        assert len(kernel.failures) == len(general.failures)
        first, second = kernel.certificate.to_frame(), general.certificate.to_frame()
        assert np.allclose(first.objective, second.objective, rtol=0.0, atol=1e-9, equal_nan=True)
        assert np.allclose(first.budget_residual, second.budget_residual, rtol=0.0, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize(
    ("terms", "spend"),
    [
        ((GroupLimits({"g": [0]}, upper=0.9),), "most"),
        ((ExposureLimits(np.ones((3, 1)), upper=2.0),), "most"),
        ((TurnoverLimit(2.0),), "most"),
        ((CostPenalty(SquareRootImpact(0.0), 1.0),), "most"),
        ((RiskPenalty(np.zeros((3, 3)), 1.0),), "most"),
        ((VolatilityLimit(np.eye(3), 1.0),), "most"),
        ((Custom("nothing"),), "most"),
        ((SleeveLimits(),), "free"),
        ((), "free"),
    ],
)
def test_all_else_goes_through_cvxpy_and_terms_that_ask_for_nothing_change_nothing(
    terms: tuple[Term, ...], spend: Any
) -> None:
    program = ConvexProgram(terms=terms, spend=spend, previous=PreviousWeights())
    result = allocate([5.0, 3.0, 2.0], Limits(cap=0.45), solver=program)
    assert result.route == "cvxpy, clarabel, branch and bound"
    cones = bool(terms) and isinstance(terms[0], (VolatilityLimit, CostPenalty))
    wanted = [0.45, 0.325, 0.225] if spend == "most" else [0.45, 0.3, 0.2]  # freely, the rest stays at its target
    assert np.abs(np.array(result.weights) - wanted).max() <= (1e-6 if cones else 1e-14)


def test_a_factor_model_is_the_matrix_that_it_is_made_of() -> None:
    rng = np.random.default_rng(9)
    model = FactorCovariance(rng.normal(size=(6, 2)), np.diag([0.04, 0.02]), rng.uniform(0.01, 0.03, 6))
    rows = sample(rng, 4, 6)
    parts = allocate(rows, solver=ConvexProgram(terms=(RiskPenalty(model, 5.0),)))
    whole = allocate(rows, solver=ConvexProgram(terms=(RiskPenalty(model.matrix(6), 5.0),)))
    assert np.abs(parts.weights - whole.weights).max() <= 1e-13


@BOTH
def test_one_date_alone_is_the_date_among_others(distance: Distance) -> None:
    rng = np.random.default_rng(4)
    rows = sample(rng, 6, 5)
    factor = rng.normal(size=(6, 5, 5))
    matrices = 0.02 * factor @ factor.transpose(0, 2, 1)
    together = allocate(
        rows, solver=ConvexProgram(distance, (RiskPenalty(matrices, 3.0), GroupLimits({"g": [0, 1]}, upper=0.6)))
    )
    for row in range(6):
        terms = (RiskPenalty(matrices[row], 3.0), GroupLimits({"g": [0, 1]}, upper=0.6))
        alone = allocate(rows[row], solver=ConvexProgram(distance, terms))
        assert np.abs(alone.weights - together.weights[row]).max() <= 1e-13
    backwards = (RiskPenalty(matrices[::-1], 3.0), GroupLimits({"g": [0, 1]}, upper=0.6))
    again = allocate(rows[::-1], solver=ConvexProgram(distance, backwards))
    assert np.abs(again.weights[::-1] - together.weights).max() <= 1e-13


def test_processes_give_the_same_bits() -> None:
    rows = sample(np.random.default_rng(6), 9, 5)
    rows[4] = [1.0, 0.0, 0.0, 0.0, 0.0]  # the group below cannot be kept
    groups = GroupLimits({"g": [1, 2]}, lower=0.1)
    own = Custom("first at most twice the second", constraints=lambda w: [w[0] <= 2 * w[1] + 0.3])
    frames = []
    for n_jobs in (1, 2):
        program = ConvexProgram(terms=(groups, own), n_jobs=n_jobs, on_failure="cash")
        result = allocate(rows, solver=program)
        assert 4 in [failure.row for failure in result.failures]
        frames.append((result.weights, result.certificate.to_frame(), result.failures, result.route))
    assert np.array_equal(frames[0][0].view(np.int64), frames[1][0].view(np.int64))
    pd.testing.assert_frame_equal(frames[0][1], frames[1][1], check_exact=True)
    assert frames[0][2:] == frames[1][2:]


def test_the_progress_bar_is_on_standard_error_alone(capfd: pytest.CaptureFixture[str]) -> None:
    rows = sample(np.random.default_rng(6), 3, 4)
    allocate(rows, solver=ConvexProgram(route="cvxpy", progress=True))
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "3/3" in shown.err
    allocate(rows, solver=ConvexProgram(route="cvxpy"))
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")


@pytest.mark.parametrize("n", [15, 20])
def test_more_sleeves_than_are_searched_by_the_hundred(n: int) -> None:
    rng = np.random.default_rng(n)
    rows = np.exp(rng.normal(size=(2, n)))
    closed = allocate(rows, solver="euclidean")
    found = allocate(rows, solver="cvxpy")
    assert np.abs(closed.weights - found.weights).max() <= 1e-14
    groups = GroupLimits({"g": list(range(0, n, 2))}, upper=0.4)
    one = allocate(rows, solver=ConvexProgram(terms=(groups,)))
    assert {outcome.name for outcome in one.status.counts()} == {"FULL"}
    pytest.importorskip("pyscipopt")
    # Two nodes are not enough: the other solver takes over, and proves it or stops at the time limit.
    few: Any = allocate(rows[0], solver=ConvexProgram(terms=(groups,), max_nodes=2, time_limit=30.0))
    assert few.certificate.nodes >= 1
    assert np.abs(one.weights[0] - few.weights).max() <= 1e-10
    assert few.certificate.gap <= 1e-6


def test_labels_and_containers() -> None:
    dates = pd.date_range("2020-01-01", periods=2)
    frame = pd.DataFrame([[5.0, 3.0, 2.0], [1.0, 1.0, 2.0]], index=dates, columns=["a", "b", "c"])
    program = ConvexProgram(terms=(GroupLimits({"g": ["a", "c"]}, upper=0.6),))
    result = allocate(frame, solver=program)
    assert result.weights.index.equals(dates)
    assert list(result.weights.columns) == ["a", "b", "c"]
    certificate: Any = result.certificate
    assert certificate.gap.index.equals(dates)
    assert list(certificate.to_frame().index) == list(dates)
    assert "ProgramCertificate(euclidean" in repr(certificate)
    assert result.solver.label == "program"
    single = allocate(frame.iloc[0], solver=program)
    assert np.abs(single.weights - result.weights.iloc[0]).max() <= 1e-15
    assert isinstance(single.certificate.objective, float)
    mapping = allocate({"a": 5.0, "b": 3.0, "c": 2.0}, solver=program)
    assert list(mapping.weights) == ["a", "b", "c"]
    none = allocate(np.empty((0, 3)), solver=ConvexProgram(route="cvxpy"))
    assert none.weights.shape == (0, 3)
    assert "no dates" in repr(none.certificate)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"distance": "l1"}, "distance"),
        ({"spend": "all"}, "spend"),
        ({"on_failure": "skip"}, "on_failure"),
        ({"route": "scipy"}, "route"),
        ({"search": "brute"}, "search"),
        ({"backend": "ecos"}, "backend"),
        ({"tolerance": 0.1}, "tolerance"),
        ({"tolerance": True}, "tolerance"),
        ({"search_tolerance": 0.0}, "search_tolerance"),
        ({"max_nodes": 0}, "max_nodes"),
        ({"max_nodes": 1.5}, "max_nodes"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"terms": (3,)}, "not a term"),
        ({"terms": (TurnoverLimit,)}, "not a term"),
        ({"terms": (TurnoverLimit(0.1),)}, "previous"),
        ({"terms": (CostPenalty(ProportionalCost(0.1), 1.0),)}, "previous"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        ConvexProgram(**settings)


def test_osqp_says_what_it_cannot_solve() -> None:
    cones: tuple[dict[str, Any], ...] = ({"distance": "kl"}, {"terms": (VolatilityLimit(np.eye(2), 0.9),)})
    for settings in cones:
        program = ConvexProgram(backend="osqp", route="cvxpy", **settings)
        with pytest.raises(SpecificationError, match="clarabel"):
            allocate([1.0, 2.0], solver=program)


def test_the_plain_problem_has_the_plain_projection() -> None:
    assert ConvexProgram("kl").plain == Projection("kl")
    assert [ConvexProgram().label, ConvexProgram("kl").label] == ["auto", "auto-kl"]
    assert ConvexProgram("kl", route="cvxpy").label == "cvxpy-kl"
