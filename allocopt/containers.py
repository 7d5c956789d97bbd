"""Read desirability from what users have, and give results back in the same container with the same labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.errors import InputError, LabelError, ShapeError, plain

FloatArray = npt.NDArray[np.float64]

_SHAPES = "pass one date (sequence, dict, Series, 1-D array) or dates x sleeves (2-D array, DataFrame)"


Kind = Literal["array", "frame", "series", "mapping", "tuple", "list"]


@dataclass(frozen=True, eq=False)
class Table:
    """Desirability of dates x sleeves, wherever it came from. One date counts as one row.

    Attributes
    ----------
    values : 2-D array or DataFrame
        The caller's own numbers where they could be left in place.
    kind : str
        The container that results go back into.
    dates, sleeves : Index or None
        Their labels, None where the container has none.
    single : bool
        Whether one date was given, not a table of one row.
    name : hashable
        A Series' name.
    """

    values: npt.NDArray[Any] | pd.DataFrame
    kind: Kind
    dates: pd.Index | None = None
    sleeves: pd.Index | None = None
    single: bool = False
    name: Hashable = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(dates, sleeves)``."""
        dates, sleeves = self.values.shape
        return dates, sleeves

    def block(self, start: int, stop: int) -> FloatArray:
        """Rows as C-ordered float64, without a copy where they already are."""
        if isinstance(self.values, pd.DataFrame):
            rows = self.values.iloc[start:stop].to_numpy(dtype=np.float64, na_value=np.nan)
            return np.ascontiguousarray(rows)
        return np.ascontiguousarray(self.values[start:stop], dtype=np.float64)

    def rebuild(self, weights: FloatArray) -> Any:
        """Put weights of this shape into the caller's container, with its labels."""
        match self.kind:
            case "array":
                return weights[0] if self.single else weights
            case "frame":
                return pd.DataFrame(weights, index=self.dates, columns=self.sleeves, copy=False)
            case "series":
                return pd.Series(weights[0], index=self.sleeves, name=self.name, copy=False)
            case "mapping":
                assert self.sleeves is not None
                return dict(zip(self.sleeves, weights[0].tolist(), strict=True))
            case "tuple":
                return tuple(weights[0].tolist())
            case "list":
                return weights[0].tolist()

    def where(self, row: int, column: int) -> str:
        """Words for one cell: the date (where there are several) and the sleeve."""
        sleeve = f"column {column}" if self.sleeves is None else f"sleeve {plain(self.sleeves[column])!r}"
        if self.single:
            return sleeve
        return f"{name_date(self.dates, row)}, {sleeve}"

    def date_name(self, row: int) -> str:
        """Words for one row."""
        return name_date(self.dates, row)

    def per_date(self, values: npt.NDArray[Any], name: str) -> Any:
        """One number a date as a scalar, an array, or a Series with the dates' labels."""
        if self.single:
            return values[0].item() if isinstance(values[0], np.generic) else values[0]
        if self.dates is None:
            return values
        return pd.Series(values, index=self.dates, name=name, copy=False)


def name_date(dates: pd.Index | None, row: int) -> str:
    """Words for one row: its date as printed, or its number."""
    if dates is None:
        return f"row {row}"
    label = dates[row]
    return f"date {label.date() if isinstance(label, pd.Timestamp) and label == label.normalize() else label}"


def require_unique(labels: pd.Index, what: str) -> None:
    """Raise LabelError at the first label that occurs twice."""
    if not labels.is_unique:
        twice = labels[labels.duplicated()][0]
        raise LabelError(f"duplicate {what} label", value=twice, remedy=f"keep one row or column a {what}")


def require_sorted(dates: pd.Index, what: str) -> None:
    """Raise LabelError at the first date that is not later than the one before it."""
    require_unique(dates, "date")
    if not dates.is_monotonic_increasing:
        later = next(i for i in range(1, len(dates)) if dates[i] < dates[i - 1])
        raise LabelError(
            f"{what} is not in ascending order of dates",
            where=name_date(dates, later),
            remedy="call .sort_index() first",
        )


