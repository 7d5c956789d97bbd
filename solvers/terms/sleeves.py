"""Cap and floor of single sleeves."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.errors import LabelError, SpecificationError
from allocopt.labels import PerSleeve, per_sleeve, positions
from allocopt.solvers.base import FloatArray
from allocopt.solvers.terms.base import Built, Context


@dataclass(frozen=True, eq=False)
class SleeveLimits:
    """Cap and floor of single sleeves, in place of the common ones: ``w_i = 0`` or ``floor_i <= w_i <= cap_i``.

    Sleeves that are not named keep the common limits. It changes the bounds that every program has, so it costs
    nothing: with no other term but a proportional cost it is solved without cvxpy (docs/mathematics.md, "Separable
    programs").

    Parameters
    ----------
    cap, floor : float, mapping, Series or sequence; or DataFrame (dates x sleeves), optional
        Decimal fractions of capital, ``0 <= floor_i <= cap_i <= 1``.
    always : bool or sequence of sleeves, default False
        Sleeves that must be held, ``floor_i <= w_i <= cap_i``, live or not.

    Examples
    --------
    >>> import allocopt
    >>> from allocopt.solvers import ConvexProgram, SleeveLimits
    >>> program = ConvexProgram(terms=(SleeveLimits(cap={"crypto": 0.1}),))
    >>> scores = {"crypto": 3.0, "equity": 2.0, "bonds": 1.0}
    >>> result = allocopt.allocate(scores, allocopt.Limits(cap=0.7), solver=program)
    >>> {sleeve: round(weight, 3) for sleeve, weight in result.weights.items()}
    {'crypto': 0.1, 'equity': 0.533, 'bonds': 0.367}
    """

    cap: PerSleeve | pd.DataFrame | None = None
    floor: PerSleeve | pd.DataFrame | None = None
    always: bool | Sequence[Hashable] = False

    needs_previous = False

    def build(self, context: Context) -> Built:
        """Nothing: the bounds of the variable are set by the program."""
        return Built()

    def bounds(
        self, caps: FloatArray, floors: FloatArray, dates: pd.Index | None, count: int, sleeves: pd.Index | None
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        """``(caps, floors, always)`` with this term's in place of the given ones, (1 or dates, n) and (n,)."""
        n = caps.shape[1]
        caps = _override(self.cap, caps, dates, count, sleeves, "cap of SleeveLimits")
        floors = _override(self.floor, floors, dates, count, sleeves, "floor of SleeveLimits")
        always = np.zeros(n, bool)
        if isinstance(self.always, bool):
            always[:] = self.always
        elif isinstance(self.always, (str, Mapping)) or not isinstance(self.always, (Sequence, pd.Index)):
            raise SpecificationError(
                "always is neither a bool nor a list of sleeves", value=self.always, remedy='give ["SPY"], for instance'
            )
        else:
            always[positions(self.always, n, sleeves, "always of SleeveLimits")] = True
        both = np.broadcast_arrays(caps, floors)
        wrong = ~((both[1] >= 0.0) & (both[1] <= both[0]) & (both[0] <= 1.0))
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            name = column if sleeves is None else sleeves[column]
            date = "" if len(wrong) == 1 else f"date {row if dates is None else dates[row]}, "
            raise SpecificationError(
                "0 <= floor <= cap <= 1 does not hold",
                where=f"{date}sleeve {name!r}",
                value=(float(both[1][row, column]), float(both[0][row, column])),
                remedy="mind that a sleeve that is not named keeps the common floor and cap",
            )
        return caps, floors, always


def _override(
    value: PerSleeve | pd.DataFrame | None,
    common: FloatArray,
    dates: pd.Index | None,
    count: int,
    sleeves: pd.Index | None,
    what: str,
) -> FloatArray:
    n = common.shape[1]
    if value is None:
        return common
    if not isinstance(value, pd.DataFrame):
        if len(common) > 1:
            return np.stack([per_sleeve(value, n, sleeves, what, rest=row) for row in common])
        return per_sleeve(value, n, sleeves, what, rest=common[0])[None]
    if dates is None or not value.index.equals(dates):
        raise LabelError(f"{what} has other dates than the desirability", remedy="reindex it to the same dates")
    columns = positions(value.columns, n, sleeves, what)
    out = np.array(np.broadcast_to(common, (count, n)), dtype=np.float64)
    out[:, columns] = value.to_numpy(dtype=np.float64)
    return out
