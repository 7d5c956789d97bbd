"""Solve one date of a general program: support, weights on it, landing, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from allocopt.labels import sleeve_name
from allocopt.limits import GRID
from allocopt.solvers._backends import MIXED_INTEGER, available
from allocopt.solvers._branch import Exhausted, Supported, branch_and_bound
from allocopt.solvers._conflicts import Conflict, Elastic
from allocopt.solvers._formulation import Formulation, Target
from allocopt.solvers._grid import land
from allocopt.solvers._mixed_integer import best_support
from allocopt.solvers._problem import SolverFailure
from allocopt.solvers.base import FloatArray
from allocopt.solvers.program import NARROW, ConvexProgram
from allocopt.status import Outcome

#: Parts of capital given up in turn, until the largest attainable sum, found to the backend's tolerance, can be held.
BACK_OFF = (0.0, 1e-9, 1e-8, 1e-7, 1e-6)

#: Distance from cap or floor within which a weight that its multiplier puts there is moved onto it. Without an interior
#: cones are solved to 1e-4 in the weights, and to move them so far would break other limits.
SNAP = 1e-7

#: Excess over a linear limit beyond which weights count as inaccurate (they are met to about 1e-15); ten times as much
#: over other limits.
MOST_EXCESS = 1e-9


@dataclass(frozen=True, eq=False)
class Task:
    """What every worker needs to know; picklable."""

    program: ConvexProgram
    desirability: FloatArray
    caps: FloatArray
    floors: FloatArray
    always: np.ndarray[Any, np.dtype[np.bool_]]
    budget: float
    dates: pd.Index | None
    sleeves: pd.Index | None
    where: tuple[str, ...]


@dataclass
class Answer:
    """One date's weights and what is known about them."""

    weights: FloatArray
    invested: float
    outcome: Outcome
    attainable: float = np.nan
    cap_residual: float = np.nan
    floor_residual: float = np.nan
    excess: float = np.nan
    objective: float = np.nan
    bound: float = np.nan
    kkt_residual: float = np.nan
    nodes: int = 0
    method: str = ""
    reason: str = ""
    conflict: Conflict | None = None


