"""What the first user of a store does: check every file, set damaged ones aside, save what still verifies."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from allocopt.backtests.runs._curves import CurveReader, DamagedCurvesError
from allocopt.backtests.runs._database import _COLUMNS, DATABASE, FORMAT, Database, Entry
from allocopt.backtests.runs._faults import BrokenDatabaseError, faults
from allocopt.backtests.runs._locks import PENDING, clear
from allocopt.backtests.runs._rows import labels_digest
from allocopt.backtests.runs._seal import SEAL, Seal, checksum_in_name, file_checksum, read_seal
from allocopt.backtests.runs.report import Damage
from allocopt.errors import DataFileError

_DIFFERS = "contents differ from the checksum of the last clean closing"
_BAD_ROWS = "rows differ from their checksums"


def check_files(folder: Path) -> tuple[Seal | None, list[Damage]]:
    """Compare the files of a store with its seal, which nobody else has open; None and no damage if it has no seal."""
    try:
        seal = read_seal(folder)
    except FileNotFoundError:
        return None, []
    if seal is None:
        return None, [Damage(SEAL, "contents differ from the checksum in its first line")]
    if seal.format > FORMAT:
        raise DataFileError(
            f"kept work has format {seal.format}, and this version of allocopt reads up to {FORMAT}",
            where=str(folder),
            remedy="install the newer allocopt that wrote it, or choose another folder",
        )
    damages = []
    for name, checksum in seal.checksums.items():
        try:
            if file_checksum(folder / name) != checksum:
                damages.append(Damage(name, _DIFFERS))
        except FileNotFoundError:
            damages.append(Damage(name, "the file is missing"))
    log = folder / f"{DATABASE}-wal"
    if log.exists() and log.stat().st_size:
        damages.append(Damage(log.name, "somebody wrote to the database after the last clean closing"))
    return seal, damages


def repair(folder: Path) -> list[Damage]:
    """Leave a store in which all rows verify, and say what was wrong. Nobody else has it open."""
    path = folder / DATABASE
    seal, damages = check_files(folder)
    database_damage = next((one for one in damages if one.file == DATABASE), None)
    others = [one for one in damages if one.file == SEAL or one.file.startswith(DATABASE + "-")]
    wrong = {one.file for one in damages}
    good = set(seal.checksums) - wrong if seal else set()
    (folder / SEAL).unlink(missing_ok=True)  # from here on the store is open
    found: list[Damage] = list(others)
    if database_damage is not None or _emptied(folder):
        reason = database_damage.what if database_damage else "the file is empty"
        found.append(_salvage(folder, reason, seal.count if seal else None))
    elif path.exists() and (seal is None or others):
        found += _check_rows(folder)
    with faults(folder), closing(Database(path, create=True)) as database:
        database.forget_claims()
        found += _check_curves(folder, database, good)
        if not any(one.file == DATABASE for one in found):
            _remove_orphans(folder, database)
    return found


def _emptied(folder: Path) -> bool:
    """Tell whether an empty database stands beside curves: to SQLite that would be a new one."""
    path = folder / DATABASE
    log = folder / f"{DATABASE}-wal"
    return (
        path.exists()
        and path.stat().st_size == 0
        and not (log.exists() and log.stat().st_size)
        and any(checksum_in_name(file.name) for file in folder.iterdir())
    )


def _check_rows(folder: Path) -> list[Damage]:
    """Check a database that was not closed, structure first and then row by row."""
    try:
        with faults(folder), closing(Database(folder / DATABASE, create=True)) as database:
            if not database.is_whole():
                raise BrokenDatabaseError("its structure is damaged")
            bad = [entry for entry in database.entries() if not entry.verifies()]
            if bad:
                database.drop(bad)
                return [damage(DATABASE, _BAD_ROWS, bad)]
            return []
    except BrokenDatabaseError as error:
        return [_salvage(folder, f"SQLite cannot read it ({error})", None)]


def _check_curves(folder: Path, database: Database, good: set[str]) -> list[Damage]:
    found = []
    for name in sorted(database.files()):
        entries = list(database.entries("WHERE file=?", (name,)))
        if name.startswith(PENDING):
            with closing(CurveReader(folder, database)) as reader:
                bad = [entry for entry in entries if not _readable(reader, entry)]
            what = "curves differ from their checksum"
        else:
            path = folder / Path(name).name
            there = name in good or path.exists()
            bad = [] if name in good or (there and file_checksum(path) == checksum_in_name(name)) else entries
            what = "contents differ from the checksum in its name" if there else "the file is missing"
        if bad:
            database.drop(bad)
            aside = _set_aside(folder, name) if not name.startswith(PENDING) else None
            found.append(damage(name, what, bad, aside=aside))
    return found


def _readable(reader: CurveReader, entry: Entry) -> bool:
    try:
        reader.read(entry)
    except (DamagedCurvesError, FileNotFoundError):
        return False
    return True


def _remove_orphans(folder: Path, database: Database) -> None:
    """Remove files of the store's own making that nothing refers to: a process was killed before it said so."""
    used = database.files()
    for file in list(folder.iterdir()):
        part = re.fullmatch(r"\.(curves-[0-9a-f]{64}\.parquet|cells\.sha256)-[0-9a-f]{32}\.part", file.name)
        if part or (checksum_in_name(file.name) and file.name not in used):
            file.unlink(missing_ok=True)
        elif re.fullmatch(rf"{PENDING}[0-9a-f]{{32}}\.bin", file.name):
            clear(folder, file.name, used.__contains__)


