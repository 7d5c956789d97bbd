"""The seal of a store that was closed cleanly: checksums of all its files, in the form that sha256sum reads."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from allocopt.backtests.runs._database import DATABASE, FORMAT

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SEAL = "cells.sha256"
_HEAD = re.compile(r"# allocopt kept cells, format (\d+), (\d+) cells, sha256 of the lines below: ([0-9a-f]{64})\n")


@dataclass(frozen=True)
class Seal:
    """Checksums by file, and how many cells there are."""

    count: int
    checksums: Mapping[str, str]
    format: int = FORMAT

    def text(self) -> str:
        """Write the seal."""
        body = "".join(f"{checksum}  {name}\n" for name, checksum in self.checksums.items())
        own = hashlib.sha256(body.encode()).hexdigest()
        return (
            f"# allocopt kept cells, format {self.format}, {self.count} cells, sha256 of the lines below: {own}\n{body}"
        )


def read_seal(folder: Path) -> Seal | None:
    """Read the seal; None where it is damaged. FileNotFoundError where there is none."""
    content = (folder / SEAL).read_bytes()
    try:
        text = content.decode("ascii")
        head = _HEAD.match(text)
        if head is None:
            return None
        lines = (line.split("  ", 1) for line in text[head.end() :].splitlines())
        seal = Seal(int(head[2]), {name: checksum for checksum, name in lines}, int(head[1]))
    except ValueError:
        return None
    # Written again from what was read it must be the same to the byte, its own checksum included.
    return seal if seal.text() == text and DATABASE in seal.checksums else None


def write_seal(folder: Path, count: int, files: Iterable[str]) -> None:
    """Seal the store. The names of Parquet files are their checksums, verified when they were opened or written."""
    checksums = {DATABASE: file_checksum(folder / DATABASE)}
    checksums.update({name: checksum_in_name(name) for name in sorted(files)})
    write_whole(folder / SEAL, Seal(count, checksums).text().encode("ascii"))


def file_checksum(path: Path) -> str:
    """SHA-256 of a file. Of the database only while nobody in this process has it open: closing it frees its locks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parquet_name(checksum: str) -> str:
    """Name of the Parquet file with that checksum."""
    return f"curves-{checksum}.parquet"


def checksum_in_name(name: str) -> str:
    """Checksum that the name of a Parquet file promises; empty for a file of another kind."""
    found = re.fullmatch(r"curves-([0-9a-f]{64})\.parquet", name)
    return found[1] if found else ""


def write_whole(path: Path, content: ReadableBuffer) -> None:
    """Write a file whole or not at all, also if the machine stops."""
    part = path.with_name(f".{path.name}-{uuid.uuid4().hex}.part")
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
