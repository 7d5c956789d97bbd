"""Run a program whose dual is one-dimensional through the compiled kernels, with every program's failure policy."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from allocopt.errors import SolveError
from allocopt.labels import sleeve_name
from allocopt.limits import Limits
from allocopt.solvers.base import Failure, FloatArray, Report, Solution
from allocopt.solvers.separable import SeparableResult, solve_separable
from allocopt.solvers.terms.trading import drift
from allocopt.status import Outcome

if TYPE_CHECKING:
    from allocopt.containers import Table
    from allocopt.solvers.program import ConvexProgram

#: Nodes of the kernels, which cost microseconds, for one that ``max_nodes`` allows to a program through cvxpy.
CHEAP = 20

ROUTE = "separable, compiled, branch and bound"


def solve_program(
    program: ConvexProgram, table: Table, desirability: FloatArray, caps: FloatArray, floors: FloatArray,
    always: Any, rates: FloatArray, limits: Limits, out: Solution,
) -> Report:  # fmt: skip
    """Solve every date into ``out``."""
    dates, n = desirability.shape
    returns = None
    previous = None
    if program.previous is not None:
        previous = program.previous.first(n, table.sleeves)
        returns = program.previous.table((dates, n), table.dates, table.sleeves)
    elif program.on_failure == "previous":
        previous = np.zeros(n)  # all cash before the first date, as documented
    failures: list[Failure] = []
    result: SeparableResult | None = None
    start = 0
    while start < dates:
        result = solve_separable(
            desirability, caps, floors, always, rates, limits.budget, program.distance,
            previous=previous, returns=returns, max_nodes=CHEAP * program.nodes_for(n), start=start, into=result,
        )  # fmt: skip
        ended = np.flatnonzero(result.outcome[start:] == Outcome.INFEASIBLE.code) + start
        stuck = (
            np.flatnonzero((result.outcome[start:] == Outcome.UNPROVED.code) & ~(result.invested[start:] > 0.0)) + start
        )
        failed = sorted({*ended.tolist(), *stuck.tolist()})
        for row in failed:
            failures.append(_failure(program, table, row, desirability[row], floors, always, limits, result))
            held = result.weights[row]
            if program.on_failure == "previous":
                held = _held_before(result.weights, row, program, table, returns)
                result.weights[row], result.invested[row] = held, float(held.sum())
        if previous is None or result.stopped < 0:
            break
        start = result.stopped + 1
        previous = result.weights[result.stopped]
    if result is None:
        return Report.empty(ROUTE, 0)
    out.weights[:], out.invested[:], out.outcome[:] = result.weights, result.invested, result.outcome
    failed_rows = np.isin(np.arange(dates), [failure.row for failure in failures])
    over = np.where(result.weights > 0.0, result.weights - caps, 0.0).max(axis=1, initial=0.0)
    under = np.where(result.weights > 0.0, floors - result.weights, 0.0).max(axis=1, initial=0.0)
    empty = Report.empty(ROUTE, dates)
    return replace(
        empty,
        attainable=result.attainable,
        cap_residual=np.where(failed_rows, np.nan, over),
        floor_residual=np.where(failed_rows, np.nan, under),
        excess=np.where(failed_rows, np.nan, 0.0),
        multiplier=result.multiplier,
        objective=np.where(failed_rows, np.nan, result.objective),
        bound=np.where(failed_rows, np.nan, np.minimum(result.bound, result.objective)),
        nodes=result.nodes,
        failures=tuple(failures),
    )


def _failure(
    program: ConvexProgram, table: Table, row: int, d: FloatArray, floors: FloatArray, always: Any,
    limits: Limits, result: SeparableResult,
) -> Failure:  # fmt: skip
    """Say why a date has no weights, and raise if that is the policy."""
    where = "the date" if table.single else table.date_name(row)
    conflict: tuple[str, ...] = ()
    relaxation: dict[str, float] = {}
    if result.outcome[row] == Outcome.UNPROVED.code:
        reason = f"no weights were found within max_nodes={program.nodes_for(len(d))} (times {CHEAP} for the kernels)"
    else:
        floor = floors[row % len(floors)]
        dead = [i for i in np.flatnonzero(always & (floor > 0.0)).tolist() if not d[i] > 0.0]
        if program.distance == "kl" and dead:
            reason = "a sleeve that is always held is not live, and its relative entropy is infinite"
            name = sleeve_name(table.sleeves, dead[0])
            conflict = (f"{name} is not live", f"{name} always held at {floor[dead[0]]:g} or more")
        else:
            must = np.flatnonzero(always & (floor > 0.0)).tolist()
            exact = {i: Fraction(float(floor[i])) for i in must}
            over = sum(exact.values()) - Fraction(limits.budget)
            excess = float(over)
            spare = over  # floors that the others break the budget without, the smallest first, are no part of it
            for i in sorted(must, key=exact.__getitem__):
                if exact[i] >= spare:
                    break
                spare -= exact[i]
                must.remove(i)
            names = [f"{sleeve_name(table.sleeves, i)} always held at {floor[i]:g} or more" for i in must]
            conflict = (f"budget {limits.budget:g}", *names)
            relaxation = {conflict[0]: excess}
            relaxation.update({name: excess for name, i in zip(names, must, strict=True) if exact[i] >= over})
            reason = f"no weights keep all of: {'; '.join(conflict)}, which ask for {excess:.4g} more than there is"
    failure = Failure(row, where, reason, conflict, relaxation, program.on_failure)
    if program.on_failure == "raise":
        raise SolveError(
            reason,
            where=where,
            remedy='relax a limit, or pass on_failure="previous" or "cash" to go on',
            failure=failure,
        )
    return failure


def _held_before(
    weights: FloatArray, row: int, program: ConvexProgram, table: Table, returns: FloatArray | None
) -> FloatArray:
    """Find what is held on a date before it trades."""
    n = weights.shape[1]
    held: FloatArray = np.zeros(n)
    if row > 0:
        held = weights[row - 1]
    elif program.previous is not None:
        held = program.previous.first(n, table.sleeves)
    return held.copy() if returns is None else drift(held, returns[row])
