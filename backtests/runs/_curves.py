"""Curves of cells: from the files of their owners into Parquet, and back."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allocopt.backtests.runs._database import Database, Entry
from allocopt.backtests.runs._locks import PENDING
from allocopt.backtests.runs._rows import labels_digest
from allocopt.backtests.runs._seal import checksum_in_name, parquet_name, write_whole

#: Columns of the Parquet files beside the curves: key of the cell, and date or number of the row.
CELL, ROW = "__cell__", "__row__"
_BYTES = 64 * 2**20  # of curves in one Parquet file, about


class DamagedCurvesError(Exception):
    """The curves of a cell are not what was written."""


@dataclass(frozen=True)
class _Table:
    name: str
    ticks: NDArray[np.int64]
    values: NDArray[np.float64]


class CurveReader:
    """Reads curves, and remembers the Parquet file that it read last: cells that follow each other share it."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._database = database
        self._last: _Table | None = None
        self._labels = (b"", b"")
        self._open: tuple[str, int] | None = None

    def read(self, entry: Entry) -> tuple[bytes, bytes]:
        """Give the rows' labels and the values of a cell, equal to what was written.

        Raises
        ------
        FileNotFoundError
            If the file is not there.
        DamagedCurvesError
            If it does not hold what was written.
        """
        if entry.file is None or entry.layout is None:
            return b"", b""
        start, rows = entry.start, entry.rows
        if not isinstance(entry.file, str) or not isinstance(start, int) or start < 0:
            raise DamagedCurvesError("the position of the curves is damaged")
        width = len(json.loads(entry.layout)["columns"])
        if entry.file.startswith(PENDING):
            values = self._pending(entry.file, start, 8 * rows * width)
        else:
            values = self._table(entry.file, entry.layout).values[start : start + rows].tobytes()
        if hashlib.sha256(values).digest() != entry.curves:
            raise DamagedCurvesError("curves differ from their checksum")
        return self._rows(entry, entry.file, start), values

    def _rows(self, entry: Entry, file: str, start: int) -> bytes:
        if self._labels[0] != entry.labels:
            index = self._database.labels(entry.labels)
            if index is None and not file.startswith(PENDING):  # the Parquet files hold them a second time
                index = self._table(file, str(entry.layout)).ticks[start : start + entry.rows].tobytes()
            if index is None or labels_digest(index) != entry.labels:
                raise DamagedCurvesError("dates of the curves differ from their checksum")
            self._labels = (entry.labels, index)
        return self._labels[1]

    def _pending(self, name: str, start: int, size: int) -> bytes:
        if self._open is None or self._open[0] != name:
            self.close()
            self._open = (name, os.open(self._folder / Path(name).name, os.O_RDONLY | os.O_CLOEXEC))
        return os.pread(self._open[1], size, start)

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def _table(self, name: str, layout: str) -> _Table:
        if self._last is None or self._last.name != name:
            content = (self._folder / Path(name).name).read_bytes()
            if hashlib.sha256(content).hexdigest() != checksum_in_name(name):
                raise DamagedCurvesError("contents differ from the checksum in the file's name")
            try:
                self._last = _parse(name, content, json.loads(layout))
            except KeyError as error:
                raise DamagedCurvesError("the file holds curves of other names") from error
        return self._last


def _parse(name: str, content: bytes, layout: dict[str, Any]) -> _Table:
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    columns = layout["columns"]
    rows = table.column(_free(ROW, columns)).combine_chunks()
    ticks = rows.view(pa.int64()).to_numpy(zero_copy_only=False)
    if layout["index"] == "s":
        ticks = ticks // 1000
    values = np.empty((table.num_rows, len(columns)))
    for number, column in enumerate(columns):
        values[:, number] = table.column(column).to_numpy()
    return _Table(name, np.asarray(ticks, dtype=np.int64), values)


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Put entries together that go into one Parquet file: of one layout, not too many bytes."""
    open_ones: dict[str, tuple[list[Entry], int]] = {}
    for entry in entries:
        layout = str(entry.layout)
        group, size = open_ones.get(layout, ([], 0))
        group.append(entry)
        size += 8 * entry.rows * (1 + layout.count(","))
        open_ones[layout] = (group, size)
        if size > _BYTES:
            yield open_ones.pop(layout)[0]
    yield from (group for group, _ in open_ones.values())


def write_parquet(folder: Path, layout: str, cells: list[tuple[str, bytes, bytes]]) -> str:
    """Write curves of one layout, cell after cell, to a file that is named by its checksum; give its name."""
    import pyarrow as pa
    from pyarrow import parquet

    labels = json.loads(layout)
    columns = labels["columns"]
    values = np.frombuffer(b"".join(content for _, _, content in cells), dtype="<f8")
    lengths = [len(index) // 8 for _, index, _ in cells]
    keys = pa.DictionaryArray.from_arrays(
        pa.array(np.repeat(np.arange(len(cells), dtype=np.int32), lengths)), pa.array([key for key, _, _ in cells])
    )
    wide = values.reshape(sum(lengths), len(columns))
    arrays = [keys, _rows([index for _, index, _ in cells], labels)]
    arrays += [pa.array(np.ascontiguousarray(wide[:, number])) for number in range(len(columns))]
    names = [_free(CELL, columns), _free(ROW, columns), *columns]
    repeated: Any = names[:2]
    sink = pa.BufferOutputStream()
    # Keys and dates repeat and become small; floats of curves hardly compress. Without the schema of Arrow the first
    # two columns are read as plain strings and dates.
    parquet.write_table(
        pa.Table.from_arrays(arrays, names=names), sink, compression="none", use_dictionary=repeated,
        write_statistics=False, store_schema=False, data_page_size=2**24, write_batch_size=2**20,
    )  # fmt: skip
    content = sink.getvalue()
    name = parquet_name(hashlib.sha256(content).hexdigest())
    write_whole(folder / name, content)
    return name


def _rows(indices: list[bytes], labels: dict[str, Any]) -> Any:
    """Dates of all cells, those that cells share once."""
    import pyarrow as pa

    starts: dict[bytes, tuple[int, int]] = {}
    end = 0
    for index in indices:
        if index not in starts:
            starts[index] = (end, end + len(index) // 8)
            end += len(index) // 8
    ticks = np.frombuffer(b"".join(starts), dtype="<i8")
    places = [np.arange(*starts[index], dtype=np.int32) for index in indices]
    if labels["index"] == "integer":
        different = pa.array(ticks)
    else:
        unit = labels["index"]
        if unit == "s":  # Parquet has no seconds
            ticks, unit = ticks * 1000, "ms"
        different = pa.array(ticks).view(pa.timestamp(unit, tz=None if labels["tz"] is None else "UTC"))
    return pa.DictionaryArray.from_arrays(pa.array(np.concatenate(places)), different)


def _free(name: str, columns: list[str]) -> str:
    while name in columns:
        name += "_"
    return name


def sync_folder(folder: Path) -> None:
    """Make sure that new names in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
