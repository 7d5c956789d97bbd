"""Configurations in TOML: read whole, every key accounted for, errors that name the key and what it could have been."""

from __future__ import annotations

import copy
import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, overload

import pandas as pd

from allocopt.errors import AllocoptError, DataFileError, SpecificationError

_Default = TypeVar("_Default")
_MISSING: Any = object()


class Section:
    """One table of a configuration. It knows its place and which of its keys were read; `done` refuses the others.

    Parameters
    ----------
    content : mapping
        As ``tomllib`` read it.
    place : str
        How messages call it, ``"[splitter] of study.toml"``.

    Examples
    --------
    >>> section = Section({"train": "3YS", "tset": "YS"}, "[splitter] of study.toml")
    >>> section.text("train")
    '3YS'
    >>> section.done("test", "gap")
    Traceback (most recent call last):
        ...
    allocopt.errors.SpecificationError: an unknown key at [splitter] of study.toml: 'tset'. Remedy: write 'test'.
    """

    def __init__(self, content: Mapping[str, Any], place: str) -> None:
        self.content = dict(content)
        self.place = place
        self._read: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def value(self, key: str, default: Any = _MISSING) -> Any:
        """Whatever stands under a key."""
        self._read[key] = None
        if key in self.content:
            return self.content[key]
        if default is _MISSING:
            raise SpecificationError(f"{key!r} is missing", where=self.place, remedy=f"write {key} = ...")
        return default

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, default: _Default) -> str | _Default: ...
    def text(self, key: str, default: Any = _MISSING) -> Any:
        """Words under a key."""
        return self._typed(key, default, str, "text in quotes")

    @overload
    def whole(self, key: str) -> int: ...
    @overload
    def whole(self, key: str, default: _Default) -> int | _Default: ...
    def whole(self, key: str, default: Any = _MISSING) -> Any:
        """Whole number under a key."""
        return self._typed(key, default, int, "a whole number")

    @overload
    def number(self, key: str) -> float: ...
    @overload
    def number(self, key: str, default: _Default) -> float | _Default: ...
    def number(self, key: str, default: Any = _MISSING) -> Any:
        """Give the number under a key as a float."""
        found = self._typed(key, default, (int, float), "a number")
        return float(found) if isinstance(found, int) and key in self.content else found

    def flag(self, key: str, default: bool) -> bool:
        """Read true or false under a key."""
        found: bool = self._typed(key, default, bool, "true or false")
        return found

    def date(self, key: str) -> str | None:
        """Read a date or a time under a key, written as TOML has them or as text; None where it is missing."""
        found = self.value(key, None)
        if isinstance(found, dt.date):  # a datetime is one too
            return found.isoformat()
        if found is None:
            return None
        try:
            known = isinstance(found, str) and not pd.isna(pd.Timestamp(found))
        except ValueError:
            known = False
        if not known:
            raise SpecificationError(
                f"{key!r} is no date", where=self.place, value=found, remedy=f"write {key} = 2020-01-02"
            )
        return str(found)

    def choice(self, key: str, allowed: Sequence[str], default: Any = _MISSING) -> str:
        """One of a few words under a key."""
        found: str = self.text(key, default)
        if found not in allowed:
            raise SpecificationError(
                f"{key!r} is none of its choices", where=self.place, value=found, remedy=f"one of {list(allowed)}"
            )
        return found

    def section(self, key: str, *, needed: bool = True) -> Section:
        """Table under a key; an empty one where it is missing and not needed."""
        found = self._typed(key, _MISSING if needed else {}, dict, f"a table, [{key}]")
        return Section(found, f"[{key}] of {self.place}")

    def done(self, *others: str) -> None:
        """Raise for the first key that nothing has read; ``others`` are known too and need not be there."""
        known = [*self._read, *others]
        for key in self.content:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                remedy = f"write {near[0]!r}" if near else f"known are {sorted(known)}"
                raise SpecificationError("an unknown key", where=self.place, value=key, remedy=remedy)

    def _typed(self, key: str, default: Any, kind: type | tuple[type, ...], words: str) -> Any:
        found = self.value(key, default)
        if key not in self.content:
            return found
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise SpecificationError(f"{key!r} is not {words}", where=self.place, value=found, remedy=f"give {words}")
        return found


@contextmanager
def located(place: str) -> Iterator[None]:
    """Tell an error that says nothing of its place where it arose.

    Parameters
    ----------
    place : str
        Such as ``"[grid] of study.toml"``.
    """
    try:
        yield
    except AllocoptError as error:
        if error.where is not None:
            raise
        told = copy.copy(error)  # of the same class
        AllocoptError.__init__(told, error.what, remedy=error.remedy, where=place, value=error.value)
        raise told from error


def read_toml(path: Path) -> tuple[Section, str]:
    """Read a TOML file.

    Returns
    -------
    Section, str
        Its top table, and its text as it stands.

    Raises
    ------
    DataFileError
        If there is no such file, or it is no TOML: the line and column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text)
    except FileNotFoundError as error:
        raise DataFileError(f"there is no file {path}", remedy="check the path") from error
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror})", remedy="check the path") from error
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path.name} is not UTF-8", remedy="save it as UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise DataFileError(f"{path.name} is no TOML ({error})", remedy="see https://toml.io") from error
    return Section(content, path.name), text
