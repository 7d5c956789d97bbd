"""Separable programs of one date: the one-dimensional dual, the largest attainable sum, branch and bound on supports.

Notation as in docs/mathematics.md, "Separable programs". A sleeve is a row of two arrays: ``s`` holds its doubles,
``u`` its integers. The *level* is the marginal cost that all sleeves between their limits share, minus the document's
multiplier: ``w - t`` or ``log(w / t)``, and the cost rate. A sleeve's response to a rising level is zero, then (if it
is open, that is, may still be zero) a jump to the floor, a rise, a flat piece at the previous weight, a rise, the cap.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from allocopt.limits import GRID
from allocopt.solvers._euclidean import EPS

# Columns of ``s``: target and its logarithm, limits, previous weight and cost rate, the previous weight moved between
# the limits, the levels at which the response jumps, leaves the floor, reaches the kink, leaves it, reaches the cap;
# the weights of the node at hand and of the best support so far.
T, LOG_T, FLOOR, CAP, PREVIOUS, RATE, KINK, JUMP, RISE, REACH, LEAVE, FULL, WEIGHT, BEST, MARGIN = range(15)
DOUBLES = 15

# Columns of ``u``: the limits exactly, in grid units and their fractions; OUT, HELD or OPEN; whether the sleeve may be
# zero although its floor is not; the piece of its response; a copy of STATE; the piece in the best support.
FLOOR_HIGH, FLOOR_LOW, CAP_HIGH, CAP_LOW, STATE, SEMI, PIECE, SAVED, BEST_PIECE, COLUMN = range(10)
INTEGERS = 10

OUT, HELD, OPEN = 0, 1, 2

# Pieces of the response.
NOTHING, AT_FLOOR, BELOW_KINK, AT_KINK, ABOVE_KINK, AT_CAP = 0, 1, 2, 3, 4, 5

#: Newton steps before the search for the level halves its bracket instead.
NEWTON_ROUNDS = 12

#: Attempts to find the best level at a node whose sleeves are limited in number.
TIGHTENING_ROUNDS = 6

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


@njit(cache=True, nogil=True, error_model="numpy")
def set_levels(s, u, n, entropic):
    """Levels at which each sleeve's response changes its piece."""
    for i in range(n):
        floor, cap, previous, rate = s[i, FLOOR], s[i, CAP], s[i, PREVIOUS], s[i, RATE]
        kink = min(max(previous, floor), cap) if rate > 0.0 else cap
        if entropic:
            origin = -s[i, LOG_T]
            at_floor, at_kink, at_cap = origin + math.log(floor), origin + math.log(kink), origin + math.log(cap)
            jump = at_floor - 1.0
        else:
            origin = -s[i, T]
            at_floor, at_kink, at_cap = origin + floor, origin + kink, origin + cap
            jump = origin + 0.5 * floor
        s[i, KINK] = kink
        # The chord from nothing to the floor; below the previous weight trading less saves the whole rate.
        s[i, JUMP] = jump + (-rate if previous >= floor else rate * (1.0 - 2.0 * previous / floor))
        s[i, RISE] = at_floor - rate if kink > floor else -np.inf
        s[i, REACH] = at_kink - rate if kink > floor else -np.inf
        s[i, LEAVE] = at_kink + rate
        s[i, FULL] = at_cap + rate


