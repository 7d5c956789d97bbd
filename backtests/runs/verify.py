"""Check kept files and change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from allocopt.backtests.runs._curves import CurveReader, DamagedCurvesError
from allocopt.backtests.runs._database import DATABASE, Database, Entry
from allocopt.backtests.runs._faults import BrokenDatabaseError, faults
from allocopt.backtests.runs._repair import check_files, damage
from allocopt.backtests.runs._seal import SEAL, checksum_in_name
from allocopt.backtests.runs.report import Damage
from allocopt.errors import DataFileError


def verify_store(folder: Path | str) -> tuple[Damage, ...]:
    """Check every kept file of a store and change nothing; name each damage.

    Parameters
    ----------
    folder : Path or str
        Folder of the store. If somebody has it open, or was killed while it was, every cell is read and verified;
        otherwise every file is compared with its checksum.

    Raises
    ------
    DataFileError
        If there is no store, or it was written by a newer version.

    Examples
    --------
    >>> from allocopt.backtests.runs import CellStore, verify_store
    >>> CellStore("checked").close()
    >>> verify_store("checked")
    ()
    """
    folder = Path(folder)
    if not any((folder / name).exists() for name in (DATABASE, SEAL)):
        raise DataFileError("there is no kept work", where=str(folder), remedy="name the folder of a store")
    with faults(folder):
        seal, damages = check_files(folder)
        if seal is not None:
            return tuple(_with_cells(folder, damages))
        if not (folder / DATABASE).exists():
            return (*damages, Damage(DATABASE, "the file is missing"))
        return (*damages, *_verify_cells(folder))


def _with_cells(folder: Path, damages: Sequence[Damage]) -> Iterator[Damage]:
    """Name the cells that damaged Parquet files hold, by a database that is whole."""
    whole = all(not one.file.startswith(DATABASE) for one in damages)
    for one in damages:
        if not (whole and checksum_in_name(one.file)):
            yield one
            continue
        with closing(Database(folder / DATABASE)) as database:
            yield damage(one.file, one.what, list(database.entries("WHERE file=?", (one.file,))))


def _wrong(entry: Entry, reader: CurveReader) -> str:
    if not entry.verifies():
        return "a row differs from its checksum"
    try:
        reader.read(entry)
    except FileNotFoundError:
        return "the file is missing"
    except DamagedCurvesError as error:
        return str(error)
    return ""


def _verify_cells(folder: Path) -> list[Damage]:
    found: list[Damage] = []
    try:
        with faults(folder), closing(Database(folder / DATABASE)) as database:
            if not database.is_whole():
                return [Damage(DATABASE, "its structure is damaged")]
            with closing(CurveReader(folder, database)) as reader:
                for entry in database.entries():
                    what = _wrong(entry, reader)
                    if what:
                        found.append(damage(str(entry.file or DATABASE), what, [entry]))
    except BrokenDatabaseError as error:
        found.append(Damage(DATABASE, f"SQLite cannot read it ({error})"))
    return found
