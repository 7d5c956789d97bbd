"""The limits every allocation keeps: cap, floor and budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Real

from allocopt.errors import SpecificationError

#: Weights are multiples of 1 / GRID, so that their sums are exact in any order (docs/mathematics.md, "The grid").
GRID = 2**53

#: Stands for "no limit on the number of sleeves"; fits the kernels' 64-bit integers.
UNLIMITED = 2**62


@dataclass(frozen=True)
class Limits:
    """How much one sleeve may hold, how little is worth holding, and how much may be invested in all.

    Parameters
    ----------
    cap : float, default 0.40
        Largest weight of a sleeve, as a decimal fraction of capital, ``floor <= cap <= 1``.
    floor : float, default 0.05
        Smallest weight of a sleeve that is held at all, ``0 <= floor <= cap``. A sleeve below it is not held.
    budget : float, default 1.0
        Largest sum of weights, ``0 < budget <= 1``. The rest is cash.

    Raises
    ------
    SpecificationError
        If a value is not a finite number in its range.

    Notes
    -----
    The limits are taken as the numbers the floats are, not as the decimals that were typed. The float 0.05 is a
    little more than 1/20, so twenty sleeves cannot all hold it out of a budget of 1.0, and nineteen will.

    Examples
    --------
    >>> Limits(cap=0.25)
    Limits(cap=0.25, floor=0.05, budget=1.0)
    >>> Limits(cap=0.25).largest_support
    19
    """

    cap: float = 0.40
    floor: float = 0.05
    budget: float = 1.0

    def __post_init__(self) -> None:
        for name in ("cap", "floor", "budget"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
                raise SpecificationError(
                    f"{name} is not a finite number",
                    value=value,
                    remedy="give a decimal fraction of capital such as 0.40; per-sleeve limits need a general program",
                )
            object.__setattr__(self, name, float(value))
        if not 0.0 <= self.cap <= 1.0:
            raise SpecificationError("cap is outside [0, 1]", value=self.cap, remedy="give a decimal, 0.40 for 40 %")
        if not 0.0 <= self.floor <= self.cap:
            raise SpecificationError(
                f"floor is outside [0, cap] with cap {self.cap!r}", value=self.floor, remedy="lower floor or raise cap"
            )
        if not 0.0 < self.budget <= 1.0:
            raise SpecificationError(
                "budget is outside (0, 1]", value=self.budget, remedy="leverage is applied after the allocation"
            )

    @cached_property
    def largest_support(self) -> int:
        """Most sleeves that can all hold the floor: the largest ``k`` with ``k * floor <= budget``."""
        if self.floor == 0.0:
            return UNLIMITED
        return min(math.floor(Fraction(self.budget) / Fraction(self.floor)), UNLIMITED)

    @cached_property
    def full_support(self) -> int:
        """Fewest sleeves that can spend the budget: the smallest ``k`` with ``k * cap >= budget``."""
        if self.cap == 0.0:
            return UNLIMITED
        return min(math.ceil(Fraction(self.budget) / Fraction(self.cap)), UNLIMITED)

    def support_limit(self, live: int) -> int:
        """Most sleeves that can be held when ``live`` of them are live."""
        return min(live, self.largest_support)

    def attainable(self, live: int) -> Fraction:
        """Largest sum of weights that ``live`` sleeves can hold: ``b*`` of docs/mathematics.md, exactly."""
        return min(Fraction(self.budget), self.support_limit(live) * Fraction(self.cap))

    @cached_property
    def on_grid(self) -> tuple[int, int, int]:
        """Cap rounded down, floor rounded up and budget rounded down to whole grid units of 2**-53."""
        return (
            math.floor(Fraction(self.cap) * GRID),
            math.ceil(Fraction(self.floor) * GRID),
            math.floor(Fraction(self.budget) * GRID),
        )
