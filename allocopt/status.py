"""What happened on each date, in words that say what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

PerDate = TypeVar("PerDate", covariant=True)


class Outcome(Enum):
    """How the allocation of one date ended. Each member carries its message and its remedy.

    The first six belong to every solver, the next three only to the heuristic, the last four to general programs.

    Examples
    --------
    >>> print(Outcome.CAPPED.message)
    every live sleeve is at the cap and the budget is not spent: the rest is cash
    """

    FULL = (0, "the whole budget is invested", "nothing to do")
    ROUNDED = (
        1,
        "the limits fit the budget only to within rounding: the sum is short of it by less than 2**-53 a sleeve",
        "move the cap, the floor or the budget by 1e-12 if the last bits matter",
    )
    CAPPED = (
        2,
        "every live sleeve is at the cap and the budget is not spent: the rest is cash",
        "raise the cap or score more sleeves if less cash is wanted",
    )
    FLOORED = (
        3,
        "one sleeve more would break the floor, and those held are at the cap: the rest is cash",
        "lower the floor or raise the cap if less cash is wanted",
    )
    EMPTY = (4, "no sleeve is live: all cash", "score at least one sleeve above zero if cash is not wanted")
    UNAFFORDABLE = (5, "the floor is larger than the budget, nothing can be held: all cash", "lower the floor")
    NOT_CONVERGED = (
        6,
        "a weight was over the cap when the heuristic ran out of passes",
        "use a projection, or allow more passes if enough sleeves are live for the cap",
    )
    OVER_CAP = (
        7,
        "the heuristic met the cap, then broke it by dividing by the sum after dropping the sleeves below the floor",
        "use a projection",
    )
    ALL_DROPPED = (8, "the heuristic dropped every sleeve as below the floor: all cash", "use a projection")
    INFEASIBLE = (
        9,
        "no weights keep all limits, and the failure policy decided",
        "see Allocation.failures for the limits that conflict",
    )
    UNPROVED = (
        10,
        "the search for the best support ran out of nodes or time; the best so far is given, its bound is certified",
        "raise max_nodes or time_limit, or install a mixed-integer solver",
    )
    UNSOLVED = (
        11,
        "the solver gave no accurate solution, and the failure policy decided",
        "see Allocation.failures; loosen the tolerance or rescale the terms",
    )
    LIMITED = (
        12,
        "the limits and terms of the program hold less than the budget: the rest is cash",
        'relax a limit, or use spend="most" where it is "free", if less cash is wanted',
    )

    def __init__(self, code: int, message: str, remedy: str) -> None:
        self.code = code
        self.message = message
        self.remedy = remedy

    def __repr__(self) -> str:
        return f"Outcome.{self.name}"

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


_BY_CODE: tuple[Outcome, ...] = tuple(Outcome)


def outcomes(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.object_]:
    """Outcome members for an array of kernel codes."""
    table = np.empty(len(_BY_CODE), dtype=object)
    table[:] = _BY_CODE
    members: npt.NDArray[np.object_] = table[codes]
    return members


@dataclass(frozen=True, eq=False)
class Status(Generic[PerDate]):
    """Per date: how it ended, how many sleeves were live, how many were excluded because their value was missing.

    For one date the attributes are an `Outcome` and two ints; for an array of dates they are arrays; for a DataFrame
    they are Series with its index.
    """

    _codes: npt.NDArray[np.uint8]
    _live: npt.NDArray[np.int32]
    _excluded: npt.NDArray[np.int32]
    _wrap: Callable[[npt.NDArray[Any], str], PerDate]

    @property
    def outcome(self) -> Any:
        """`Outcome` of each date: a member for one date, else an array or Series of them."""
        return self._wrap(outcomes(self._codes), "outcome")

    @property
    def live(self) -> PerDate:
        """Number of live sleeves (desirability above zero) of each date."""
        return self._wrap(self._live, "live")

    @property
    def excluded(self) -> PerDate:
        """Number of sleeves of each date that ``missing="exclude"`` left out because their value was NaN."""
        return self._wrap(self._excluded, "excluded")

    def counts(self) -> dict[Outcome, int]:
        """How many dates ended in which way; only outcomes that occurred."""
        found = np.bincount(self._codes, minlength=len(_BY_CODE))
        return {outcome: int(found[outcome.code]) for outcome in _BY_CODE if found[outcome.code]}

    @property
    def message(self) -> str:
        """What happened and what to do, a line for each outcome that occurred."""
        dates = len(self._codes)
        lines = []
        for outcome, count in self.counts().items():
            share = "" if dates == 1 else f"{count} of {dates} dates: "
            remedy = "" if outcome is Outcome.FULL else f" ({outcome.remedy})"
            lines.append(f"{share}{outcome.message}{remedy}")
        missing = int(self._excluded.sum())
        if missing:
            on = Counter(np.sign(self._excluded).tolist())[1]
            where = "" if dates == 1 else f" on {on} dates"
            lines.append(f"{missing} missing values{where} were treated as not live")
        return "\n".join(lines) if lines else "no dates"

    def __repr__(self) -> str:
        return f"Status({self.message!r})"

    def to_frame(self) -> pd.DataFrame:
        """One row a date: outcome, live, excluded."""
        return frame_of(self, ("outcome", "live", "excluded"))


def frame_of(result: object, names: tuple[str, ...]) -> pd.DataFrame:
    """Per-date attributes of a result as the columns of one frame, whatever container they come in."""
    columns = {name: getattr(result, name) for name in names}
    first = columns[names[0]]
    if isinstance(first, pd.Series):
        return pd.DataFrame(columns)
    if isinstance(first, np.ndarray):
        return pd.DataFrame(columns, index=pd.RangeIndex(len(first)))
    return pd.DataFrame({name: [value] for name, value in columns.items()})
