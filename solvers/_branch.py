"""Which sleeves to hold at all: branch and bound over floor-or-zero supports, or a mixed-integer solver.

A sleeve is zero or at least its floor. The convex relaxation lets it be anything from zero to its cap, and its value
is a lower bound. Where the relaxation puts no sleeve strictly between zero and its floor it is the answer; otherwise
one such sleeve is either not held or held, two smaller problems. Every support is in one of the leaves, and a leaf is
cut off only by a bound, so the result is the global optimum to the tolerance (A. H. Land and A. G. Doig, "An automatic
method of solving discrete programming problems", Econometrica 28 (1960)).
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np

from allocopt.solvers._problem import SolverFailure
from allocopt.solvers.base import FloatArray

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

#: Share of the floor below which the relaxation's weight counts as zero, and above which it counts as held.
DUST = 1e-5


class Exhausted(SolverFailure):
    """``max_nodes`` convex problems found no weights, and no proof that there are none."""


class Relaxed(Protocol):
    """What the search needs of a solution within bounds."""

    @property
    def w(self) -> FloatArray:
        """Weights."""
        ...

    @property
    def value(self) -> float:
        """Objective."""
        ...

    @property
    def bound(self) -> float:
        """Lower bound of the objective."""
        ...


#: Minimiser within ``lower <= w <= upper``, or None where there is none.
Solve = Callable[[FloatArray, FloatArray], Relaxed | None]

#: Relaxation within those bounds, for sleeves that are zero or at least the third argument (0: anything between).
Relax = Callable[[FloatArray, FloatArray, FloatArray], Relaxed | None]


@dataclass(frozen=True, eq=False)
class Supported:
    """Best support found: its bounds, its value, and a lower bound on every support's value."""

    lower: FloatArray
    upper: FloatArray
    value: float
    bound: float
    nodes: int
    proved: bool
    method: str = "branch and bound"


def branch_and_bound(
    solve: Solve,
    relax: Relax,
    floors: FloatArray,
    caps: FloatArray,
    always: BoolArray,
    tolerance: float,
    max_nodes: int,
    seconds: float = np.inf,
    affordable: Callable[[BoolArray], bool] = lambda held: True,
) -> Supported | None:
    """Search all supports, best bound first; None if none is feasible.

    Parameters
    ----------
    solve : callable
        Solves the convex problem within bounds, to be used on a support.
    relax : callable
        Solves a relaxation of it, whose value is a lower bound and which may be closer than `solve` within the bounds.
    floors, caps : array (n,)
        Zero caps for sleeves that cannot be held.
    always : array (n,) of bool
        Sleeves that must be held.
    tolerance : float
        Difference of objectives, relative and absolute, below which two supports count as equal.
    max_nodes : int
        Relaxations to solve at most; beyond it the best so far is returned with ``proved=False``.
    seconds : float
        The same for time.
    affordable : callable
        Whether the floors of a support fit the budget, where that is known better than to the solver's tolerance.

    Raises
    ------
    Exhausted
        If nodes or time have run out and no weights have been found, which says nothing about whether there are any.
    """
    optional = (caps > 0.0) & ~always & (floors > 0.0)
    lower = np.where(always, floors, 0.0)
    order = count()
    nodes = 0
    best: Supported | None = None
    end = time.monotonic() + seconds
    cut = np.inf  # lowest bound among what was cut off, leaves included

    def relaxed(low: FloatArray, high: FloatArray) -> Relaxed | None:
        nonlocal nodes
        nodes += 1
        return relax(low, high, np.where(optional & (low == 0.0) & (high > 0.0), floors, 0.0))

    def propose(held: BoolArray, w: FloatArray) -> None:
        """Make the best weights on a support, without the smallest that the budget cannot afford, the incumbent."""
        nonlocal best, nodes
        held = held.copy()
        for i in np.argsort(np.where(optional & held, w, np.inf)):
            if affordable(held):
                break
            held[i] = False
        if (always & ~held).any() or not affordable(held):
            return
        nodes += 1
        low, high = np.where(held, floors, 0.0), np.where(held, caps, 0.0)
        point = solve(low, high)
        if point is not None and (best is None or point.value < best.value):
            best = Supported(low, high, point.value, point.bound, 0, False)

    root = relaxed(lower, caps)
    if root is None:
        return None
    if not optional.any():
        return Supported(lower, caps, root.value, root.bound, nodes, proved=True)
    queue = [(root.bound, next(order), root, lower, caps)]
    rounded = False
    while queue:
        bound, _, point, low, high = heapq.heappop(queue)
        margin = tolerance * (1.0 + abs(best.value)) if best is not None else 0.0
        if best is not None and bound >= best.value - margin:
            cut = min(cut, bound)
            break  # best first: all that is left is no better
        undecided = optional & (low == 0.0) & (high > 0.0)
        w = point.w
        between = undecided & (w > DUST * floors) & (w < (1.0 - DUST) * floors)
        held = always | (floors == 0.0) | (low > 0.0) | ((high > 0.0) & (w >= 0.5 * floors))
        if nodes >= max_nodes or time.monotonic() > end:
            cut = min(cut, bound)
            if best is None:
                propose(held, w)
            if best is None:
                raise Exhausted(f"no weights were found within max_nodes={max_nodes} and {seconds:g} seconds")
            return _with(best, min(cut, best.bound), nodes, proved=False)
        if not between.any():
            before = best.value if best is not None else np.inf
            propose(held, w)
            # Rounding the dust moved the value by less than the tolerance: the node is solved.
            if best is not None and min(best.value, before) - bound <= tolerance * (1.0 + abs(bound)) * 10.0:
                cut = min(cut, bound)
                continue
            between = undecided & held if not affordable(held) else undecided & (w > 0.0) & (w < floors)
            if not between.any():
                cut = min(cut, bound)
                continue
        elif not rounded or best is None:
            rounded = True
            propose(held, w)
        distance = np.where(between, np.minimum(w, floors - w), -np.inf)
        i = int(np.argmax(distance))
        out, into = high.copy(), low.copy()
        out[i], into[i] = 0.0, floors[i]
        for new_low, new_high in ((low, out), (into, high)):
            child = relaxed(new_low, new_high) if affordable(new_low > 0.0) else None
            if child is not None:
                heapq.heappush(queue, (max(child.bound, bound), next(order), child, new_low, new_high))
    if best is None:
        return None
    return _with(best, min(cut, best.bound), nodes, proved=True)


def _with(best: Supported, bound: float, nodes: int, *, proved: bool) -> Supported:
    return Supported(best.lower, best.upper, best.value, bound, nodes, proved)
