"""The key of a cell: what its result depends on, hashed."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests.runs._code import is_code, package_version
from allocopt.backtests.runs._content import class_name, content_hash
from allocopt.backtests.runs.cells import CellFunction, Parameters
from allocopt.errors import SpecificationError


def canonical_parameters(parameters: Parameters) -> str:
    """Write parameters as JSON in one way only: names sorted, numbers exact, tuples as lists.

    Parameters
    ----------
    parameters : Mapping[str, Any]
        Numbers, words, dates, None, enum members; sequences and mappings of these; frozen dataclasses, written field by
        field; arrays, frames, functions and objects with a ``content_key()``, written as hashes of their content.

    Raises
    ------
    SpecificationError
        If a value has no such form. The message names the parameter.

    Examples
    --------
    >>> from allocopt.backtests.runs import canonical_parameters
    >>> canonical_parameters({"top": 3, "momentum": 0.1, "windows": (21, 63)})
    '{"momentum":0.1,"top":3,"windows":[21,63]}'
    """
    if not isinstance(parameters, Mapping):
        raise SpecificationError(
            "the parameters of a cell are not a mapping", value=type(parameters).__name__, remedy="give a dict"
        )
    return json.dumps(_plain(parameters, ""), sort_keys=True, separators=(",", ":"))


def cell_keys(function: CellFunction, cells: Sequence[Parameters], data: Any) -> list[str]:
    """Hash what each cell's result depends on: code, data and its parameters.

    Parameters
    ----------
    function : callable
        What computes a cell.
    cells : sequence of mappings
        Parameters of each cell.
    data : object
        What all cells share.

    Returns
    -------
    list of str
        A SHA-256 in hexadecimal for each cell.

    Raises
    ------
    SpecificationError
        If the function, the data or a parameter cannot be hashed by content.

    Notes
    -----
    Covered: the version and all sources of allocopt; the versions of Python and of the libraries that compute; the
    function with its module's source file, defaults, closure and dataclass fields; the data by content. Not covered:
    other modules that the function imports, global variables, files it reads, the machine.

    Examples
    --------
    >>> from allocopt.backtests.runs import cell_keys, CellResult
    >>> def cell(data, parameters):
    ...     return CellResult({"sum": data + parameters["x"]})
    >>> first, again, other = cell_keys(cell, [{"x": 1}, {"x": 1}, {"x": 2}], 10.0)
    >>> first == again, first == other
    (True, False)
    """
    shared = f"{package_version()}\0{content_hash(function, 'the cell function')}\0{content_hash(data)}\0".encode()
    return [hashlib.sha256(shared + canonical_parameters(cell).encode()).hexdigest() for cell in cells]


def _plain(value: Any, where: str) -> Any:
    if value is None or (isinstance(value, bool | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return {"!enum": class_name(type(value)), "name": value.name}
    if isinstance(value, np.generic):
        return _plain(value.item(), where) if value.dtype.kind in "biufU" else _hashed(value, where)
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta | pd.offsets.BaseOffset):
        return {"!": class_name(type(value)), "value": str(value)}
    if callable(getattr(value, "content_key", None)) and not isinstance(value, type):
        return {"!": class_name(type(value)), "content_key": str(value.content_key())}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise SpecificationError(
                    "a name in the parameters is not a string", value=key, remedy="name parameters by strings"
                )
        return {key: _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{number}]") for number, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"!": class_name(type(value)), **{key: _plain(item, f"{where}.{key}") for key, item in fields.items()}}
    return _hashed(value, where)


def _hashed(value: Any, where: str) -> dict[str, str]:
    kind = getattr(value, "__qualname__", None) if is_code(value) else class_name(type(value))
    return {"!": str(kind or class_name(type(value))), "sha256": content_hash(value, f"parameter {where}")}
