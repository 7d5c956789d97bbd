"""Finished cells on disk: each kept at once, none computed twice, none wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd

from allocopt.backtests.runs._curves import CurveReader, DamagedCurvesError, batches, sync_folder, write_parquet
from allocopt.backtests.runs._database import DATABASE, Database, Entry
from allocopt.backtests.runs._desk import LOCK, Desk
from allocopt.backtests.runs._faults import guard
from allocopt.backtests.runs._locks import PENDING, Lock, Owner, clear
from allocopt.backtests.runs._repair import damage, repair
from allocopt.backtests.runs._rows import Decoder, Row, encode
from allocopt.backtests.runs._seal import SEAL, checksum_in_name, write_seal
from allocopt.backtests.runs.cells import CellResult
from allocopt.backtests.runs.report import Damage, StoreReport
from allocopt.errors import AllocoptError

_PACKING = "curves into parquet"  # claimed like a cell, so that one process does it at a time


class CellStore:
    """A folder in which finished cells are kept, safe against kills, damage and other processes.

    Opening it checks all files; what is damaged is named in `report`, set aside and computed again. Several processes
    may have it open at once. Close it, or use it as a context manager: the last one who closes it seals it with
    checksums of all files.

    Parameters
    ----------
    folder : Path or str
        The folder; made if needed. On a local disk: locks and the database do not work on network file systems.

    Raises
    ------
    DataFileError
        If the folder cannot be written, the disk is full, or the store was written by a newer version.

    Examples
    --------
    >>> from allocopt.backtests.runs import CellResult, CellStore, run_cells
    >>> def cell(data, parameters):
    ...     return CellResult({"sum": data + parameters["x"]})
    >>> with CellStore("kept") as store:
    ...     first = run_cells(cell, [{"x": 1}, {"x": 2}], 10.0, store=store)
    >>> with CellStore("kept") as store:
    ...     again = run_cells(cell, [{"x": 1}, {"x": 2}, {"x": 3}], 10.0, store=store)
    ...     store.report
    StoreReport(damages=(), kept=1, reused=2, recomputed=0)
    >>> again[2].metrics
    {'sum': 13.0}
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).absolute()
        self._damages: list[Damage] = []
        self._kept = self._reused = self._recomputed = 0
        self._decoder = Decoder()
        with guard(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self.folder / LOCK)
            try:
                self._enter()
                self._database = Database(self.folder / DATABASE)
            except BaseException:
                self._lock.close()
                raise
        self._reader = CurveReader(self.folder, self._database)

    def _enter(self) -> None:
        while True:
            if self._lock.take():  # nobody else has it open
                self._damages += repair(self.folder)
            self._lock.share()
            if not (self.folder / SEAL).exists():
                return
            # Another user has closed and sealed it in between: it is to be opened like any sealed store.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(AllocoptError) if kind is not None else _nothing():  # the first error is the one to show
            self.close()

    @property
    def report(self) -> StoreReport:
        """Damages found, and numbers of cells kept and reused since the store was opened."""
        return StoreReport(tuple(self._damages), self._kept, self._reused, self._recomputed)

    def __len__(self) -> int:
        with guard(self.folder):
            return self._database.count()

    def __contains__(self, key: object) -> bool:
        with guard(self.folder):
            return isinstance(key, str) and self._database.entry(key) is not None

    def get(self, key: str) -> CellResult | None:
        """Read a cell, verified to the last bit; None if it is not kept, or was damaged and has to be computed again.

        Parameters
        ----------
        key : str
            The cell's key, from `cell_keys`.
        """
        with guard(self.folder):
            entry = self._database.entry(key)
            while entry is not None:
                try:
                    if not entry.verifies():
                        raise DamagedCurvesError("a row differs from its checksum")
                    index, values = self._reader.read(entry)
                except FileNotFoundError:
                    again = self._database.entry(key)
                    if again is not None and again.file != entry.file:  # moved to Parquet in the meantime
                        entry = again
                        continue
                    self._damaged(entry, str(entry.file), "the file is missing")
                    return None
                except DamagedCurvesError as error:
                    self._damaged(entry, entry.file or DATABASE, str(error))
                    return None
                row = Row(key, entry.parameters, entry.metrics, entry.seconds, entry.layout, index, values)
                self._reused += 1
                return self._decoder.decode(row)
        return None

    def _damaged(self, entry: Entry, file: str, what: str) -> None:
        self._damages.append(damage(file, what, [entry]))
        self._database.drop([entry])

    def put(self, key: str, parameters: str, result: CellResult, seconds: float = 0.0) -> None:
        """Keep a finished cell. When this returns, no kill of the process can lose it.

        Parameters
        ----------
        key : str
            The cell's key, from `cell_keys`.
        parameters : str
            Its parameters, from `canonical_parameters`.
        result : CellResult
            What it gave.
        seconds : float, default 0.0
            Time it took.
        """
        with Desk(self.folder) as desk:
            desk.keep(encode(key, parameters, result, seconds))
        self.count_kept([parameters], [key])

    def count_kept(self, parameters: Sequence[str], keys: Sequence[str]) -> None:
        """Add cells that workers have kept to the report.

        Parameters
        ----------
        parameters, keys : sequences of str
            Of the cells.
        """
        self._kept += len(keys)
        self._recomputed += sum(
            any(one.took(key, text) for one in self._damages) for text, key in zip(parameters, keys, strict=True)
        )

    def claimed(self, keys: Iterable[str]) -> set[str]:
        """Tell which cells another process works on now.

        Parameters
        ----------
        keys : iterable of str
            Keys of cells.
        """
        with guard(self.folder):
            return self._database.claimed(keys)

    def table(self) -> pd.DataFrame:
        """Give metrics and ``seconds`` of all cells that verify, a row a cell, indexed by its parameters (JSON)."""
        with guard(self.folder):
            entries = [entry for entry in self._database.entries() if entry.verifies()]
        rows = [{**json.loads(entry.metrics), "seconds": entry.seconds} for entry in entries]
        return pd.DataFrame(rows, index=pd.Index([entry.parameters for entry in entries], name="parameters"))

    def pack(self) -> int:
        """Move curves from the files of those who computed them into Parquet; give the number of cells moved."""
        with guard(self.folder):
            entries = list(self._database.entries("WHERE file LIKE ?", (f"{PENDING}%",)))
            if not entries:
                return 0
            with closing(Owner(self.folder)) as owner:
                if not self._database.claim([_PACKING], owner.name):
                    return 0  # another process is at it
                try:
                    moved = sum(self._pack(batch) for batch in batches(entries))
                finally:
                    self._database.release(owner.name)
            self._clear_pending()
        return moved

    def _pack(self, entries: Sequence[Entry]) -> int:
        cells, moves, start = [], [], 0
        for entry in entries:
            try:
                index, values = self._reader.read(entry)
            except FileNotFoundError:
                continue  # packed by another process since it was listed, or found missing when it is read
            except DamagedCurvesError as error:
                self._damaged(entry, str(entry.file), str(error))
                continue
            cells.append((entry.key, index, values))
            moves.append((entry, start))
            start += entry.rows
        if not cells:
            return 0
        name = write_parquet(self.folder, str(entries[0].layout), cells)
        sync_folder(self.folder)
        moved = self._database.move((entry, name, position) for entry, position in moves)
        if not moved and name not in self._database.files():
            (self.folder / name).unlink(missing_ok=True)
        return moved

    def _clear_pending(self) -> None:
        used = self._database.files()
        for file in self.folder.glob(f"{PENDING}*.bin"):
            if file.name not in used:
                clear(self.folder, file.name, lambda name: name in self._database.files())

    def close(self) -> None:
        """Close the store; the last user moves curves to Parquet and seals it with checksums of all files."""
        if self._lock.closed:
            return
        try:
            with guard(self.folder):
                try:
                    if self._lock.take():
                        self._seal()
                finally:
                    self._reader.close()
                    self._database.close()
        finally:
            self._lock.close()

    def _seal(self) -> None:
        self._database.forget_claims()
        self.pack()
        count, files = self._database.count(), self._database.files()
        whole = self._database.empty_log() and all(checksum_in_name(name) for name in files)
        self._database.close()
        if whole and not (self.folder / f"{DATABASE}-wal").exists():
            write_seal(self.folder, count, files)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