@dataclass
class Worker:
    """A compiled formulation, and the steps that solve one date with it."""

    task: Task
    formulation: Formulation = field(init=False)
    elastic: Elastic | None = None

    def __post_init__(self) -> None:
        task, program = self.task, self.task.program
        self.formulation = Formulation(
            program.distance, program.terms, task.desirability.shape, task.dates, task.sleeves,
            program.spend, program.backend, program.tolerance,
        )  # fmt: skip

    def solve(self, row: int, previous: FloatArray | None) -> Answer:
        """Weights of one date; a failure has an outcome that says so, and no weights."""
        task, program, formulation = self.task, self.task.program, self.formulation
        d = task.desirability[row]
        live = d > 0.0
        entropic = program.distance == "kl"
        dead = np.flatnonzero(entropic & task.always & ~live & (task.floors[row % len(task.floors)] > 0.0))
        if len(dead):
            reason = "a sleeve that is always held is not live, and its relative entropy is infinite"
            refused = self._failed(Outcome.INFEASIBLE, reason)
            name = sleeve_name(task.sleeves, int(dead[0]))
            floor = task.floors[row % len(task.floors)][dead[0]]
            refused.conflict = Conflict((f"{name} is not live", f"{name} always held at {floor:g} or more"), {})
            return refused
        able = live if entropic else live | task.always  # always held without a floor: zero, where entropy is finite
        caps = np.where(able, task.caps[row % len(task.caps)], 0.0)
        floors = np.where(able, task.floors[row % len(task.floors)], 0.0)
        total = Fraction(task.budget)
        if program.spend == "most":
            total = min(total, sum((Fraction(float(c)) for c in caps), Fraction(0)))
        failure: SolverFailure | None = None
        answer: Answer | None = None
        try:
            answer = self._at(total, row, floors, caps, previous)
        except Exhausted as error:
            return self._failed(Outcome.UNSOLVED, str(error))
        except SolverFailure as error:
            failure = error  # next to the boundary of a cone a little less may be held accurately
        if answer is None and program.spend == "most" and not (failure and formulation.nearest.linear):
            try:
                formulation.set_date(row, Target.of(d, float(total)), task.budget, previous)
                largest = self._largest(floors, caps)
                if largest is not None:
                    best, proved = largest
                    answer = self._at_most(min(best, total), row, floors, caps, previous)
                    if answer is not None and not proved:  # more may be held, with another target
                        answer.outcome, answer.attainable, answer.bound = Outcome.UNPROVED, np.nan, np.nan
            except SolverFailure as error:
                failure = failure or error
        if answer is None and failure is not None:
            return self._failed(Outcome.UNSOLVED, str(failure))
        if answer is not None:
            return answer
        if self.elastic is None:
            self.elastic = Elastic(formulation, program.tolerance)
        formulation.budget.value = task.budget
        conflict = self.elastic.explain(floors, caps, live, task.always)
        if conflict is None:
            return self._failed(Outcome.UNSOLVED, "no weights were found, and no conflict among the limits")
        answer = self._failed(Outcome.INFEASIBLE, str(conflict))
        answer.conflict = conflict
        return answer

    def _failed(self, outcome: Outcome, reason: str) -> Answer:
        return Answer(np.zeros(self.task.desirability.shape[1]), 0.0, outcome, reason=reason)

    def _at(
        self, total: Fraction, row: int, floors: FloatArray, caps: FloatArray, previous: FloatArray | None
    ) -> Answer | None:  # fmt: skip
        """Best weights with this sum (``spend="free"``: up to it), or None where there are none."""
        target = Target.of(self.task.desirability[row], float(total))
        self.formulation.set_date(row, target, float(total), previous)
        found = self._support(floors, caps)
        return None if found is None else self._landed(found, target, floors, caps, total)

    def _at_most(
        self, best: Fraction, row: int, floors: FloatArray, caps: FloatArray, previous: FloatArray | None
    ) -> Answer | None:  # fmt: skip
        """Best weights whose sum is the largest that the limits hold, to the accuracy that it is known with.

        At the largest sum that a cone holds a single point is feasible, and no interior-point method ends well.
        """
        failure: SolverFailure | None = None
        for back_off in BACK_OFF:
            try:
                answer = self._at(max(best - Fraction(back_off), Fraction(0)), row, floors, caps, previous)
            except SolverFailure as error:
                failure = error
                continue
            if answer is not None:
                answer.attainable = float(best)
                return answer
        if failure is not None:
            raise failure
        return None

    def _support(self, floors: FloatArray, caps: FloatArray) -> Supported | None:
        """Best support of the date whose parameters are set."""
        program, always, formulation = self.task.program, self.task.always, self.formulation
        formulation.load()
        if program.search == "mixed-integer":
            return self._by_mixed_integer(floors, caps)
        affordable = self._affordable(floors)
        # No mixed-integer solver takes the entropy's cones.
        stated = program.distance == "euclidean"
        other = program.search == "auto" and len(caps) > NARROW and stated and bool(available(MIXED_INTEGER))
        try:
            found = branch_and_bound(
                formulation.nearest.solve, formulation.relaxed, floors, caps, always,
                program.search_tolerance, program.nodes_for(len(caps)), program.time_limit, affordable,
            )  # fmt: skip
        except Exhausted:
            if not other:
                raise
            return self._by_mixed_integer(floors, caps)
        if found is None or found.proved or not other:
            return found
        try:
            second = self._by_mixed_integer(floors, caps)
        except SolverFailure:
            return found
        if second is None:
            return found
        better = second if second.value < found.value else found
        bound = min(max(found.bound, second.bound), better.value)
        method = f"{found.method} and {second.method}"
        return replace(better, bound=bound, nodes=found.nodes + 1, proved=second.proved, method=method)

    def _affordable(self, floors: FloatArray) -> Callable[[Any], bool]:
        """Whether the floors of a support fit the budget in exact arithmetic; solvers cannot see the last bits."""
        exact = [Fraction(float(floor)) for floor in floors]
        budget = Fraction(self.task.budget)
        return lambda held: sum((exact[i] for i in np.flatnonzero(held)), Fraction(0)) <= budget

    def _by_mixed_integer(self, floors: FloatArray, caps: FloatArray) -> Supported | None:
        always, seconds = self.task.always, self.task.program.time_limit
        return best_support(self.formulation, floors, caps, always, seconds, self._affordable(floors))

    def _largest(self, floors: FloatArray, caps: FloatArray) -> tuple[Fraction, bool] | None:
        """Largest sum that the limits can hold and whether that is proved, or None if they hold nothing."""
        program, problem = self.task.program, self.formulation.largest
        problem.load()
        found = branch_and_bound(
            problem.solve, lambda lower, upper, open_floors: problem.solve(lower, upper), floors, caps,
            self.task.always, program.search_tolerance, program.nodes_for(len(caps)), program.time_limit,
            self._affordable(floors),
        )  # fmt: skip
        if found is None:
            return None
        point = problem.solve(found.lower, found.upper, polished=True)
        if point is None:
            raise SolverFailure("the largest sum that the limits hold is not known accurately")
        return max(Fraction(0), Fraction(float(point.w.sum()))), found.proved

    def _landed(
        self, found: Supported, target: Target, floors: FloatArray, caps: FloatArray, total: Fraction
    ) -> Answer:  # fmt: skip
        program, formulation = self.task.program, self.formulation
        point = formulation.nearest.solve(found.lower, found.upper, polished=True)
        if point is None:
            raise SolverFailure("the best support is infeasible when solved again")
        # The canonical values leave out the same constants, whatever the relaxation.
        constant = formulation.objective_value(np.maximum(point.w, 0.0), target) - point.value
        point = formulation.refined(point, found.lower, found.upper, target)
        held = found.upper > 0.0
        at_lower = held & point.at_lower & (point.w - found.lower <= SNAP)
        at_upper = held & point.at_upper & (caps - point.w <= SNAP) & ~at_lower
        w = np.where(at_upper, caps, np.where(at_lower, found.lower, point.w))
        spent = total if program.spend == "most" or point.w.sum() >= float(total) - 1e-9 else None
        weights, invested = land(w, found.lower, caps, held, held & ~at_upper & ~at_lower, spent)
        if not self._affordable(found.lower)(held):
            raise SolverFailure("the floors of the best support exceed the budget in exact arithmetic")
        linear, curved = formulation.excess(weights)
        for excess, most in ((linear, MOST_EXCESS), (curved, 10.0 * MOST_EXCESS)):
            if excess > most:
                raise SolverFailure(f"a limit is broken by {excess:.1e}, more than {most:.0e}")
        objective = formulation.objective_value(weights, target)
        return Answer(
            weights=weights,
            invested=invested,
            outcome=self._outcome(weights, invested, caps, target.live, proved=found.proved),
            cap_residual=float(np.max(weights - caps, initial=0.0)),
            floor_residual=float(np.max(np.where(weights > 0.0, floors - weights, 0.0), initial=0.0)),
            attainable=float(total) if spent is not None else invested,
            excess=max(linear, curved),
            objective=objective,
            bound=min(found.bound + constant, objective),
            kkt_residual=point.kkt_residual,
            nodes=found.nodes,
            method=found.method if (floors > 0.0).any() else "",
        )

    def _outcome(self, weights: FloatArray, invested: float, caps: FloatArray, live: Any, *, proved: bool) -> Outcome:
        if not proved:
            return Outcome.UNPROVED
        if not (live | self.task.always).any():
            return Outcome.EMPTY
        short = self.task.budget - invested
        if short == 0.0:
            return Outcome.FULL
        if short < (len(weights) + 1) / GRID:
            return Outcome.ROUNDED
        held = weights > 0.0
        if (weights[held] >= caps[held] - 1.0 / GRID).all() and held[live].all():
            return Outcome.CAPPED
        return Outcome.LIMITED
