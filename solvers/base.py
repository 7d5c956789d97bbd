"""What every solver offers: turn a block of desirability rows into weights within the limits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from allocopt.errors import SpecificationError
from allocopt.limits import Limits

if TYPE_CHECKING:
    from allocopt.containers import Table

#: Distance to the proportional target: ``1/2 ||w - t||**2``, or the relative entropy ``sum w log(w / t)``.
Distance = Literal["euclidean", "kl"]
DISTANCES: tuple[Distance, ...] = ("euclidean", "kl")

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Solution:
    """Arrays that a solver fills, one row a date. The arrays are written in place; rows are independent.

    Attributes
    ----------
    weights : float64 array (dates, sleeves)
        Decimal fractions of capital.
    invested : float64 array (dates,)
        Sum of the date's weights.
    outcome : uint8 array (dates,)
        `allocopt.Outcome` codes.
    live, excluded : int32 arrays (dates,)
        Number of live sleeves, and of missing values treated as not live.
    """

    weights: FloatArray
    invested: FloatArray
    outcome: npt.NDArray[np.uint8]
    live: npt.NDArray[np.int32]
    excluded: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, dates: int, sleeves: int) -> Solution:
        """Room for the solution of ``dates`` dates."""
        # What is known per date shares one allocation: a large one comes in huge pages, four smaller ones page by page.
        known = np.empty(dates * 17, np.uint8)
        return cls(
            weights=np.empty((dates, sleeves)),
            invested=known[: 8 * dates].view(np.float64),
            outcome=known[16 * dates :],
            live=known[8 * dates : 12 * dates].view(np.int32),
            excluded=known[12 * dates : 16 * dates].view(np.int32),
        )

    def rows(self, start: int, stop: int) -> Solution:
        """View of the dates ``start`` up to ``stop``."""
        return Solution(
            weights=self.weights[start:stop],
            invested=self.invested[start:stop],
            outcome=self.outcome[start:stop],
            live=self.live[start:stop],
            excluded=self.excluded[start:stop],
        )


@dataclass(frozen=True)
class Failure:
    """A date without a solution of its own, and what was done about it.

    Attributes
    ----------
    row : int
        Number of the date.
    where : str
        The date in words.
    reason : str
        The limits that conflict and how much they would have to give, or what the solver said.
    conflict : tuple of str
        Names of limits that no weights keep together, none of which could be left out; empty if the date is feasible.
    relaxation : dict of str to float
        Limits that would have to give, and by how much in their own unit.
    action : {"raise", "previous", "cash"}
        What the policy did.
    """

    row: int
    where: str
    reason: str
    conflict: tuple[str, ...]
    relaxation: dict[str, float]
    action: str

    def __str__(self) -> str:
        done = {"previous": "the previous weights are kept", "cash": "all is cash"}.get(self.action)
        return f"{self.where}: {self.reason}" + (f"; {done}" if done else "")


@dataclass(frozen=True, eq=False)
class Report:
    """What a general program knows about its dates beyond the weights; arrays have one entry a date."""

    route: str
    attainable: FloatArray
    cap_residual: FloatArray
    floor_residual: FloatArray
    excess: FloatArray
    multiplier: FloatArray
    objective: FloatArray
    bound: FloatArray
    kkt_residual: FloatArray
    nodes: npt.NDArray[np.int64]
    failures: tuple[Failure, ...] = ()

    @classmethod
    def empty(cls, route: str, dates: int) -> Report:
        """Room for ``dates`` dates; NaN until they are solved."""
        columns = np.full((8, dates), np.nan)
        return cls(
            route=route,
            attainable=columns[0],
            cap_residual=columns[1],
            floor_residual=columns[2],
            excess=columns[3],
            multiplier=columns[4],
            objective=columns[5],
            bound=columns[6],
            kkt_residual=columns[7],
            nodes=np.zeros(dates, np.int64),
        )


class Method(Protocol):
    """What every solver tells of itself."""

    @property
    def label(self) -> str:
        """Short name for tables."""
        ...

    @property
    def distance(self) -> Distance:
        """Distance that the results are certified in."""
        ...

    @property
    def n_jobs(self) -> int:
        """Threads or processes that dates are spread over."""
        ...


@runtime_checkable
class Solver(Method, Protocol):
    """A frozen object that holds a method and its settings."""

    @property
    def route(self) -> str:
        """How it finds weights, in words."""
        ...

    def solve(
        self, desirability: FloatArray, limits: Limits, exclude_missing: bool, out: Solution
    ) -> tuple[int, int] | None:
        """Fill ``out`` for a C-ordered block; the position of the first value that is no desirability, or None."""
        ...


@runtime_checkable
class TableSolver(Method, Protocol):
    """A frozen object that sees all dates and their labels at once, because dates or terms refer to them."""

    @property
    def plain(self) -> Solver:
        """Solver of the plain problem, where `solve_table` leaves it to that."""
        ...

    def solve_table(self, table: Table, limits: Limits, exclude_missing: bool, out: Solution) -> Report | None:
        """Fill ``out``; None (and nothing filled) where the problem is the plain projection."""
        ...


def check_distance(distance: str) -> None:
    """Raise SpecificationError unless ``distance`` is one of DISTANCES."""
    if distance not in DISTANCES:
        raise SpecificationError("unknown distance", value=distance, remedy=f"use one of {', '.join(DISTANCES)}")


def check_n_jobs(n_jobs: int) -> None:
    """Raise SpecificationError unless ``n_jobs`` is a positive int, or -1 for one thread a processor."""
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or (n_jobs < 1 and n_jobs != -1):
        raise SpecificationError(
            "n_jobs is not a number of threads", value=n_jobs, remedy="give 1 or more, or -1 for all processors"
        )


def thread_count(n_jobs: int) -> int:
    """Threads to start for a validated ``n_jobs``."""
    return n_jobs if n_jobs > 0 else (os.cpu_count() or 1)
