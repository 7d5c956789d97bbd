"""A study of one's own: a function or a frozen dataclass out of a module, or out of a file beside the study file."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from allocopt.errors import AllocoptError, DataFileError, SpecificationError
from allocopt.study_objects import settings_from
from allocopt.toml_files import Section


@dataclass(frozen=True)
class FileStudy:
    """A study out of a file, which goes to other processes as the text that it was made of.

    No other process could import the file by its name, wherever it runs.

    Attributes
    ----------
    path : str
        The file. Where it lies is not part of what identifies a cell.
    source : str
        What it holds.
    name : str
        Of the function or frozen dataclass in it.
    settings : mapping
        Fields of the dataclass.
    """

    path: str
    source: str = field(repr=False)
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def study(self) -> Any:
        """The function, or an instance of the dataclass."""
        return _made(self.path, self.source, self.name, Section(self.settings, "[settings]"))

    def __call__(self, data: Any, parameters: Mapping[str, Any]) -> Any:
        """Run it with these parameters."""
        from allocopt.backtests.walk_forward.study import run_study

        return run_study(self.study, data, parameters)

    def content_key(self) -> str:
        """Identify the study by what the file holds."""
        from allocopt.backtests.runs import content_hash

        return content_hash((self.source, self.name, dict(self.settings)))


@dataclass(frozen=True)
class BatchedFileStudy(FileStudy):
    """The same for a study that runs many configurations in one call."""

    def many(self, data: Any, several: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Run it with each of these parameters."""
        return list(self.study.many(data, several))


def own_study(kind: str, settings: Section, folder: Path) -> Any:
    """Make the study that ``module:name`` or ``file.py:name`` stands for.

    Parameters
    ----------
    kind : str
        As the study file has it.
    settings : Section
        Fields of a dataclass; a function has none.
    folder : Path
        Where the study file lies.

    Raises
    ------
    DataFileError
        If there is no such file.
    SpecificationError
        If it cannot be imported, does not have the name, or what it has is no study.
    """
    from allocopt.backtests.walk_forward.study import is_batched

    place, _, name = kind.rpartition(":")
    if not place.endswith(".py"):
        return _named(_module(place), name, settings)
    path = (folder / place).resolve()
    try:
        source = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataFileError(
            "the file of the study cannot be read", where=str(path), value=error.strerror, remedy="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path.name} is not UTF-8", remedy="save it as UTF-8 text") from error
    made = _made(str(path), source, name, settings)
    return (BatchedFileStudy if is_batched(made) else FileStudy)(str(path), source, name, settings.content)


def _made(path: str, source: str, name: str, settings: Section) -> Any:
    return _named(_executed(path, source), name, settings)


def _named(module: ModuleType, name: str, settings: Section) -> Any:
    """Make the study of this name in a module."""
    from allocopt.backtests.walk_forward.study import require_study

    if not hasattr(module, name):
        raise SpecificationError(
            "the module of the study has no such name", value=name, remedy=f"define it in {module.__file__}"
        )
    found = getattr(module, name)
    if isinstance(found, type):
        found = settings_from(found, settings)
    elif settings.content:
        raise SpecificationError(
            "a function has no settings",
            where=settings.place,
            value=next(iter(settings.content)),
            remedy="put them into the grid as lists of one value, or name a frozen dataclass",
        )
    require_study(found)
    return found


def _module(place: str) -> ModuleType:
    if not all(part.isidentifier() for part in place.split(".")):
        raise SpecificationError(
            "this is no name of a module", value=place, remedy="write module:name, or file.py:name beside this file"
        )
    try:
        return importlib.import_module(place)
    except ImportError as error:
        raise SpecificationError(
            f"the module of the study cannot be imported ({error})",
            value=place,
            remedy="install it, or give file.py:name",
        ) from error


def _executed(path: str, source: str) -> ModuleType:
    """Execute a file once, as a module whose name no other has and that changes with what is in it."""
    stem = Path(path).stem.replace(".", "_")
    name = f"study_file_{stem}_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == path:
        return known
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # dataclasses look a class up by it
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except AllocoptError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise SpecificationError(
            f"the file of the study raises {type(error).__name__} when it is read ({error})",
            where=f"{Path(path).name}, line {_line(error, path)}",
            remedy="mend it; what it imports has to be installed",
        ) from error
    return module


def _line(error: Exception, path: str) -> int | str:
    """Last line of the file that took part in an error."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno or "?"
    found: int | str = "?"
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == path:
            found = step.tb_lineno
        step = step.tb_next
    return found
