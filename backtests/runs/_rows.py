"""A result as the bytes that are kept and sent between processes, and back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests.runs.cells import CellResult

_VERSION = b"allocopt cell 1"


@dataclass(frozen=True, slots=True)
class Row:
    """One finished cell, encoded.

    ``layout`` is None without curves; otherwise JSON of the labels that ``index`` (64-bit integers) and ``values``
    (64-bit floats, row after row) need to become a frame again.
    """

    key: str
    parameters: str
    metrics: str
    seconds: float
    layout: str | None
    index: bytes
    values: bytes

    @property
    def rows(self) -> int:
        """Number of rows of the curves."""
        return len(self.index) // 8


class _Last:
    """Remembers one answer: cells of a study mostly share their rows' labels."""

    def __init__(self) -> None:
        self._index, self._digest = b"", hashlib.sha256(b"").digest()

    def digest(self, index: bytes) -> bytes:
        known, digest = self._index, self._digest
        if known != index:
            digest = hashlib.sha256(index).digest()
            self._index, self._digest = index, digest
        return digest

    def one(self, index: bytes) -> bytes:
        """Give equal bytes as one object, which is then sent to another process once."""
        self.digest(index)
        return self._index if self._index == index else index


_last = _Last()


def labels_digest(index: bytes) -> bytes:
    """SHA-256 of the rows' labels."""
    return _last.digest(index)


def row_checksum(
    key: str, parameters: str, metrics: str, seconds: float, layout: str | None, rows: int, labels: bytes, curves: bytes
) -> bytes:
    """SHA-256 of everything that a row holds; of labels and values their own. Where they are kept does not matter."""
    digest = hashlib.sha256(_VERSION)
    for part in (key, parameters, metrics, float(seconds).hex(), "" if layout is None else "+" + layout, str(rows)):
        content = part.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    digest.update(labels)
    digest.update(curves)
    return digest.digest()


def encode(key: str, parameters: str, result: CellResult, seconds: float) -> Row:
    """Encode a result."""
    metrics = json.dumps(result.metrics, separators=(",", ":"))  # floats as repr: exact
    if result.curves is None:
        return Row(key, parameters, metrics, seconds, None, b"", b"")
    frame = result.curves
    index = frame.index
    kind: str
    if isinstance(index, pd.DatetimeIndex):
        kind, zone, ticks = index.unit, None if index.tz is None else str(index.tz), index.asi8
    else:
        kind, zone, ticks = "integer", None, index.to_numpy()
    layout = {
        "columns": list(frame.columns),
        "columns_name": frame.columns.name,
        "index": kind,
        "index_name": index.name,
        "tz": zone,
    }
    labels = _last.one(np.asarray(ticks, dtype="<i8").tobytes())
    values = np.ascontiguousarray(frame.to_numpy(), dtype="<f8").tobytes()
    return Row(key, parameters, metrics, seconds, json.dumps(layout, separators=(",", ":")), labels, values)


class Decoder:
    """Turns rows into results; labels that several rows share are built once."""

    def __init__(self) -> None:
        self._columns: dict[str, pd.Index[Any]] = {}
        self._index: tuple[str, bytes, pd.Index[Any]] | None = None

    def decode(self, row: Row) -> CellResult:
        """Give the result of a row."""
        result = object.__new__(CellResult)  # in its plain form already
        object.__setattr__(result, "metrics", json.loads(row.metrics))
        object.__setattr__(result, "curves", None if row.layout is None else self._frame(row, row.layout))
        return result

    def _frame(self, row: Row, layout: str) -> pd.DataFrame:
        columns = self._columns.get(layout)
        if columns is None:
            labels = json.loads(layout)
            names = labels["columns"]
            columns = pd.Index(names, dtype=None if names else object, name=labels["columns_name"])
            self._columns[layout] = columns
        if self._index is None or self._index[0] != layout or self._index[1] != row.index:
            self._index = (layout, row.index, _index(row.index, json.loads(layout)))
        values = np.frombuffer(bytearray(row.values), dtype="<f8").reshape(row.rows, len(columns))
        return pd.DataFrame(values, index=self._index[2].view(), columns=columns.view(), copy=False)


def _index(content: bytes, labels: dict[str, Any]) -> pd.Index[Any]:
    ticks = np.frombuffer(content, dtype="<i8").astype(np.int64)
    if labels["index"] == "integer":
        return pd.Index(ticks, name=labels["index_name"])
    index = pd.DatetimeIndex(ticks.view(f"M8[{labels['index']}]"), name=labels["index_name"])
    return index if labels["tz"] is None else index.tz_localize("UTC").tz_convert(labels["tz"])
