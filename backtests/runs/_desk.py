"""Where a process works on cells of a store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from allocopt.backtests.runs._database import DATABASE, Database
from allocopt.backtests.runs._faults import BrokenDatabaseError, faults, guard
from allocopt.backtests.runs._locks import Lock, Owner
from allocopt.backtests.runs._rows import Row
from allocopt.errors import DataFileError

#: Lock file of a store: shared by all who have it open.
LOCK = "cells.lock"


class Desk:
    """Where one process works on cells of a store for a moment: claims them, keeps them, and leaves.

    Parameters
    ----------
    folder : Path
        Folder of the store, which somebody has open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with guard(folder):
            self._lock = Lock(folder / LOCK)
            try:
                self._lock.share()
                self._database = Database(folder / DATABASE)
                self._owner = Owner(folder)
            except BaseException:
                self._lock.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with suppress(DataFileError, BrokenDatabaseError), faults(self.folder):
                self._database.release(self._owner.name)  # in vain on a full disk; the claims end with the owner
        finally:
            self._owner.close()
            self._database.close()
            self._lock.close()

    def claim(self, keys: Sequence[str]) -> set[str]:
        """Claim cells that are free, and give their keys."""
        with guard(self.folder):
            return set(self._database.claim(keys, self._owner.name))

    def keep(self, row: Row) -> None:
        """Write a finished cell in one transaction."""
        with guard(self.folder):
            self._database.put(row, self._owner)
