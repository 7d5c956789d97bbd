"""Relative-entropy (KL) projection of one date: the same walk as the Euclidean one, with ``clip(multiplier * t)``.

Notation as in ``_euclidean``. Dropping the smallest sleeve raises the multiplier. A step's value is bounded through
``multiplier * t`` against ``floor / e`` at either size. Ratios are compared by cross-multiplying, to save divisions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from allocopt.solvers._euclidean import EPS, FIXING_ROUNDS, UNDECIDED

#: Below this share of the target the doubles' range runs out (multiplier and ``multiplier * t``): solved exactly.
SMALLEST_SHARE = 1e-250


@njit(cache=True, nogil=True, error_model="numpy")
def fix(t, tail, k, cap, floor, budget):
    """Active set and multiplier of size ``k`` from scratch, by variable fixing (see ``_euclidean.fix``)."""
    a, q = 0, k
    multiplier = 1.0
    for _ in range(FIXING_ROUNDS):
        multiplier = (budget - a * cap - (k - q) * floor) / (tail[a] - tail[q])
        over = 0.0
        under = 0.0
        above = 0
        below = 0
        for i in range(a, q):
            x = multiplier * t[i]
            over += max(x - cap, 0.0)
            under += max(floor - x, 0.0)
            above += x > cap
            below += x < floor
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
    """Raise the multiplier, breakpoint by breakpoint, until ``clip(multiplier * t[:k], floor, cap)`` spends the budget.

    ``a`` and ``q`` must not be beyond those of the solution.
    """
    while True:
        need = budget - a * cap - (k - q) * floor
        entering = q < k and (a == q or floor * t[a] <= cap * t[q])
        if entering:
            level, share = floor, t[q]
        elif a < q:
            level, share = cap, t[a]
        else:  # all at the cap: any multiplier from this one up
            return a, q, cap / t[k - 1]
        if (tail[a] - tail[q]) * level >= need * share:
            break
        if entering:
            q += 1
        else:
            a += 1
    if a == q:
        return a, q, level / share
    return a, q, need / (tail[a] - tail[q])


@njit(cache=True, nogil=True, error_model="numpy")
def change(t, k, low, high, cap, floor):
    """Value of size ``k`` (multiplier ``low``) less the value of size ``k - 1`` (multiplier ``high``).

    Both have the same mass, so ``w log(w / t) - w`` may be measured against ``high * t`` instead of ``t``. That makes
    the terms small and the sum insensitive to the last bits of the multipliers.
    """
    last = high * t[k - 1]
    held = min(max(low * t[k - 1], floor), cap)
    total = held * (math.log(held / last) - 1.0)
    for i in range(k - 1):
        base = high * t[i]
        new = min(max(low * t[i], floor), cap)
        old = min(max(base, floor), cap)
        if new != old:
            total += new * (math.log(new / base) - 1.0) - old * (math.log(old / base) - 1.0)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def walk(t, tail, k_min, k_max, cap, floor, budget):
    """Best support size and active set, ``(k, a, q, multiplier)``; ``k`` is UNDECIDED where rounding cannot tell."""
    if t[k_max - 1] < SMALLEST_SHARE:
        return UNDECIDED, 0, 0, np.nan
    k = k_max
    a, q, multiplier = fix(t, tail, k, cap, floor, budget)
    slack = 16.0 * (k_max + 8) * EPS
    if floor > 0.0:
        level = floor / math.e
        while k > k_min:
            last = t[k - 1]
            if multiplier * last >= level * (1.0 + slack):
                break
            smaller = k - 1
            a_next, q_next, high = advance(t, tail, smaller, min(a, smaller), min(q, smaller), cap, floor, budget)
            if high * last > level * (1.0 - slack):
                gain = change(t, k, multiplier, high, cap, floor)
                doubt = floor * (1.0 + abs(math.log(floor / (high * last)))) + math.log(high / multiplier)
                if abs(gain) <= slack * doubt:
                    return UNDECIDED, a, q, multiplier
                if gain < 0.0:
                    break
            k, a, q, multiplier = smaller, a_next, q_next, high
    if a < q:  # once more from the free sleeves alone: the tails may carry the rounding of larger terms
        free = 0.0
        for i in range(a, q):
            free += t[i]
        multiplier = (budget - a * cap - (k - q) * floor) / free
    return k, a, q, multiplier
