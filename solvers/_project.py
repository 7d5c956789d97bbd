"""The projection of a block of dates: narrow ones side by side in lanes, wide ones one after another.

Buffers hold one date, or one block of lanes. Which way a date goes depends on its number of sleeves and its own values
only.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from allocopt.solvers import _entropic, _euclidean
from allocopt.solvers._landing import UNIT, UNITS_PER_ONE, land
from allocopt.solvers._lanes import (
    NARROW,
    PLACE,
    SETTLED,
    VALUE,
    WIDTH,
    land_lanes,
    order_lanes,
    solve_lanes,
)
from allocopt.solvers._sorting import order_live
from allocopt.solvers._vectors import LANES, any_lane, store, store_int32, store_uint8, where

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
def describe_lanes(k, live, k_full, k_largest, target, budget_units):
    """Outcome codes of a block of dates, as `describe`."""
    short = where(k > 0.0, where(live > k_largest, FLOORED, CAPPED), where(live > 0.0, UNAFFORDABLE, EMPTY))
    return where(k < k_full, short, where(target == budget_units, FULL, ROUNDED))


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
    t = np.empty(n + 1)
    tail = np.empty(n + 1)
    units = np.empty(n)
    unresolved = 0
    if n > NARROW:
        keys = np.empty(n, np.uint64)
        spare_keys = np.empty(n, np.uint64)
        spare_columns = np.empty(n, np.int64)
        for date in range(dates):
            live, excluded, bad = order_live(
                desirability[date], exclude_missing, values, columns, keys, spare_keys, spare_columns
            )
            if bad >= 0:
                return date, bad, unresolved
            live_count[date] = live
            excluded_count[date] = excluded
            invested[date], code = _project_date(
                values, columns, live, weights[date], t, tail, units,
                entropic, cap, floor, budget, cap_units, floor_units, budget_units, k_full, k_largest,
            )  # fmt: skip
            outcome[date] = code
            unresolved += code == UNRESOLVED
        return -1, -1, unresolved

    w = np.empty(n * WIDTH)
    states = np.empty(LANES)
    first_places = np.empty(LANES)
    for lane in range(LANES):
        first_places[lane] = lane * n
    # The last dates, where they are fewer than the lanes: copied in, solved and copied out.
    last_rows = np.zeros(LANES * n)
    last_weights = np.empty(LANES * n)
    last_invested = np.empty(LANES)
    last_outcome = np.empty(LANES, np.uint8)
    last_live = np.empty(LANES, np.int32)
    # Loops and one type for every argument: an assignment to a slice compiles numba's message for a wrong shape, and
    # a second type the callee once more, which together were a third of the time of the first run.
    first = np.int64(0)
    for date in range(dates):
        excluded_count[date] = 0
    for start in range(0, dates, LANES):
        count = min(LANES, dates - start)
        if count < LANES:
            for lane in range(count):
                for i in range(n):
                    last_rows[lane * n + i] = desirability[start + lane, i]
            bad = project_lanes(
                w.ctypes.data, n, first_places.ctypes.data, states.ctypes.data, first, last_rows.ctypes.data,
                last_weights.ctypes.data, last_invested.ctypes.data, last_outcome.ctypes.data, last_live.ctypes.data,
                entropic, cap, floor, budget, cap_units, floor_units, budget_units, k_full, k_largest,
            )  # fmt: skip
            for lane in range(count):
                for i in range(n):
                    weights[start + lane, i] = last_weights[lane * n + i]
                invested[start + lane] = last_invested[lane]
                outcome[start + lane] = last_outcome[lane]
                live_count[start + lane] = last_live[lane]
        else:
            bad = project_lanes(
                w.ctypes.data, n, first_places.ctypes.data, states.ctypes.data, start, desirability.ctypes.data,
                weights.ctypes.data, invested.ctypes.data, outcome.ctypes.data, live_count.ctypes.data,
                entropic, cap, floor, budget, cap_units, floor_units, budget_units, k_full, k_largest,
            )  # fmt: skip
        if bad:
            for date in range(start, start + count):
                for column in range(n):
                    x = desirability[date, column]
                    if x != x and exclude_missing:
                        excluded_count[date] += 1
                    elif not (x >= 0.0 and x < np.inf):
                        return date, column, unresolved
        for lane in range(count):
            if states[lane] == SETTLED:
                continue
            date = start + lane
            for i in range(n):
                values[i] = w[VALUE + i * WIDTH + lane]
                columns[i] = np.int64(w[PLACE + i * WIDTH + lane]) - lane * n
            invested[date], code = _project_date(
                values, columns, np.int64(live_count[date]), weights[date], t, tail, units,
                entropic, cap, floor, budget, cap_units, floor_units, budget_units, k_full, k_largest,
            )  # fmt: skip
            outcome[date] = code
            unresolved += code == UNRESOLVED
    return -1, -1, unresolved


@njit(cache=True, nogil=True, error_model="numpy")
def project_lanes(
    w, n, first_places, states, start, rows, weights, invested, outcome, live_count,
    entropic, cap, floor, budget, cap_units, floor_units, budget_units, k_full, k_largest,
):  # fmt: skip
    """Project the eight dates from row ``start`` on; all arrays by address. Whether a number is no desirability.

    What is written for a date whose state is not SETTLED is not its projection.
    """
    live, bad = order_lanes(w, n, first_places, rows, start * n)
    k, a, q, scale, shift, state = solve_lanes(w, n, live, entropic, cap, floor, budget, k_full, k_largest)
    target, state = land_lanes(
        w, n, k, a, q, scale, shift, state, cap, floor, cap_units, floor_units, budget_units, weights, start * n
    )
    store(invested, start, target * UNIT)
    store_uint8(outcome, start, describe_lanes(k, live, k_full, k_largest, target, budget_units))
    store_int32(live_count, start, live)
    store(states, 0, state)
    return any_lane(bad > 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _project_date(
    values, columns, live, out, t, tail, units,
    entropic, cap, floor, budget, cap_units, floor_units, budget_units, k_full, k_largest,
):  # fmt: skip
    """Project one date, given in descending order (``values`` is overwritten), into ``out``: (invested, outcome)."""
    n = out.shape[0]
    k_max = min(live, k_largest)
    if k_max < k_full:  # the sleeves that can be held take less than the budget: each is at the cap
        weight = cap_units * UNIT if cap_units >= floor_units else cap
        for i in range(n):
            out[columns[i]] = weight if i < k_max else 0.0
        code = EMPTY if live == 0 else describe(k_max, live, k_full, k_largest, 0.0, budget_units)
        return k_max * weight, code

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
        return np.nan, UNRESOLVED
    target = min(budget_units, k * cap_units)
    if np.int64(k) * np.int64(floor_units) > np.int64(target):  # in integers: 2**53 + 1 is no double
        # Less than a grid unit a sleeve lies between the floors and the budget: no weights on the grid fit.
        for i in range(n):
            out[columns[i]] = floor if i < k else 0.0
        return k * floor, ROUNDED
    for i in range(live):
        # By the active set, which keeps to the budget even where nothing is free and no multiplier fits.
        x = multiplier * t[i] if entropic else t[i] - multiplier
        x = cap if i < a else (floor if i >= q else x)
        units[i] = min(max(x, floor), cap) * UNITS_PER_ONE
    land(units, live, k, a, q, cap_units, floor_units, target)
    for i in range(n):
        out[columns[i]] = units[i] * UNIT if i < live else 0.0
    return target * UNIT, describe(k, live, k_full, k_largest, target, budget_units)


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
