"""What one cell of a study is: parameters in, numbers and curves out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from allocopt.errors import InputError, LabelError

#: The parameters of one cell, by name: numbers, words, dates, sequences and mappings of these, frozen dataclasses.
Parameters: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class CellResult:
    """What one cell gives: figures by name, and curves where something must be kept by row.

    The parts are brought to one plain form (floats; a frame of its own with float64 columns named by strings), so that
    a result is the same to the bit whether it was computed here, in another process, or read from kept work.

    Parameters
    ----------
    metrics : Mapping[str, float]
        Figures by name, in the order given. NaN says that a figure does not exist; infinities are kept as they are.
    curves : DataFrame, optional
        Numeric columns named by strings; rows by date (any time zone) or by whole number. A frequency of the index
        and ``attrs`` are not kept.

    Raises
    ------
    InputError
        If a metric or a curve is not numeric.
    LabelError
        If a name is not a string or is there twice, or the rows are labelled by something else.

    Examples
    --------
    >>> from allocopt.backtests.runs import CellResult
    >>> CellResult({"sharpe": 1.25, "trades": 7}).metrics
    {'sharpe': 1.25, 'trades': 7.0}
    """

    metrics: Mapping[str, float]
    curves: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", {_name(key): _figure(key, value) for key, value in self.metrics.items()})
        if self.curves is not None:
            object.__setattr__(self, "curves", _plain_frame(self.curves))


#: What computes a cell: `function(data, parameters)`, and where it has `many(data, list)` that for whole batches.
CellFunction: TypeAlias = Callable[[Any, Parameters], CellResult]


def same_result(one: CellResult, other: CellResult) -> bool:
    """Tell whether two results are equal to the last bit, names, dates and missing values included.

    Parameters
    ----------
    one, other : CellResult
        The results.

    Examples
    --------
    >>> from allocopt.backtests.runs import CellResult, same_result
    >>> same_result(CellResult({"sharpe": float("nan")}), CellResult({"sharpe": float("nan")}))
    True
    """
    if [(name, value.hex()) for name, value in one.metrics.items()] != [
        (name, value.hex()) for name, value in other.metrics.items()
    ]:
        return False
    if one.curves is None or other.curves is None:
        return one.curves is other.curves
    left, right = one.curves, other.curves
    return (
        list(left.columns) == list(right.columns)
        and left.columns.name == right.columns.name
        and left.index.dtype == right.index.dtype
        and left.index.name == right.index.name
        and left.index.equals(right.index)
        and left.to_numpy().tobytes() == right.to_numpy().tobytes()
    )


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise LabelError("the name of a metric is not a string", value=key, remedy="name metrics by strings")
    return str(key)


def _figure(name: object, value: object) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"metric {name!r} is not a number", value=value, remedy="give floats, NaN for what is missing")
    number = float(value)
    return math.nan if number != number else number  # one NaN: its sign and payload are not kept


def _plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    values = frame.to_numpy()
    if values.dtype.kind not in "fiu":
        kinds = {dtype.kind for dtype in frame.dtypes}
        if not kinds <= set("fiu"):
            raise InputError(
                "a column of the curves is not numeric", value=sorted(map(str, frame.dtypes)), remedy="keep floats"
            )
        values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    # A copy: the frame may be a view of the study's data, and a kept curve must not change with it.
    return pd.DataFrame(
        np.array(values, dtype=np.float64, order="C"), index=_rows(frame.index), columns=_columns(frame.columns)
    )


_Plain: TypeAlias = Callable[["pd.Index[Any]"], "pd.Index[Any]"]


def _remembered(function: _Plain) -> _Plain:
    """Keep the last answers by identity: labels never change, and cells of one study mostly share theirs."""
    last: list[tuple[pd.Index[Any], pd.Index[Any]]] = []

    def remember(index: pd.Index[Any]) -> pd.Index[Any]:
        for given, plain in last:
            if given is index and given.name == plain.name:
                return plain.view()  # whoever renames an index must not rename it for others
        plain = function(index)
        last[:] = [(index, plain), *last[:3]]
        return plain.view()

    return remember


@_remembered
def _columns(index: pd.Index[Any]) -> pd.Index[Any]:
    names = list(index)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise LabelError(
            "a column of the curves is there twice or not named by a string",
            value=names[:5],
            remedy="name the columns by different strings",
        )
    return _labels(tuple(map(str, names)), _label(index.name))


@functools.lru_cache(maxsize=64)
def _labels(names: tuple[str, ...], name: str | None) -> pd.Index[Any]:
    return pd.Index(list(names), dtype=None if names else object, name=name)


@_remembered
def _rows(index: pd.Index[Any]) -> pd.Index[Any]:
    name = _label(index.name)
    if isinstance(index, pd.DatetimeIndex):
        if index.hasnans:
            raise LabelError("a row of the curves has no date", remedy="drop or date that row")
        if index.tz is None:
            return pd.DatetimeIndex(np.array(index.to_numpy()), name=name)
        moments = pd.DatetimeIndex(np.array(index.asi8).view(f"M8[{index.unit}]"), name=name).tz_localize("UTC")
        try:
            return moments.tz_convert(str(index.tz))
        except (KeyError, ValueError) as error:
            raise LabelError(
                "the time zone of the curves has no name", value=str(index.tz), remedy="call tz_convert('UTC')"
            ) from error
    if isinstance(index.dtype, np.dtype) and index.dtype.kind in "iu":
        return pd.Index(np.array(index.to_numpy(), dtype=np.int64), name=name)
    raise LabelError(
        "rows of the curves are labelled neither by dates nor by whole numbers",
        value=str(index.dtype),
        remedy="index the curves by date, or call reset_index(drop=True)",
    )


def _label(name: object) -> str | None:
    if name is None or isinstance(name, str):
        return name
    raise LabelError("an index of the curves is not named by a string", value=name, remedy="name it by a string")
