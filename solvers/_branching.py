"""Which sleeves a separable program holds: branch and bound over supports, one date at a time.

Notation as in docs/mathematics.md, "Separable programs".
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from allocopt.limits import GRID
from allocopt.solvers._attainable import SATURATED, less, minus, plus, reach
from allocopt.solvers._euclidean import EPS
from allocopt.solvers._level import find_level, gain, weigh
from allocopt.solvers._separable_layout import (
    AT_FLOOR,
    BEST,
    BEST_PIECE,
    CAP,
    CAP_HIGH,
    CAP_LOW,
    FLOOR,
    FLOOR_HIGH,
    FLOOR_LOW,
    FULL,
    HELD,
    JUMP,
    KINK,
    LEAVE,
    LOG_T,
    MARGIN,
    NOTHING,
    OPEN,
    OUT,
    PIECE,
    PREVIOUS,
    RATE,
    REACH,
    RISE,
    SAVED,
    SEMI,
    STATE,
    WEIGHT,
    T,
)

#: Attempts to find the best level at a node whose sleeves are limited in number.
TIGHTENING_ROUNDS = 6


@njit(cache=True, nogil=True, error_model="numpy")
def dominates(s, u, j, i):
    """Whether some best support that holds ``i`` holds ``j``; ``j`` comes before ``i`` in order."""
    return (
        s[j, T] >= s[i, T]
        and s[j, LOG_T] >= s[i, LOG_T]
        and s[j, CAP] >= s[i, CAP]
        and s[j, FLOOR] <= s[i, FLOOR]
        and s[j, RATE] == s[i, RATE]
        and (s[j, RATE] == 0.0 or s[j, PREVIOUS] >= s[i, PREVIOUS])
    )


@njit(cache=True, nogil=True, error_model="numpy")
def decide(s, u, n, j, state, trail, length):
    """Hold or leave out sleeve ``j`` and all that follow by dominance; returns the new length of the trail."""
    u[j, STATE] = state
    trail[length] = j
    length += 1
    start, stop = (j + 1, n) if state == OUT else (0, j)
    for i in range(start, stop):
        if u[i, STATE] == OPEN:
            follows = dominates(s, u, j, i) if state == OUT else dominates(s, u, i, j)
            if follows:
                u[i, STATE] = state
                trail[length] = i
                length += 1
    return length


@njit(cache=True, nogil=True, error_model="numpy")
def force(u, n, high, low, trail, length):
    """Decide what the sum decides, exactly: ``(possible, length of the trail)``."""
    floor_high, floor_low, cap_high, cap_low = reach(u, n, True)
    while True:
        if less(high, low, floor_high, floor_low) or less(cap_high, cap_low, high, low):
            return False, length
        changed = False
        for i in range(n):
            if u[i, STATE] != OPEN:
                continue
            more_high, more_low = plus(floor_high, floor_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
            if less(high, low, more_high, more_low):
                state = OUT
                cap_high, cap_low = minus(cap_high, cap_low, u[i, CAP_HIGH], u[i, CAP_LOW])
            else:
                if cap_high >= SATURATED - GRID:
                    continue
                fewer_high, fewer_low = minus(cap_high, cap_low, u[i, CAP_HIGH], u[i, CAP_LOW])
                if not less(fewer_high, fewer_low, high, low):
                    continue
                state = HELD
                floor_high, floor_low = more_high, more_low
            u[i, STATE] = state
            trail[length] = i
            length += 1
            changed = True
        if not changed:
            return True, length


@njit(cache=True, nogil=True, error_model="numpy")
def room_for(u, n, by_floor, high, low):
    """How many open sleeves fit beside those held, by the smallest floors first; exactly."""
    for i in range(n):
        if u[i, STATE] == HELD:
            high, low = minus(high, low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
    count = 0
    for i in by_floor:
        if u[i, STATE] == OPEN:
            high, low = minus(high, low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
            if high < 0:
                break
            count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def price(s, u, n, entropic, budget, level, room, costs):
    """Bound of the node at ``level`` if at most ``room`` open sleeves may be held: ``(bound, keep, take)``.

    MARGIN becomes the cost of holding each open sleeve at this level. Those with the lowest costs below zero, ``room``
    at most, are marked as held in PIECE. To leave out one of these adds ``keep`` less its cost to the bound; to hold
    another one adds its cost less ``take``.
    """
    bound = level * budget
    count = 0
    for i in range(n):
        if u[i, STATE] == OUT:
            u[i, PIECE] = NOTHING
            continue
        if level < s[i, RISE]:
            x = s[i, FLOOR]
        elif level < s[i, REACH] or (level < s[i, FULL] and level >= s[i, LEAVE]):
            shift = s[i, RATE] if level < s[i, REACH] else -s[i, RATE]
            x = math.exp(level + s[i, LOG_T] + shift) if entropic else s[i, T] + (level + shift)
            x = min(max(x, s[i, FLOOR]), s[i, CAP])
        else:
            x = s[i, KINK] if level < s[i, LEAVE] else s[i, CAP]
        s[i, MARGIN] = gain(x, s, i, entropic) - level * x
        u[i, PIECE] = AT_FLOOR
        if u[i, STATE] == HELD:
            bound += s[i, MARGIN]
        elif s[i, MARGIN] < 0.0:
            costs[count] = s[i, MARGIN]
            count += 1
        else:
            u[i, PIECE] = NOTHING
    keep = take = 0.0
    if count > room:
        ordered = np.sort(costs[:count])
        keep = ordered[room]
        take = ordered[room - 1] if room > 0 else -np.inf
    equal = 0  # of those that cost ``take``, so many are held
    if count > room:
        for j in range(room):
            equal += ordered[j] == take
    for i in range(n):
        if u[i, STATE] == OPEN and u[i, PIECE] != NOTHING:
            if count > room:
                if s[i, MARGIN] > take or (s[i, MARGIN] == take and equal == 0):
                    u[i, PIECE] = NOTHING
                    continue
                equal -= s[i, MARGIN] == take
            bound += s[i, MARGIN]
    return bound, keep, take


@njit(cache=True, nogil=True, error_model="numpy")
def on_support(s, u, n, entropic, high, low, budget, level, with_sleeve, without_sleeve):
    """Solve with the support of the node's pieces held, give or take a sleeve: ``(possible, value, level)``.

    ``STATE`` is as before on return; ``PIECE`` and ``WEIGHT`` are those of the support.
    """
    for i in range(n):
        u[i, SAVED] = u[i, STATE]
        if u[i, STATE] == OPEN:
            held = (u[i, PIECE] != NOTHING or i == with_sleeve) and i != without_sleeve
            u[i, STATE] = HELD if held else OUT
    floor_high, floor_low, cap_high, cap_low = reach(u, n, True)
    possible = not (less(high, low, floor_high, floor_low) or less(cap_high, cap_low, high, low))
    value = np.inf
    if possible:
        reference, level, _ = find_level(s, u, n, entropic, budget, level)
        value, _, level, _ = weigh(s, u, n, entropic, budget, reference, level, False)
    for i in range(n):
        u[i, STATE] = u[i, SAVED]
    return possible, value, level


@njit(cache=True, nogil=True, error_model="numpy")
def fit(u, n, high, low):
    """Whether the sum lies between the floors and the caps of the support of the node's pieces, exactly."""
    floor_high = floor_low = cap_high = cap_low = 0
    for i in range(n):
        if u[i, PIECE] != NOTHING:
            floor_high, floor_low = plus(floor_high, floor_low, u[i, FLOOR_HIGH], u[i, FLOOR_LOW])
            cap_high, cap_low = plus(cap_high, cap_low, u[i, CAP_HIGH], u[i, CAP_LOW])
    return not (less(high, low, floor_high, floor_low) or less(cap_high, cap_low, high, low))


