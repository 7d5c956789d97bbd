"""Land a real-valued solution on the grid of multiples of 2**-53, inside cap and floor, at the budget."""

from __future__ import annotations

from numba import njit

#: One over the grid unit. Sums of non-negative multiples of 2**-53 that stay at or below 1 are exact in any order.
GRID = 9007199254740992.0
UNIT = 1.0 / GRID


@njit(cache=True, nogil=True, error_model="numpy")
def land(solution, units, count, first_free, last_free, cap_units, floor_units, target):
    """Round ``solution[:count]`` to ``units`` that add up to ``target`` exactly.

    Needs ``count * floor_units <= target <= count * cap_units``. What rounding leaves over (at most a few units per
    sleeve) goes one unit at a time to the sleeves strictly between the limits, ``first_free <= i < last_free``, and
    only when those are full to the others, so that a sleeve the optimum puts at a limit stays at it bit for bit.
    """
    left = target
    for i in range(count):
        unit = int(solution[i] * GRID + 0.5)
        if unit > cap_units:
            unit = cap_units
        elif unit < floor_units:
            unit = floor_units
        units[i] = unit
        left -= unit
    start, stop = first_free, last_free
    while left != 0:
        before = left
        step = 1 if left > 0 else -1
        limit = cap_units if left > 0 else floor_units
        for i in range(start, stop):
            if left == 0:
                break
            if units[i] != limit:
                units[i] += step
                left -= step
        if left == before:
            start, stop = 0, count
