"""Checks of the numbers that trading costs are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from allocopt.errors import SpecificationError
from allocopt.labels import PerSleeve


def non_negative(value: PerSleeve, name: str, remedy: str = "give a decimal fraction") -> PerSleeve:
    """Raise unless every number is finite and at least 0; give arrays back as read-only copies."""
    kept, numbers = _numbers(value)
    for x in numbers:
        if not _is_number(x) or not 0.0 <= x < np.inf:  # type: ignore[operator]
            raise SpecificationError(f"{name} is not a number of at least 0", value=x, remedy=remedy)
    return kept


def positive(value: PerSleeve, name: str, remedy: str) -> PerSleeve:
    """Raise unless every number is finite and above 0; give arrays back as read-only copies."""
    kept, numbers = _numbers(value)
    for x in numbers:
        positive_number(x, name, remedy)
    return kept


def positive_number(value: object, name: str, remedy: str) -> None:
    """Raise unless the value is one finite number above 0."""
    if not _is_number(value) or not 0.0 < value < np.inf:  # type: ignore[operator]
        raise SpecificationError(f"{name} is not a positive number", value=value, remedy=remedy)


def _is_number(x: object) -> bool:
    return isinstance(x, (int, float, np.floating, np.integer)) and not isinstance(x, bool)


def _numbers(value: PerSleeve) -> tuple[PerSleeve, list[object]]:
    """Give a copy that the caller cannot change, and the numbers in it."""
    if isinstance(value, Mapping):
        named = dict(value)
        return named, list(named.values())
    if isinstance(value, pd.Series):
        series = value.copy()
        return series, series.tolist()
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        array = np.array(value, dtype=np.float64)
        array.flags.writeable = False
        return array, list(array.ravel())
    return value, [value]
