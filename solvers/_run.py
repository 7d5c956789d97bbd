"""Run a general program over the dates: one compiled formulation, date after date or spread over processes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from allocopt.errors import SolveError
from allocopt.limits import Limits
from allocopt.solvers._worker import Answer, Task, Worker
from allocopt.solvers.base import Failure, FloatArray, Report, Solution, thread_count
from allocopt.solvers.program import ConvexProgram
from allocopt.solvers.terms.trading import drift
from allocopt.status import Outcome

if TYPE_CHECKING:
    from allocopt.containers import Table

REMEDIES = {
    Outcome.INFEASIBLE: "relax a limit",
    Outcome.UNSOLVED: "loosen the tolerance, raise max_nodes or rescale the terms",
}


def solve_program(
    program: ConvexProgram, table: Table, desirability: FloatArray, caps: FloatArray, floors: FloatArray,
    always: Any, limits: Limits, out: Solution,
) -> Report:  # fmt: skip
    """Solve every date into ``out``."""
    dates, n = desirability.shape
    where = tuple("the date" if table.single else table.date_name(row) for row in range(dates))
    task = Task(program, desirability, caps, floors, always, limits.budget, table.dates, table.sleeves, where)
    previous = None if program.previous is None else program.previous.first(n, table.sleeves)
    returns = None if program.previous is None else program.previous.table((dates, n), table.dates, table.sleeves)
    report = Report.empty("", dates)
    failures: list[Failure] = []
    name = ""
    ways: set[str] = set()
    if dates == 0:
        return report
    workers = thread_count(program.n_jobs)
    if program.sequential or workers == 1 or dates < 2 * workers:
        answers = _in_sequence(task, previous, returns)
    else:
        answers = _in_parallel(task, workers)
    with closing(answers), _bar(dates, program.progress) as step:
        for row, answer, backend in answers:
            name = backend or name
            if answer.method:
                ways.add(answer.method)
            if answer.reason:
                conflict = answer.conflict
                failure = Failure(
                    row, where[row], answer.reason, conflict.limits if conflict else (),
                    conflict.relaxation if conflict else {}, program.on_failure,
                )  # fmt: skip
                if program.on_failure == "raise":
                    raise SolveError(
                        answer.reason,
                        where=where[row],
                        remedy=f'{REMEDIES[answer.outcome]}, or pass on_failure="previous" or "cash" to go on',
                        failure=failure,
                    )
                failures.append(failure)
            out.weights[row] = answer.weights
            out.invested[row] = answer.invested
            out.outcome[row] = answer.outcome.code
            report.attainable[row] = answer.attainable
            report.cap_residual[row] = answer.cap_residual
            report.floor_residual[row] = answer.floor_residual
            report.excess[row] = answer.excess
            report.objective[row] = answer.objective
            report.bound[row] = answer.bound
            report.kkt_residual[row] = answer.kkt_residual
            report.nodes[row] = answer.nodes
            step()
    methods = " or ".join(sorted(ways))
    route = ", ".join(part for part in ("cvxpy", name, methods) if part)
    return replace(report, route=route, failures=tuple(failures))


def _in_sequence(
    task: Task, previous: FloatArray | None, returns: FloatArray | None
) -> Generator[tuple[int, Answer, str], None, None]:
    """One date after the other, each knowing what the one before holds."""
    worker = Worker(task)
    dates, n = task.desirability.shape
    held = np.zeros(n) if previous is None else previous
    for row in range(dates):
        if returns is not None:
            held = drift(held, returns[row])
        answer = worker.solve(row, None if previous is None else held)
        if answer.reason and task.program.on_failure == "previous":
            answer.weights, answer.invested = held, float(held.sum())
        held = answer.weights
        yield row, answer, worker.formulation.nearest.name


def _in_parallel(task: Task, workers: int) -> Generator[tuple[int, Answer, str], None, None]:
    """Independent dates in processes, several chunks for each, in the order of the dates."""
    from joblib import Parallel, delayed

    dates = len(task.desirability)
    chunks = np.array_split(np.arange(dates), min(dates, 4 * workers))
    solved = Parallel(n_jobs=workers, return_as="generator")(delayed(_solve_rows)(task, rows) for rows in chunks)
    try:
        for chunk in solved:
            yield from chunk
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a failed date leaves the chunks after it unused
            solved.close()


def _solve_rows(task: Task, rows: Any) -> list[tuple[int, Answer, str]]:
    worker = Worker(task)
    found = []
    for row in rows.tolist():
        answer = worker.solve(row, None)
        found.append((row, answer, worker.formulation.nearest.name))
        if answer.reason and task.program.on_failure == "raise":
            break  # the run ends here
    return found


@contextmanager
def _bar(dates: int, shown: bool) -> Iterator[Callable[[], object]]:
    if not shown:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=dates, unit="date", desc="program") as bar:
        yield lambda: bar.update(1)
