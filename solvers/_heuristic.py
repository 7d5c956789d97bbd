"""The clip-and-renormalise loop, as it is commonly written, for a block of dates."""

from __future__ import annotations

import numpy as np
from numba import njit

# Codes of allocopt.status.Outcome; a kernel cannot read an enum.
FULL, EMPTY, NOT_CONVERGED, OVER_CAP, ALL_DROPPED = 0, 4, 6, 7, 8


@njit(cache=True, nogil=True, error_model="numpy")
def loop_rows(
    desirability, weights, invested, outcome, live_count, excluded_count,
    exclude_missing, cap, floor, budget, max_passes,
):  # fmt: skip
    """Run the loop on every row; returns the ``(row, column)`` of the first value that is no desirability, or -1."""
    dates, n = desirability.shape
    for date in range(dates):
        row = desirability[date]
        w = weights[date]
        live = 0
        excluded = 0
        largest = 0.0
        for i in range(n):
            x = row[i]
            if x != x and exclude_missing:
                excluded += 1
                x = 0.0
            elif not (x >= 0.0 and x < np.inf):
                return date, i
            w[i] = x
            live += x > 0.0
            largest = max(largest, x)
        live_count[date] = live
        excluded_count[date] = excluded
        invested[date] = 0.0
        if live == 0:
            outcome[date] = EMPTY
            continue
        if largest > 1e290:  # the sum of a row near the largest double would overflow; a power of two is exact
            for i in range(n):
                w[i] *= 2.0**-600
        elif largest < 1e-290:
            for i in range(n):
                w[i] *= 2.0**600
        _spend(w, budget)
        passes = 0
        while passes < max_passes and _exceeds(w, cap):
            for i in range(n):
                w[i] = min(w[i], cap)
            _spend(w, budget)
            passes += 1
        converged = not _exceeds(w, cap)
        kept = 0
        dropped = 0
        for i in range(n):
            if w[i] < floor:
                dropped += w[i] > 0.0
                w[i] = 0.0
            kept += w[i] > 0.0
        if kept == 0:
            outcome[date] = ALL_DROPPED
            continue
        if dropped:
            _spend(w, budget)
        total = 0.0
        for i in range(n):
            total += w[i]
        invested[date] = total
        if not converged:
            outcome[date] = NOT_CONVERGED
        elif _exceeds(w, cap):
            outcome[date] = OVER_CAP
        else:
            outcome[date] = FULL
    return -1, -1


@njit(cache=True, nogil=True, error_model="numpy")
def _spend(w, budget):
    total = 0.0
    for i in range(w.shape[0]):
        total += w[i]
    if total == 0.0:
        return  # clipped at a cap of zero
    for i in range(w.shape[0]):
        w[i] = budget * w[i] / total


@njit(cache=True, nogil=True, error_model="numpy")
def _exceeds(w, cap):
    for i in range(w.shape[0]):  # noqa: SIM110  # numba compiles no generator in any()
        if w[i] > cap:
            return True
    return False
