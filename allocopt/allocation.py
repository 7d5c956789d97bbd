"""`allocate`: desirability in, weights that meet cap, floor and budget exactly out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.certificate import FIELDS, Certificate, ProgramCertificate
from allocopt.containers import Table, read_table
from allocopt.errors import LabelError, SpecificationError, StaleInputError
from allocopt.limits import Limits
from allocopt.solvers.base import Failure, FloatArray, Report, Solution, Solver, TableSolver, thread_count
from allocopt.solvers.heuristic import Heuristic
from allocopt.solvers.program import ConvexProgram, bad_value
from allocopt.solvers.projection import Projection
from allocopt.status import PerDate, Status, outcomes

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Weights = TypeVar("Weights", covariant=True)

SolverName = Literal["euclidean", "kl", "heuristic", "auto", "cvxpy"]
AnySolver = Solver | TableSolver
Missing = Literal["raise", "exclude"]

#: Entries of a block of dates: a megabyte of doubles, small against memory, large against the cost of a call.
BLOCK = 1 << 17

_NAMED: dict[str, AnySolver] = {
    "euclidean": Projection("euclidean"),
    "kl": Projection("kl"),
    "heuristic": Heuristic(),
    "auto": ConvexProgram(),
    "cvxpy": ConvexProgram(route="cvxpy"),
}


@dataclass(frozen=True, eq=False)
class Allocation(Generic[Weights, PerDate]):
    """Weights, cash and what is known about them, in the container that the desirability came in.

    Attributes
    ----------
    weights : as the desirability
        Decimal fractions of capital: 0.0, or at least the floor and at most the cap.
    invested : per date
        Sum of the weights; on the grid, so any order of summation gives this very number.
    limits : Limits
        What the weights were held to.
    solver : Solver or TableSolver
        What found them.

    Notes
    -----
    "Per date" is a float where one date was given, an array for a 2-D array, a Series for a DataFrame.
    """

    weights: Weights
    invested: PerDate
    limits: Limits
    solver: AnySolver
    _table: Table
    _solution: Solution
    _exclude_missing: bool
    _report: Report | None = None

    @property
    def cash(self) -> PerDate:
        """``1 - invested``, exactly: the share of capital that is not in any sleeve, per date."""
        return self._table.per_date(1.0 - self._solution.invested, "cash")  # type: ignore[no-any-return]

    @property
    def status(self) -> Status[PerDate]:
        """Per date: the outcome with its message and remedy, the live sleeves, the missing values excluded."""
        solution = self._solution
        return Status(solution.outcome, solution.live, solution.excluded, self._table.per_date)

    @property
    def route(self) -> str:
        """How the weights were found: in closed form, by the separable kernels, or through cvxpy and with what."""
        return self._report.route if self._report is not None else _rows(self.solver).route

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Dates of a general program that have no solution of their own, why, and what was done; empty otherwise."""
        return self._report.failures if self._report is not None else ()

    @cached_property
    def certificate(self) -> Certificate[PerDate] | ProgramCertificate[PerDate]:
        """Proof of the limits and of optimality.

        Of a projection it is computed when first asked for (about as long as the allocation), from desirability and
        weights alone. Of a general program it is what the solvers proved on the way.

        Raises
        ------
        StaleInputError
            If the desirability or the weights have been changed in place since.
        """
        from allocopt.solvers._certify import certify_rows

        if self._report is not None:
            return ProgramCertificate.of(self._report, self._solution, self._table.per_date, self.solver.distance)
        solver = _rows(self.solver)
        dates, sleeves = self._table.shape
        numbers = np.empty((dates, len(FIELDS)))
        entropic = self.solver.distance == "kl"
        limits = self.limits
        for start, stop in _blocks(dates, sleeves):
            desirability = self._table.block(start, stop)
            again = Solution.empty(stop - start, sleeves)
            weights = self._solution.weights[start:stop]
            bad = solver.solve(desirability, limits, self._exclude_missing, again)
            if bad is not None or not np.array_equal(again.weights, weights):
                raise StaleInputError(
                    "the desirability or the weights were changed in place after the allocation",
                    remedy="allocate again, or pass a copy",
                )
            certify_rows(
                desirability,
                weights,
                self._exclude_missing,
                entropic,
                limits.cap,
                limits.floor,
                limits.budget,
                limits.full_support,
                limits.largest_support,
                numbers[start:stop],
            )
        return Certificate(numbers, self._table.per_date, self.solver.distance)

    def to_frame(self) -> pd.DataFrame:
        """Weights by sleeve, then cash, invested and outcome: one row a date.

        Raises
        ------
        LabelError
            If a sleeve is called like one of the added columns.
        """
        table = self._table
        frame = pd.DataFrame(self._solution.weights, index=table.dates, columns=table.sleeves)
        added = {"cash": 1.0 - self._solution.invested, "invested": self._solution.invested}
        for name in (*added, "outcome"):
            if name in frame.columns:
                raise LabelError("a sleeve has the name of an added column", value=name, remedy="rename the sleeve")
        outcome = [str(o) for o in outcomes(self._solution.outcome)]
        rest = pd.DataFrame({**added, "outcome": outcome}, index=frame.index)
        if isinstance(frame.columns, pd.MultiIndex):
            rest.columns = pd.MultiIndex.from_tuples(
                [(name,) + ("",) * (frame.columns.nlevels - 1) for name in rest.columns], names=frame.columns.names
            )
        return pd.concat([frame, rest], axis=1)

    def __repr__(self) -> str:
        dates, sleeves = self._table.shape
        size = f"{sleeves} sleeves" if self._table.single else f"{dates} dates x {sleeves} sleeves"
        ended = ", ".join(f"{count} {outcome}" for outcome, count in self.status.counts().items())
        if self._table.single:
            ended = ended.removeprefix("1 ")
        cash = "" if dates == 0 else f"; mean cash {float(np.mean(1.0 - self._solution.invested)):.4g}"
        limits = f"cap {self.limits.cap:g}, floor {self.limits.floor:g}, budget {self.limits.budget:g}"
        return f"Allocation({size}, {self.solver.label}, {limits}: {ended or 'nothing to do'}{cash})"


