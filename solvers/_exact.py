"""The projection in exact arithmetic, for the few dates that doubles cannot decide.

Weights and multipliers are rational for both distances, so they are `fractions.Fraction`. The value of a support is
rational for the Euclidean distance; for the relative entropy it is a sum of logarithms, taken with 60 digits.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from allocopt.limits import Limits
from allocopt.solvers.base import Distance

#: Values closer than this are ties; the larger support wins. 60 digits leave 20 to spare.
TIE = Decimal(10) ** -40
_CONTEXT = decimal.Context(prec=60, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


def target(desirability: Sequence[float], attainable: Fraction) -> list[Fraction]:
    """Proportional target ``b* d / sum(d)`` as rational numbers."""
    exact = [Fraction(x) for x in desirability]
    total = sum(exact, Fraction(0))
    return [attainable * x / total for x in exact]


def fixed_support(
    t: Sequence[Fraction], cap: Fraction, floor: Fraction, budget: Fraction, distance: Distance
) -> list[Fraction]:
    """Projection of ``t`` (descending) with every sleeve of it held: variable fixing, which is finite and exact."""
    a, q = 0, len(t)
    while a < q:
        need = budget - a * cap - (len(t) - q) * floor
        free = sum(t[a:q], Fraction(0))
        if distance == "euclidean":
            shift = (free - need) / (q - a)
            wanted = [x - shift for x in t[a:q]]
        else:
            wanted = [x * need / free for x in t[a:q]]
        over = sum((x - cap for x in wanted if x > cap), Fraction(0))
        under = sum((floor - x for x in wanted if x < floor), Fraction(0))
        above = sum(x > cap for x in wanted)
        below = sum(x < floor for x in wanted)
        if above + below == 0:
            return [cap] * a + wanted + [floor] * (len(t) - q)
        if over >= under:
            a += above
        if under >= over:
            q -= below
    return [cap] * a + [floor] * (len(t) - a)


def value(w: Sequence[Fraction], t: Sequence[Fraction], distance: Distance) -> Fraction | Decimal:
    """Distance of ``w`` to ``t``: ``sum (w - t)**2 / 2`` exactly, or ``sum w log(w / t)`` to 60 digits."""
    if distance == "euclidean":
        return sum(((x - y) ** 2 for x, y in zip(w, t, strict=True)), Fraction(0)) / 2
    total = Decimal(0)
    with decimal.localcontext(_CONTEXT):
        for x, y in zip(w, t, strict=True):
            if x > 0:
                total += _decimal(x) * (_decimal(x / y)).ln()
    return total


def _decimal(x: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(x.numerator), Decimal(x.denominator))


def no_better(first: Fraction | Decimal, second: Fraction | Decimal) -> bool:
    """Whether ``first`` is at most ``second``, a tie included."""
    if isinstance(first, Decimal) or isinstance(second, Decimal):
        assert isinstance(first, Decimal)
        assert isinstance(second, Decimal)
        return first - second <= TIE
    return first <= second


def project_prefix(desirability: Sequence[float], limits: Limits, distance: Distance) -> list[Fraction]:
    """Optimal weights of live sleeves given in descending order; the sleeves that are not held get zero.

    The value is convex in the support size (docs/mathematics.md), so a bisection finds the largest size that is no
    worse than the next smaller one.
    """
    live = len(desirability)
    budget = limits.attainable(live)
    cap, floor = Fraction(limits.cap), Fraction(limits.floor)
    t = target(desirability, budget)
    largest = limits.support_limit(live)
    smallest = min(limits.full_support, largest)

    def solve(k: int) -> list[Fraction]:
        return fixed_support(t[:k], cap, floor, budget, distance) + [Fraction(0)] * (live - k)

    low, high = smallest, largest
    while low < high:
        middle = (low + high + 1) // 2
        if no_better(value(solve(middle), t, distance), value(solve(middle - 1), t, distance)):
            low = middle
        else:
            high = middle - 1
    return solve(low)
