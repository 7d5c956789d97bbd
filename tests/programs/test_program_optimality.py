"""Optimality of programs, from first principles and against models that share no code with the solvers.

The conditions of Karush, Kuhn and Tucker are written here in numpy from the returned weights. The supports are
enumerated here, each one solved by an own cvxpy model.
"""

# cvxpy annotates its values as optional and its constraints as bool.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalOperand=false, reportAssignmentType=false

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
import scipy.optimize

from allocopt import Limits, ProportionalCost, SquareRootImpact, allocate
from allocopt.solvers import (
    ConvexProgram,
    CostPenalty,
    Custom,
    Distance,
    ExposureLimits,
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


@dataclass
class Case:
    """A program in plain numbers."""

    n: int
    cap: FloatArray
    floor: FloatArray
    budget: float = 1.0
    risk: tuple[FloatArray, float] | None = None
    volatility: tuple[FloatArray, float] | None = None
    group: tuple[list[int], float, float] | None = None
    exposure: tuple[FloatArray, float, float] | None = None
    turnover: float | None = None
    rates: FloatArray | None = None
    impact: FloatArray | None = None
    aversion: float = 1.0
    own: FloatArray | None = None
    previous: FloatArray = field(default_factory=lambda: np.zeros(0))

    @property
    def cones(self) -> bool:
        return self.volatility is not None or self.impact is not None

    def terms(self) -> tuple[Term, ...]:
        found: list[Term] = [SleeveLimits(cap=self.cap, floor=self.floor)]
        if self.risk is not None:
            found.append(RiskPenalty(*self.risk))
        if self.volatility is not None:
            found.append(VolatilityLimit(*self.volatility))
        if self.group is not None:
            found.append(GroupLimits({"g": self.group[0]}, lower=self.group[1], upper=self.group[2]))
        if self.exposure is not None:
            found.append(ExposureLimits(self.exposure[0][:, None], lower=self.exposure[1], upper=self.exposure[2]))
        if self.turnover is not None:
            found.append(TurnoverLimit(self.turnover))
        if self.rates is not None:
            found.append(CostPenalty(ProportionalCost(self.rates), self.aversion))
        if self.impact is not None:
            found.append(CostPenalty(SquareRootImpact(self.impact), self.aversion))
        if self.own is not None:
            tilt = self.own
            found.append(Custom("tilt", objective=lambda w: cp.sum_squares(cp.multiply(tilt, w))))
        return tuple(found)

    def program(self, distance: Distance, **settings: Any) -> ConvexProgram:
        previous = PreviousWeights(self.previous) if len(self.previous) else None
        return ConvexProgram(distance=distance, terms=self.terms(), previous=previous, route="cvxpy", **settings)

    def objective(self, w: FloatArray, t: FloatArray, distance: Distance) -> float:
        if distance == "euclidean":
            value = 0.5 * float(((w - t) ** 2).sum())
        else:
            held = w > 0.0
            value = float((w[held] * np.log(w[held] / t[held]) - w[held]).sum() + t.sum())
        x = w - self.previous if len(self.previous) else w
        if self.risk is not None:
            value += 0.5 * self.risk[1] * float(w @ self.risk[0] @ w)
        if self.rates is not None:
            value += self.aversion * float(self.rates @ np.abs(x))
        if self.impact is not None:
            value += self.aversion * float(self.impact @ np.abs(x) ** 1.5)
        if self.own is not None:
            value += float(((self.own * w) ** 2).sum())
        return value

    def excesses(self, w: FloatArray) -> list[tuple[str, float, FloatArray]]:
        """Value and gradient of every smooth limit that must be at most zero."""
        found = []
        if self.volatility is not None:
            matrix, most = self.volatility
            deviation = float(np.sqrt(w @ matrix @ w))
            found.append(("volatility", deviation - most, matrix @ w / deviation))
        if self.group is not None:
            members, low, high = self.group
            e = np.isin(np.arange(self.n), members).astype(float)
            found += [("group high", float(e @ w) - high, e), ("group low", low - float(e @ w), -e)]
        if self.exposure is not None:
            x, low, high = self.exposure
            found += [("exposure high", float(x @ w) - high, x), ("exposure low", low - float(x @ w), -x)]
        return found

    def model(self, w: cp.Variable, distance: Distance, t: cp.Parameter) -> tuple[cp.Expression, list[cp.Constraint]]:
        """The same problem in cvxpy, written independently; ``t`` is the target, for KL its logarithm."""
        if distance == "euclidean":
            objective: Any = 0.5 * cp.sum_squares(w) - t @ w
        else:
            objective = -cp.sum(cp.entr(w)) - t @ w - cp.sum(w)
        limits: list[cp.Constraint] = []
        x = w - self.previous if len(self.previous) else w
        if self.risk is not None:
            objective += 0.5 * self.risk[1] * cp.quad_form(w, cp.psd_wrap(self.risk[0]))
        if self.volatility is not None:
            factor = np.linalg.cholesky(self.volatility[0])
            limits.append(cp.norm(factor.T @ w) <= self.volatility[1])
        if self.group is not None:
            total = sum(w[i] for i in self.group[0])
            limits += [total >= self.group[1], total <= self.group[2]]
        if self.exposure is not None:
            limits += [self.exposure[0] @ w >= self.exposure[1], self.exposure[0] @ w <= self.exposure[2]]
        if self.turnover is not None:
            limits.append(cp.sum(cp.abs(x)) <= self.turnover)
        if self.rates is not None:
            objective += self.aversion * sum(float(r) * cp.abs(x[i]) for i, r in enumerate(self.rates))
        if self.impact is not None:
            objective += self.aversion * sum(float(c) * cp.power(cp.abs(x[i]), 1.5) for i, c in enumerate(self.impact))
        if self.own is not None:
            objective += sum(float(a) ** 2 * cp.square(w[i]) for i, a in enumerate(self.own))
        return objective, limits


def covariance(rng: np.random.Generator, n: int, scale: float = 0.04) -> FloatArray:
    factor = rng.normal(size=(n, n))
    matrix: FloatArray = scale * (factor @ factor.T / n + 0.3 * np.eye(n))
    return matrix


KINDS = ["group", "exposure", "turnover", "rates", "impact", "risk", "volatility", "own", "all"]


def make(kind: str, rng: np.random.Generator, n: int = 5) -> tuple[Case, FloatArray]:
    """Instance in which the term bites, and its desirability."""
    d = np.exp(rng.normal(scale=0.9, size=n))
    cap, floor = np.full(n, 0.45), np.full(n, 0.07)
    cap[rng.integers(n)] = 0.25
    floor[rng.integers(n)] = 0.15
    case = Case(n, cap, floor)
    held = rng.dirichlet(np.full(n, 4.0)) * 0.95
    everything = kind == "all"
    order = np.argsort(-d)
    if kind == "group" or everything:
        case.group = (order[:2].tolist(), 0.3, 0.5)
    if kind == "exposure" or everything:
        beta = np.linspace(0.6, 1.4, n)[np.argsort(order)[::-1]]
        case.exposure = (beta, 0.5, 1.02)
    if kind == "turnover" or everything:
        case.turnover, case.previous = (0.9 if everything else 0.45), held
    if kind == "rates" or everything:
        case.rates, case.previous, case.aversion = rng.uniform(0.0005, 0.003, n), held, 25.0
    if kind == "impact":
        case.impact, case.previous, case.aversion = rng.uniform(0.01, 0.05, n), held, 4.0
    if kind == "risk" or everything:
        case.risk = (covariance(rng, n), 6.0)
    if kind == "volatility" or everything:
        matrix = covariance(rng, n)
        w = cp.Variable(n)
        least = cp.Problem(cp.Minimize(cp.quad_form(w, cp.psd_wrap(matrix))), [cp.sum(w) == 1, w <= cap, w >= 0])
        least.solve(solver=cp.CLARABEL)
        case.volatility = (matrix, float(np.sqrt(least.value)) * (1.3 if everything else 1.05))
    if kind == "own" or everything:
        case.own = rng.uniform(0.0, 1.0, n)
    return case, d


def kkt_residual(case: Case, w: FloatArray, t: FloatArray, distance: Distance, spend: str, near: float) -> float:
    """Least norm of the stationarity condition over all multipliers of the right sign on what is active.

    One row a sleeve that is held (or has no floor). Multipliers are columns of a nonnegative least-squares problem.
    A kink contributes any slope between its two, written with slacks: ``up + down + rest = size``.
    """
    rows = np.flatnonzero((w > 0.0) | (case.floor == 0.0))
    slope = np.log(w[rows] / t[rows]) if distance == "kl" else w[rows] - t[rows]
    if case.risk is not None:
        slope = slope + case.risk[1] * (case.risk[0] @ w)[rows]
    if case.own is not None:
        slope = slope + 2.0 * (case.own**2 * w)[rows]
    x = w - case.previous if len(case.previous) else w
    if case.impact is not None:
        slope = slope + case.aversion * (1.5 * case.impact * np.sqrt(np.abs(x)) * np.sign(x))[rows]
    columns: list[FloatArray] = []
    links: list[tuple[list[tuple[int, float]], float]] = []  # sums of multipliers that must have a value

    def add(column: FloatArray) -> int:
        columns.append(column)
        return len(columns) - 1

    unit = np.eye(len(rows))
    one = np.ones(len(rows))
    if w.sum() >= case.budget - near or spend == "most":
        add(one)
    if spend == "most":
        add(-one)
    for k, i in enumerate(rows):
        if w[i] >= case.cap[i] - 1e-12:
            add(unit[k])
        if w[i] <= case.floor[i] + 1e-12:
            add(-unit[k])
    for _, excess, gradient in case.excesses(w):
        assert excess <= 1e-9
        if excess >= -near:
            add(gradient[rows])
    if case.rates is not None:
        for k, i in enumerate(rows):
            size = case.aversion * case.rates[i]
            if abs(x[i]) > near:
                slope = slope + size * np.sign(x[i]) * unit[k]
            else:
                links.append(([(add(unit[k]), 1.0), (add(-unit[k]), 1.0), (add(0.0 * one), 1.0)], size))
    if case.turnover is not None:
        traded = float(np.abs(x).sum())
        assert traded <= case.turnover + 1e-9
        if traded >= case.turnover - near:
            limit = add(np.where(np.abs(x[rows]) > near, np.sign(x[rows]), 0.0))
            for k, i in enumerate(rows):
                if abs(x[i]) <= near:
                    parts = [(add(unit[k]), 1.0), (add(-unit[k]), 1.0), (add(0.0 * one), 1.0), (limit, -1.0)]
                    links.append((parts, 0.0))
    system = np.zeros((len(rows) + len(links), len(columns)))
    right = np.zeros(len(system))
    system[: len(rows)] = np.column_stack([np.zeros(len(rows)), *columns])[:, 1:]
    right[: len(rows)] = -slope
    for j, (parts, value) in enumerate(links, len(rows)):
        for column, factor in parts:
            system[j, column] += factor
        right[j] = value
    return float(scipy.optimize.nnls(system, right)[1]) if columns else float(np.linalg.norm(right))


@BOTH
@pytest.mark.parametrize("spend", ["most", "free"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_conditions_of_optimality_on_the_support(kind: str, distance: Distance, spend: Any) -> None:
    for seed in range(2):
        case, d = make(kind, np.random.default_rng(1000 + seed))
        result = allocate(d, Limits(), solver=case.program(distance, spend=spend))
        w = result.weights
        b = case.budget if spend == "free" else result.invested
        assert ((w == 0.0) | ((w >= case.floor) & (w <= case.cap))).all()
        certificate: Any = result.certificate
        assert abs(certificate.objective - case.objective(w, b * d / d.sum(), distance)) <= 1e-14
        near = 1e-6 if case.cones else 1e-10
        residual = kkt_residual(case, w, b * d / d.sum(), distance, spend, near)
        # Without cones weights are polished. On a cone an error of 1e-10 in the value is one of 1e-5 in the weights.
        assert residual <= (1e-4 if case.cones else 1e-9), (kind, seed, residual)


def enumerated(case: Case, d: FloatArray, distance: Distance, spend: str) -> tuple[float, FloatArray, float]:
    """``(value, weights, sum)`` of the best support, with a model of its own for each step."""
    n = case.n
    w = cp.Variable(n)
    low, high, t, total = cp.Parameter(n), cp.Parameter(n), cp.Parameter(n), cp.Parameter()
    objective, limits = case.model(w, distance, t)
    bounds = [w >= low, w <= high]
    budget = cp.sum(w) == total if spend == "most" else cp.sum(w) <= total
    nearest = cp.Problem(cp.Minimize(objective), [*bounds, *limits, budget])
    largest = cp.Problem(cp.Maximize(cp.sum(w)), [*bounds, *limits, cp.sum(w) <= case.budget])
    supports = [np.array(s) for s in itertools.product([0.0, 1.0], repeat=n)]
    b = case.budget
    sums: list[float] = []
    if spend == "most":
        for support in supports:
            low.value, high.value = support * case.floor, support * case.cap
            largest.solve(solver=cp.CLARABEL)
            sums.append(float(largest.value) if largest.status == cp.OPTIMAL else -np.inf)
        b = max(sums)
        b = case.budget if b > case.budget - 1e-7 else b - 1e-9
    target = b * d / d.sum()
    t.value = np.log(target) if distance == "kl" else target
    total.value = b
    best, weights = np.inf, np.zeros(n)
    for k, support in enumerate(supports):
        if sums and sums[k] < b - 1e-7:
            continue
        low.value, high.value = support * case.floor, support * case.cap
        nearest.solve(solver=cp.CLARABEL)
        if nearest.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            found = np.clip(w.value, low.value, high.value)
            value = case.objective(found, target, distance)
            if value < best:
                best, weights = value, found
    return best, weights, b


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_against_every_support(kind: str, distance: Distance) -> None:
    case, d = make(kind, np.random.default_rng(77), n=4)
    for spend in ("most", "free") if kind in ("volatility", "all") else ("most",):
        value, weights, b = enumerated(case, d, distance, spend)
        settings: Any = {"spend": spend}
        result = allocate(d, Limits(), solver=case.program(distance, **settings))
        certificate: Any = result.certificate
        if spend == "most":
            assert abs(result.invested - b) <= 2e-8
        assert ((result.weights > 0.0) == (weights > 0.0)).all()
        assert abs(certificate.objective - value) <= 1e-6
        assert np.abs(result.weights - weights).max() <= 3e-4
        assert certificate.bound <= value + 1e-6
        assert certificate.bound <= certificate.objective
        assert certificate.gap <= (2e-7 if distance == "kl" or case.cones else 5e-9)


@pytest.mark.parametrize("kind", ["group", "exposure", "turnover", "rates", "risk", "own"])
def test_osqp_agrees_with_clarabel(kind: str) -> None:
    case, d = make(kind, np.random.default_rng(3), n=6)
    one = allocate(d, Limits(), solver=case.program("euclidean", backend="clarabel"))
    other = allocate(d, Limits(), solver=case.program("euclidean", backend="osqp"))
    assert (one.route, other.route) == ("cvxpy, clarabel, branch and bound", "cvxpy, osqp, branch and bound")
    assert ((one.weights > 0.0) == (other.weights > 0.0)).all()
    assert np.abs(one.weights - other.weights).max() <= 1e-12  # both are polished
    first, second = (result.certificate.to_frame().iloc[0] for result in (one, other))
    assert abs(first.objective - second.objective) <= 1e-12
    assert first.bound <= second.objective + 1e-12
    assert second.bound <= first.objective + 1e-12


@pytest.mark.parametrize("kind", ["group", "exposure", "turnover", "rates", "risk", "volatility", "impact"])
def test_a_mixed_integer_solver_agrees(kind: str) -> None:
    pytest.importorskip("pyscipopt")
    case, d = make(kind, np.random.default_rng(8), n=6)
    one = allocate(d, Limits(), solver=case.program("euclidean", search="enumerate"))
    other = allocate(d, Limits(), solver=case.program("euclidean", search="mixed-integer"))
    assert other.route == "cvxpy, clarabel, SCIP"
    assert ((one.weights > 0.0) == (other.weights > 0.0)).all()
    assert np.abs(one.weights - other.weights).max() <= (1e-6 if case.cones else 1e-12)
    certificate: Any = other.certificate
    assert certificate.nodes == 1
    assert certificate.bound <= certificate.objective
    assert certificate.gap <= 1e-5


@BOTH
def test_the_search_stops_at_max_nodes_with_a_bound_that_holds(distance: Distance) -> None:
    d = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.2])
    limits = Limits(floor=0.09)
    best: Any = allocate(d, limits, solver=ConvexProgram(distance=distance, route="cvxpy"))
    assert best.status.outcome.name == "FULL"
    spent = []
    for most in (1, 2, 3, 5, 8, 13, 50):
        stopped: Any = allocate(d, limits, solver=ConvexProgram(distance=distance, route="cvxpy", max_nodes=most))
        certificate = stopped.certificate
        assert certificate.bound <= best.certificate.objective + 1e-12
        assert certificate.objective >= best.certificate.bound
        assert certificate.nodes <= most + 3  # a node has two children, and one proposal
        if stopped.status.outcome.name == "FULL":
            assert (stopped.weights == best.weights).all()
            assert certificate.gap <= 1e-7
        else:
            assert stopped.status.outcome.name == "UNPROVED"
            assert "max_nodes" in stopped.status.message
        spent.append(certificate.nodes)
    assert spent == sorted(spent)


def slsqp(case: Case, d: FloatArray, support: Any, distance: Distance, start: FloatArray) -> FloatArray:
    """The convex problem of a support by scipy's sequential quadratic programming, gradients by finite differences."""
    t = case.budget * d / d.sum()
    bounds = [(case.floor[i], case.cap[i]) if support[i] else (0.0, 0.0) for i in range(case.n)]

    def room(w: FloatArray) -> FloatArray:
        return np.array([-excess for _, excess, _ in case.excesses(np.maximum(w, 0.0))] or [1.0])

    constraints: Any = [{"type": "eq", "fun": lambda w: w.sum() - case.budget}, {"type": "ineq", "fun": room}]
    minimize: Any = scipy.optimize.minimize
    found = minimize(
        lambda w: case.objective(np.maximum(w, 0.0), t, distance), start, method="SLSQP", bounds=bounds,
        constraints=constraints, options={"ftol": 1e-15, "maxiter": 500},
    )  # fmt: skip
    weights: FloatArray = found.x
    return weights


@BOTH
@pytest.mark.parametrize("kind", ["group", "exposure", "risk", "volatility", "own"])
def test_scipy_finds_nothing_better_on_the_support(kind: str, distance: Distance) -> None:
    case, d = make(kind, np.random.default_rng(21))
    result = allocate(d, Limits(), solver=case.program(distance))
    assert result.invested == case.budget
    support = result.weights > 0.0
    t = d / d.sum()
    start = np.where(support, 1.0 / support.sum(), 0.0)
    w = slsqp(case, d, support, distance, start)
    assert max([0.0, *(excess for _, excess, _ in case.excesses(w))]) <= 1e-7
    assert abs(w.sum() - 1.0) <= 1e-9
    assert np.abs(result.weights - w).max() <= 2e-4
    assert case.objective(result.weights, t, distance) <= case.objective(w, t, distance) + 1e-8


def test_the_largest_sum_is_that_of_a_mixed_integer_linear_program() -> None:
    # With variables (w, held): maximise sum(w) subject to floor held <= w <= cap held, the groups and the budget.
    rng = np.random.default_rng(5)
    n = 6
    short = 0
    for _ in range(6):
        cap = rng.choice([0.15, 0.2, 0.3, 0.35], n)
        floor = cap * rng.choice([0.3, 0.6, 0.9], n)
        groups = {"a": [0, 1, 2], "b": [2, 3, 4], "c": [1, 5]}
        upper = {name: float(rng.uniform(0.15, 0.4)) for name in groups}
        terms = (SleeveLimits(cap=cap, floor=floor), GroupLimits(groups, upper=upper))
        result: Any = allocate(np.exp(rng.normal(size=n)), Limits(), solver=ConvexProgram(terms=terms))
        eye, none = np.eye(n), np.zeros((1, n))
        linear = [
            scipy.optimize.LinearConstraint(np.hstack([eye, -np.diag(floor)]), 0.0, np.inf),
            scipy.optimize.LinearConstraint(np.hstack([eye, -np.diag(cap)]), -np.inf, 0.0),
            scipy.optimize.LinearConstraint(np.hstack([np.ones((1, n)), none]), -np.inf, 1.0),
        ]
        for name, members in groups.items():
            row = np.zeros((1, 2 * n))
            row[0, members] = 1.0
            linear.append(scipy.optimize.LinearConstraint(row, -np.inf, upper[name]))
        found = scipy.optimize.milp(
            np.concatenate([-np.ones(n), np.zeros(n)]), constraints=linear,
            integrality=np.concatenate([np.zeros(n), np.ones(n)]), bounds=scipy.optimize.Bounds(0.0, 1.0),
            options={"mip_rel_gap": 0.0},
        )  # fmt: skip
        assert found.success
        assert abs(result.invested + found.fun) <= 1e-8
        short += result.invested < 1.0
    assert short >= 4


def _absolute(weight: float, t: FloatArray) -> Callable[[cp.Variable], cp.Expression]:
    return lambda w: weight * cp.norm1(w - t)


def test_a_floor_or_zero_problem_with_an_absolute_objective_as_a_mixed_integer_linear_program() -> None:
    # A large weight on the sum of |w - t| leaves the Euclidean distance, which is below one, to break ties.
    rng = np.random.default_rng(12)
    n = 6
    weight = 1e3
    for _ in range(3):
        d = np.exp(rng.normal(size=n))
        t = d / d.sum()
        cap, floor = np.full(n, 0.35), rng.choice([0.1, 0.15, 0.2], n)
        own = Custom("absolute", objective=_absolute(weight, t))
        program = ConvexProgram(terms=(SleeveLimits(cap=cap, floor=floor), own))
        result: Any = allocate(d, Limits(), solver=program)
        eye, zero = np.eye(n), np.zeros((n, n))
        linear = [
            scipy.optimize.LinearConstraint(np.hstack([eye, -np.diag(floor), zero]), 0.0, np.inf),
            scipy.optimize.LinearConstraint(np.hstack([eye, -np.diag(cap), zero]), -np.inf, 0.0),
            scipy.optimize.LinearConstraint(np.hstack([eye, zero, -eye]), -np.inf, t),
            scipy.optimize.LinearConstraint(np.hstack([-eye, zero, -eye]), -np.inf, -t),
            scipy.optimize.LinearConstraint(np.concatenate([np.ones(n), np.zeros(2 * n)])[None], 1.0, 1.0),
        ]
        found = scipy.optimize.milp(
            np.concatenate([np.zeros(2 * n), np.ones(n)]), constraints=linear,
            integrality=np.concatenate([np.zeros(n), np.ones(n), np.zeros(n)]),
            bounds=scipy.optimize.Bounds(0.0, 1.0), options={"mip_rel_gap": 0.0},
        )  # fmt: skip
        assert found.success
        # The distance is between 0 and 1, so the optima differ by at most 1 / weight.
        mine = float(np.abs(result.weights - t).sum())
        assert found.fun - 1e-7 <= mine <= found.fun + 1.0 / weight