Label = TypeVar("Label", bound=Hashable)
Scalar = TypeVar("Scalar", bound=np.generic)


@overload
def allocate(
    desirability: pd.DataFrame,
    limits: Limits = ...,
    *,
    solver: SolverName | AnySolver = ...,
    missing: Missing = ...,
) -> Allocation[pd.DataFrame, pd.Series[Any]]: ...
@overload
def allocate(
    desirability: pd.Series[Any],
    limits: Limits = ...,
    *,
    solver: SolverName | AnySolver = ...,
    missing: Missing = ...,
) -> Allocation[pd.Series[float], float]: ...
@overload
def allocate(
    desirability: npt.NDArray[Any],
    limits: Limits = ...,
    *,
    solver: SolverName | AnySolver = ...,
    missing: Missing = ...,
) -> Allocation[FloatArray, Any]: ...
@overload
def allocate(
    desirability: Mapping[Label, float],
    limits: Limits = ...,
    *,
    solver: SolverName | AnySolver = ...,
    missing: Missing = ...,
) -> Allocation[dict[Label, float], float]: ...
@overload
def allocate(
    desirability: tuple[float, ...],
    limits: Limits = ...,
    *,
    solver: SolverName | AnySolver = ...,
    missing: Missing = ...,
) -> Allocation[tuple[float, ...], float]: ...
@overload
def allocate(
    desirability: list[Any],
    limits: Limits = ...,
    *,
    solver: SolverName | AnySolver = ...,
    missing: Missing = ...,
) -> Allocation[list[float], float]: ...
@overload
def allocate(
    desirability: Sequence[float],
    limits: Limits = ...,
    *,
    solver: SolverName | AnySolver = ...,
    missing: Missing = ...,
) -> Allocation[Sequence[float], float]: ...
def allocate(
    desirability: object,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    *,
    solver: SolverName | AnySolver = "euclidean",
    missing: Missing = "raise",
) -> Allocation[Any, Any]:
    """Turn desirability into capital weights: no sleeve over the cap, none held under the floor, the rest in cash.

    For each date by itself: with the sleeves that are live (desirability above zero), spend the largest budget
    ``b* <= budget`` that cap and floor can hold, as near as possible to the proportional target
    ``t = b* d / sum(d)``. One or two live sleeves under a 40 % cap hold 40 % each, and the rest is cash.

    Parameters
    ----------
    desirability : sequence, dict, Series or 1-D array; 2-D array or DataFrame
        One date (n sleeves), or many (dates x sleeves). Finite and at least 0, in any unit: only ratios within a date
        count. Dates are independent of each other and may come in any order.
    limits : Limits, default cap 0.40, floor 0.05, budget 1.0
        Decimal fractions of capital.
    solver : {"euclidean", "kl", "heuristic", "auto", "cvxpy"} or an object of `allocopt.solvers`, default "euclidean"
        The distance that is minimised, or the clip-and-renormalise loop, or the Euclidean problem as a general program:
        "auto" finds the fastest route to it, "cvxpy" goes through a general solver, to check the closed form.
    missing : {"raise", "exclude"}, default "raise"
        What a NaN does: raise InputError, or make its sleeve not live on that date, counted in the status.

    Returns
    -------
    Allocation
        Weights in the same container with the same labels and order, cash, status and certificate.

    Raises
    ------
    InputError
        For NaN, infinite or negative values and for what is no number, naming date, sleeve and value.
    ShapeError
        For more than two dimensions, no sleeves, or no container.
    LabelError
        For duplicate sleeves or dates.
    SpecificationError
        For an unknown solver or an unknown ``missing``.
    SolveError
        For a date of a general program that has no solution, naming the limits that conflict.

    Notes
    -----
    Every weight of a projection is 0.0 or in [floor, cap] by plain comparison, and a multiple of 2**-53, so the sum
    of a date is the same float in any order. Theorems and proofs: docs/mathematics.md.

    Examples
    --------
    >>> import allocopt
    >>> result = allocopt.allocate({"gamma": 4.0, "charm": 3.5, "skew": 2.4, "vanna": 0.1})
    >>> {sleeve: round(weight, 4) for sleeve, weight in result.weights.items()}
    {'gamma': 0.4, 'charm': 0.355, 'skew': 0.245, 'vanna': 0.0}
    >>> two = allocopt.allocate([1.0, 3.0])
    >>> two.weights, round(two.cash, 3), two.status.outcome
    ([0.4, 0.4], 0.2, Outcome.CAPPED)
    """
    if not isinstance(limits, Limits):
        raise SpecificationError(
            "limits is not a Limits object", value=limits, remedy="pass Limits(cap=..., floor=...)"
        )
    method = find_solver(solver)
    if missing not in ("raise", "exclude"):
        raise SpecificationError("unknown way to treat missing values", value=missing, remedy="'raise' or 'exclude'")
    exclude = missing == "exclude"
    table = read_table(desirability)
    dates, sleeves = table.shape
    solution = Solution.empty(dates, sleeves)

    report = method.solve_table(table, limits, exclude, solution) if _sees_table(method) else None
    by_row = _rows(method)

    def run(rows: tuple[int, int]) -> None:
        start, stop = rows
        block = table.block(start, stop)
        bad = by_row.solve(block, limits, exclude, solution.rows(start, stop))
        if bad is not None:
            row, column = bad
            raise bad_value(float(block[row, column]), table.where(start + row, column))

    if report is None:
        _for_each(run, list(_blocks(dates, sleeves)), thread_count(by_row.n_jobs))
    return Allocation(
        weights=table.rebuild(solution.weights),
        invested=table.per_date(solution.invested, "invested"),
        limits=limits,
        solver=method,
        _table=table,
        _solution=solution,
        _exclude_missing=exclude,
        _report=report,
    )