def _salvage(folder: Path, reason: str, expected: int | None) -> Damage:
    """Set the database aside, under a name that says so, and take over the rows that verify."""
    aside = _set_aside(folder, DATABASE)
    for suffix in ("-wal", "-shm"):
        log = folder / f"{DATABASE}{suffix}"
        if log.exists() and aside is not None:
            os.replace(log, folder / f"{aside}{suffix}")
    saved = garbled = 0
    lost: list[Entry] = []
    with faults(folder), closing(Database(folder / DATABASE, create=True)) as database:
        for content in () if aside is None else _scan_labels(folder / aside):
            database.restore_labels(content)
        for entry in () if aside is None else _scan(folder / aside, expected):
            if entry.verifies():
                database.restore(entry)
                saved += 1
            elif isinstance(entry.key, str) and isinstance(entry.parameters, str):
                lost.append(entry)
            else:
                garbled += 1
    unreadable = garbled if expected is None else max(0, expected - saved - len(lost))
    return damage(DATABASE, reason, lost, unreadable=unreadable, aside=aside)


def _scan(path: Path, expected: int | None) -> Iterator[Entry]:
    """Read a damaged table as far as it goes, then row by row by number."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            connection.text_factory = lambda content: content.decode("utf-8", "replace")
            last = 0
            try:
                for number, *row in connection.execute(
                    f"SELECT rowid, {_COLUMNS} FROM cells NOT INDEXED ORDER BY rowid"
                ):
                    last = number
                    yield Entry(*row)
            except sqlite3.Error:
                for number in range(last + 1, last + 2 + _reach(connection, last, expected)):
                    try:
                        found = connection.execute(f"SELECT {_COLUMNS} FROM cells WHERE rowid=?", (number,)).fetchone()
                    except sqlite3.Error:
                        continue
                    if found is not None:
                        yield Entry(*found)
    except sqlite3.Error:
        return


def _scan_labels(path: Path) -> Iterator[bytes]:
    """Read labels of rows as far as it goes; whoever needs others takes them from the Parquet files."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            for digest, content in connection.execute("SELECT digest, content FROM labels NOT INDEXED"):
                if isinstance(content, bytes) and labels_digest(content) == digest:
                    yield content
    except sqlite3.Error:
        return


def _reach(connection: sqlite3.Connection, last: int, expected: int | None) -> int:
    """How many row numbers after the last that was read may exist."""
    try:
        highest = int(connection.execute("SELECT max(rowid) FROM cells").fetchone()[0])
    except (sqlite3.Error, TypeError, ValueError):
        highest = 0
    return min(max(highest - last, 2 * (expected or 500)), 1_000_000)


def _set_aside(folder: Path, name: str) -> str | None:
    """Rename a damaged file so that it is not used, and not lost either."""
    number = 1
    while (folder / f"damaged-{number}-{name}").exists():
        number += 1
    try:
        os.replace(folder / name, folder / f"damaged-{number}-{name}")
    except FileNotFoundError:
        return None
    return f"damaged-{number}-{name}"


def damage(file: str, what: str, entries: Sequence[Entry], *, unreadable: int = 0, aside: str | None = None) -> Damage:
    """Name a damage and the cells that it takes."""
    names = tuple(
        entry.parameters if entry.verifies() else f"{entry.parameters} (key {entry.key})" for entry in entries
    )
    return Damage(file, what, names, tuple(str(entry.key) for entry in entries), unreadable, aside)
