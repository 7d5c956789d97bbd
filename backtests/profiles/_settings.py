"""What settings have in common: is it a number, a whole one, one above zero."""

from __future__ import annotations

import math
from typing import TypeGuard

from allocopt.backtests._checks import plain
from allocopt.errors import SpecificationError


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def positive_or_none(value: object, name: str) -> None:
    """Raise a `SpecificationError` unless it is a number above 0 or None."""
    if value is not None and not (is_number(value) and value > 0.0):
        raise SpecificationError(f"{name} is not above 0", value=plain(value), remedy="give a number above 0, or None")


def require_tiers(tiers: object, name: str) -> None:
    """Raise a `SpecificationError` unless these are pairs of a limit and a factor, in order of the limit."""
    good = isinstance(tiers, tuple) and (len(tiers) > 0 or name == "short_dated")
    good = good and all(
        isinstance(tier, tuple) and len(tier) == 2 and all(isinstance(x, int | float) and x >= 0.0 for x in tier)
        for tier in tiers  # type: ignore[attr-defined]
    )
    limits = [tier[0] for tier in tiers] if good else []  # type: ignore[attr-defined]
    if not good or limits != sorted(limits):
        raise SpecificationError(
            f"{name} are no pairs of a limit and a factor, in order of the limit",
            value=plain(tiers),
            remedy="give ((10, 0.1), (50, 0.25), (math.inf, 0.5)), for instance",
        )