def _rows(solver: AnySolver) -> Solver:
    """Solver of independent rows: the object itself, or what a program without terms leaves its dates to."""
    return solver.plain if _sees_table(solver) else solver


def _sees_table(solver: AnySolver) -> TypeIs[TableSolver]:
    """Whether a solver wants all dates at once; isinstance with a protocol would take as long as a whole allocation."""
    return hasattr(solver, "solve_table")


def find_solver(solver: str | AnySolver) -> AnySolver:
    """Solver object for a name, or the object itself; raises SpecificationError for anything else."""
    if isinstance(solver, str):
        if solver not in _NAMED:
            raise SpecificationError("unknown solver", value=solver, remedy=f"use one of {', '.join(_NAMED)}")
        return _NAMED[solver]
    if isinstance(solver, type) or not isinstance(solver, (Solver, TableSolver)):
        raise SpecificationError("not a solver", value=solver, remedy="use an object of allocopt.solvers, or a name")
    return solver


def _blocks(dates: int, sleeves: int) -> Iterator[tuple[int, int]]:
    step = max(1, BLOCK // sleeves)
    for start in range(0, dates, step):
        yield start, min(start + step, dates)


def _for_each(run: Callable[[tuple[int, int]], None], blocks: list[tuple[int, int]], threads: int) -> None:
    """Run every block; the first error in the order of the dates wins, however the threads are scheduled."""
    if threads == 1 or len(blocks) < 2:
        for rows in blocks:
            run(rows)
        return
    with ThreadPoolExecutor(min(threads, len(blocks))) as pool:
        try:
            for _ in pool.map(run, blocks):
                pass
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
