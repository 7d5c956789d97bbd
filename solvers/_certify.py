"""Certificates: how far given weights are from keeping the limits and from being optimal, for a block of dates.

Nothing here looks at how the weights were found. The multiplier is read off the weights themselves, and the values of
the other support sizes are solved for afresh.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from allocopt.solvers import _entropic, _euclidean
from allocopt.solvers._sorting import order_live

fix_euclidean = _euclidean.fix
fix_entropic = _entropic.fix

#: A weight on the grid is this close to the limit it stands at (two grid units of 2**-53).
AT_LIMIT = 2.5e-16
SMALLEST_SHARE = _entropic.SMALLEST_SHARE


@njit(cache=True, nogil=True, error_model="numpy")
def certify_rows(desirability, weights, exclude_missing, entropic, cap, floor, budget, k_full, k_largest, out):
    """Fill ``out[date] = cap, floor and budget residual, multiplier, support, objective, gap, KKT residual``.

    Returns the first row whose desirability is no longer valid, or -1.
    """
    dates, n = desirability.shape
    values = np.empty(n)
    columns = np.empty(n, np.int64)
    keys = np.empty(n, np.uint64)
    spare_keys = np.empty(n, np.uint64)
    spare_columns = np.empty(n, np.int64)
    t = np.empty(n + 1)
    tail = np.empty(n + 1)
    log_t = np.empty(n)
    w = np.empty(n)
    for date in range(dates):
        live, _, bad = order_live(desirability[date], exclude_missing, values, columns, keys, spare_keys, spare_columns)
        if bad >= 0:
            return date
        support = 0
        spent = 0.0
        over = 0.0
        under = 0.0
        for i in range(n):
            w[i] = weights[date, columns[i]]
            if w[i] != 0.0:
                support += 1
                over = max(over, w[i] - cap)
                under = max(under, floor - w[i])
            spent += w[i]
        k_max = min(live, k_largest)
        attainable = min(budget, k_max * cap)
        result = out[date]
        result[0] = over
        result[1] = under
        result[2] = attainable - spent
        result[3] = np.nan
        result[4] = support
        result[5] = 0.0
        result[6] = np.inf
        result[7] = 0.0
        if live == 0 or k_max == 0 or cap == 0.0:
            continue
        if entropic:  # from the unscaled values: a share of the target may be too small for a double
            for i in range(live):
                log_t[i] = math.log(values[i])
        scale = values[0]
        if scale > 1e290 or scale < 1e-290:
            up = 2.0**-600 if scale > 1.0 else 2.0**600
            for i in range(live):
                values[i] *= up
        total = 0.0
        for i in range(live):
            total += values[i]
        running = 0.0
        tail[live] = 0.0
        for i in range(live - 1, -1, -1):
            t[i] = values[i] * (attainable / total)
            running += t[i]
            tail[i] = running
        if entropic:
            shift = math.log(t[0]) - log_t[0]
            for i in range(live):
                log_t[i] += shift
        result[5] = _objective(w, t, log_t, live, entropic)
        if support > 0:
            result[3], result[7] = _stationarity(w, t, log_t, live, cap, floor, entropic)
        if floor == 0.0:
            continue  # holding nothing and holding none of it are the same: there is no other support to compare
        best = np.inf
        k_min = min(k_full, k_max)
        for k in (support - 1, support + 1):
            if k_min <= k and k <= k_max:
                if entropic and t[k - 1] < SMALLEST_SHARE:
                    best = np.nan  # beyond the doubles: left to exact arithmetic
                else:
                    best = min(best, _value(t, tail, k, live, cap, floor, attainable, entropic))
        result[6] = best - result[5]
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _objective(w, t, log_t, live, entropic):
    """``sum (w - t)**2 / 2``, or ``sum w log(w / t) - w + t``, which is KL(w || t) where both have the same mass."""
    total = 0.0
    for i in range(live):
        if entropic:
            if w[i] > 0.0:
                total += w[i] * (math.log(w[i]) - log_t[i] - 1.0)
            total += t[i]
        else:
            total += 0.5 * (w[i] - t[i]) ** 2
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _stationarity(w, t, log_t, live, cap, floor, entropic):
    """Multiplier of the budget read off the weights, and the largest ``abs(w - clip(...))`` that it leaves.

    Sleeves strictly between the limits have the same ``t - w`` (Euclidean) or ``log t - log w`` (entropic); those at
    the cap have at least that, those at the floor at most that.
    """
    free_target = 0.0
    free_weight = 0.0
    free = 0
    upper = np.inf
    lower = -np.inf
    for i in range(live):
        if w[i] > 0.0:
            excess = log_t[i] - math.log(w[i]) if entropic else t[i] - w[i]
            if w[i] >= cap - AT_LIMIT:
                upper = min(upper, excess)
            elif w[i] <= floor + AT_LIMIT:
                lower = max(lower, excess)
            else:
                free += 1
                free_target += t[i]
                free_weight += w[i]
        elif floor == 0.0 and not entropic:
            lower = max(lower, t[i])
    if free > 0:
        # By mass, so that a weight of few grid units, rounded by a large factor, does not decide it.
        multiplier = math.log(free_target / free_weight) if entropic else (free_target - free_weight) / free
    elif lower == -np.inf:
        multiplier = upper
    elif upper == np.inf:
        multiplier = lower
    else:
        multiplier = 0.5 * (lower + upper)
    residual = 0.0
    for i in range(live):
        if w[i] > 0.0 or floor == 0.0:
            wanted = math.exp(min(log_t[i] - multiplier, 0.0)) if entropic else t[i] - multiplier
            residual = max(residual, abs(w[i] - min(max(wanted, floor), cap)))
    return multiplier, residual


@njit(cache=True, nogil=True, error_model="numpy")
def _value(t, tail, k, live, cap, floor, budget, entropic):
    """Objective of the best weights with exactly ``k`` sleeves held."""
    if entropic:
        _, _, multiplier = fix_entropic(t, tail, k, cap, floor, budget)
    else:
        _, _, multiplier = fix_euclidean(t, tail, k, cap, floor, budget)
    total = 0.0
    for i in range(live):
        if i >= k:
            total += t[i] if entropic else 0.5 * t[i] ** 2
        elif entropic:
            x = min(max(multiplier * t[i], floor), cap)
            total += x * (math.log(x) - math.log(t[i])) - x + t[i]
        else:
            total += 0.5 * (min(max(t[i] - multiplier, floor), cap) - t[i]) ** 2
    return total
