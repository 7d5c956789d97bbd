"""Checks of what an option is priced with: each message names the argument and the first position that is wrong."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from allocopt.errors import InputError, ShapeError, SpecificationError

FloatArray: TypeAlias = npt.NDArray[np.float64]

#: +1 or "call", -1 or "put", or an array of either.
Kind: TypeAlias = "str | int | npt.ArrayLike"

_WORDS = {"call": 1.0, "put": -1.0}


def place(bad: npt.NDArray[np.bool_]) -> tuple[tuple[int, ...], str | None]:
    """Index of the first True and how to say it; nothing to say for a scalar."""
    first = np.unravel_index(int(np.argmax(bad)), bad.shape)
    where = tuple(int(i) for i in first)
    if not where:
        return where, None
    return where, f"position {where[0] if len(where) == 1 else where}"


def signs(kind: Kind) -> FloatArray:
    """+1.0 for calls and -1.0 for puts."""
    given = np.asarray(kind)
    if given.dtype.kind in "iuf":
        values = given.astype(np.float64)
        bad = np.abs(values) != 1.0
    else:
        values = np.array([_WORDS.get(str(word), np.nan) for word in given.ravel()], np.float64).reshape(given.shape)
        bad = np.isnan(values)
    if bad.any():
        at, where = place(np.asarray(bad))
        raise SpecificationError(
            "kind is neither call nor put", where=where, value=given[at], remedy='use +1 or "call", -1 or "put"'
        )
    return values


def numbers(
    value: npt.ArrayLike, name: str, *, above: float | None = None, at_least: float | None = None
) -> FloatArray:
    """Check that values are finite and, where asked, above or at least a bound."""
    try:
        values = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"{name} is not a number", value=type(value).__name__, remedy="pass a float or an array of floats"
        ) from None
    bad = ~np.isfinite(values)
    wanted = "finite"
    if above is not None:
        bad |= values <= above
        wanted = f"finite and above {above:g}"
    if at_least is not None:
        bad |= values < at_least
        wanted = f"finite and at least {at_least:g}"
    if bad.any():
        at, where = place(np.asarray(bad))
        raise InputError(f"{name} is not {wanted}", where=where, value=values[at], remedy=f"mend {name}")
    return values


def together(**arguments: FloatArray) -> list[FloatArray]:
    """Broadcast the arguments against each other."""
    try:
        return list(np.broadcast_arrays(*arguments.values()))
    except ValueError:
        raise ShapeError(
            "the shapes of the arguments do not go together",
            value={name: array.shape for name, array in arguments.items() if array.shape},
            remedy="pass scalars, or arrays that broadcast against each other",
        ) from None


def unwrap(values: FloatArray) -> Any:
    """Give back an array as it is, and a float for what was asked with scalars only."""
    return values[()]
