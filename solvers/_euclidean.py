"""Euclidean projection of one date: walk the support sizes from the largest down with one warm multiplier.

Notation as in docs/mathematics.md. ``t`` is the proportional target in descending order and ``tail[i]`` the sum of
``t[i:]``. With support size ``k`` the solution is ``clip(t[:k] - multiplier, floor, cap)``: ``a`` sleeves at the cap,
``[a, q)`` strictly between the limits, ``[q, k)`` at the floor.

Dropping the smallest sleeve lowers the multiplier, so from one size to the next ``a`` and ``q`` only grow and all
sizes together cost O(n). The value is convex in ``k``, so the first size that dropping one more sleeve does not
improve is the best of all, and the two bounds on a step's value, ``t - multiplier`` against ``floor / 2`` at either
size, leave at most one step per date whose value has to be computed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

EPS = 2.220446049250313e-16

#: Returned as support size where two sizes differ by less than rounding can tell: exact arithmetic must decide.
UNDECIDED = -1

#: Rounds of variable fixing before the (always linear) walk over breakpoints takes over.
FIXING_ROUNDS = 24


@njit(cache=True, nogil=True, error_model="numpy")
def fix(t, tail, k, cap, floor, budget):
    """Active set and multiplier of size ``k`` from scratch, by variable fixing (Bitran and Hax 1981; Kiwiel 2008).

    Solve with the free sleeves unlimited; on the side of the limits that is broken by more in all, the sleeves beyond
    the limit are at it in the solution too, and are fixed there.
    """
    a, q = 0, k
    multiplier = 0.0
    for _ in range(FIXING_ROUNDS):
        multiplier = (tail[a] - tail[q] - (budget - a * cap - (k - q) * floor)) / (q - a)
        high = multiplier + cap
        low = multiplier + floor
        over = 0.0
        under = 0.0
        above = 0
        below = 0
        for i in range(a, q):
            x = t[i]
            over += max(x - high, 0.0)
            under += max(low - x, 0.0)
            above += x > high
            below += x < low
        if above + below == 0:
            return a, q, multiplier
        if over >= under:
            a += above
        if under >= over:
            q -= below
        if a == q:
            break  # nothing is free: the last multiplier belongs to another active set
    return advance(t, tail, k, a, a, cap, floor, budget)


@njit(cache=True, nogil=True, error_model="numpy")
def advance(t, tail, k, a, q, cap, floor, budget):
    """Lower the multiplier, breakpoint by breakpoint, until ``clip(t[:k] - multiplier, floor, cap)`` spends the budget.

    ``a`` and ``q`` must not be beyond those of the solution.
    """
    while True:
        enter = t[q] - floor if q < k else -np.inf
        leave = t[a] - cap if a < q else -np.inf
        need = budget - a * cap - (k - q) * floor
        event = max(enter, leave)
        if event == -np.inf:  # all at the cap: any multiplier up to this one
            return a, q, t[k - 1] - cap
        if tail[a] - tail[q] - (q - a) * event >= need:
            break
        if enter >= leave:
            q += 1
        else:
            a += 1
    if a == q:
        return a, q, event
    return a, q, (tail[a] - tail[q] - need) / (q - a)


@njit(cache=True, nogil=True, error_model="numpy")
def change(t, k, high, low, cap, floor):
    """Value of size ``k`` (multiplier ``high``) less the value of size ``k - 1`` (multiplier ``low``)."""
    last = t[k - 1]
    held = min(max(last - high, floor), cap)
    total = 0.5 * held * (held - 2.0 * last)
    for i in range(k - 1):
        new = min(max(t[i] - high, floor), cap)
        old = min(max(t[i] - low, floor), cap)
        total += 0.5 * (new - old) * (new + old - 2.0 * t[i])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def walk(t, tail, k_min, k_max, cap, floor, budget):
    """Best support size and its active set, ``(k, a, q, multiplier)``; ``k`` is UNDECIDED where rounding cannot tell.

    The margins bound the rounding of sums of ``k_max`` terms, with a factor to spare.
    """
    k = k_max
    a, q, multiplier = fix(t, tail, k, cap, floor, budget)
    if floor == 0.0:
        return k, a, q, multiplier
    slack = 16.0 * (k_max + 8) * EPS
    while k > k_min:
        last = t[k - 1]
        margin = slack * (cap + abs(multiplier))
        if last - multiplier >= 0.5 * floor + margin:
            break
        smaller = k - 1
        a_next, q_next, low = advance(t, tail, smaller, min(a, smaller), min(q, smaller), cap, floor, budget)
        if last - low > 0.5 * floor - margin:
            gain = change(t, k, multiplier, low, cap, floor)
            if abs(gain) <= slack * (abs(multiplier) + abs(low) + floor * cap):
                return UNDECIDED, a, q, multiplier
            if gain < 0.0:
                break
        k, a, q, multiplier = smaller, a_next, q_next, low
    return k, a, q, multiplier
