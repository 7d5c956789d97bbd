"""Locks on files that the system frees when their holder ends, however it ends."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from allocopt.errors import DataFileError

if TYPE_CHECKING:
    from types import ModuleType

PENDING = "pending-"


def _locking() -> ModuleType:
    try:
        import fcntl
    except ImportError:  # Windows
        raise DataFileError(
            "kept work needs file locks of a POSIX system", remedy="run without a store, or on Linux or macOS"
        ) from None
    return fcntl


class Lock:
    """A lock file: shared by the users of a store, exclusive for whoever checks or closes it."""

    def __init__(self, path: Path) -> None:
        self._fcntl = _locking()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    @property
    def closed(self) -> bool:
        """Whether the lock is freed."""
        return self._file < 0

    def share(self) -> None:
        """Wait for a shared lock; an exclusive one that is held becomes shared."""
        self._fcntl.flock(self._file, self._fcntl.LOCK_SH)

    def take(self) -> bool:
        """Try for the exclusive lock. Whatever was held before is lost where it fails."""
        try:
            self._fcntl.flock(self._file, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Free the lock."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Owner:
    """Whoever works on cells now: a file with a lock on it, to which the curves of finished cells are appended.

    While the lock is held, the owner lives. The file goes when the owner ends without curves in it, or later, when its
    curves have moved to Parquet.
    """

    def __init__(self, folder: Path) -> None:
        while True:
            self.name = f"{PENDING}{uuid.uuid4().hex}.bin"
            path = folder / self.name
            self._lock = Lock(path)
            # Between making and locking the file somebody may have cleared it away.
            if self._lock.take() and path.exists():
                break
            self._lock.close()
        self._path = path
        self._size = 0

    def append(self, *parts: bytes) -> int:
        """Append bytes and give the position of the first."""
        start = self._size
        content = memoryview(b"".join(parts))
        while content:
            content = content[os.write(self._lock._file, content) :]
        self._size = start + sum(map(len, parts))
        return start

    def reset(self) -> None:
        """Forget what a failed write left at the end of the file."""
        os.lseek(self._lock._file, self._size, os.SEEK_SET)

    def close(self) -> None:
        """End: claims of this owner no longer count."""
        if self._size == 0:
            self._path.unlink(missing_ok=True)
        self._lock.close()


def alive(folder: Path, owner: str) -> bool:
    """Tell whether the owner of that name is still at work."""
    try:
        lock = _existing(folder / owner)
    except FileNotFoundError:
        return False
    free = lock.take()
    lock.close()
    return not free


def clear(folder: Path, owner: str, needed: Callable[[str], bool]) -> None:
    """Remove the file of an owner that has ended, unless it is needed still."""
    try:
        lock = _existing(folder / owner)
    except FileNotFoundError:
        return
    if lock.take() and not needed(owner):  # asked under the lock: an owner that has ended writes no more rows
        (folder / owner).unlink(missing_ok=True)
    lock.close()


def _existing(path: Path) -> Lock:
    lock = object.__new__(Lock)
    lock._fcntl = _locking()
    lock._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return lock
