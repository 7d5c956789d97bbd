"""Weights of the selected coins under cap, floor and budget, by bisection and by the loop: plain and slow."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

Weights = tuple[float, ...]


@lru_cache(maxsize=4096)
def allocate(
    desirability: Weights, cap: float, floor: float, budget: float, solver: str = "euclidean", max_passes: int = 10
) -> Weights:
    """Nearest weights to the proportional ones that hold nothing, or at least the floor and at most the cap.

    Tries every number of coins that can be held, in order of desirability (of equal ones the first column), projects
    on each by bisection of the multiplier, and takes the nearest.

    Examples
    --------
    >>> allocate((1.0, 1.0), 1.0, 0.0, 1.0)
    (0.5, 0.5)
    >>> allocate((1.0, 1.0, 0.0), 0.4, 0.05, 1.0)
    (0.4, 0.4, 0.0)
    """
    if solver == "heuristic":
        return _loop(desirability, cap, floor, budget, max_passes)
    live = [column for column, value in enumerate(desirability) if value > 0.0]
    weights = [0.0] * len(desirability)
    exact_cap, exact_floor, exact_budget = Fraction(cap), Fraction(floor), Fraction(budget)
    spent = max(
        (
            min(exact_budget, k * exact_cap)
            for k in range(1, len(live) + 1)
            if k * exact_floor <= min(exact_budget, k * exact_cap)
        ),
        default=Fraction(0),
    )
    if spent == 0:
        return tuple(weights)
    amount = float(spent)
    order = sorted(live, key=lambda column: (-desirability[column], column))
    total = math.fsum(desirability)
    target = [amount * desirability[column] / total for column in order]
    best, nearest = math.inf, [0.0]
    for k in range(1, len(live) + 1):
        if not k * exact_floor <= spent <= k * exact_cap:
            continue
        held = _project(target[:k], floor, cap, amount, solver)
        apart = _apart(held + [0.0] * (len(live) - k), target, solver)
        if apart <= best + 1e-15:  # as near with more coins
            best, nearest = min(best, apart), held
    for column, weight in zip(order, nearest, strict=False):
        weights[column] = weight
    return tuple(weights)


def _project(target: list[float], floor: float, cap: float, amount: float, solver: str) -> list[float]:
    """Weights between floor and cap that sum to the amount: targets moved alike, or stretched alike, then clipped."""

    def at(multiplier: float) -> list[float]:
        moved = [t + multiplier for t in target] if solver == "euclidean" else [t * multiplier for t in target]
        return [min(max(value, floor), cap) for value in moved]

    low, high = (-1.0 - cap, 1.0 + cap) if solver == "euclidean" else (0.0, 1.0)
    while math.fsum(at(high)) < amount and math.isfinite(high) and high < 1e300:
        high *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if math.fsum(at(middle)) < amount:
            low = middle
        else:
            high = middle
    return at(high)


def _apart(weights: list[float], target: list[float], solver: str) -> float:
    if solver == "euclidean":
        return math.fsum(0.5 * (w - t) ** 2 for w, t in zip(weights, target, strict=True))
    return math.fsum((w * math.log(w / t) if w > 0.0 else 0.0) - w + t for w, t in zip(weights, target, strict=True))


def _loop(desirability: Weights, cap: float, floor: float, budget: float, max_passes: int) -> Weights:
    """Clip and divide by the sum until no weight is over the cap; then drop what is below the floor and divide."""
    weights = _divided(list(desirability), budget)
    for _ in range(max_passes):
        if max(weights) <= cap:
            break
        weights = _divided([min(weight, cap) for weight in weights], budget)
    kept = [weight if weight >= floor else 0.0 for weight in weights]
    return tuple(_divided(kept, budget) if kept != weights else kept)


def _divided(weights: list[float], budget: float) -> list[float]:
    total = sum(weights)
    return [budget * weight / total for weight in weights] if total > 0.0 else weights
