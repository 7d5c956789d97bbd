"""The projection of a block of dates, one after another, with buffers for one date only."""

from __future__ import annotations

from numba import njit
import numpy as np

from allocopt.solvers import _entropic, _euclidean
from allocopt.solvers._landing import UNIT, UNITS_PER_ONE, land
from allocopt.solvers._sorting import order_live

walk_euclidean = _euclidean.walk
walk_entropic = _entropic.walk

# Codes of allocopt.status.Outcome; a kernel cannot read an enum.
FULL, ROUNDED, CAPPED, FLOORED, EMPTY, UNAFFORDABLE = 0, 1, 2, 3, 4, 5

#: A date whose support size exact arithmetic must choose.
UNRESOLVED = 255


@njit(cache=True, nogil=True, error_model="numpy")
def describe(k, live, k_full, k_largest, target, budget_units):
    """Outcome code of a date that holds ``k`` of ``live`` sleeves and spends ``target`` grid units."""
    if k < k_full:
        if live > k_largest:
            return FLOORED if k > 0 else UNAFFORDABLE
        return CAPPED
    return FULL if target == budget_units else ROUNDED


@njit(cache=True, nogil=True, error_model="numpy")
def project_rows(
    desirability, weights, invested, outcome, live_count, excluded_count,
    entropic, exclude_missing, cap, floor, budget, cap_units, floor_units, budget_units, k_full, k_largest,
):  # fmt: skip
    """Project every row of ``desirability`` (C-ordered float64) into ``weights``.

    Returns ``(row, column, unresolved)``: the first value that is no desirability, or ``(-1, -1, ...)``, and how many
    rows were left with the outcome UNRESOLVED.
    """
    dates, n = desirability.shape
    values = np.empty(n)
    columns = np.empty(n, np.int64)
    keys = np.empty(n, np.uint64)
    spare_keys = np.empty(n, np.uint64)
    spare_columns = np.empty(n, np.int64)
    t = np.empty(n + 1)
    tail = np.empty(n + 1)
    units = np.empty(n)
    unresolved = 0
    for date in range(dates):
        row = desirability[date]
        out = weights[date]
        live, excluded, bad = order_live(row, exclude_missing, values, columns, keys, spare_keys, spare_columns)
        if bad >= 0:
            return date, bad, unresolved
        live_count[date] = live
        excluded_count[date] = excluded
        k_max = min(live, k_largest)
        if k_max < k_full:  # the sleeves that can be held take less than the budget: each is at the cap
            weight = cap_units * UNIT if cap_units >= floor_units else cap
            for i in range(n):
                out[columns[i]] = weight if i < k_max else 0.0
            invested[date] = k_max * weight
            outcome[date] = EMPTY if live == 0 else describe(k_max, live, k_full, k_largest, 0.0, budget_units)
            continue

        # In order of size, so that no permutation of the columns changes a bit.
        scale = values[0]
        if scale > 1e290 or scale < 1e-290:  # powers of two are exact
            up = 2.0**-600 if scale > 1.0 else 2.0**600
            for i in range(live):
                values[i] *= up
        total = 0.0
        for i in range(live):
            total += values[i]
        ratio = budget / total
        running = 0.0
        tail[live] = 0.0
        for i in range(live - 1, -1, -1):
            t[i] = values[i] * ratio
            running += t[i]
            tail[i] = running

        if entropic:
            k, a, q, multiplier = walk_entropic(t, tail, k_full, k_max, cap, floor, budget)
        else:
            k, a, q, multiplier = walk_euclidean(t, tail, k_full, k_max, cap, floor, budget)
        if k < 0:
            outcome[date] = UNRESOLVED
            unresolved += 1
            continue
        target = min(budget_units, k * cap_units)
        if np.int64(k) * np.int64(floor_units) > np.int64(target):  # in integers: 2**53 + 1 is no double
            # Less than a grid unit a sleeve lies between the floors and the budget: no weights on the grid fit.
            for i in range(n):
                out[columns[i]] = floor if i < k else 0.0
            invested[date] = k * floor
            outcome[date] = ROUNDED
            continue
        if entropic:
            for i in range(live):
                units[i] = min(max(multiplier * t[i], floor), cap) * UNITS_PER_ONE
        else:
            for i in range(live):
                units[i] = min(max(t[i] - multiplier, floor), cap) * UNITS_PER_ONE
        land(units, live, k, a, q, cap_units, floor_units, target)
        for i in range(live, n):
            units[i] = 0.0
        for i in range(n):
            out[columns[i]] = units[i] * UNIT
        invested[date] = target * UNIT
        outcome[date] = describe(k, live, k_full, k_largest, target, budget_units)
    return -1, -1, unresolved


@njit(cache=True, nogil=True, error_model="numpy")
def land_solution(solution, k, cap_units, floor_units, target, cap, floor):
    """Land ``solution[:k]``, in descending order and within cap and floor, on the grid; the rest is zero."""
    first_free, last_free = 0, k
    while first_free < k and solution[first_free] >= cap:
        first_free += 1
    while last_free > first_free and solution[last_free - 1] <= floor:
        last_free -= 1
    units = solution * UNITS_PER_ONE
    land(units, solution.shape[0], k, first_free, last_free, cap_units, floor_units, target)
    return units * UNIT
