"""A hash of what an object holds, so that the same data has the same key in another process or year."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from allocopt.backtests.runs._code import code_parts, is_code
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from hashlib import _Hash

_PLAIN = (bool, int, float, complex, str, bytes, datetime.date, datetime.time, datetime.timedelta)


def content_hash(value: object, what: str = "data") -> str:
    """SHA-256 of a value's content: the same for equal content, another one for content that differs in anything.

    Parameters
    ----------
    value : object
        Numbers, words, dates, arrays, Series, frames, indices; sequences, sets, mappings and dataclasses of these;
        functions; whatever has a method ``content_key()`` that returns a string.
    what : str, default "data"
        How a message names the value.

    Raises
    ------
    SpecificationError
        If some part cannot be hashed by its content. The message names the part.

    Notes
    -----
    Covered: values with their types and dtypes, index and column labels with names and frequency, order. Not covered:
    ``attrs`` and flags of a frame, memory layout, attributes of objects that are no dataclass fields.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.runs import content_hash
    >>> prices = pd.Series([1.0, 2.0])
    >>> content_hash(prices) == content_hash(prices.copy())
    True
    >>> content_hash(prices) == content_hash(prices.astype("float32"))
    False
    """
    digest = hashlib.sha256()
    _feed(digest, value, what, ())
    return digest.hexdigest()


def class_name(kind: type) -> str:
    """Give the full name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _feed(digest: _Hash, value: Any, where: str, above: tuple[int, ...]) -> None:
    if id(value) in above:
        raise SpecificationError("a value contains itself", where=where, remedy="break the cycle")
    within = (*above, id(value))
    if value is None or value is pd.NaT or value is pd.NA:
        _text(digest, repr(value))
    elif callable(getattr(value, "content_key", None)) and not isinstance(value, type):
        _text(digest, "content_key", class_name(type(value)), str(value.content_key()))
    elif isinstance(value, enum.Enum):
        _text(digest, "enum", class_name(type(value)), value.name)
    elif isinstance(value, bytes):
        _text(digest, "bytes")
        _raw(digest, value)
    elif isinstance(value, _PLAIN):
        _text(digest, class_name(type(value)), repr(value))
    elif isinstance(value, np.ndarray):
        _array(digest, value, where, within)
    elif isinstance(value, np.generic):
        _text(digest, "scalar", str(value.dtype))
        _raw(digest, value.tobytes())
    elif isinstance(value, pd.DataFrame):
        _text(digest, "frame", class_name(type(value)))
        _feed(digest, value.index, f"{where}.index", within)
        _feed(digest, value.columns, f"{where}.columns", within)
        _columns(digest, value, where, within)
    elif isinstance(value, pd.Series):
        _text(digest, "series", class_name(type(value)))
        _feed(digest, value.name, f"{where}.name", within)
        _feed(digest, value.index, f"{where}.index", within)
        _feed(digest, value.array, where, within)
    elif isinstance(value, pd.MultiIndex):
        _sequence(digest, "levels", (value.get_level_values(level) for level in range(value.nlevels)), where, within)
    elif isinstance(value, pd.Index):
        _text(digest, "index", class_name(type(value)), str(value.dtype), str(getattr(value, "freqstr", None)))
        _feed(digest, value.name, f"{where}.name", within)
        _feed(digest, value.array, where, within)
    elif isinstance(value, pd.api.extensions.ExtensionArray):
        _extension(digest, value, where, within)
    elif isinstance(value, (pd.offsets.BaseOffset, np.dtype)):
        _text(digest, class_name(type(value)), repr(value))
    elif isinstance(value, Mapping):
        _text(digest, "mapping", class_name(type(value)), str(len(value)))
        for key, item in value.items():
            _feed(digest, key, f"a key of {where}", within)
            _feed(digest, item, f"{where}[{key!r}]", within)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _text(digest, "dataclass", class_name(type(value)))
        for part in code_parts(type(value)):
            _text(digest, part)
        for field in dataclasses.fields(value):
            _text(digest, field.name)
            _feed(digest, getattr(value, field.name), f"{where}.{field.name}", within)
    elif isinstance(value, (list, tuple)):
        _sequence(digest, class_name(type(value)), value, where, within)
    elif isinstance(value, (set, frozenset)):
        parts = sorted(content_hash(item, f"a member of {where}") for item in value)
        _text(digest, "set", *parts)
    elif isinstance(value, range):
        _text(digest, repr(value))
    elif is_code(value):
        _text(digest, "code")
        for part in code_parts(value):
            if isinstance(part, str):
                _text(digest, part)
            else:
                _feed(digest, part.value, f"{where}: {part.what}", within)
    else:
        raise SpecificationError(
            f"a value of type {type(value).__name__} cannot be hashed by its content",
            where=where,
            remedy="make it a frozen dataclass, or give its class a method content_key() that returns a string",
        )


def _text(digest: _Hash, *parts: object) -> None:
    for part in parts:
        _raw(digest, str(part).encode("utf-8", "surrogatepass"))


def _raw(digest: _Hash, content: bytes | memoryview) -> None:
    digest.update(len(content).to_bytes(8, "little"))
    digest.update(content)


def _sequence(digest: _Hash, kind: str, items: Iterable[Any], where: str, above: tuple[int, ...]) -> None:
    listed = list(items)
    _text(digest, kind, str(len(listed)))
    for number, item in enumerate(listed):
        _feed(digest, item, f"{where}[{number}]", above)


def _array(digest: _Hash, values: np.ndarray[Any, Any], where: str, above: tuple[int, ...]) -> None:
    _text(digest, "array", str(values.dtype), str(values.shape))
    if values.dtype.hasobject:
        for number, item in enumerate(values.ravel().tolist()):
            _feed(digest, item, f"{where}[{number}]", above)
    else:
        plain = np.ascontiguousarray(values).reshape(-1)
        _raw(digest, plain.view(np.uint8).data if plain.dtype.itemsize else b"")


def _columns(digest: _Hash, frame: pd.DataFrame, where: str, above: tuple[int, ...]) -> None:
    kinds = {str(kind): kind for kind in frame.dtypes}
    only = next(iter(kinds.values())) if len(kinds) == 1 else None
    if isinstance(only, np.dtype) and not only.hasobject:
        _array(digest, frame.to_numpy(), where, above)
        return
    for number, name in enumerate(frame.columns):
        _feed(digest, frame.iloc[:, number].array, f"{where}[{name!r}]", above)


def _extension(digest: _Hash, values: Any, where: str, above: tuple[int, ...]) -> None:
    _text(digest, "extension", str(values.dtype))
    plain = getattr(values, "asi8", None)  # dates and durations
    if plain is not None:
        _array(digest, plain, where, above)
    elif isinstance(values, pd.Categorical):
        _array(digest, np.asarray(values.codes), where, above)
        _feed(digest, values.categories, f"{where}.categories", above)
    else:
        _array(digest, np.asarray(values.to_numpy(dtype=object)), where, above)
