"""Values given by sleeve: one number for all, a mapping or Series by label, or numbers in the order of the sleeves."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.errors import InputError, LabelError, ShapeError, plain

FloatArray = npt.NDArray[np.float64]

#: One number for every sleeve, numbers by label, or numbers in the order of the sleeves.
PerSleeve = float | Mapping[Any, float] | Sequence[float] | FloatArray | pd.Series


def per_sleeve(
    value: PerSleeve, n: int, sleeves: pd.Index | None, what: str, *, rest: FloatArray | float | None = None
) -> FloatArray:
    """Array of ``n`` numbers for a `PerSleeve`.

    Parameters
    ----------
    value : PerSleeve
        Labels are those of ``sleeves``, or column numbers where there are none.
    what : str
        Name for messages.
    rest : float or array, optional
        Value of the sleeves that a mapping or Series does not name; without it naming all of them is required.

    Raises
    ------
    LabelError
        For a label that is no sleeve, or a sleeve without a value.
    ShapeError
        For an array of another length.
    """
    if isinstance(value, (Mapping, pd.Series)):
        try:
            given = pd.Series(dict(value) if isinstance(value, Mapping) else value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{what} holds something that is no number", value=str(error), remedy="give floats"
            ) from error
        if not given.index.is_unique:
            twice = given.index[given.index.duplicated()][0]
            raise LabelError(f"{what} is given twice", value=plain(twice), remedy="give one value a sleeve")
        columns = positions(given.index, n, sleeves, what)
        out = np.full(n, np.nan) if rest is None else np.array(np.broadcast_to(rest, n), dtype=np.float64)
        out[columns] = given.to_numpy()
        if rest is None and len(columns) < n:
            lacking = sorted(set(range(n)) - set(columns))[0]
            name = lacking if sleeves is None else plain(sleeves[lacking])
            raise LabelError(f"{what} is missing for a sleeve", value=name, remedy="give a value for every sleeve")
        return out
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is no number and no numbers", value=value, remedy="give floats by sleeve") from error
    if array.ndim == 0:
        return np.full(n, float(array))
    if array.shape != (n,):
        raise ShapeError(f"{what} is not one number a sleeve", value=array.shape, remedy=f"give {n} numbers")
    return array.copy()


def positions(labels: Iterable[Hashable], n: int, sleeves: pd.Index | None, what: str) -> list[int]:
    """Column numbers of ``labels``; raises LabelError at the first that is no sleeve."""
    known = pd.RangeIndex(n) if sleeves is None else sleeves
    found = []
    for label in labels:
        if label not in known:
            raise LabelError(
                f"{what} names a sleeve that is not allocated to",
                value=plain(label),
                remedy=f"name one of {', '.join(map(str, known[:8]))}{' ...' if n > 8 else ''}",
            )
        place = known.get_loc(label)
        if not isinstance(place, int):
            raise LabelError(f"{what} names several sleeves at once", value=plain(label), remedy="use unique labels")
        found.append(place)
    return found


def sleeve_name(sleeves: pd.Index | None, column: int) -> str:
    """Words for one sleeve in a message: its label, or its column number where there are no labels."""
    return f"column {column}" if sleeves is None else repr(plain(sleeves[column]))
