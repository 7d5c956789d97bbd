"""The one-dimensional dual of a separable program: the level at which the sleeves spend the budget.

The *level* is the marginal cost that all sleeves between their limits share, minus the multiplier of
docs/mathematics.md, "Separable programs": ``w - t`` or ``log(w / t)``, and the cost rate. A sleeve's response to a
rising level is zero, then (if it is open, that is, may still be zero) a jump to the floor, a rise, a flat piece at the
previous weight, a rise, the cap.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from allocopt.solvers._euclidean import EPS
from allocopt.solvers._separable_layout import (
    ABOVE_KINK,
    AT_CAP,
    AT_FLOOR,
    AT_KINK,
    BELOW_KINK,
    CAP,
    FLOOR,
    FULL,
    HELD,
    JUMP,
    KINK,
    LEAVE,
    LOG_T,
    NOTHING,
    OPEN,
    OUT,
    PIECE,
    PREVIOUS,
    RATE,
    REACH,
    RISE,
    STATE,
    WEIGHT,
    T,
)

#: Newton steps before the search for the level halves its bracket instead.
NEWTON_ROUNDS = 12


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
                # With no slope and no change of piece ahead both are infinite, and there is no level to go to.
                return level, guess if guess < np.inf else level, False
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
