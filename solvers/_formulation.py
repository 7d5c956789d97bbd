"""The cvxpy problems of a program: written once for a number of sleeves, then set to one date after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd

from allocopt.errors import SpecificationError
from allocopt.solvers._problem import Point, Problem, SolverFailure
from allocopt.solvers.base import Distance, FloatArray
from allocopt.solvers.terms.base import Limit, Term

#: Quadratic models after which the relative entropy is taken to have converged (it does in two or three).
NEWTON_STEPS = 6

#: Weights up to this are zero to the accuracy of the entropy's cones, and stay zero when the others are refined.
ZERO = 1e-9

#: Rise of the objective that is put down to the tolerance that the first point keeps its limits to.
FALL = 1e-7


@dataclass(frozen=True, eq=False)
class Target:
    """Proportional target of one date, and its logarithm (0 where not live), which a tiny share does not underflow."""

    t: FloatArray
    log_t: FloatArray
    live: np.ndarray[Any, np.dtype[np.bool_]]

    @classmethod
    def of(cls, d: FloatArray, total: float) -> Target:
        """``total * d / sum(d)``."""
        live = d > 0.0
        if total == 0.0 or not live.any():
            return cls(np.zeros(len(d)), np.zeros(len(d)), live)
        scaled = d / d.max()
        log_d = np.log(np.where(live, d, 1.0))
        log_t = np.where(live, log_d - np.log(d.max()) + np.log(total / scaled.sum()), 0.0)
        return cls(total * (scaled / scaled.sum()), log_t, live)


class Formulation:
    """Variable, parameters and terms of a program for ``n`` sleeves, and the problems made of them.

    Implements `allocopt.solvers.terms.Context`.
    """

    def __init__(
        self,
        distance: Distance,
        terms: Sequence[Term],
        shape: tuple[int, int],
        dates: pd.Index | None,
        sleeves: pd.Index | None,
        spend: str,
        backend: str,
        tolerance: float,
    ) -> None:
        n = shape[1]
        self.shape, self.dates, self.sleeves = shape, dates, sleeves
        self._distance, self._spend, self._backend, self._tolerance = distance, spend, backend, tolerance
        self.weights = cp.Variable(n, name="w")
        self.lower, self.upper = cp.Parameter(n), cp.Parameter(n)
        self.budget = cp.Parameter(nonneg=True)
        self.previous = cp.Parameter(n)
        self._target, self._dead = cp.Parameter(n), cp.Parameter(n, nonneg=True)
        self._curvature, self._slope = cp.Parameter(n, nonneg=True), cp.Parameter(n)
        self._tables: list[tuple[cp.Parameter, FloatArray]] = []
        self._hull_loaded = False
        self._mixed: tuple[cp.Problem, cp.Variable] | None = None
        built = [term.build(self) for term in terms]
        self.limits: list[Limit] = [limit for one in built for limit in one.limits]
        self._objectives: list[cp.Expression] = [one.objective for one in built if one.objective is not None]
        for objective in self._objectives:
            if not objective.is_dcp(dpp=True):
                raise SpecificationError(
                    "an objective is not convex (DCP, DPP)", value=str(objective), remedy="rewrite it"
                )

    def per_date(self, values: FloatArray) -> cp.Expression:
        """See `allocopt.solvers.terms.Context.per_date`."""
        if len(values) == 1:
            return cp.Constant(values[0])
        parameter = cp.Parameter(values.shape[1:])
        self._tables.append((parameter, values))
        return parameter

    @cached_property
    def _objective(self) -> cp.Expression:
        """Distance without its constant, plus the objectives of the terms."""
        w = self.weights
        if self._distance == "euclidean":
            distance = 0.5 * cp.sum_squares(w) - self._target @ w
        else:
            distance = -cp.sum(cp.entr(w + self._dead)) - self._target @ w - cp.sum(w)
        return sum(self._objectives, distance)

    @cached_property
    def _hard(self) -> list[cp.Constraint]:
        return [c for limit in self.limits for c in (limit.constraints or (limit.excess <= 0.0,))]

    def _compile(self, objective: cp.Expression, *more: cp.Constraint, hull: cp.Parameter | None = None) -> Problem:
        w = self.weights
        problem = cp.Problem(cp.Minimize(objective), [w >= self.lower, w <= self.upper, *more, *self._hard])
        dead = self._dead if any(parameter is self._dead for parameter in problem.parameters()) else None
        return Problem(
            problem, w, self.lower, self.upper, self._backend, self._tolerance, dead=dead, hull=hull,
            dates=(self.budget, self.previous, self._target, self._curvature, self._slope), tables=bool(self._tables),
        )  # fmt: skip

    @cached_property
    def nearest(self) -> Problem:
        """The program itself: the whole objective, at the budget (``spend="most"``) or up to it."""
        return self._compile(self._objective, self._spending)

    @cached_property
    def _spending(self) -> cp.Constraint:
        total = cp.sum(self.weights)
        return total == self.budget if self._spend == "most" else total <= self.budget

    @cached_property
    def _hull(self) -> Problem:
        """The program with the distance replaced by its convex hull over zero and the weights above the floor.

        Half the square of a weight that is zero or at least ``f`` has the hull ``f w / 2`` below ``f`` and ``w**2 / 2``
        above it (A. Frangioni and C. Gentile, "Perspective cuts for a class of convex 0-1 mixed integer programs",
        Math. Prog. 106 (2006)). In parts ``w = u + v`` with ``u <= f`` it is ``(f u + 2 f v + v**2) / 2``: a quadratic
        program whose bound leaves few sleeves between zero and their floors.
        """
        n = self.shape[1]
        hull, u, v = cp.Parameter(n, nonneg=True), cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True)
        distance = hull @ (0.5 * u + v) + 0.5 * cp.sum_squares(v) - self._target @ self.weights
        parts = (self.weights == u + v, u <= hull)
        return self._compile(sum(self._objectives, distance), self._spending, *parts, hull=hull)

    def load(self) -> None:
        """Take over the date's parameters; the hull's problem does when it is first needed."""
        self.nearest.load()
        self._hull_loaded = False

    def relaxed(self, lower: FloatArray, upper: FloatArray, open_floors: FloatArray) -> Point | None:
        """Lower bound on all weights within the bounds that are zero or at least ``open_floors`` (0: any weight)."""
        if self._distance == "kl" or not open_floors.any():
            return self.nearest.solve(lower, upper)
        if not self._hull_loaded:
            self._hull.load()
            self._hull_loaded = True
        try:
            return self._hull.solve(lower, upper, open_floors)
        except SolverFailure:
            return self.nearest.solve(lower, upper)

    @cached_property
    def _model(self) -> Problem:
        """The program with the relative entropy replaced by its quadratic model at some weights."""
        w = self.weights
        quadratic = 0.5 * cp.sum_squares(cp.multiply(self._curvature, w)) + self._slope @ w
        objective = sum(self._objectives, quadratic)
        return self._compile(objective, self._spending)

    def refined(self, point: Point, lower: FloatArray, upper: FloatArray, target: Target) -> Point:
        """``point`` with more digits where the distance is the relative entropy: Newton's method on its support.

        The entropy's cones are solved to about 1e-8 in value, 1e-4 in weights. From there each quadratic model, which
        is solved to rounding if the terms have no cones, squares the error. Weights that the cones put at zero to
        their accuracy stay there, and a step counts only if the objective falls.
        """
        if self._distance == "euclidean":
            return point
        inside = (upper > 0.0) & (point.w > ZERO)
        low, high = np.where(inside, lower, 0.0), np.where(inside, upper, 0.0)
        kept, value = point, np.inf
        for _ in range(NEWTON_STEPS):
            w = point.w
            safe = np.where(inside, w, 1.0)
            self._curvature.value = 1.0 / np.sqrt(safe)
            self._slope.value = np.where(inside, np.log(safe) - target.log_t - 1.0, 0.0)
            self._model.load()
            try:
                step = self._model.solve(low, high, polished=True)
            except SolverFailure:  # next to a cone's boundary; the point stands, with the gap that it has
                return kept
            if step is None or not (step.w[inside] > 0.0).all():
                return kept
            found = self.objective_value(np.where(inside, step.w, 0.0), target)
            if found > min(value, self.objective_value(point.w, target)) + FALL:
                return kept
            moved = float(np.abs(step.w - w)[inside].max(initial=0.0))
            point = kept = replace(step, value=point.value, bound=point.bound)
            value = min(value, found)
            if moved < 1e-15:
                break
        return kept

    @cached_property
    def largest(self) -> Problem:
        """The largest sum of weights up to the budget that the limits can hold, as the minimum of its negative."""
        total = cp.sum(self.weights)
        return self._compile(-total, total <= self.budget)

    def mixed_integer(self, always: Any) -> tuple[cp.Problem, cp.Variable]:
        """Write the program with a binary variable for each sleeve: held or not."""
        if self._mixed is None:
            w = self.weights
            held = cp.Variable(self.shape[1], boolean=True)
            bounds = [w >= cp.multiply(self.lower, held), w <= cp.multiply(self.upper, held)]
            must = [held[np.flatnonzero(always)] == 1] if always.any() else []
            problem = cp.Problem(cp.Minimize(self._objective), [self._spending, *bounds, *must, *self._hard])
            self._mixed = (problem, held)
        return self._mixed

    def set_date(self, row: int, target: Target, budget: float, previous: FloatArray | None) -> None:
        """Set every parameter to the values of one date."""
        self.budget.value = budget
        if previous is not None:
            self.previous.value = previous
        if self._distance == "euclidean":
            self._target.value = target.t
        else:
            self._target.value = target.log_t
        for parameter, values in self._tables:
            parameter.value = values[row]

    def objective_value(self, w: FloatArray, target: Target) -> float:
        """Objective at given weights, the distance with its constant."""
        if self._distance == "euclidean":
            value = 0.5 * float(np.sum((w - target.t) ** 2))
        else:
            held = w > 0.0
            value = float(np.sum(w[held] * (np.log(w[held]) - target.log_t[held] - 1.0)) + target.t.sum())
        if self._objectives:
            self.weights.value = w
            value += sum(float(objective.value) for objective in self._objectives)
        return value

    def excess(self, w: FloatArray) -> tuple[float, float]:
        """By how much the weights break the worst of the linear limits, and of the others; 0.0 if they keep all."""
        self.weights.value = w
        linear, curved = [0.0], [0.0]
        for limit in self.limits:
            (linear if limit.excess.is_pwl() else curved).append(float(np.max(limit.excess.value)))
        return max(linear), max(curved)
