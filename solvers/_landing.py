"""Land a real-valued solution on the grid of multiples of 2**-53, inside cap and floor, at the budget."""

from __future__ import annotations

import numpy as np
from numba import njit

from allocopt.limits import GRID

#: Grid units are counted in doubles: whole numbers up to 2**53 are exact in them, and so are their sums up to it.
UNITS_PER_ONE = float(GRID)
UNIT = 1.0 / UNITS_PER_ONE


@njit(cache=True, nogil=True, error_model="numpy")
def land(units, n, k, first_free, last_free, cap_units, floor_units, target):
    """Round ``units[:k]`` to whole numbers that add up to ``target`` exactly; ``units[k:n]`` become zero.

    Needs ``k * floor_units <= target <= k * cap_units``. What rounding leaves over (about a unit per sleeve at most)
    goes one unit at a time to the sleeves between the limits, ``first_free <= i < last_free``, and only when those
    are full to the others, so that a sleeve which the optimum puts at a limit stays at it bit for bit.
    """
    left = target
    for i in range(n):
        unit = np.rint(units[i])
        unit = min(max(unit, floor_units), cap_units)
        unit = unit if i < k else 0.0
        units[i] = unit
        left -= unit
    start, stop = first_free, last_free
    while left != 0.0:
        before = left
        step = max(1.0, np.floor(abs(left) / max(stop - start, 1)))  # 1, but where rounding left the active set short
        if left > 0.0:
            for i in range(start, stop):
                more = min(step, left, cap_units - units[i])
                units[i] += more
                left -= more
        else:
            for i in range(stop - 1, start - 1, -1):
                less = min(step, -left, units[i] - floor_units)
                units[i] -= less
                left += less
        if left == before:
            if start == 0 and stop == k:
                break  # the caller's promise was broken; a wrong sum shows in the certificate, a loop would not
            start, stop = 0, k
