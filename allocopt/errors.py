"""The errors a caller can tell apart by what to do next.

Every message says what is wrong, where, with which value, and how to mend it. The parts are attributes too.
"""

from __future__ import annotations


class AllocoptError(Exception):
    """Base of every error that allocopt raises on purpose.

    Parameters
    ----------
    what : str
        What is wrong, as a sentence without its full stop.
    where : str, optional
        The date, sleeve, row or column concerned.
    value : object, optional
        The offending value.
    remedy : str
        What to do about it.

    Examples
    --------
    >>> from allocopt.errors import InputError
    >>> print(InputError("desirability is negative", where="sleeve 'P1'", value=-0.5, remedy="score from 0 up"))
    desirability is negative at sleeve 'P1': -0.5. Remedy: score from 0 up.
    """

    def __init__(self, what: str, *, remedy: str, where: str | None = None, value: object | None = None) -> None:
        value = plain(value)
        self.what = what
        self.where = where
        self.value = value
        self.remedy = remedy
        place = f" at {where}" if where is not None else ""
        shown = f": {value!r}" if value is not None else ""
        super().__init__(f"{what}{place}{shown}. Remedy: {remedy}.")

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments: without this an error raised in a worker process cannot be sent back.
        return (_rebuild, (type(self), self.what, self.remedy, self.where, self.value))


def plain(value: object) -> object:
    """Give a value as it prints best in a message: numpy scalars as the Python number they hold."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else value


def _rebuild(
    kind: type[AllocoptError], what: str, remedy: str, where: str | None, value: object | None
) -> AllocoptError:
    return kind(what, remedy=remedy, where=where, value=value)


class InputError(AllocoptError, ValueError):
    """A value in the data is not usable: NaN, infinite, negative, not a number. Mend the data."""


class ShapeError(AllocoptError, ValueError):
    """An input has the wrong number of dimensions, rows or columns. Reshape or align it."""


class LabelError(AllocoptError, ValueError):
    """Labels are duplicated, out of order, or do not match those of another input. Relabel, sort or align."""


class SpecificationError(AllocoptError, ValueError):
    """A limit, a solver setting or an option is outside its range. Change the call."""


class DataFileError(AllocoptError, ValueError):
    """A file cannot be read as what it should hold. Its row and column are named."""


class StaleInputError(AllocoptError, RuntimeError):
    """An array was changed in place after the result that refers to it was made. Allocate again."""


class LedgerError(AllocoptError, ArithmeticError):
    """The accounts of a run do not add up. Its figures must not be used."""


class SolveError(AllocoptError, RuntimeError):
    """A date of a general program has no solution, or its solver gave none that is accurate. Relax a limit.

    Attributes
    ----------
    failure : allocopt.solvers.Failure
        The date, the limits that conflict and how much they would have to give.
    """

    def __init__(
        self,
        what: str,
        *,
        remedy: str,
        where: str | None = None,
        value: object | None = None,
        failure: object | None = None,
    ) -> None:
        super().__init__(what, remedy=remedy, where=where, value=value)
        self.failure = failure

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_solve, (self.what, self.remedy, self.where, self.value, self.failure))


def _rebuild_solve(what: str, remedy: str, where: str | None, value: object, failure: object) -> SolveError:
    return SolveError(what, remedy=remedy, where=where, value=value, failure=failure)
