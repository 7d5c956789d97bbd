"""The cvxpy problems of a program: written once for a number of sleeves, then set to one date after another.

cvxpy canonicalises each problem a single time, as a disciplined parametrised program (A. Agrawal et al.,
"Differentiable Convex Optimization Layers", NeurIPS 2019, section 4). A date sets the parameters; a node of the search
over supports only moves the bounds, and those are entries of the canonical right-hand side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import scipy.sparse as sp

from allocopt.errors import SpecificationError
from allocopt.solvers import _backends
from allocopt.solvers._backends import Canonical, Cones, Ended, Raw
from allocopt.solvers._polish import polish, residual
from allocopt.solvers.base import Distance, FloatArray
from allocopt.solvers.terms.base import Limit, Term

#: Quadratic models after which the relative entropy is taken to have converged (it does in two or three).
NEWTON_STEPS = 6


class SolverFailure(Exception):  # noqa: N818  # not an error of the caller's: the run turns it into one
    """A backend ended without an accurate answer."""


@dataclass(frozen=True, eq=False)
class Point:
    """Minimiser of a problem within given bounds; ``bound`` proves how low the value can be at all."""

    w: FloatArray
    value: float
    bound: float
    kkt_residual: float
    at_lower: np.ndarray[Any, np.dtype[np.bool_]]
    at_upper: np.ndarray[Any, np.dtype[np.bool_]]


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


class Problem:
    """One compiled problem whose bounds ``lower <= w <= upper`` can be moved without cvxpy.

    Parameters
    ----------
    problem : cvxpy Problem
        In which ``lower`` and ``upper`` occur only as ``w >= lower`` and ``w <= upper``, and ``dead``, if given, only
        as ``w + dead`` in the entropy: one where the upper bound is zero, to keep the logarithm finite.
    """

    def __init__(
        self,
        problem: cp.Problem,
        w: cp.Variable,
        lower: cp.Parameter,
        upper: cp.Parameter,
        backend: str,
        tolerance: float,
        dead: cp.Parameter | None = None,
    ) -> None:
        self._problem, self._w, self._lower, self._upper, self._dead = problem, w, lower, upper, dead
        self._backend, self._tolerance = backend, tolerance
        self._rows: tuple[Any, ...] | None = None
        self._columns = slice(0, 0)
        self._names: tuple[str, ...] = ()

    @property
    def linear(self) -> bool:
        """Whether the loaded problem has no cones but half-lines."""
        return self._now.linear

    def load(self) -> None:
        """Take over the present values of all parameters."""
        n = self._w.shape[0]
        self._lower.value = np.zeros(n)
        self._upper.value = np.zeros(n)
        self._now = self._canonical()
        self._last: tuple[bytes, Raw] | None = None
        if self._rows is None:
            rows = (self._find(self._lower, -1.0), self._find(self._upper, 1.0))
            self._rows = rows if self._dead is None else (*rows, self._find(self._dead, 1.0))
            self._names = _backends.choose(self._backend, self._now)

    def _canonical(self) -> Canonical:
        data, _, _ = self._problem.get_problem_data(cp.CLARABEL)
        start = data["param_prob"].var_id_to_col[self._w.id]
        self._columns = slice(start, start + self._w.shape[0])
        size, dims = len(data["c"]), data["dims"]
        P = sp.csc_matrix(data["P"]) if "P" in data else sp.csc_matrix((size, size))
        return Canonical(
            P=P,
            upper=sp.triu(P, format="csc"),
            q=data["c"],
            A=sp.csc_matrix(data["A"]),
            b=np.array(data["b"]),
            dims=Cones(dims.zero, dims.nonneg, tuple(dims.soc), tuple(dims.psd), dims.exp, tuple(dims.p3d)),
        )

    def _find(self, parameter: cp.Parameter, sign: float) -> Any:
        """Rows of the right-hand side that hold ``sign`` times the entries of ``parameter``, found by changing it."""
        n = parameter.shape[0]
        probe = np.arange(1.0, n + 1.0)
        before = parameter.value
        parameter.value = before + probe
        change = sign * (self._canonical().b - self._now.b)
        parameter.value = before
        rows = np.flatnonzero(change)
        order = np.argsort(change[rows])
        if len(rows) != n or not np.allclose(change[rows][order], probe):
            raise AssertionError("cvxpy changed how it canonicalises bounds")
        return rows[order]

    def within(self, lower: FloatArray, upper: FloatArray) -> Canonical:
        """Give the canonical problem of the loaded date these bounds."""
        assert self._rows is not None
        b = self._now.b.copy()
        b[self._rows[0]] = -lower
        b[self._rows[1]] = upper
        if self._dead is not None:
            b[self._rows[2]] = np.where(upper > 0.0, 0.0, 1.0)
        return replace(self._now, b=b)

    def solve(self, lower: FloatArray, upper: FloatArray, *, polished: bool = False) -> Point | None:
        """Minimiser within the bounds, or None where there is none.

        Raises
        ------
        SolverFailure
            If the backend says anything but solved or infeasible.
        """
        canonical = self.within(lower, upper)
        key = lower.tobytes() + upper.tobytes()
        if self._last is not None and self._last[0] == key and canonical.linear:
            raw = self._last[1]  # the search has just solved it; the final solve only polishes
        else:
            raw = self._first_accurate(canonical, lower, upper, final=polished)
        self._last = (key, raw)
        if raw.ended is Ended.INFEASIBLE:
            return None
        if raw.ended is Ended.UNBOUNDED:
            raise SolverFailure(f"the objective falls without end ({raw.message}); an own term must be bounded below")
        if raw.ended is not Ended.OPTIMAL:
            raise SolverFailure(raw.message)
        if polished:
            raw = polish(canonical, raw)
        assert self._rows is not None
        low, high = self._rows[:2]
        return Point(
            w=raw.x[self._columns],
            value=raw.value,
            bound=raw.bound,
            kkt_residual=residual(canonical, raw.x, raw.z) if canonical.linear else abs(raw.value - raw.bound),
            at_lower=raw.z[low] > raw.s[low],
            at_upper=raw.z[high] > raw.s[high],
        )

    @property
    def name(self) -> str:
        """Backend that is asked first."""
        return self._names[0] if self._names else ""

    def _first_accurate(self, canonical: Canonical, lower: FloatArray, upper: FloatArray, *, final: bool) -> Raw:
        """Answer of the first backend and tolerance that ends accurately, else the last one's."""
        for name in self._names:
            for tolerance in _backends.tolerances(canonical, self._tolerance, final=final):
                raw = self._raw(canonical, lower, upper, name, tolerance)
                if raw.ended is not Ended.INACCURATE:
                    return raw
        return raw

    def _raw(self, canonical: Canonical, lower: FloatArray, upper: FloatArray, name: str, tolerance: float) -> Raw:
        """Solve; where there are cones, without the weights whose bounds are equal."""
        fixed = np.flatnonzero(lower == upper)
        if canonical.linear or len(fixed) == 0:
            return _backends.solve(canonical, name, tolerance)
        assert self._rows is not None
        low, high = self._rows[0][fixed], self._rows[1][fixed]
        columns = fixed + self._columns.start
        values = lower[fixed]
        raw = _backends.solve(canonical.without(columns, values, np.concatenate([low, high])), name, tolerance)
        if raw.ended is not Ended.OPTIMAL:
            return raw
        x = np.zeros(len(canonical.q))
        x[np.delete(np.arange(len(x)), columns)] = raw.x
        x[columns] = values
        z = np.zeros(len(canonical.b))
        z[np.delete(np.arange(len(z)), np.concatenate([low, high]))] = raw.z
        slope = (canonical.P @ x + canonical.q + canonical.A.T @ z)[columns]
        z[low], z[high] = np.maximum(slope, 0.0), np.maximum(-slope, 0.0)
        constant = float(canonical.q[columns] @ values) + 0.5 * float(
            values @ (canonical.P[columns][:, columns] @ values)
        )
        return replace(
            raw, x=x, z=z, s=canonical.b - canonical.A @ x, value=raw.value + constant, bound=raw.bound + constant
        )


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

    def _compile(self, objective: cp.Expression, *more: cp.Constraint) -> Problem:
        w = self.weights
        problem = cp.Problem(cp.Minimize(objective), [w >= self.lower, w <= self.upper, *more, *self._hard])
        dead = self._dead if any(parameter is self._dead for parameter in problem.parameters()) else None
        return Problem(problem, w, self.lower, self.upper, self._backend, self._tolerance, dead)

    @cached_property
    def nearest(self) -> Problem:
        """The program itself: the whole objective, at the budget (``spend="most"``) or up to it."""
        total = cp.sum(self.weights)
        return self._compile(self._objective, total == self.budget if self._spend == "most" else total <= self.budget)

    @cached_property
    def _model(self) -> Problem:
        """The program with the relative entropy replaced by its quadratic model at some weights."""
        w, total = self.weights, cp.sum(self.weights)
        quadratic = 0.5 * cp.sum_squares(cp.multiply(self._curvature, w)) + self._slope @ w
        objective = sum(self._objectives, quadratic)
        return self._compile(objective, total == self.budget if self._spend == "most" else total <= self.budget)

    def refined(self, point: Point, lower: FloatArray, upper: FloatArray) -> Point:
        """``point`` with more digits where the distance is the relative entropy: Newton's method on its support.

        The entropy's cones are solved to about 1e-8 in value, 1e-4 in weights. From there each quadratic model, which
        is solved to rounding if the terms have no cones, squares the error.
        """
        if self._distance == "euclidean":
            return point
        for _ in range(NEWTON_STEPS):
            w = point.w
            inside = (upper > 0.0) & (w > 0.0)
            safe = np.where(inside, w, 1.0)
            self._curvature.value = 1.0 / np.sqrt(safe)
            self._slope.value = np.where(inside, np.log(safe) - self._target.value - 1.0, 0.0)
            self._model.load()
            try:
                step = self._model.solve(lower, upper, polished=True)
            except SolverFailure:  # next to a cone's boundary; the point stands, with the gap that it has
                return point
            if step is None or not (step.w[inside] > 0.0).all():
                return point
            moved = float(np.abs(step.w - w).max())
            point = replace(step, value=point.value, bound=point.bound)
            if moved < 1e-15:
                break
        return point

    @cached_property
    def largest(self) -> Problem:
        """The largest sum of weights up to the budget that the limits can hold, as the minimum of its negative."""
        total = cp.sum(self.weights)
        return self._compile(-total, total <= self.budget)

    def mixed_integer(self, floors: FloatArray, always: Any) -> tuple[cp.Problem, cp.Variable]:
        """Write the program with a binary variable for each sleeve: held or not."""
        w, total = self.weights, cp.sum(self.weights)
        held = cp.Variable(self.shape[1], boolean=True)
        constraints = [
            total == self.budget if self._spend == "most" else total <= self.budget,
            w >= cp.multiply(self.lower, held),
            w <= cp.multiply(self.upper, held),
            *self._hard,
        ]
        if always.any():
            constraints.append(held[np.flatnonzero(always)] == 1)
        return cp.Problem(cp.Minimize(self._objective), constraints), held

    def set_date(self, row: int, target: Target, budget: float, previous: FloatArray | None) -> None:
        """Set every parameter to the values of one date."""
        self.budget.value = budget
        if previous is not None:
            self.previous.value = previous
        if self._distance == "euclidean":
            self._target.value = target.t
        else:
            self._target.value = target.log_t
            self._dead.value = np.where(target.live, 0.0, 1.0)
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

    def excess(self, w: FloatArray) -> float:
        """By how much the weights break the worst of the terms' limits; 0.0 if they keep all."""
        self.weights.value = w
        return max([0.0, *(float(np.max(limit.excess.value)) for limit in self.limits)])