@njit(cache=True, nogil=True, error_model="numpy")
def survey(s, u, n, entropic, level):
    """Sum of the responses just above ``level``, the part of it that jumps there, the slope, the next and last change.

    The slope of the relative entropy is the sum of the sleeves between their limits: they grow by the factor ``exp``.
    """
    total = jump = slope = 0.0
    after, before = np.inf, -np.inf
    for i in range(n):
        state = u[i, STATE]
        if state == OUT:
            continue
        jumps = False
        if state == OPEN:
            at = s[i, JUMP]
            if level < at:
                after = min(after, at)
                continue
            jumps = level == at
            if not jumps:
                before = max(before, at)
        moves = False
        shift = 0.0
        if level < s[i, RISE]:
            x = s[i, FLOOR]
            edge, end = -np.inf, s[i, RISE]
        elif level < s[i, REACH]:
            moves = True
            shift = s[i, RATE]
            edge, end = s[i, RISE], s[i, REACH]
        elif level < s[i, LEAVE]:
            x = s[i, KINK]
            edge, end = s[i, REACH], s[i, LEAVE]
        elif level < s[i, FULL]:
            moves = True
            shift = -s[i, RATE]
            edge, end = s[i, LEAVE], s[i, FULL]
        else:
            x = s[i, CAP]
            edge, end = s[i, FULL], np.inf
        if moves:
            x = math.exp(level + s[i, LOG_T] + shift) if entropic else s[i, T] + (level + shift)
            slope += x if entropic else 1.0
        total += x
        after = min(after, end)
        if jumps:
            jump += x
        elif edge < level:
            before = max(before, edge)
        else:  # the piece starts at this level: the one before it ends here
            for last in (LEAVE, REACH, RISE):
                if s[i, last] < level:
                    before = max(before, s[i, last])
                    break
    return total, jump, slope, after, before


