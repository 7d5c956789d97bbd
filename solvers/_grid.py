"""Land a general program's weights on the grid of multiples of 2**-53, inside every sleeve's own cap and floor."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from allocopt.limits import GRID
from allocopt.solvers.base import FloatArray


def land(
    w: FloatArray, floors: FloatArray, caps: FloatArray, held: Any, free: Any, total: Fraction | None
) -> tuple[FloatArray, float]:
    """Nearest weights on the grid, zero where not ``held``, that add up to ``total``: ``(weights, their sum)``.

    What rounding (and the solver's tolerance) leaves over goes in equal parts to the ``free`` sleeves, and only when
    those are full to the others, so that a sleeve which the optimum puts at a limit stays at it bit for bit. With
    ``total`` None the sum is whatever the rounded weights give. A sleeve between whose limits no grid point lies is at
    its floor itself, off the grid, and so are all if the floors leave no room on the grid, as in the closed form.
    """
    low = {i: math.ceil(Fraction(float(floors[i])) * GRID) for i in np.flatnonzero(held).tolist()}
    high = {i: math.floor(Fraction(float(caps[i])) * GRID) for i in low}
    out = np.zeros(len(w))
    pinched = [i for i in low if low[i] > high[i]]
    for i in pinched:
        out[i] = floors[i]
        del low[i], high[i]
    rest = None if total is None else total - sum((Fraction(float(floors[i])) for i in pinched), Fraction(0))
    wanted = None if rest is None else math.floor(rest * GRID)
    if wanted is not None and sum(low.values()) > wanted:
        for i in low:
            out[i] = floors[i]
        return out, math.fsum(out.tolist())
    units = {i: min(max(round(float(w[i]) * GRID), low[i]), high[i]) for i in low}
    if wanted is not None:
        left = min(wanted, sum(high.values())) - sum(units.values())
        for chosen in ([i for i in units if free[i]], list(units)):
            while left and chosen:
                step = max(1, abs(left) // len(chosen))
                before = left
                for i in chosen:
                    move = max(min(step, left, high[i] - units[i]), 0) if left > 0 else min(
                        max(-step, left, low[i] - units[i]), 0
                    )  # fmt: skip
                    units[i] += move
                    left -= move
                if left == before:
                    break
    for i, unit in units.items():
        out[i] = unit / GRID
    return out, math.fsum(out.tolist())
