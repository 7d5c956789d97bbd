"""How much of an order is filled at one close, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from allocopt.backtests._checks import plain, require_option
from allocopt.backtests.profiles._settings import require_tiers
from allocopt.errors import SpecificationError

Remainder = Literal["next-close", "cancel"]


@dataclass(frozen=True)
class PartialFills:
    """Fill large orders in parts: so much of the order at each close, by its size.

    The legs of a structure are filled in proportion, as one package. An entry is worked over the closes that it
    takes, always in the options that its first part was struck in, and stops being worked once the position is to be
    left or rolled. An exit is worked until nothing is left, and nothing else is decided meanwhile; a roll is an exit
    and, at the close of its last part, an entry. A leg that is rolled by itself is replaced in one fill. What expires
    is settled in full.

    Parameters
    ----------
    tiers : tuple of (float, float)
        Fraction of the whole order, above 0 and at most 1, that is filled at one close, for orders of up to the first
        number of contracts in their largest leg; the last one reaches to infinity. How many contracts that are, say
        ``units`` or ``order_capital`` of `ExecutionCosts`.
    remainder : {"next-close", "cancel"}, default "next-close"
        What becomes of the rest of an entry: it goes on at the next close, or is given up. The capital of the unit
        stays that of the whole order either way.

    Raises
    ------
    SpecificationError
        The tiers are not in order, do not reach to infinity, or a fraction is outside its range.

    Examples
    --------
    >>> from allocopt.backtests.profiles import PartialFills
    >>> fills = PartialFills()
    >>> [fills.fraction(size) for size in (5.0, 40.0, 500.0)]
    [1.0, 0.5, 0.25]
    """

    tiers: tuple[tuple[float, float], ...] = ((10.0, 1.0), (50.0, 0.5), (math.inf, 0.25))
    remainder: Remainder = "next-close"

    def __post_init__(self) -> None:
        require_tiers(self.tiers, "tiers of partial fills")
        require_option(self.remainder, get_args(Remainder), "remainder of an order")
        if self.tiers[-1][0] != math.inf or not all(0.0 < share <= 1.0 for _, share in self.tiers):
            raise SpecificationError(
                "a fraction is outside (0, 1], or the last tier of partial fills ends",
                value=plain(self.tiers),
                remedy="give fractions above 0 and at most 1, and let the last tier reach to math.inf",
            )

    def fraction(self, contracts: float) -> float:
        """Share of an order of so many contracts that is filled at one close."""
        return next(share for most, share in self.tiers if contracts <= most)

    @staticmethod
    def closes(fraction: float) -> int:
        """Count the closes that an order takes of which this fraction is filled at each."""
        return math.ceil(1.0 / fraction - 1e-9)
