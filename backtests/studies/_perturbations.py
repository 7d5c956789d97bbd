"""Other futures: what data could have looked like after a cut, the past unchanged."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import require_dates, require_same_clock
from allocopt.errors import LabelError, ShapeError, SpecificationError

Table = pd.DataFrame | pd.Series
Tables = dict[Any, Table]
Future = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]

#: Ways to change the future that have a name.
NAMED: Final = ("scaled", "jump", "reversed", "truncated")

#: Standard deviation of the logarithm of "scaled" factors, and range of that of a "jump", up or down.
SCALE, JUMP = 0.25, (0.4, 1.1)

_BAR = ("open", "high", "low", "close")


def tables_of(data: object) -> Tables:
    """Tables by name, in their order, whatever container they came in; errors name the one that is not dated."""
    given: Mapping[Any, object] = data if isinstance(data, Mapping) else {"data": data}
    if not given:
        raise ShapeError("the data holds no table", remedy="give a DataFrame, a Series or a mapping of them")
    found: Tables = {}
    for name, table in given.items():
        if not isinstance(table, (pd.DataFrame, pd.Series)):
            raise ShapeError(
                f"{name!r} is neither a DataFrame nor a Series",
                value=type(table).__name__,
                remedy="give data as DataFrame, Series or a mapping of them",
            )
        require_dates(table.index, f"{name!r}")
        if isinstance(table, pd.DataFrame) and not table.columns.is_unique:
            twice = table.columns[table.columns.duplicated()][0]
            raise LabelError(f"{name!r} has a column twice", value=twice, remedy="rename or drop one of them")
        found[name] = table
    return found


def repacked(tables: Tables, data: object) -> Any:
    """Put copies of the tables into a container like ``data``, so that what reads them may write to them."""
    copies = {name: table.copy() for name, table in tables.items()}
    return copies if isinstance(data, Mapping) else copies["data"]


def changed_after(tables: Tables, cut: pd.Timestamp, way: str | Future, rng: np.random.Generator) -> Tables:
    """Tables whose rows after the cut are others, the rows up to it untouched."""
    if way == "truncated":
        return {name: table.loc[table.index <= cut] for name, table in tables.items()}
    frames = {name: table.to_frame() if isinstance(table, pd.Series) else table for name, table in tables.items()}
    futures = {name: frame.loc[frame.index > cut] for name, frame in frames.items()}
    if callable(way):
        others = {name: _own(way, future, rng) for name, future in futures.items()}
    elif way == "reversed":
        others = {name: future.iloc[::-1] for name, future in futures.items()}
    else:
        others = _multiplied(frames, futures, way, rng)
    found: Tables = {}
    for name, table in tables.items():
        past = frames[name].loc[table.index <= cut]
        joined = pd.concat([part for part in (past, others[name]) if len(part)] or [past])
        joined.index = table.index
        if isinstance(table, pd.Series):
            column = joined.iloc[:, 0]
            column.name = table.name
            found[name] = column
        else:
            found[name] = joined
    return found


def _own(way: Future, future: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Apply a caller's own change."""
    found: object = way(future.copy(), rng)
    if isinstance(found, pd.DataFrame) and found.index.equals(future.index) and found.columns.equals(future.columns):
        return found
    raise ShapeError(
        "an own perturbation gave other rows or columns",
        value=getattr(found, "shape", type(found).__name__),
        remedy="return a DataFrame with the index and the columns of the one that is passed",
    )


def _multiplied(
    frames: dict[Any, pd.DataFrame], futures: dict[Any, pd.DataFrame], way: str, rng: np.random.Generator
) -> dict[Any, pd.DataFrame]:
    """Multiply floats by random factors, positive unless the column holds negative numbers; redraw rows of the rest."""
    factors: dict[Hashable, pd.Series[float]] = {}
    clock = union_of(futures)
    others: dict[Any, pd.DataFrame] = {}
    for name, future in futures.items():
        whole = frames[name]
        # One draw a row: integers, labels and flags that belong together stay together, and stay valid values.
        drawn = rng.integers(max(len(whole), 1), size=len(future))
        columns = []
        for place, label in enumerate(future.columns):
            column: Any = future.iloc[:, place]
            if not pd.api.types.is_float_dtype(column.dtype):
                columns.append(whole.iloc[drawn, place].set_axis(future.index))
                continue
            family = _family(name, label)
            if family not in factors:
                factors[family] = pd.Series(_factors(way, len(clock), rng), index=clock)
            factor: Any = factors[family].reindex(future.index).to_numpy()
            if bool((whole.iloc[:, place] < 0.0).any()):
                factor = factor * rng.choice([-1.0, 1.0], size=len(future))
            columns.append((column * factor).astype(column.dtype))
        others[name] = pd.concat(columns, axis=1) if columns else future
        others[name].columns = future.columns
    return others


def union_of(tables: Mapping[Any, Table]) -> pd.DatetimeIndex:
    """All dates that any of the tables has."""
    indexes = [pd.DatetimeIndex(table.index) for table in tables.values()]
    clock = indexes[0]
    for index in indexes[1:]:
        require_same_clock(clock, index, "the data")
        clock = clock if clock.equals(index) else pd.DatetimeIndex(clock.union(index))
    return clock


def _factors(way: str, rows: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    if way == "scaled":
        return np.exp(rng.normal(0.0, SCALE, rows))
    if way == "jump":
        return np.full(rows, np.exp(rng.choice([-1.0, 1.0]) * rng.uniform(*JUMP)))
    raise SpecificationError(
        "unknown perturbation", value=way, remedy=f"use {', '.join(map(repr, NAMED))} or a function of your own"
    )


def _family(name: Hashable, label: Hashable) -> Hashable:
    """Columns that share their factors: open, high, low and close of one instrument, so that bars stay bars."""
    parts = (name, *(label if isinstance(label, tuple) else (label,)))
    return tuple("bar" if isinstance(part, str) and part.lower() in _BAR else part for part in parts)
