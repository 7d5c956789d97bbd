"""Project eight narrow dates side by side, one date a lane, so that the processor works on several at once.

A date of a few sleeves costs little arithmetic and many branches that no processor can predict: how many sleeves are
live, which are at a limit, how many are dropped. Here every step runs for all lanes and all sleeves, with selections in
place of branches. The steps and formulas are those of ``_euclidean`` and ``_entropic``. A lane whose case is not plain
(nothing free between the limits, a drop that rounding or, for the relative entropy, the two bounds do not settle, too
many rounds) is left to the code for a single date. Lanes never read each other, so neither the neighbours nor the
number of dates can change a bit of a result.

What a date has for each sleeve lies in one array of doubles, at the address ``w``: in the order of size, desirability,
place, proportional target and grid units, eight of each. Whole numbers are doubles too, to fill the same vectors.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from allocopt.solvers._entropic import SMALLEST_SHARE
from allocopt.solvers._euclidean import EPS
from allocopt.solvers._landing import UNIT, UNITS_PER_ONE
from allocopt.solvers._vectors import (
    LANES,
    any_lane,
    larger,
    load,
    load_spaced,
    nearest,
    scatter,
    size,
    smaller,
    spread,
    store,
    where,
)

#: Up to this number of sleeves an insertion sort, n**2 / 2 steps but of eight dates at once, is the faster one.
NARROW = 32

#: The search for the support starts without the sleeves whose target is less than this part of what pays.
PROMISING = 0.8

#: Rounds of variable fixing, those after drops included, before a date goes to the code for a single date.
ROUNDS = 12

# Rows of ``w``: for each sleeve i, at i * WIDTH. A place is lane * n + column, that of the number among its block's.
VALUE, PLACE, SHARE, UNITS = range(0, 4 * LANES, LANES)
WIDTH = 4 * LANES

# State of a lane
LEFT_OVER, RUNNING, SETTLED = 0.0, 1.0, 2.0


@njit(cache=True, nogil=True, error_model="numpy")
def order_lanes(w, n, first_places, rows, start):
    """Load eight dates from ``rows`` at ``start``, in descending order; what is not above 0 counts as 0.

    Returns how many sleeves of each are live, and 1 for dates with a number that is no desirability. A sleeve is moved
    before another only if it is strictly larger: stable, so the lower column wins a tie.
    """
    live = spread(0.0)
    bad = spread(0.0)
    for column in range(n):
        d = load_spaced(rows, start + column, n)
        bad = where(d >= 0.0, bad, 1.0)
        live = live + where(d > 0.0, 1.0, 0.0)
        x = where(d > 0.0, d, 0.0)
        place = load(first_places, 0) + float(column)
        for i in range(column - 1, -1, -1):
            y, other = load(w, VALUE + i * WIDTH), load(w, PLACE + i * WIDTH)
            before = x > y
            store(w, VALUE + (i + 1) * WIDTH, where(before, y, x))
            store(w, PLACE + (i + 1) * WIDTH, where(before, other, place))
            x, place = where(before, x, y), where(before, place, other)
        store(w, VALUE, x)
        store(w, PLACE, place)
    return live, where(load(w, VALUE) < np.inf, bad, 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_lanes(w, n, live, entropic, cap, floor, budget, k_full, k_largest):
    """Support size, active set, ``scale`` and ``shift`` of every plain lane: ``clip(scale * t - shift, floor, cap)``.

    The Euclidean distance has scale 1, the relative entropy shift 0, so that one code serves both.
    """
    largest = load(w, VALUE)
    up = where(largest > 1e290, 2.0**-600, where(largest < 1e-290, 2.0**600, 1.0))
    total = spread(0.0)
    for i in range(n):
        total = total + load(w, VALUE + i * WIDTH) * up
    ratio = budget / total
    slack = 16.0 * (n + 8) * EPS
    level = floor / math.e if entropic else 0.5 * floor
    smallest_share = SMALLEST_SHARE if entropic else 0.0
    k_min = k_full if floor > 0.0 else np.inf  # without a floor dropping a sleeve never pays
    promising = spread(0.0)
    for i in range(n):
        t = load(w, VALUE + i * WIDTH) * up * ratio
        store(w, SHARE + i * WIDTH, t)
        promising = promising + where(t >= PROMISING * level, 1.0, 0.0)

    # The value is convex in the size, so the search may start anywhere as long as the first drop below is certain.
    most = smaller(live, k_largest)
    # If the cap is broken, the others get more than their target, and few of them are dropped.
    k = where(load(w, SHARE) > cap, most, smaller(larger(promising, k_full), most))
    a, q = spread(0.0), k
    state = where(k >= k_full, RUNNING, LEFT_OVER)
    scale, shift = spread(1.0), spread(0.0)
    # The next larger support: its active set (-1 if it was skipped) and shift, its last sleeve, and the bound on that
    # which makes its drop certain; a multiplier is at most 1.
    wider_a, wider_q, wider_shift = a, where(k < most, -1.0, q), shift
    dropped = where(k < most, _last(w, n, k + 1.0), 0.0)
    certain = where(k < most, level - slack * (level if entropic else cap + 1.0), np.inf)
    for _ in range(ROUNDS):
        need = budget - a * cap - (k - q) * floor
        free = _free(w, n, a, q)
        if entropic:
            scale = need / free
        else:
            shift = (free - need) / (q - a)
        last = _last(w, n, k)
        over, under, less_a, less_q = _breaches(w, n, a, q, scale, shift, cap, floor)
        beyond = (less_a - a) + (q - less_q)

        state = where(q > a, where(last >= smallest_share, state, LEFT_OVER), LEFT_OVER)
        bound = where(beyond == 0.0, scale * dropped - shift, -np.inf)
        doubtful = where(state == RUNNING, bound, -np.inf) > certain
        if any_lane(doubtful):
            skipped = where(doubtful, wider_q, 0.0) < 0.0  # start again with all of them
            k, a, q = where(skipped, most, k), where(skipped, 0.0, a), where(skipped, most, q)
            less_a, less_q, beyond = (
                where(skipped, 0.0, less_a),
                where(skipped, most, less_q),
                where(skipped, 1.0, beyond),
            )
            wider_q, certain = where(skipped, most, wider_q), where(skipped, np.inf, certain)
            doubtful = where(skipped, 0.0, where(doubtful, 1.0, 0.0)) > 0.0
            if entropic:
                state = where(doubtful, LEFT_OVER, state)
            else:
                gain = where(doubtful, _gain(w, n, k, wider_shift, shift, cap, floor), np.inf)
                doubt = slack * (size(wider_shift) + size(shift) + floor * cap)
                back = gain < 0.0 - doubt
                state = where(size(gain) <= doubt, LEFT_OVER, where(back, SETTLED, state))
                k = where(back, k + 1.0, k)
                a, q, shift = where(back, wider_a, a), where(back, wider_q, q), where(back, wider_shift, shift)

        margin = slack * (level if entropic else cap + size(shift))
        worth = where(beyond == 0.0, where(k <= k_min, np.inf, scale * last - shift), -np.inf)
        state = where(where(state == RUNNING, worth, -np.inf) >= level + margin, SETTLED, state)
        drop = where(state == RUNNING, beyond, 1.0) == 0.0
        wider_a, wider_q, wider_shift = (
            where(drop, a, wider_a),
            where(drop, q, wider_q),
            where(drop, shift, wider_shift),
        )
        dropped, certain = where(drop, last, dropped), where(drop, level - margin, certain)
        fixed_a, fixed_q = where(over >= under, less_a, a), where(under >= over, less_q, q)
        k = where(drop, k - 1.0, k)
        a = where(drop, smaller(a, k), where(state == RUNNING, fixed_a, a))
        # The multiplier falls: what is at the cap stays there, what was at the floor may be free again.
        q = where(drop, k, where(state == RUNNING, fixed_q, q))
        if not any_lane(state == RUNNING):
            break
    # Where the sleeves that can be held take less than the budget, each is at the cap.
    scale, shift = where(k < k_full, 1.0, scale), where(k < k_full, -np.inf, shift)
    state = where(k < k_full, SETTLED, where(state == RUNNING, LEFT_OVER, state))
    return k, a, q, scale, shift, state


@njit(cache=True, nogil=True, error_model="numpy")
def _last(w, n, k):
    """Target of the smallest sleeve that is held."""
    last = spread(0.0)
    for i in range(n):
        last = where(k > i, load(w, SHARE + i * WIDTH), last)
    return last


@njit(cache=True, nogil=True, error_model="numpy")
def _free(w, n, a, q):
    """Sum of the targets of sleeves ``a`` to ``q``."""
    # One comparison for two: LLVM keeps the result of one in the registers' own form, that of ``&`` often not.
    offset, half = (a + q - 1.0) * 0.5, (q - a) * 0.5
    free = spread(0.0)
    for i in range(n):
        free = free + where(size(offset) < half, load(w, SHARE + i * WIDTH), 0.0)
        offset = offset - 1.0
    return free


@njit(cache=True, nogil=True, error_model="numpy")
def _breaches(w, n, a, q, scale, shift, cap, floor):
    """By how much sleeves ``a`` to ``q`` are over the cap and under the floor, and ``a`` and ``q`` without these."""
    over, under, fixed_a, fixed_q = spread(0.0), spread(0.0), a, a
    offset, half = (a + q - 1.0) * 0.5, (q - a) * 0.5
    for i in range(n):
        x = where(size(offset) < half, scale * load(w, SHARE + i * WIDTH) - shift, np.nan)
        offset = offset - 1.0
        over = over + larger(x - cap, 0.0)
        under = under + larger(floor - x, 0.0)
        fixed_a = where(x > cap, i + 1.0, fixed_a)
        fixed_q = where(x >= floor, i + 1.0, fixed_q)
    return over, under, fixed_a, fixed_q


@njit(cache=True, nogil=True, error_model="numpy")
def _gain(w, n, k, high, low, cap, floor):
    """Euclidean value of size ``k + 1`` (multiplier ``high``) less the value of size ``k`` (multiplier ``low``)."""
    total = spread(0.0)
    for i in range(n):
        t = load(w, SHARE + i * WIDTH)
        new = smaller(larger(t - high, floor), cap)
        old = where(k > float(i), smaller(larger(t - low, floor), cap), 0.0)
        total = total + where(k >= float(i), 0.5 * (new - old) * (new + old - 2.0 * t), 0.0)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def land_lanes(w, n, k, a, q, scale, shift, state, cap, floor, cap_units, floor_units, budget_units, weights, start):
    """Round the settled lanes to whole grid units as ``_landing.land`` does, and write eight dates to ``weights``.

    Lanes that need more than that are left over. Returns the grid units spent and the state.
    """
    target = smaller(k * cap_units, budget_units)
    left = target
    for i in range(n):
        x = smaller(larger(scale * load(w, SHARE + i * WIDTH) - shift, floor), cap)
        unit = smaller(larger(nearest(x * UNITS_PER_ONE), floor_units), cap_units)
        unit = where(k > float(i), unit, 0.0)
        store(w, UNITS + i * WIDTH, unit)
        left = left - unit
    # Whole numbers: the smallest of what is left, the room to the limit and 1 is a unit or none.
    offset, half = (a + q - 1.0) * 0.5, (q - a) * 0.5
    for i in range(n):
        unit = load(w, UNITS + i * WIDTH)
        more = larger(smaller(smaller(left, cap_units - unit), 1.0), 0.0)
        more = where(size(offset - i) < half, more, 0.0)
        store(w, UNITS + i * WIDTH, unit + more)
        left = left - more
    for i in range(n - 1, -1, -1):
        unit = load(w, UNITS + i * WIDTH)
        less = larger(smaller(smaller(0.0 - left, unit - floor_units), 1.0), 0.0)
        less = where(size(offset - i) < half, less, 0.0)
        scatter(weights, start, load(w, PLACE + i * WIDTH), (unit - less) * UNIT)
        left = left + less
    state = where(k * floor_units <= target, state, LEFT_OVER)
    return target, where(left == 0.0, state, LEFT_OVER)
