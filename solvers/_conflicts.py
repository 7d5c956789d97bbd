"""Why a date has no solution: the smallest set of limits that conflict, and how much they would have to give.

Every limit gets a slack that may break it. Minimising the sum of the slacks tends to break few limits (elastic
relaxation). Limits that give way are made hard one round after the other until nothing is left to give: those rounds
contain a conflict (elastic filter), and leaving out one limit after the other shrinks it until each one left is needed
(deletion filter). J. W. Chinneck, "Feasibility and Infeasibility in Optimization" (2008), sections 6.2 and 6.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from allocopt.labels import sleeve_name
from allocopt.solvers._branch import branch_and_bound
from allocopt.solvers._formulation import Formulation
from allocopt.solvers._problem import Point, Problem, SolverFailure
from allocopt.solvers.base import FloatArray

#: Slacks up to this, in units of each limit, are the solver's rounding.
NOTHING = 1e-7

#: Name of the rule that makes supports a choice.
FLOOR_RULE = "every sleeve is zero or at least its floor"

#: More than any limit on weights could have to give.
ANYTHING = 1e3

#: Sleeves up to which the floor-or-zero rule is part of the search for a conflict.
MOST_SLEEVES = 14


@dataclass(frozen=True)
class Conflict:
    """Limits that no weights can keep together.

    Attributes
    ----------
    limits : tuple of str
        An irreducible set: without any one of them the others can be kept.
    relaxation : dict of str to float
        For each of them by how much it would have to give in its own unit, if it alone gave; without those that
        cannot mend the date alone.
    """

    limits: tuple[str, ...]
    relaxation: dict[str, float]

    def __str__(self) -> str:
        give = "; or ".join(f"{name} by {amount:.4g}" for name, amount in self.relaxation.items())
        if self.limits == (FLOOR_RULE,):
            return f"the limits can be kept, but not together with the rule that {FLOOR_RULE}"
        return f"no weights keep all of: {'; '.join(self.limits)}" + (f". Enough to relax: {give}" if give else "")


class Elastic:
    """The limits of a formulation with a slack for each."""

    def __init__(self, formulation: Formulation, tolerance: float) -> None:
        n = formulation.shape[1]
        self._formulation = formulation
        w = formulation.weights
        names = 1 + 2 * n + len(formulation.limits)
        self._caps, self._floors = cp.Parameter(n, nonneg=True), cp.Parameter(n, nonneg=True)
        self._weights, self._most = cp.Parameter(names, nonneg=True), cp.Parameter(names, nonneg=True)
        self._slack = slack = cp.Variable(names, nonneg=True)
        constraints = [
            w >= formulation.lower,
            w <= formulation.upper,
            cp.sum(w) - formulation.budget <= slack[0],
            w - self._caps <= slack[1 : n + 1],
            self._floors - w <= slack[n + 1 : 2 * n + 1],
            *(limit.excess <= slack[2 * n + 1 + k] for k, limit in enumerate(formulation.limits)),
            slack <= self._most,
        ]
        self._problem = cp.Problem(cp.Minimize(self._weights @ slack), constraints)
        self._compiled = Problem(self._problem, w, formulation.lower, formulation.upper, "clarabel", tolerance)

    def explain(self, floors: FloatArray, caps: FloatArray, live: Any, always: Any) -> Conflict | None:
        """Find the conflict of the date whose parameters are set; None if the limits turn out to be feasible."""
        n = self._formulation.shape[1]
        self._caps.value, self._floors.value = caps, np.where(always, floors, 0.0)
        sleeves = [sleeve_name(self._formulation.sleeves, i) for i in range(n)]
        names = [
            f"budget {self._formulation.budget.value:g}",
            *(
                f"cap {caps[i]:g} of {sleeves[i]}" if live[i] or always[i] else f"{sleeves[i]} is not live"
                for i in range(n)
            ),
            *(f"{sleeves[i]} always held at {floors[i]:g} or more" for i in range(n)),
            *(limit.name for limit in self._formulation.limits),
        ]
        units = [1.0] * (1 + 2 * n) + [limit.unit for limit in self._formulation.limits]
        integer = False
        given = self._least(np.ones(len(names)), np.full(len(names), ANYTHING), None)
        if given is not None and given.max() <= NOTHING:
            if not (floors > 0.0).any():
                return None
            if n > MOST_SLEEVES:  # which of the limits the rule conflicts with would take as many searches
                return Conflict((FLOOR_RULE,), {})
            integer = True
        optional = (floors, always) if integer else None
        relaxation = self._least(np.ones(len(names)), np.full(len(names), ANYTHING), optional)
        if relaxation is None or relaxation.max() <= NOTHING:
            return None
        members: list[int] = []
        slack: FloatArray | None = relaxation
        most = np.full(len(names), ANYTHING)
        while slack is not None and slack.max() > NOTHING:
            found = np.flatnonzero((slack > NOTHING) & (most > 0.0)).tolist()
            if not found:
                break
            members += found
            most[found] = 0.0
            slack = self._least(np.where(most > 0.0, 1.0, 0.0), most, optional)
        for k in list(members):
            if len(members) == 1:
                break
            rest = [j for j in members if j != k]
            weights = np.zeros(len(names))
            weights[rest] = 1.0
            found_slack = self._least(weights, np.full(len(names), ANYTHING), optional)
            if found_slack is not None and found_slack[rest].max() > NOTHING:
                members = rest
        give = {}
        for k in sorted(members):
            only = np.arange(len(names)) == k
            alone = self._least(np.where(only, 1.0, 0.0), np.where(only, ANYTHING, 0.0), optional)
            if alone is not None:
                give[names[k]] = float(alone[k]) * units[k]
        rule = (FLOOR_RULE,) if integer else ()
        return Conflict(tuple(names[k] for k in sorted(members)) + rule, give)

    def _least(
        self, weights: FloatArray, most: FloatArray, optional: tuple[FloatArray, Any] | None
    ) -> FloatArray | None:
        """Slacks with the least weighted sum, or None if those bounds on them cannot be met."""
        n = self._formulation.shape[1]
        self._weights.value, self._most.value = weights, most
        self._compiled.load()

        def relax(lower: FloatArray, upper: FloatArray) -> Point | None:
            return self._compiled.solve(lower, upper, polished=True)

        def relax_open(lower: FloatArray, upper: FloatArray, floors: FloatArray) -> Point | None:
            return relax(lower, upper)

        try:
            if optional is None:
                lower, upper = np.zeros(n), np.ones(n)
            else:
                floors, always = optional
                found = branch_and_bound(relax, relax_open, floors, np.ones(n), always & False, 1e-9, 2_000)
                if found is None:
                    return None
                lower, upper = found.lower, found.upper
            self._formulation.lower.value, self._formulation.upper.value = lower, upper
            self._problem.solve(solver=cp.CLARABEL)
        except (SolverFailure, cp.SolverError):
            return None
        if self._problem.status != cp.OPTIMAL:
            return None
        slack: FloatArray = np.asarray(self._slack.value)
        return slack
