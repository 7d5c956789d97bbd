"""Separable programs, date by date: each sleeve has its own cap and floor, may have to be held, and may cost to trade.

Orders the sleeves, hands each date to the search over supports (``_branching``) and lands its solution on the grid.
Notation as in docs/mathematics.md, "Separable programs".
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from allocopt.limits import GRID
from allocopt.solvers._attainable import (
    as_double,
    attain,
    less,
    minus,
    plus,
    reach,
    split,
)
from allocopt.solvers._branching import (
    search,
)
from allocopt.solvers._landing import UNIT, UNITS_PER_ONE
from allocopt.solvers._level import (
    find_level,
    set_levels,
    weigh,
)
from allocopt.solvers._separable_layout import (
    ABOVE_KINK,
    AT_KINK,
    BELOW_KINK,
    BEST,
    BEST_PIECE,
    CAP,
    CAP_HIGH,
    CAP_LOW,
    COLUMN,
    DOUBLES,
    FLOOR,
    FLOOR_HIGH,
    FLOOR_LOW,
    HELD,
    INTEGERS,
    LOG_T,
    NOTHING,
    OPEN,
    OUT,
    PIECE,
    PREVIOUS,
    RATE,
    SAVED,
    SEMI,
    STATE,
    WEIGHT,
    T,
)

# Codes of allocopt.status.Outcome; a kernel cannot read an enum.
FULL, ROUNDED, CAPPED, FLOORED, EMPTY, UNAFFORDABLE, INFEASIBLE, UNPROVED = 0, 1, 2, 3, 4, 5, 9, 10


@njit(cache=True, nogil=True, error_model="numpy")
def comes_before(a, b, d, cap, floor, always, rates, previous):
    """Order of the sleeves: whoever dominates comes first, and only sleeves equal in all go by column."""
    if d[a] != d[b]:
        return d[a] > d[b]
    if cap[a] != cap[b]:
        return cap[a] > cap[b]
    if floor[a] != floor[b]:
        return floor[a] < floor[b]
    if rates[a] != rates[b]:
        return rates[a] < rates[b]
    if rates[a] > 0.0 and previous[a] != previous[b]:
        return previous[a] > previous[b]
    if always[a] != always[b]:
        return always[a]
    return a < b


@njit(cache=True, nogil=True, error_model="numpy")
def gather(d, cap, floor, always, rates, previous, entropic, order):
    """Columns of the sleeves that can be held, in order: ``(count, live, possible)``.

    The relative entropy of a sleeve that is not live is infinite unless it holds nothing.
    """
    count = live = 0
    possible = True
    for column in range(d.shape[0]):
        live += d[column] > 0.0
        if d[column] > 0.0 or (always[column] and not entropic):
            order[count] = column
            count += 1
        elif always[column] and floor[column] > 0.0:
            possible = False
    if count > 24:
        coarse = np.empty(count)
        for j in range(count):
            coarse[j] = -d[order[j]]
        order[:count] = order[:count][np.argsort(coarse, kind="mergesort")]
    for j in range(1, count):
        column = order[j]
        k = j
        while k > 0 and comes_before(column, order[k - 1], d, cap, floor, always, rates, previous):
            order[k] = order[k - 1]
            k -= 1
        order[k] = column
    return count, live, possible


@njit(cache=True, nogil=True, error_model="numpy")
def set_target(s, u, n, d, entropic, budget):
    """Proportional target and its logarithm; zero where no sleeve is live."""
    scale = d[u[0, COLUMN]]
    up = 1.0
    if scale > 1e290 or (0.0 < scale < 1e-290):  # powers of two are exact
        up = 2.0**-600 if scale > 1.0 else 2.0**600
    total = 0.0
    for i in range(n):
        total += d[u[i, COLUMN]] * up
    ratio = budget / total if total > 0.0 else 0.0
    for i in range(n):
        s[i, T] = d[u[i, COLUMN]] * up * ratio
        s[i, LOG_T] = 0.0
        if entropic:
            if s[i, T] > 1e-290:
                s[i, LOG_T] = math.log(s[i, T])
            else:  # beyond the range of doubles, or with few digits left
                s[i, LOG_T] = math.log(d[u[i, COLUMN]]) + (math.log(up) + (math.log(budget) - math.log(total)))


@njit(cache=True, nogil=True, error_model="numpy")
def land_mixed(s, u, n, budget_high, budget_low, short, out):
    """Land the best weights on the grid in ``out``: ``(invested, whole)``; ``whole`` if every weight is on it.

    As ``_landing.land``, with limits for each sleeve. What rounding leaves over goes one unit at a time to the sleeves
    between their limits, then to those at a limit, last to those at their previous weight. A sleeve between whose
    limits no grid point lies is at the limit itself, and so are all if the floors leave no room on the grid.
    """
    rest_high, rest_low = budget_high, budget_low
    floors = caps = 0  # in integers: 2**53 + 1 is no double
    whole = True
    for i in range(n):
        if u[i, BEST_PIECE] == NOTHING:
            continue
        low = u[i, FLOOR_HIGH] + (u[i, FLOOR_LOW] > 0)
        if low > u[i, CAP_HIGH]:
            whole = False
            if short:
                rest_high, rest_low = minus(rest_high, rest_low, u[i, CAP_HIGH], u[i, CAP_LOW])
            else:
                rest_high, rest_low = minus(rest_high, rest_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
        else:
            floors = min(floors + low, 4 * GRID)
            caps = min(caps + u[i, CAP_HIGH], 4 * GRID)
    target_units = min(rest_high, caps)
    if floors > target_units:
        sum_high = sum_low = 0
        for i in range(n):
            held = u[i, BEST_PIECE] != NOTHING
            out[u[i, COLUMN]] = s[i, FLOOR] if held else 0.0
            if held:
                sum_high, sum_low = plus(sum_high, sum_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
        return as_double(sum_high, sum_low), False

    target = float(target_units)
    left = target
    for i in range(n):
        s[i, WEIGHT] = 0.0
        if u[i, BEST_PIECE] == NOTHING:
            continue
        low, high = float(u[i, FLOOR_HIGH] + (u[i, FLOOR_LOW] > 0)), float(u[i, CAP_HIGH])
        if low <= high:
            s[i, WEIGHT] = min(max(np.rint(s[i, BEST] * UNITS_PER_ONE), low), high)
            left -= s[i, WEIGHT]
    tier = 0
    while left != 0.0 and tier < 3:
        before = left
        count = 0
        for i in range(n):
            count += _in_tier(s, u, i, tier)
        step = max(1.0, np.floor(abs(left) / max(count, 1)))  # 1, but where rounding left the active set short
        for j in range(n):
            i = j if left > 0.0 else n - 1 - j
            if left == 0.0 or not _in_tier(s, u, i, tier):
                continue
            low, high = float(u[i, FLOOR_HIGH] + (u[i, FLOOR_LOW] > 0)), float(u[i, CAP_HIGH])
            if low > high:
                continue
            move = min(step, left, high - s[i, WEIGHT]) if left > 0.0 else -min(step, -left, s[i, WEIGHT] - low)
            s[i, WEIGHT] += move
            left -= move
        tier += left == before
    sum_high, sum_low = np.int64(target - left), 0
    for i in range(n):
        x = s[i, WEIGHT] * UNIT
        if u[i, BEST_PIECE] != NOTHING and u[i, FLOOR_HIGH] + (u[i, FLOOR_LOW] > 0) > u[i, CAP_HIGH]:
            x = s[i, CAP] if short else s[i, FLOOR]
            if short:
                sum_high, sum_low = plus(sum_high, sum_low, u[i, CAP_HIGH], u[i, CAP_LOW])
            else:
                sum_high, sum_low = plus(sum_high, sum_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
        out[u[i, COLUMN]] = x
    return as_double(sum_high, sum_low), whole


@njit(cache=True, nogil=True, error_model="numpy")
def _in_tier(s, u, i, tier):
    """Whether a sleeve takes part in distributing what is left over: free ones, then those at a limit, then all."""
    piece = u[i, BEST_PIECE]
    if tier == 0 or piece == NOTHING:
        return piece in (BELOW_KINK, ABOVE_KINK)
    return tier == 2 or piece != AT_KINK


@njit(cache=True, nogil=True, error_model="numpy")
def cost_of(x, s, i, entropic):
    """Distance of ``x`` to the target of a sleeve, and the cost of trading to it."""
    if not entropic:
        cost = 0.5 * (x - s[i, T]) ** 2
    elif x == 0.0:
        cost = s[i, T]
    elif s[i, T] > 1e-290:
        cost = x * math.log(x / s[i, T]) - x + s[i, T]
    else:
        cost = x * (math.log(x) - s[i, LOG_T]) - x + s[i, T]
    return cost + s[i, RATE] * abs(x - s[i, PREVIOUS])


@njit(cache=True, nogil=True, error_model="numpy")
def solve_date(
    d, cap, floor, always, rates, previous, entropic, budget_high, budget_low, max_nodes,
    s, u, lists, scratch, order, out,
):  # fmt: skip
    """One date into ``out``: ``(invested, outcome, attainable, objective, bound, multiplier, nodes)``."""
    out[:] = 0.0
    n, live, possible = gather(d, cap, floor, always, rates, previous, entropic, order)
    idle = 0.0  # the cost of selling what cannot be held
    for column in range(d.shape[0]):
        if not (d[column] > 0.0 or (always[column] and not entropic)):
            idle += rates[column] * previous[column]
    if not possible:
        return 0.0, INFEASIBLE, np.nan, np.inf, np.inf, np.nan, 0
    for i in range(n):
        column = order[i]
        u[i, COLUMN] = column
        u[i, SEMI] = floor[column] > 0.0 and not always[column]
        u[i, STATE] = OPEN if u[i, SEMI] else HELD
        u[i, FLOOR_HIGH], u[i, FLOOR_LOW] = split(floor[column], True)
        u[i, CAP_HIGH], u[i, CAP_LOW] = split(cap[column], False)
        s[i, FLOOR], s[i, CAP] = floor[column], cap[column]
        s[i, PREVIOUS], s[i, RATE] = previous[column], rates[column]
    floor_high, floor_low, _, _ = reach(u, n, False)
    if less(budget_high, budget_low, floor_high, floor_low):
        return 0.0, INFEASIBLE, np.nan, np.inf, np.inf, np.nan, 0
    high, low, nodes, proved = attain(s, u, n, budget_high, budget_low, max_nodes)
    attainable = as_double(high, low)
    if high == 0 and low == 0:  # all cash: no sleeve is live, or none can be held, or the caps are zero
        cost = idle
        room = 0.0
        for i in range(n):
            cost += rates[order[i]] * previous[order[i]]
            room += s[i, CAP]
        code = EMPTY if live == 0 else (UNAFFORDABLE if room > 0.0 else CAPPED)
        return 0.0, code, 0.0, cost, cost, np.nan, nodes

    set_target(s, u, n, d, entropic, attainable)
    set_levels(s, u, n, entropic)
    nothing = idle  # the cost of holding nothing, which the search leaves out
    for i in range(n):
        nothing += cost_of(0.0, s, i, entropic)
    if proved:
        found, proved, _, bound, level, more = search(
            s, u, n, entropic, high, low, attainable, max(max_nodes - nodes, 0), lists, scratch
        )
        nodes += more
        bound = max(nothing + bound, 0.0)
    else:  # the best sum found: all of its set at the cap, and nothing proved
        found, bound = True, 0.0
        for i in range(n):
            u[i, STATE] = HELD if u[i, SAVED] else OUT
        reference, level, _ = find_level(s, u, n, entropic, attainable, 0.0)
        _, _, level, _ = weigh(s, u, n, entropic, attainable, reference, level, False)
        for i in range(n):
            s[i, BEST] = s[i, WEIGHT]
            u[i, BEST_PIECE] = u[i, PIECE]
    if not found:
        return 0.0, UNPROVED, attainable, np.inf, bound, np.nan, nodes
    if proved:
        bound = idle
        for i in range(n):
            bound += cost_of(s[i, BEST], s, i, entropic)

    short = less(high, low, budget_high, budget_low)
    invested, whole = land_mixed(s, u, n, high, low, short, out)
    objective = idle
    for i in range(n):
        objective += cost_of(out[order[i]], s, i, entropic)
    if not proved:
        code = UNPROVED
    elif short:
        _, _, all_high, all_low = _all_caps(u, n)
        code = FLOORED if less(high, low, all_high, all_low) else CAPPED
    else:
        code = FULL if whole and invested == float(budget_high) * UNIT else ROUNDED
    return invested, code, attainable, objective, bound, -level, nodes


@njit(cache=True, nogil=True, error_model="numpy")
def _all_caps(u, n):
    """Exact sum of the caps of all sleeves that can be held."""
    for i in range(n):
        u[i, STATE] = HELD
    return reach(u, n, False)


@njit(cache=True, nogil=True, error_model="numpy")
def drift(weights, returns, out):
    """Weights after the returns of a period, in which cash earns nothing; of a total loss nothing is left."""
    n = weights.shape[0]
    earned = np.empty(n)
    for i in range(n):
        earned[i] = weights[i] * returns[i] if weights[i] > 0.0 else 0.0
    earned.sort()  # so that no permutation of the columns changes a bit
    wealth = 1.0
    for i in range(n):
        wealth += earned[i]
    for i in range(n):
        grown = weights[i] * (1.0 + returns[i]) if weights[i] > 0.0 else 0.0
        out[i] = max(grown / wealth, 0.0) if wealth > 0.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def solve_rows(
    desirability, caps, floors, always, rates, entropic, budget, sequential, previous, drifts, returns,
    max_nodes, start,
    weights, invested, outcome, attainable, objective, bound, multiplier, nodes,
):  # fmt: skip
    """Solve the rows from ``start`` on; returns the row at which a sequence stopped, or -1.

    With ``sequential`` the previous weights of a row are those of the row before, drifted by the row's returns if
    ``drifts``; ``previous`` stands for the row before ``start``.
    """
    dates, n = desirability.shape
    s = np.empty((n, DOUBLES))
    u = np.empty((n, INTEGERS), np.int64)
    order = np.empty(n, np.int64)
    lists = np.empty((4, n), np.int64)
    scratch = np.empty((2, n))
    before = np.zeros(n)
    budget_high, budget_low = split(budget, False)
    for row in range(start, dates):
        if sequential:
            last = previous if row == start else weights[row - 1]
            if drifts:
                drift(last, returns[row], before)
            else:
                before[:] = last
        (
            invested[row], outcome[row], attainable[row], objective[row], bound[row], multiplier[row], nodes[row]
        ) = solve_date(
            desirability[row], caps[row if caps.shape[0] > 1 else 0], floors[row if floors.shape[0] > 1 else 0],
            always, rates, before, entropic, budget_high, budget_low, max_nodes,
            s, u, lists, scratch, order, weights[row],
        )  # fmt: skip
        if sequential and outcome[row] >= INFEASIBLE:
            return row
    return -1
