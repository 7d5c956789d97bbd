"""One date, one distance: walk the support sizes from the largest down with one warm multiplier.

Notation (design: docs/mathematics.md). ``t`` is the proportional target in descending order, ``tail[i]`` the sum of
``t[i:]``. At support size ``k`` the solution has ``a`` sleeves at the cap, ``[a, q)`` strictly between the limits and
``[q, k)`` at the floor. Dropping the smallest sleeve frees mass, so the multiplier only moves one way and ``a`` and
``q`` only grow: all sizes together cost O(n). The value is convex in ``k``, so the first size that cannot be improved
by dropping one more sleeve is the best one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

EPS = 2.220446049250313e-16

#: The support sizes of two neighbours differ in value by less than rounding can tell; exact arithmetic must decide.
UNDECIDED = -1


@njit(cache=True, nogil=True, error_model="numpy")
def advance_euclidean(t, tail, k, a, q, cap, floor, budget):
    """Move the active set to the multiplier at which ``clip(t[:k] - multiplier, floor, cap)`` spends the budget."""
    while True:
        enter = t[q] - floor if q < k else -np.inf
        leave = t[a] - cap if a < q else -np.inf
        need = budget - a * cap - (k - q) * floor
        if enter >= leave:
            if enter == -np.inf:
                return a, q, (t[a - 1] - cap if a > 0 else 0.0)
            if tail[a] - tail[q] - (q - a) * enter >= need:
                break
            q += 1
        else:
            if tail[a] - tail[q] - (q - a) * leave >= need:
                break
            a += 1
    if a == q:
        return a, q, t[q] - floor
    return a, q, (tail[a] - tail[q] - need) / (q - a)


@njit(cache=True, nogil=True, error_model="numpy")
def change_euclidean(t, k, high, low, cap, floor):
    """Value of size ``k`` (multiplier ``high``) less the value of size ``k - 1`` (multiplier ``low``)."""
    last = t[k - 1]
    held = min(max(last - high, floor), cap)
    change = 0.5 * held * (held - 2.0 * last)
    for i in range(k - 1):
        new = min(max(t[i] - high, floor), cap)
        old = min(max(t[i] - low, floor), cap)
        change += 0.5 * (new - old) * (new + old - 2.0 * t[i])
    return change


@njit(cache=True, nogil=True, error_model="numpy")
def walk_euclidean(t, tail, k_min, k_max, cap, floor, budget):
    """Best support size and its active set: ``(k, a, q, multiplier)``, or ``k = UNDECIDED``."""
    k = k_max
    a, q, lam = advance_euclidean(t, tail, k, 0, 0, cap, floor, budget)
    if floor == 0.0:
        return k, a, q, lam
    slack = 16.0 * (k_max + 8) * EPS
    while k > k_min:
        last = t[k - 1]
        margin = slack * (cap + abs(lam))
        if last - lam >= 0.5 * floor + margin:
            break
        below = k - 1
        a_below, q_below, low = advance_euclidean(t, tail, below, min(a, below), min(q, below), cap, floor, budget)
        if last - low > 0.5 * floor - margin:
            change = change_euclidean(t, k, lam, low, cap, floor)
            doubt = slack * (abs(lam) + abs(low) + floor * cap)
            if abs(change) <= doubt:
                return UNDECIDED, a, q, lam
            if change < 0.0:
                break
        k, a, q, lam = below, a_below, q_below, low
    return k, a, q, lam
