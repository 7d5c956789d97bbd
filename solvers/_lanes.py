"""Project a small block of narrow dates side by side, one date a lane, so that the processor works on several at once.

A date of a few sleeves costs little arithmetic and many branches that no processor can predict: how many sleeves are
live, which are at a limit, how many are dropped. Here every step runs for all lanes of the block and all sleeves, with
selections in place of branches; LLVM turns the loops over the lanes into vector instructions. The steps and formulas
are those of ``_euclidean`` and ``_entropic``. A lane whose case is not plain (nothing free between the limits, a drop
that the two bounds do not settle, too many rounds) is left to the code for a single date. Lanes never read each other,
so neither the neighbours nor the number of dates can change a bit of a result.

All numbers live in one array of doubles, ``w``: a row of ``LANES`` numbers for each quantity of a date, then for each
sleeve in the order of size its desirability, column, proportional target and grid units. One array with fixed distances
lets LLVM see that the rows do not overlap; offsets that are sums of constants and loop counters, that none is negative.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from allocopt.solvers._entropic import SMALLEST_SHARE
from allocopt.solvers._euclidean import EPS
from allocopt.solvers._landing import UNITS_PER_ONE

#: Dates in a block: enough to hide latencies, few enough for the block to stay in the first-level cache.
LANES = 32

#: Up to this number of sleeves comparing neighbours, n**2 / 2 times but several dates at once, is the faster sort.
NARROW = 32

#: Rounds of variable fixing, those after drops included, before a date goes to the code for a single date.
ROUNDS = 12

# Rows of ``w``: quantities of a date. Whole numbers are doubles too, to fill the same vectors.
(LIVE, STATE, TARGET, UP, TOTAL, K, A, Q, SCALE, SHIFT, FREE, LAST, DROPPED, CERTAIN) = range(0, 14 * LANES, LANES)
(OVER, UNDER, ABOVE, BELOW, LEFT) = range(14 * LANES, 19 * LANES, LANES)
SLEEVES = 19 * LANES

# Behind them, for each sleeve i, at i * WIDTH: these rows.
VALUE, COLUMN, SHARE, UNITS = range(SLEEVES, SLEEVES + 4 * LANES, LANES)
WIDTH = 4 * LANES

# STATE of a lane
LEFT_OVER, RUNNING, SETTLED = 0.0, 1.0, 2.0


@intrinsic
def where(typing_context, condition, first, second):
    """``first if condition else second`` of two doubles as one selection; the expression becomes a branch too often."""

    def generate(context, builder, signature, arguments):
        return builder.select(*arguments)

    return types.float64(types.boolean, types.float64, types.float64), generate


@njit(cache=True, nogil=True, error_model="numpy")
def order_lanes(w, n, desirability, start, dates):
    """Load ``dates`` dates from row ``start`` on into lanes, in descending order; what is not above 0 counts as 0.

    Neighbours are exchanged only where the right one is strictly larger: stable, so the lower column wins a tie.
    """
    for lane in range(dates):
        for i in range(n):
            x = desirability[start + lane, i]
            w[VALUE + i * WIDTH + lane] = where(x > 0.0, x, 0.0)
    for i in range(n):
        for lane in range(dates, LANES):
            w[VALUE + i * WIDTH + lane] = 0.0
        for lane in range(LANES):
            w[COLUMN + i * WIDTH + lane] = i
    for lane in range(LANES):
        w[LIVE + lane] = 0.0
    for i in range(n):
        row = VALUE + i * WIDTH
        for lane in range(LANES):
            w[LIVE + lane] += where(w[row + lane] > 0.0, 1.0, 0.0)
    for end in range(n - 1, 0, -1):
        for i in range(end):
            row = VALUE + i * WIDTH
            column = COLUMN + i * WIDTH
            for lane in range(LANES):
                x, y = w[row + lane], w[row + WIDTH + lane]
                c, d = w[column + lane], w[column + WIDTH + lane]
                swap = y > x
                w[row + lane] = where(swap, y, x)
                w[row + WIDTH + lane] = where(swap, x, y)
                w[column + lane] = where(swap, d, c)
                w[column + WIDTH + lane] = where(swap, c, d)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_lanes(w, n, entropic, cap, floor, budget, k_full, k_largest):
    """Support size and multiplier of every plain lane: ``clip(SCALE * t - SHIFT, floor, cap)``, K, A and Q.

    The Euclidean distance has SCALE 1, the relative entropy SHIFT 0, so that one code serves both.
    """
    for lane in range(LANES):
        largest = w[VALUE + lane]
        w[UP + lane] = where(largest > 1e290, 2.0**-600, where(largest < 1e-290, 2.0**600, 1.0))
        w[TOTAL + lane] = 0.0
    for i in range(n):
        row = VALUE + i * WIDTH
        for lane in range(LANES):
            w[TOTAL + lane] += w[row + lane] * w[UP + lane]
    for lane in range(LANES):
        w[TOTAL + lane] = budget / w[TOTAL + lane]
        k = min(w[LIVE + lane], k_largest)
        w[STATE + lane] = where((k >= k_full) & (k > 0.0), RUNNING, LEFT_OVER)
        w[A + lane] = 0.0
        w[Q + lane] = k
        w[K + lane] = k
        w[DROPPED + lane] = 0.0
        w[CERTAIN + lane] = np.inf
    for i in range(n):
        source, row = VALUE + i * WIDTH, SHARE + i * WIDTH
        for lane in range(LANES):
            w[row + lane] = w[source + lane] * w[UP + lane] * w[TOTAL + lane]

    slack = 16.0 * (n + 8) * EPS
    level = floor / math.e if entropic else 0.5 * floor
    smallest_share = SMALLEST_SHARE if entropic else 0.0
    k_min = k_full if floor > 0.0 else np.inf  # without a floor dropping a sleeve never pays
    for _ in range(ROUNDS):
        _measure(w, n, entropic, cap, floor, budget)
        for lane in range(LANES):
            k, a, q = w[K + lane], w[A + lane], w[Q + lane]
            scale, shift, last = w[SCALE + lane], w[SHIFT + lane], w[LAST + lane]
            over, under = w[OVER + lane], w[UNDER + lane]
            above, below = w[ABOVE + lane], w[BELOW + lane]
            dropped, certain = w[DROPPED + lane], w[CERTAIN + lane]
            margin = slack * (level if entropic else cap + abs(shift))
            fits = above + below == 0.0
            plain = (q > a) & (last >= smallest_share) & ((scale * dropped - shift <= certain) | (above + below != 0.0))
            enough = fits & ((k <= k_min) | (scale * last - shift >= level + margin))
            state = w[STATE + lane]
            going = state == RUNNING
            moving = going & plain & (enough == False)  # noqa: E712  # `not` would branch
            ended = where(plain, where(enough, SETTLED, RUNNING), LEFT_OVER)
            w[STATE + lane] = where(going, ended, state)
            drop = moving & fits
            smaller = k - 1.0
            w[DROPPED + lane] = where(drop, last, dropped)
            w[CERTAIN + lane] = where(drop, level - margin, certain)
            w[K + lane] = where(drop, smaller, k)
            fix_above, fix_below = moving & (over >= under), moving & (under >= over)
            w[A + lane] = where(drop, min(a, smaller), where(fix_above, a + above, a))
            # The multiplier falls: what is at the cap stays there, what was at the floor may be free again.
            w[Q + lane] = where(drop, smaller, where(fix_below, q - below, q))
        running = 0
        for lane in range(LANES):
            running += w[STATE + lane] == RUNNING
        if running == 0:
            break


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(w, n, entropic, cap, floor, budget):
    """Multiplier of each lane with sleeves A to Q unlimited, and by how much and how many of them break the limits."""
    for lane in range(LANES):
        w[FREE + lane] = 0.0
        w[LAST + lane] = 0.0
        w[OVER + lane] = 0.0
        w[UNDER + lane] = 0.0
        w[ABOVE + lane] = 0.0
        w[BELOW + lane] = 0.0
    for i in range(n):
        row = SHARE + i * WIDTH
        place = float(i)
        for lane in range(LANES):
            x = w[row + lane]
            free = (place >= w[A + lane]) & (place < w[Q + lane])
            w[FREE + lane] += where(free, x, 0.0)
            w[LAST + lane] = where(place < w[K + lane], x, w[LAST + lane])
    for lane in range(LANES):
        a, q = w[A + lane], w[Q + lane]
        need = budget - a * cap - (w[K + lane] - q) * floor
        free = w[FREE + lane]
        w[SCALE + lane] = need / free if entropic else 1.0
        w[SHIFT + lane] = 0.0 if entropic else (free - need) / (q - a)
    for i in range(n):
        row = SHARE + i * WIDTH
        place = float(i)
        for lane in range(LANES):
            x = w[SCALE + lane] * w[row + lane] - w[SHIFT + lane]
            free = (place >= w[A + lane]) & (place < w[Q + lane])
            above = free & (x > cap)
            below = free & (x < floor)
            w[OVER + lane] += where(above, x - cap, 0.0)
            w[UNDER + lane] += where(below, floor - x, 0.0)
            w[ABOVE + lane] += where(above, 1.0, 0.0)
            w[BELOW + lane] += where(below, 1.0, 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def land_lanes(w, n, cap, floor, cap_units, floor_units, budget_units):
    """Round the settled lanes to whole grid units as ``_landing.land`` does; lanes that need more are left over."""
    for lane in range(LANES):
        target = min(budget_units, w[K + lane] * cap_units)
        w[TARGET + lane] = target
        w[LEFT + lane] = target
    for i in range(n):
        source, row = SHARE + i * WIDTH, UNITS + i * WIDTH
        place = float(i)
        for lane in range(LANES):
            x = w[SCALE + lane] * w[source + lane] - w[SHIFT + lane]
            unit = np.rint(min(max(x, floor), cap) * UNITS_PER_ONE)
            unit = min(max(unit, floor_units), cap_units)
            unit = where(place < w[K + lane], unit, 0.0)
            w[row + lane] = unit
            w[LEFT + lane] -= unit
    for i in range(n):
        row = UNITS + i * WIDTH
        place = float(i)
        for lane in range(LANES):
            left, unit = w[LEFT + lane], w[row + lane]
            free = (left > 0.0) & (unit < cap_units) & (place >= w[A + lane]) & (place < w[Q + lane])
            w[row + lane] = where(free, unit + 1.0, unit)
            w[LEFT + lane] = where(free, left - 1.0, left)
    for i in range(n):
        row = UNITS + (n - 1 - i) * WIDTH
        place = float(n - 1 - i)
        for lane in range(LANES):
            left, unit = w[LEFT + lane], w[row + lane]
            free = (left < 0.0) & (unit > floor_units) & (place >= w[A + lane]) & (place < w[Q + lane])
            w[row + lane] = where(free, unit - 1.0, unit)
            w[LEFT + lane] = where(free, left + 1.0, left)
    for lane in range(LANES):
        affordable = w[K + lane] * floor_units <= w[TARGET + lane]
        whole = affordable & (w[LEFT + lane] == 0.0)
        w[STATE + lane] = where(whole, w[STATE + lane], LEFT_OVER)