@njit(cache=True, nogil=True, error_model="numpy")
def find_level(s, u, n, entropic, budget, level):
    """Level at which the responses sum to the budget: ``(reference, level, jumps)``.

    The pieces are those just above ``reference``. If ``jumps``, the sum passes the budget in a jump at this level.
    Newton steps, kept between the levels already known to be too low and too high; each round passes a change of
    piece, and after some rounds the bracket is halved, so that the number of rounds is bounded.
    """
    low, high = -np.inf, np.inf
    stride = 0.0
    rounds = 0
    while True:
        total, jump, slope, after, before = survey(s, u, n, entropic, level)
        rounds += 1
        left = total - jump
        if left <= budget <= total:
            return level, level, jump > 0.0 and budget < total
        gap = budget - total if total < budget else budget - left
        step = np.inf if gap > 0.0 else -np.inf
        if slope > 0.0:
            step = gap / slope
            if entropic:
                step = math.log1p(step) if step > -1.0 else -np.inf
        guess = level + step
        if gap > 0.0:
            low = level
            if guess <= after:
                return level, guess, False
            if after >= high or after == np.inf:
                return level, level, False
            if not guess < high or rounds > NEWTON_ROUNDS:
                stride = 2.0 * max(stride, after - level)
                guess = level + 0.5 * (high - level) if high < np.inf else level + stride
            level = max(guess, after)
        else:
            high = level
            if before <= low:
                return low, level, False
            if not guess > low or rounds > NEWTON_ROUNDS:
                stride = 2.0 * max(stride, level - before)
                guess = low + 0.5 * (level - low) if low > -np.inf else level - stride
            level = min(guess, before)


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(s, u, n, entropic, budget, reference, level, jumps):
    """Weights of a node: ``(value, scale, level, partial)``.

    The level is computed once more from the sleeves that move, in closed form. The value is that of the relaxation
    less the constant cost of holding nothing, the scale the sum of the sizes of its terms. ``partial`` is the open
    sleeve whose weight ends between zero and its floor, or -1.
    """
    fixed = 0.0
    moving = 0
    shift = spread = smallest = 0.0
    top = -np.inf
    for i in range(n):
        state = u[i, STATE]
        piece = NOTHING
        if state == HELD or (state == OPEN and (reference > s[i, JUMP] or (reference == s[i, JUMP] and not jumps))):
            if reference < s[i, RISE]:
                piece = AT_FLOOR
                fixed += s[i, FLOOR]
            elif reference < s[i, REACH] or (reference < s[i, FULL] and reference >= s[i, LEAVE]):
                piece = BELOW_KINK if reference < s[i, REACH] else ABOVE_KINK
                rate = s[i, RATE] if piece == BELOW_KINK else -s[i, RATE]
                if moving == 0:
                    shift = rate  # rates enter as differences, so that large ones do not cost digits
                smallest = min(smallest, s[i, LOG_T])
                spread = max(spread, abs(rate - shift))
                top = max(top, s[i, LOG_T] + rate)
                moving += 1
            elif reference < s[i, LEAVE]:
                piece = AT_KINK
                fixed += s[i, KINK]
            else:
                piece = AT_CAP
                fixed += s[i, CAP]
        u[i, PIECE] = piece

    base = 0.0
    narrow = smallest > -600.0 and spread < 50.0  # else in logarithms, relative to the largest
    if entropic and not narrow:
        shift = top
    for i in range(n):
        piece = u[i, PIECE]
        if piece in (BELOW_KINK, ABOVE_KINK):
            rate = (s[i, RATE] if piece == BELOW_KINK else -s[i, RATE]) - shift
            if not entropic:
                x = s[i, T] + rate
            elif narrow:
                x = s[i, T] if rate == 0.0 else s[i, T] * math.exp(rate)
            else:
                x = math.exp(s[i, LOG_T] + rate)
            s[i, WEIGHT] = x
            base += x
    factor = 1.0
    offset = 0.0
    if moving > 0:
        if jumps:  # the level is the jump's own
            offset = level + shift
            factor = math.exp(offset) if entropic else 1.0
        elif entropic:
            # If the floors take it all the level is minus infinity; less than rounding keeps it finite.
            factor = max(budget - fixed, 1e-20 * budget) / base
            level = math.log(factor) - shift
        else:
            offset = (budget - fixed - base) / moving
            level = offset - shift

    sum_of_weights = 0.0
    value = scale = 0.0
    for i in range(n):
        piece = u[i, PIECE]
        if piece == NOTHING:
            s[i, WEIGHT] = 0.0
            continue
        if piece in (BELOW_KINK, ABOVE_KINK):
            x = s[i, WEIGHT] * factor if entropic else s[i, WEIGHT] + offset
            x = min(max(x, s[i, FLOOR]), s[i, KINK]) if piece == BELOW_KINK else min(max(x, s[i, KINK]), s[i, CAP])
        else:
            x = s[i, FLOOR] if piece == AT_FLOOR else (s[i, KINK] if piece == AT_KINK else s[i, CAP])
        s[i, WEIGHT] = x
        sum_of_weights += x
        value += gain(x, s, i, entropic)
        scale += size(x, s, i, entropic)
    partial = -1
    if jumps:
        # The sleeves that jump at this level cost the same per unit: fill them in order.
        left = budget - sum_of_weights
        slack = 8.0 * (n + 8) * EPS * budget
        for i in range(n):
            if u[i, STATE] == OPEN and s[i, JUMP] == reference and left > 0.0:
                x = min(left, s[i, FLOOR])
                value += x * s[i, JUMP]
                scale += size(x, s, i, entropic) + x * abs(s[i, JUMP])
                left -= x
                if x >= s[i, FLOOR] - slack:
                    u[i, PIECE] = AT_FLOOR
                elif x > slack:
                    partial = i
                s[i, WEIGHT] = x
    return value, scale, level, partial


@njit(cache=True, nogil=True, error_model="numpy")
def gain(x, s, i, entropic):
    """Cost of holding ``x`` of a sleeve over that of holding nothing."""
    if x == 0.0:
        return 0.0
    if not entropic:
        cost = x * (0.5 * x - s[i, T])
    elif s[i, T] > 1e-290:
        cost = x * (math.log(x / s[i, T]) - 1.0)
    else:
        cost = x * (math.log(x) - s[i, LOG_T] - 1.0)
    return cost + s[i, RATE] * (abs(x - s[i, PREVIOUS]) - s[i, PREVIOUS])


@njit(cache=True, nogil=True, error_model="numpy")
def size(x, s, i, entropic):
    """Sum of the sizes of the terms of ``gain``: what its rounding is measured by."""
    if x == 0.0:
        return 0.0
    cost = abs(math.log(x)) + abs(s[i, LOG_T]) + 1.0 if entropic else 0.5 * x + s[i, T]
    return x * (cost + s[i, RATE])


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