@njit(cache=True, nogil=True, error_model="numpy")
def tied(s, u, n, level, margin):
    """Whether some open sleeve costs the same at its floor and at zero, to rounding, so that other supports may tie."""
    found = False
    for i in range(n):
        found |= u[i, STATE] == OPEN and abs(level - s[i, JUMP]) * s[i, FLOOR] <= 2.0 * margin
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def improve(s, u, n, value, level, best, best_held, best_level, margin):
    """Keep the solution at hand if it is better than the best, or as good with more sleeves held."""
    count = 0
    for i in range(n):
        count += u[i, SEMI] and u[i, PIECE] != NOTHING
    if value < best - margin or (value <= best + margin and count > best_held):
        for i in range(n):
            s[i, BEST] = s[i, WEIGHT]
            u[i, BEST_PIECE] = u[i, PIECE]
        return value, count, level
    return best, best_held, best_level


@njit(cache=True, nogil=True, error_model="numpy")
def search(s, u, n, entropic, high, low, budget, max_nodes, lists, scratch):
    """Best support by branch and bound: ``(found, proved, value, bound, level, nodes)``; BEST holds its weights.

    Values are less the constant cost of holding nothing. Depth first; a node relaxes each open sleeve to the convex
    hull of its cost, whose solution has at most one sleeve between zero and its floor. If that holds more sleeves than
    fit by their floors, the node is bounded again with a limit on their number. A sleeve is decided where deciding it
    otherwise would raise the bound beyond the best value. Values that agree to rounding are ties, and the larger
    support wins. ``lists`` and ``scratch`` are room for the stack.
    """
    trail, sleeve, other, mark = lists[0], lists[1], lists[2], lists[3]
    costs, bounds = scratch[0], scratch[1]
    by_floor = np.empty(0, np.int64)
    best = np.inf
    best_held = -1
    best_level = level = 0.0
    slack = 16.0 * (n + 8) * EPS
    margin = 0.0
    length = depth = nodes = 0
    bound = -np.inf
    while True:
        if nodes >= max_nodes:  # the nodes not visited are bounded by their parents
            for j in range(depth):
                bound = min(bound, bounds[j])
            return best_held >= 0, False, best, min(bound, best), best_level, nodes
        nodes += 1
        possible, length = force(u, n, high, low, trail, length)
        branch = -1
        if possible:
            reference, level, jumps = find_level(s, u, n, entropic, budget, level)
            value, scale, level, partial = weigh(s, u, n, entropic, budget, reference, level, jumps)
            bound = max(bound, value)
            margin = max(margin, slack * scale)
            half = partial >= 0 and 2.0 * s[partial, WEIGHT] >= s[partial, FLOOR]
            used = np.int64(partial >= 0)
            for i in range(n):
                used += u[i, STATE] == OPEN and u[i, PIECE] != NOTHING
            closed = bound > best + margin
            if not closed and partial < 0:
                # The node's own solution, unless rounding hid that it does not fit.
                worth, its_level = value, level
                if jumps:
                    fits, worth, its_level = on_support(s, u, n, entropic, high, low, budget, level, -1, -1)
                else:
                    fits = fit(u, n, high, low)
                if fits:
                    best, best_held, best_level = improve(
                        s, u, n, worth, its_level, best, best_held, best_level, margin
                    )
                closed = fits and worth <= bound + margin and not tied(s, u, n, level, margin)
            if not closed and len(by_floor) == 0:
                by_floor = np.argsort(s[:n, FLOOR])
            if not closed:
                room = room_for(u, n, by_floor, high, low)
                if bound >= best - margin:  # a tie at best: only a larger support is of interest
                    held = 0
                    for i in range(n):
                        held += u[i, SEMI] and u[i, STATE] == HELD
                    closed = held + room <= best_held
            if not closed:
                if partial >= 0 and best_held < 0:  # round, so that there is something to compare with early
                    for attempt in range(2):
                        fits, worth, its_level = on_support(
                            s, u, n, entropic, high, low, budget, level,
                            partial if attempt == 0 else -1, partial if attempt == 1 else -1,
                        )  # fmt: skip
                        if fits:
                            best, best_held, best_level = improve(
                                s, u, n, worth, its_level, best, best_held, best_level, margin
                            )
                at = level
                if used > room:  # more sleeves than their floors allow: bound again with a limit on their number
                    top = -np.inf
                    trial = level
                    for _ in range(TIGHTENING_ROUNDS):
                        found, _, _ = price(s, u, n, entropic, budget, trial, room, costs)
                        if found > top:
                            top, at = found, trial
                        fits, worth, trial = on_support(s, u, n, entropic, high, low, budget, trial, -1, -1)
                        if not fits:
                            break
                        best, best_held, best_level = improve(
                            s, u, n, worth, trial, best, best_held, best_level, margin
                        )
                        if worth <= top + margin:
                            break
                        if top > best + margin:
                            break
                    bound = max(bound, top)
                floor_bound, keep, take = price(s, u, n, entropic, budget, at, room, costs)
                closed = bound > best + margin
                nearest = np.inf
                for i in range(n):
                    if u[i, STATE] == OPEN:
                        held = u[i, PIECE] != NOTHING
                        more = keep - s[i, MARGIN] if held else s[i, MARGIN] - take
                        if floor_bound + more > best + margin:
                            u[i, STATE] = HELD if held else OUT
                            trail[length] = i
                            length += 1
                        elif more < nearest:
                            nearest = more
                            branch = i
                if partial >= 0 and used <= room and u[partial, STATE] == OPEN:
                    branch = partial
                elif branch >= 0:
                    half = u[branch, PIECE] != NOTHING
                if not closed:
                    if branch >= 0:
                        sleeve[depth] = branch
                        first = HELD if half else OUT
                        other[depth] = OUT if half else HELD
                        mark[depth] = length
                        bounds[depth] = bound
                        depth += 1
                        length = decide(s, u, n, branch, first, trail, length)
                    continue
        while True:
            if depth == 0:
                return best_held >= 0, True, best, best, best_level, nodes
            depth -= 1
            while length > mark[depth]:
                length -= 1
                u[trail[length], STATE] = OPEN
            bound = bounds[depth]
            if bound <= best + margin:
                length = decide(s, u, n, sleeve[depth], other[depth], trail, length)
                break
