"""What a term is: limits and objectives written in cvxpy for one date, and set anew for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from allocopt.errors import SpecificationError
from allocopt.solvers.base import FloatArray

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True, eq=False)
class Limit:
    """A named convex expression that must be at most zero.

    Attributes
    ----------
    name : str
        As it is called when it conflicts with others.
    excess : cvxpy expression
        Convex scalar; by how much the limit is broken where it is above zero.
    constraints : tuple of cvxpy constraint, optional
        What is handed to the solver in place of ``excess <= 0``, where another form of the same is better.
    unit : float
        What an excess of 1.0 is in the limit's own unit.
    """

    name: str
    excess: cp.Expression
    constraints: tuple[cp.Constraint, ...] = ()
    unit: float = 1.0


@dataclass(frozen=True, eq=False)
class Built:
    """What a term adds to a date's problem."""

    objective: cp.Expression | None = None
    limits: tuple[Limit, ...] = ()


class Context(Protocol):
    """What a term is built from: the variable of one date, and how the dates and sleeves are called."""

    @property
    def weights(self) -> cp.Variable:
        """The n weights of a date."""
        ...

    @property
    def previous(self) -> cp.Parameter:
        """The n weights held before the date's trades."""
        ...

    @property
    def sleeves(self) -> pd.Index | None:
        """Labels of the sleeves."""
        ...

    @property
    def dates(self) -> pd.Index | None:
        """Labels of the dates."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """``(dates, n)``."""
        ...

    def per_date(self, values: FloatArray) -> cp.Expression:
        """Numbers with a first axis of one (a constant) or of all dates (a parameter, set date by date)."""
        ...


@runtime_checkable
class Term(Protocol):
    """A limit or an objective of a general program."""

    @property
    def needs_previous(self) -> bool:
        """Whether the term refers to the previous weights, which makes the dates sequential."""
        ...

    def build(self, context: Context) -> Built:
        """Write the term in cvxpy."""
        ...


def require_number(value: object, what: str, least: float) -> None:
    """Raise SpecificationError unless ``value`` is a finite number of at least ``least``."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.floating, np.integer))
        or not least <= value < np.inf
    ):
        text = "a finite number" if least == -np.inf else f"a number of at least {least:g}"
        raise SpecificationError(f"{what} is not {text}", value=value, remedy="give a decimal")
