"""Exact sums of caps and floors, and the largest sum that floor-or-zero sleeves can hold within the budget.

Limits are pairs of integers: grid units of 2**-53, and fractions of them in units of 2**-106. Notation as in
docs/mathematics.md, "Separable programs".
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from allocopt.limits import GRID
from allocopt.solvers._euclidean import EPS
from allocopt.solvers._separable_layout import (
    CAP,
    CAP_HIGH,
    CAP_LOW,
    FLOOR,
    FLOOR_HIGH,
    FLOOR_LOW,
    HELD,
    OPEN,
    OUT,
    SAVED,
    STATE,
)

#: Sums of units stop growing here; far above any budget, and two of them fit 64 bits.
SATURATED = 2**61


@njit(cache=True, nogil=True, error_model="numpy")
def split(x, upwards):
    """``x`` in [0, 1] as whole units of 2**-53 and of 2**-106, exactly from 2**-53 up, else rounded as told."""
    scaled = x * float(GRID)
    whole = math.floor(scaled)
    rest = (scaled - whole) * float(GRID)
    high, low = np.int64(whole), np.int64(math.ceil(rest) if upwards else math.floor(rest))
    return high + low // GRID, low % GRID


@njit(cache=True, nogil=True, error_model="numpy")
def plus(high, low, more_high, more_low):
    """Sum of two numbers in units and their fractions."""
    low += more_low
    carry = low // GRID
    return min(high + more_high + carry, SATURATED), low - carry * GRID


@njit(cache=True, nogil=True, error_model="numpy")
def minus(high, low, less_high, less_low):
    """Difference of two numbers in units and their fractions; the fraction stays positive."""
    low -= less_low
    carry = low // GRID
    return high - less_high + carry, low - carry * GRID


@njit(cache=True, nogil=True, error_model="numpy")
def less(high, low, other_high, other_low):
    """Whether the first number is below the second, exactly."""
    return high < other_high or (high == other_high and low < other_low)


@njit(cache=True, nogil=True, error_model="numpy")
def as_double(high, low):
    """Round a number in units and their fractions to the nearest double."""
    return (float(high) + float(low) / float(GRID)) / float(GRID)


@njit(cache=True, nogil=True, error_model="numpy")
def reach(u, n, room):
    """Exact sums of the floors of HELD sleeves and of the caps of those not OUT (only HELD if ``room`` is false)."""
    floor_high = floor_low = cap_high = cap_low = 0
    for i in range(n):
        state = u[i, STATE]
        if state == HELD:
            floor_high, floor_low = plus(floor_high, floor_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
        if state == HELD or (room and state == OPEN):
            cap_high, cap_low = plus(cap_high, cap_low, u[i, CAP_HIGH], u[i, CAP_LOW])
    return floor_high, floor_low, cap_high, cap_low


@njit(cache=True, nogil=True, error_model="numpy")
def attain(s, u, n, budget_high, budget_low, max_nodes):
    """Largest attainable sum up to the budget: ``(high, low, nodes, proved)``; SAVED marks a set that attains it.

    The set ``A`` of held sleeves attains the interval from its floors to its caps. So the sum is the budget, or the
    largest sum of caps whose floors fit the budget: a knapsack, greedy where all floors or all caps are equal.
    """
    floor_high, floor_low, base_high, base_low = reach(u, n, False)
    _, _, all_high, all_low = reach(u, n, True)
    for i in range(n):
        u[i, SAVED] = u[i, STATE] != OUT
    if not less(budget_high, budget_low, all_high, all_low):
        return all_high, all_low, 0, True
    free_high, free_low = minus(budget_high, budget_low, floor_high, floor_low)

    # In the given order, which most often does.
    rest_high, rest_low, high, low = free_high, free_low, base_high, base_low
    for i in range(n):
        if u[i, STATE] == OPEN:
            u[i, SAVED] = not less(rest_high, rest_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
            if u[i, SAVED]:
                rest_high, rest_low = minus(rest_high, rest_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
                high, low = plus(high, low, u[i, CAP_HIGH], u[i, CAP_LOW])
    if not less(high, low, budget_high, budget_low):
        return budget_high, budget_low, 0, True

    items = np.empty(n, np.int64)
    count = 0
    for i in range(n):
        if u[i, STATE] == OPEN:
            items[count] = i
            count += 1
    items = items[:count]
    same_floor = same_cap = True
    first = items[0]
    for i in items:
        same_floor &= u[i, FLOOR_HIGH] == u[first, FLOOR_HIGH] and u[i, FLOOR_LOW] == u[first, FLOOR_LOW]
        same_cap &= u[i, CAP_HIGH] == u[first, CAP_HIGH] and u[i, CAP_LOW] == u[first, CAP_LOW]
    key = np.empty(count)
    for j in range(count):
        floor, cap = s[items[j], FLOOR], s[items[j], CAP]
        key[j] = -cap if same_floor else (floor if same_cap else floor / cap)
    items = items[np.argsort(key, kind="mergesort")]
    greedy = same_floor or same_cap

    # Depth first, the sleeve taken before it is left; ``taken`` is the path.
    best_high, best_low = -1, 0
    taken = np.zeros(count, np.bool_)
    nodes = 0
    depth = 0
    rest_high, rest_low, high, low = free_high, free_low, base_high, base_low
    while True:
        nodes += 1
        # Bound: the rest in order of the ratio, the last one in part; exact but for that part, which is rounded up.
        over_high, over_low, spare_high, spare_low = high, low, rest_high, rest_low
        for j in range(depth, count):
            i = items[j]
            if less(spare_high, spare_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW]):
                part = as_double(spare_high, spare_low) * float(GRID) * (s[i, CAP] / s[i, FLOOR]) * (1.0 + 8.0 * EPS)
                over_high, over_low = plus(over_high, over_low, np.int64(min(part, float(GRID))) + 1, 0)
                break
            spare_high, spare_low = minus(spare_high, spare_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
            over_high, over_low = plus(over_high, over_low, u[i, CAP_HIGH], u[i, CAP_LOW])
        if less(best_high, best_low, over_high, over_low):
            while depth < count:
                i = items[depth]
                taken[depth] = not less(rest_high, rest_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
                if taken[depth]:
                    rest_high, rest_low = minus(rest_high, rest_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
                    high, low = plus(high, low, u[i, CAP_HIGH], u[i, CAP_LOW])
                depth += 1
            if less(best_high, best_low, high, low):
                best_high, best_low = high, low
                for j in range(count):
                    u[items[j], SAVED] = taken[j]
                if not less(best_high, best_low, budget_high, budget_low):
                    return budget_high, budget_low, nodes, True
        if greedy:
            return best_high, best_low, nodes, True
        depth -= 1
        while depth >= 0 and not taken[depth]:
            depth -= 1
        if depth < 0:
            return best_high, best_low, nodes, True
        if nodes >= max_nodes:
            return best_high, best_low, nodes, False
        i = items[depth]
        taken[depth] = False
        rest_high, rest_low = plus(rest_high, rest_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
        high, low = minus(high, low, u[i, CAP_HIGH], u[i, CAP_LOW])
        depth += 1
