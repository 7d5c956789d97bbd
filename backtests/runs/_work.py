"""What a worker does: open the data once, claim a batch of cells, run them, keep each at once."""

from __future__ import annotations

import importlib
import os
import pickle
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocopt.backtests.runs._code import named
from allocopt.backtests.runs._desk import LOCK, Desk
from allocopt.backtests.runs._rows import Row, encode
from allocopt.backtests.runs.cells import CellFunction, CellResult, Parameters
from allocopt.errors import DataFileError, SpecificationError


@dataclass(frozen=True)
class Cell:
    """One cell to run: its key and the canonical form of its parameters are empty without a store."""

    number: int
    parameters: Parameters
    key: str = ""
    text: str = ""


@dataclass(frozen=True)
class SharedData:
    """Data written once to a file that every worker maps into its memory, read-only."""

    path: str

    def load(self) -> Any:
        """Give the data; the second time in a process it is there already."""
        if _loaded.get("path") != self.path:
            import joblib

            if not os.path.exists(self.path):
                raise DataFileError(
                    "a worker does not find the data of the run",
                    where=self.path,
                    remedy="set JOBLIB_TEMP_FOLDER to a folder that all machines of the cluster see",
                )
            _loaded.update(path=self.path, data=joblib.load(self.path, mmap_mode="r"))
        return _loaded["data"]


_loaded: dict[str, Any] = {}


@dataclass(frozen=True)
class Place:
    """Where a store is: a worker on another machine must not write there, even if it sees the folder."""

    folder: str
    machine: str

    @classmethod
    def of(cls, folder: Path) -> Place:
        """Describe the folder of a store as it is seen here."""
        return cls(str(folder), _machine(folder))

    def is_here(self) -> bool:
        """Tell whether this process sees the same file on the same machine."""
        return _machine(Path(self.folder)) == self.machine


def _machine(folder: Path) -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    try:
        found = os.stat(folder / LOCK)
    except OSError:
        return ""
    node = os.uname().nodename if hasattr(os, "uname") else ""
    return f"{node} {boot} {found.st_dev} {found.st_ino}"


@dataclass(frozen=True)
class Failure:
    """A cell that raised an error."""

    number: int
    error: Exception
    trace: str

    def __reduce__(self) -> tuple[object, ...]:
        return Failure, (self.number, _sendable(self.error), self.trace)


@dataclass(frozen=True)
class Done:
    """What became of a batch: results by number, cells left to another process, time, and whether results are kept."""

    rows: tuple[tuple[int, Row], ...]
    left: tuple[int, ...]
    seconds: float
    kept: bool
    failure: Failure | None = None


def work(function: CellFunction, data: SharedData | None, cells: Sequence[Cell], place: Place | None) -> Done:
    """Run a batch in a worker process."""
    here = place is not None and place.is_here()
    loaded = None if data is None else data.load()
    with one_thread():
        if place is None or not here:
            return _results(function, loaded, cells, None)
        with Desk(Path(place.folder)) as desk:
            claimed = desk.claim([cell.key for cell in cells])
            done = _results(function, loaded, [cell for cell in cells if cell.key in claimed], desk)
    left = tuple(cell.number for cell in cells if cell.key not in claimed)
    return Done(done.rows, left, done.seconds, True, done.failure)


def _results(function: CellFunction, data: Any, cells: Sequence[Cell], desk: Desk | None) -> Done:
    rows: list[tuple[int, Row]] = []
    spent = 0.0
    try:
        for cell, result, seconds in run(function, data, cells):
            spent += seconds
            row = encode(cell.key, cell.text, result, seconds)
            if desk is not None:
                desk.keep(row)
            rows.append((cell.number, row))
    except CellError as failed:
        return Done(tuple(rows), (), spent, False, Failure(failed.number, failed.error, failed.trace))
    return Done(tuple(rows), (), spent, False)


class CellError(Exception):
    """An error in a cell, on its way to the caller."""

    def __init__(self, number: int, error: Exception, trace: str) -> None:
        super().__init__(number, error, trace)
        self.number, self.error, self.trace = number, error, trace


def run(function: CellFunction, data: Any, cells: Sequence[Cell]) -> Iterator[tuple[Cell, CellResult, float]]:
    """Run cells one by one, or all at once where the function has a batch axis; each with the time it took."""
    many = getattr(function, "many", None)
    if many is None:
        for cell in cells:
            start = time.perf_counter()
            try:
                result = _checked(function(data, cell.parameters), function)
            except Exception as error:
                raise CellError(cell.number, error, traceback.format_exc()) from error
            yield cell, result, time.perf_counter() - start
    elif cells:
        start = time.perf_counter()
        try:
            results = [_checked(result, function) for result in many(data, [cell.parameters for cell in cells])]
            if len(results) != len(cells):
                raise SpecificationError(
                    f"{named(function)}.many gave {len(results)} results for {len(cells)} cells",
                    remedy="return one CellResult for each set of parameters, in their order",
                )
        except Exception as error:
            raise CellError(cells[0].number, error, traceback.format_exc()) from error
        each = (time.perf_counter() - start) / len(cells)
        for cell, result in zip(cells, results, strict=True):
            yield cell, result, each


def _checked(result: object, function: CellFunction) -> CellResult:
    if not isinstance(result, CellResult):
        raise SpecificationError(
            f"{named(function)} did not return a CellResult",
            value=type(result).__name__,
            remedy="return CellResult(metrics, curves)",
        )
    return result


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold linear algebra to one thread: with more, the last bits of a product depend on their number."""
    import sys

    import scipy.linalg  # noqa: F401 - it brings a library of its own, which must be there to be held

    threadpoolctl = importlib.import_module("threadpoolctl")  # it has no type information

    if _threads.get("modules") != len(sys.modules):  # something was imported: it may have brought a library of its own
        _threads.update(controller=threadpoolctl.ThreadpoolController(), modules=len(sys.modules))
    with _threads["controller"].limit(limits=1, user_api="blas"):
        yield


_threads: dict[str, Any] = {}
