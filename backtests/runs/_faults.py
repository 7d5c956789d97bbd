"""What goes wrong with kept files, as errors that say what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allocopt.errors import DataFileError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


class BrokenDatabaseError(Exception):
    """SQLite finds the database itself damaged: it is to be set aside and its rows saved."""


@contextmanager
def faults(folder: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into a `DataFileError` that names the folder and the remedy."""
    try:
        yield
    except sqlite3.Error as error:
        raise _from_sqlite(error, folder) from error
    except OSError as error:
        raise _from_system(error, folder) from error


@contextmanager
def guard(folder: Path) -> Iterator[None]:
    """Do as `faults` does, for a store that is open: what is broken is repaired when it is opened again."""
    try:
        with faults(folder):
            yield
    except BrokenDatabaseError as error:
        raise DataFileError(
            f"the database was damaged while it was open ({error})",
            where=str(folder),
            remedy="run again: opening the store sets the file aside and saves every row that verifies",
        ) from error


def _from_sqlite(error: sqlite3.Error, folder: Path) -> Exception:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode to UTF-8" in str(error):
        return BrokenDatabaseError(str(error))
    if name == "SQLITE_FULL" or (name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and _no_room(folder)):
        return _full(folder)
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM")) or (
        name.startswith("SQLITE_CANTOPEN") and not os.access(folder, os.W_OK)
    ):
        return _read_only(folder)
    if name.startswith("SQLITE_BUSY"):
        return DataFileError(
            "kept work is locked by another process for a minute",
            where=str(folder),
            remedy="see which process holds it; stop it, or choose another folder",
        )
    return DataFileError(
        f"kept work cannot be read or written ({error})",
        where=str(folder),
        remedy="check the disk; what was finished before is kept, and the same call continues from there",
    )


def _from_system(error: OSError, folder: Path) -> Exception:
    if error.errno in _FULL:
        return _full(folder)
    if error.errno in _FORBIDDEN:
        return _read_only(folder)
    return DataFileError(
        f"kept work cannot be read or written ({error.strerror or error})",
        where=str(error.filename or folder),
        remedy="check that the folder can be made and written, or choose another one",
    )


def _full(folder: Path) -> DataFileError:
    return DataFileError(
        "the disk is full, so kept work cannot be written",
        where=str(folder),
        remedy="make room; every cell finished before is kept, and the same call continues from there",
    )


def _read_only(folder: Path) -> DataFileError:
    return DataFileError(
        "the folder of kept work cannot be written",
        where=str(folder),
        remedy="give write permission, or copy the run to a folder that can be written",
    )


def _no_room(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except (OSError, AttributeError):
        return False
    return room.f_bavail * room.f_frsize < 65_536
