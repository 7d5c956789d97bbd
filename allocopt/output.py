"""Write a set of result files whole or not at all, and never over a file that somebody else made or changed."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allocopt.errors import DataFileError

#: Lists what a run wrote, with checksums: a file that still has its checksum may be replaced by the next run.
MANIFEST = ".allocopt-manifest.json"


@contextmanager
def result_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder to write into, and move its files to ``folder`` when the block ends without an error.

    Parameters
    ----------
    folder : Path
        Where the results go; made if needed. Other files in it are left alone.
    overwrite : bool, default False
        Replace files of the same names even if this program did not write them, or they were edited since.

    Raises
    ------
    DataFileError
        If the folder cannot be written to, or a file would be lost. What was to be written is then not kept.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(prefix=".allocopt-", dir=folder)
    except OSError as error:
        raise DataFileError(
            f"results cannot be written to {folder} ({error.strerror})", remedy="choose another --output"
        ) from error
    with staging as name:
        work = Path(name)
        yield work
        new = sorted(path.name for path in work.iterdir())
        known = _known(folder)
        for file in new:
            old = folder / file
            if old.exists() and not overwrite and known.get(file) != _checksum(old):
                raise DataFileError(
                    f"{old} exists and was not written by an earlier run, or was changed since",
                    remedy="move it away, choose another --output, or pass --overwrite",
                )
        known.update({file: _checksum(work / file) for file in new})
        manifest = work / MANIFEST
        manifest.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        # First the manifest: if the run is killed between two moves, the old files do not match it and are kept.
        for file in (MANIFEST, *new):
            os.replace(work / file, folder / file)


def _known(folder: Path) -> dict[str, str]:
    try:
        known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
