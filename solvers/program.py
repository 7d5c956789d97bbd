"""The general convex program: distance to the target, plus whatever terms the problem has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from allocopt.containers import require_sorted
from allocopt.errors import InputError, SpecificationError
from allocopt.limits import Limits
from allocopt.solvers.base import Distance, FloatArray, Report, Solution, check_distance, check_n_jobs
from allocopt.solvers.projection import Projection
from allocopt.solvers.terms.base import Term
from allocopt.solvers.terms.sleeves import SleeveLimits
from allocopt.solvers.terms.trading import CostPenalty, PreviousWeights

if TYPE_CHECKING:
    from allocopt.containers import Table

Route = Literal["auto", "cvxpy"]
OnFailure = Literal["raise", "previous", "cash"]
Spend = Literal["most", "free"]
Search = Literal["auto", "enumerate", "mixed-integer"]
Backend = Literal["auto", "clarabel", "osqp"]

#: Sleeves up to which supports are enumerated to the end, and ``search="auto"`` asks no mixed-integer solver.
NARROW = 14

_CHOICES: dict[str, tuple[str, ...]] = {
    "route": ("auto", "cvxpy"),
    "on_failure": ("raise", "previous", "cash"),
    "spend": ("most", "free"),
    "search": ("auto", "enumerate", "mixed-integer"),
    "backend": ("auto", "clarabel", "osqp"),
}


@dataclass(frozen=True, eq=False)
class ConvexProgram:
    """Nearest weights to the proportional target under cap, floor-or-zero, budget and any convex terms.

    For each date: among all weights that are zero or between floor and cap on live sleeves, keep the limits of every
    term and sum to the largest attainable budget ``b*``, find those with the least
    ``D(w, t) + sum of the terms' objectives``, where ``t = b* d / sum(d)``. A support (which sleeves are held at all)
    is found by branch and bound or by a mixed-integer solver, with a proof; then the convex problem on it is solved,
    polished, and landed on the grid of multiples of 2**-53, where cap, floor and budget hold by plain comparison.

    Parameters
    ----------
    distance : {"euclidean", "kl"}, default "euclidean"
        ``1/2 ||w - t||**2``, or the relative entropy ``sum w log(w / t) - w + t``.
    terms : sequence of Term
        Objects of `allocopt.solvers.terms`: sleeve, group, exposure, turnover and volatility limits, penalties for
        risk and cost, own ones.
    previous : PreviousWeights, optional
        What is held before the first date, drifting or not. Needed by terms that refer to it; makes dates sequential.
    spend : {"most", "free"}, default "most"
        Whether the sum of weights is the largest that all limits can hold (cash only where it is forced), or any sum
        up to the budget, whichever is best for the objective, with ``t = budget d / sum(d)``.
    on_failure : {"raise", "previous", "cash"}, default "raise"
        What a date that has no solution does: raise SolveError, hold what was held before (drifted; on the first date
        what ``previous`` says, or all cash), or hold nothing. It is listed in `Allocation.failures` in any case.
    route : {"auto", "cvxpy"}, default "auto"
        "auto" leaves problems with a one-dimensional dual to the compiled kernels: none of the terms but sleeve limits
        and costs stated as rates times trades (proportional, spread, per share). `Allocation.route` shows the route.
    search : {"auto", "enumerate", "mixed-integer"}, default "auto"
        How supports are found: by branch and bound on the convex relaxation, which needs no other solver, or by an
        installed mixed-integer solver. "auto" takes the first up to 14 sleeves and up to ``max_nodes``, then the
        second where one is installed (SCIP comes with the extra ``mip``) and can state the problem.
    backend : {"auto", "clarabel", "osqp"}, default "auto"
        Continuous solver. "auto" is Clarabel, and OSQP for quadratic programs that Clarabel ends inaccurately.
    tolerance : float, default 1e-9
        Of the backend: duality gap and feasibility, before polishing.
    search_tolerance : float, default 1e-10
        Difference of objectives below which two supports count as equal, absolute and relative to ``1 + objective``.
    max_nodes : int, optional
        Convex problems that branch and bound may solve for a date; the compiled kernels may solve 20 times as many. By
        default 5,000, and up to 14 sleeves 40,000, which is more than there are supports.
    time_limit : float, default 60.0
        Seconds that a search for a date's support may take (a date may need a few searches) before its best so far is
        returned as UNPROVED.
    n_jobs : int, default 1
        Processes over which dates are spread where they are independent; -1 for one a processor.
    progress : bool, default False
        Whether a progress bar is drawn on standard error.
    name : str, optional
        What tables call it; two programs in one comparison need two names.

    Raises
    ------
    SpecificationError
        For settings out of range, or a term that needs previous weights where none are given.

    References
    ----------
    S. Boyd and L. Vandenberghe, "Convex Optimization" (2004), chapter 4; docs/programs/index.md.

    Examples
    --------
    >>> import allocopt
    >>> from allocopt.solvers import ConvexProgram, GroupLimits
    >>> program = ConvexProgram(terms=(GroupLimits({"tech": ["XLK", "XLC"]}, upper=0.4),))
    >>> scores = {"XLK": 4.0, "XLC": 3.0, "XLP": 1.5, "XLU": 1.5}
    >>> result = allocopt.allocate(scores, solver=program)
    >>> {sleeve: round(weight, 3) for sleeve, weight in result.weights.items()}
    {'XLK': 0.25, 'XLC': 0.15, 'XLP': 0.3, 'XLU': 0.3}
    >>> result.route
    'cvxpy, clarabel, branch and bound'
    """

    distance: Distance = "euclidean"
    terms: tuple[Term, ...] = ()
    previous: PreviousWeights | None = None
    spend: Spend = "most"
    on_failure: OnFailure = "raise"
    route: Route = "auto"
    search: Search = "auto"
    backend: Backend = "auto"
    tolerance: float = 1e-9
    search_tolerance: float = 1e-10
    max_nodes: int | None = None
    time_limit: float = 60.0
    n_jobs: int = 1
    progress: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        check_distance(self.distance)
        check_n_jobs(self.n_jobs)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise SpecificationError(
                    f"unknown {name}", value=getattr(self, name), remedy=f"use one of {', '.join(choices)}"
                )
        for name in ("tolerance", "search_tolerance"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e-14 <= value <= 1e-3:
                raise SpecificationError(f"{name} is outside [1e-14, 1e-3]", value=value, remedy="give 1e-9 or so")
        if self.max_nodes is not None and (
            isinstance(self.max_nodes, bool) or not isinstance(self.max_nodes, int) or self.max_nodes < 1
        ):
            raise SpecificationError("max_nodes is not a positive int", value=self.max_nodes, remedy="give 1 or more")
        if isinstance(self.time_limit, bool) or not isinstance(self.time_limit, (int, float)) or self.time_limit <= 0:
            raise SpecificationError("time_limit is not above 0", value=self.time_limit, remedy="give seconds, or inf")
        if not self.time_limit > 0.0:
            raise SpecificationError("time_limit is not above 0", value=self.time_limit, remedy="give seconds, or inf")
        if self.previous is not None and not isinstance(self.previous, PreviousWeights):
            raise SpecificationError(
                "previous is no PreviousWeights", value=self.previous, remedy="pass PreviousWeights({...})"
            )
        if self.distance == "kl" and self.search == "mixed-integer":
            raise SpecificationError(
                "no mixed-integer solver takes the relative entropy", value=self.search, remedy='search="enumerate"'
            )
        object.__setattr__(self, "terms", tuple(self.terms) if isinstance(self.terms, (list, tuple)) else (self.terms,))
        for term in self.terms:
            if isinstance(term, type) or not isinstance(term, Term):
                raise SpecificationError("not a term", value=term, remedy="use objects of allocopt.solvers.terms")
            if term.needs_previous and self.previous is None:
                raise SpecificationError(
                    "a term refers to the previous weights, and none are given",
                    value=type(term).__name__,
                    remedy="pass previous=PreviousWeights(...); PreviousWeights() starts in cash",
                )

    @property
    def label(self) -> str:
        """The name, or else route or program, and the distance where it is not the Euclidean one."""
        if self.name:
            return self.name
        kind = "program" if self.terms else ("cvxpy" if self.route == "cvxpy" else "auto")
        return kind if self.distance == "euclidean" else f"{kind}-{self.distance}"

    def nodes_for(self, sleeves: int) -> int:
        """Convex problems that a search may solve for a date of so many sleeves."""
        if self.max_nodes is not None:
            return self.max_nodes
        return 40_000 if sleeves <= NARROW else 5_000

    @property
    def sequential(self) -> bool:
        """Whether a date needs the weights of the date before."""
        return self.previous is not None or self.on_failure == "previous"

    def solve_table(self, table: Table, limits: Limits, exclude_missing: bool, out: Solution) -> Report | None:
        """Fill ``out`` for all dates; see `allocopt.solvers.base.TableSolver`."""
        if self.route == "auto" and not self.terms and self.spend == "most":
            return None  # the plain projection
        if self.sequential and table.dates is not None:
            require_sorted(table.dates, "the desirability of a sequential program")
        desirability = self._read(table, exclude_missing, out)
        caps, floors, always = self._bounds(table, limits)
        rates = self._rates(table) if self.route == "auto" else None
        if rates is not None:
            from allocopt.solvers import _separable_run

            return _separable_run.solve_program(
                self, table, desirability, caps, floors, always, rates, limits, out
            )  # fmt: skip
        from allocopt.solvers import _run

        return _run.solve_program(self, table, desirability, caps, floors, always, limits, out)

    @property
    def plain(self) -> Projection:
        """The projection that a program without terms is."""
        return Projection(self.distance, self.n_jobs)

    def _read(self, table: Table, exclude_missing: bool, out: Solution) -> FloatArray:
        """Desirability with zero for what is excluded; counts live and excluded sleeves."""
        values = table.block(0, table.shape[0])
        missing = np.isnan(values)
        if exclude_missing:
            values = np.where(missing, 0.0, values)
        wrong = ~((values >= 0.0) & (values < np.inf))
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            raise bad_value(float(values[row, column]), table.where(row, column))
        out.excluded[:] = missing.sum(axis=1)
        out.live[:] = (values > 0.0).sum(axis=1)
        return values

    def _bounds(self, table: Table, limits: Limits) -> tuple[FloatArray, FloatArray, np.ndarray]:
        n = table.shape[1]
        caps, floors = np.full((1, n), limits.cap), np.full((1, n), limits.floor)
        always = np.zeros(n, bool)
        for term in self.terms:
            if isinstance(term, SleeveLimits):
                caps, floors, held = term.bounds(caps, floors, table.dates, table.shape[0], table.sleeves)
                always = always | held
        return caps, floors, always

    def _rates(self, table: Table) -> FloatArray | None:
        """Cost per unit traded in units of the objective, if no term needs more than that; else None."""
        from allocopt.costs import PerShareCost, ProportionalCost, SpreadCost

        rates = np.zeros(table.shape[1])
        for term in self.terms:
            if type(term) is SleeveLimits:
                continue
            if type(term) is not CostPenalty:
                return None
            cost = term.cost  # exact types, as a subclass may have a formula of its own
            if type(cost) is ProportionalCost or type(cost) is SpreadCost or type(cost) is PerShareCost:
                rates += term.aversion * cost.rates(table.shape[1], table.sleeves)
            else:
                return None
        return rates if self.spend == "most" else None


def bad_value(value: float, where: str) -> InputError:
    """Error for a value that is no desirability."""
    if np.isnan(value):
        return InputError(
            "desirability is missing",
            where=where,
            value=value,
            remedy='fill it, or pass missing="exclude" to hold none',
        )
    if value < 0.0:
        return InputError(
            "desirability is negative", where=where, value=value, remedy="score from 0 up; 0 means not live"
        )
    return InputError("desirability is infinite", where=where, value=value, remedy="give a finite number")