def read_table(desirability: object) -> Table:
    """Read any supported container; raises the typed errors of `allocopt.allocate`."""
    if isinstance(desirability, np.ndarray):
        return _from_array(desirability)
    if isinstance(desirability, pd.DataFrame):
        return _from_frame(desirability)
    if isinstance(desirability, pd.Series):
        index = desirability.index
        require_unique(index, "sleeve")
        values = _numbers(desirability.to_numpy(), lambda i: f"sleeve {plain(index[i])!r}")
        return _one_date(values, "series", index, desirability.name)
    if isinstance(desirability, Mapping):
        keys = list(desirability)
        values = _numbers(list(desirability.values()), lambda i: f"sleeve {plain(keys[i])!r}")
        return _one_date(values, "mapping", pd.Index(keys, dtype=object, tupleize_cols=False))
    if isinstance(desirability, (str, bytes)) or not isinstance(desirability, Sequence):
        raise ShapeError("desirability is no container of numbers", value=type(desirability).__name__, remedy=_SHAPES)
    values = _numbers(list(desirability), lambda i: f"column {i}")
    return _one_date(values, "tuple" if isinstance(desirability, tuple) else "list")


def _one_date(values: FloatArray, kind: Kind, sleeves: pd.Index | None = None, name: Hashable = None) -> Table:
    _require_sleeves(values.shape)
    return Table(values.reshape(1, -1), kind, sleeves=sleeves, single=True, name=name)


def _from_array(array: npt.NDArray[Any]) -> Table:
    if array.ndim not in (1, 2):
        raise ShapeError("desirability is neither 1-D nor 2-D", value=array.shape, remedy=_SHAPES)
    _require_sleeves(array.shape)
    single = array.ndim == 1
    rows = array.reshape(1, -1) if single else array
    if rows.dtype.kind not in "fiub":
        n = rows.shape[1]
        cells = _numbers(rows.ravel(), lambda i: f"column {i}" if single else f"row {i // n}, column {i % n}")
        rows = cells.reshape(rows.shape)
    return Table(rows, "array", single=single)


def _from_frame(frame: pd.DataFrame) -> Table:
    _require_sleeves(frame.shape)
    require_unique(frame.columns, "sleeve")
    require_unique(frame.index, "date")
    for column, (sleeve, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
            # Read it value by value, for the sake of an error that names the date.
            _numbers(frame.iloc[:, column].to_numpy(dtype=object), _cell_names(frame.index, sleeve))
    return Table(frame, "frame", frame.index, frame.columns)


def _cell_names(dates: pd.Index, sleeve: Hashable) -> Callable[[int], str]:
    return lambda i: f"{name_date(dates, i)}, sleeve {plain(sleeve)!r}"


def _require_sleeves(shape: tuple[int, ...]) -> None:
    if shape[-1] == 0:
        raise ShapeError("there is no sleeve to allocate to", value=shape, remedy="give at least one column")


def _numbers(values: npt.NDArray[Any] | Sequence[object], where: Callable[[int], str]) -> FloatArray:
    """Real numbers as float64; None and pandas' NA become NaN (and are then missing, or an error, like any NaN)."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return values.astype(np.float64, copy=False)
    out = np.empty(len(values))
    for i, x in enumerate(values):
        if isinstance(x, (Real, Decimal, np.bool_)):
            try:
                out[i] = float(x)
            except OverflowError:
                out[i] = math.inf
        elif x is None or x is pd.NA or x is pd.NaT:
            out[i] = math.nan
        elif isinstance(x, (Sequence, np.ndarray)) and not isinstance(x, (str, bytes)):
            raise ShapeError("one date has more than one dimension", where=where(i), remedy=_SHAPES)
        else:
            raise InputError("desirability is not a real number", where=where(i), value=x, remedy="give floats")
    return out
