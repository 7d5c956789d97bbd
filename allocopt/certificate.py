"""Certificates: a result's own proof that it keeps the limits and is optimal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.solvers.base import Report, Solution
from allocopt.status import PerDate, frame_of

#: Names of the certificate's numbers, in the kernels' order.
FIELDS = (
    "cap_residual",
    "floor_residual",
    "budget_residual",
    "multiplier",
    "support",
    "objective",
    "gap",
    "kkt_residual",
)


@dataclass(frozen=True, eq=False)
class _Numbers(Generic[PerDate]):
    """A table of numbers, one row a date, whose columns are given back in the user's container."""

    _table: npt.NDArray[np.float64]
    _wrap: Callable[[npt.NDArray[Any], str], PerDate]
    distance: str

    _fields: ClassVar[tuple[str, ...]] = ()

    def _column(self, name: str) -> PerDate:
        column = self._table[:, self._fields.index(name)]
        return self._wrap(column.astype(np.int64) if name in ("support", "nodes") else column, name)

    @property
    def cap_residual(self) -> PerDate:
        """``max(w - cap, 0)`` over the sleeves held; zero by plain comparison, but for the heuristic."""
        return self._column("cap_residual")

    @property
    def floor_residual(self) -> PerDate:
        """``max(floor - w, 0)`` over the sleeves held; zero by plain comparison, but for the heuristic."""
        return self._column("floor_residual")

    @property
    def support(self) -> PerDate:
        """Number of sleeves held."""
        return self._column("support")

    def to_frame(self) -> pd.DataFrame:
        """One row a date, one column a number."""
        return frame_of(self, self._fields)


@dataclass(frozen=True, eq=False)
class Certificate(_Numbers[PerDate]):
    """Proof, date by date, that weights keep the limits and are the best that do.

    It is computed from the desirability and the weights alone, not from how they were found. ``t`` is the
    proportional target ``b* d / sum(d)``, ``b*`` the largest budget that cap and floor can hold, ``w`` the weights.
    One number a date where one date was given, else an array or Series.

    A positive `gap` proves that no other support size is better, because the value is convex in the size
    (docs/mathematics.md, theorem 3). Without a floor there is no such choice, and the gap is infinite. It is negative
    for weights that another size improves on, such as the heuristic's.

    Attributes
    ----------
    distance : str
        The distance that objective, gap, multiplier and KKT residual refer to.
    """

    _fields: ClassVar[tuple[str, ...]] = FIELDS

    @property
    def budget_residual(self) -> PerDate:
        """``b* - sum(w)``: below n grid units of 2**-53 for a projection."""
        return self._column("budget_residual")

    @property
    def multiplier(self) -> PerDate:
        """``m`` in ``clip(t - m, floor, cap)``, for KL ``clip(t exp(-m), floor, cap)``; NaN if nothing is held."""
        return self._column("multiplier")

    @property
    def objective(self) -> PerDate:
        """``1/2 ||w - t||**2``, or ``KL(w || t)`` in nats."""
        return self._column("objective")

    @property
    def gap(self) -> PerDate:
        """How much worse the better neighbouring support size is; infinite where no other size fits."""
        return self._column("gap")

    @property
    def kkt_residual(self) -> PerDate:
        """Largest ``abs(w - clip(...))`` on the support, in units of weight."""
        return self._column("kkt_residual")

    def __repr__(self) -> str:
        if len(self._table) == 0:
            return f"Certificate({self.distance}, no dates)"
        worst = {name: float(self._table[:, FIELDS.index(name)].max()) for name in FIELDS[:3] + FIELDS[-1:]}
        gap = float(self._table[:, FIELDS.index("gap")].min())
        shown = ", ".join(f"{name} <= {value:.1e}" for name, value in worst.items())
        return f"Certificate({self.distance}, {shown}, gap >= {gap:.1e})"


#: Names of the numbers of a general program's certificate.
PROGRAM_FIELDS = (
    "cap_residual",
    "floor_residual",
    "budget_residual",
    "limit_residual",
    "support",
    "objective",
    "bound",
    "gap",
    "kkt_residual",
    "multiplier",
    "nodes",
)


@dataclass(frozen=True, eq=False)
class ProgramCertificate(_Numbers[PerDate]):
    """Proof, date by date, of what a general program's weights keep, and of how much better any others could be.

    One number a date where one date was given, else an array or Series. On dates that failed `support` counts what is
    held in place of a solution, and the residuals, objective and bound are NaN.

    Attributes
    ----------
    distance : str
        The distance in the objective.
    """

    _fields: ClassVar[tuple[str, ...]] = PROGRAM_FIELDS

    @classmethod
    def of(
        cls, report: Report, solution: Solution, wrap: Callable[[npt.NDArray[Any], str], PerDate], distance: str
    ) -> ProgramCertificate[PerDate]:
        """Certificate of a run."""
        columns = (
            report.cap_residual,
            report.floor_residual,
            report.attainable - solution.invested,
            report.excess,
            (solution.weights > 0.0).sum(axis=1).astype(np.float64),
            report.objective,
            report.bound,
            report.objective - report.bound,
            report.kkt_residual,
            report.multiplier,
            report.nodes.astype(np.float64),
        )
        return cls(np.column_stack(columns), wrap, distance)

    @property
    def budget_residual(self) -> PerDate:
        """``b* - sum(w)``: below n grid units of 2**-53, up to 1e-6 where a cone (a volatility limit) sets ``b*``."""
        return self._column("budget_residual")

    @property
    def limit_residual(self) -> PerDate:
        """Largest excess over any limit of the terms, of a volatility limit as a share of it; 1e-8 at most."""
        return self._column("limit_residual")

    @property
    def objective(self) -> PerDate:
        """Distance to the target plus the objectives of the terms, at the weights."""
        return self._column("objective")

    @property
    def bound(self) -> PerDate:
        """Proved lower bound on the objective of any weights that keep all limits, on any support."""
        return self._column("bound")

    @property
    def gap(self) -> PerDate:
        """``objective - bound``: how much better other weights could be at most."""
        return self._column("gap")

    @property
    def kkt_residual(self) -> PerDate:
        """Largest violation of the optimality conditions on the support held; for cones the duality gap."""
        return self._column("kkt_residual")

    @property
    def multiplier(self) -> PerDate:
        """Of the budget, where the problem is separable; NaN elsewhere."""
        return self._column("multiplier")

    @property
    def nodes(self) -> PerDate:
        """Convex problems solved to find and prove the support; for a mixed-integer solver 1."""
        return self._column("nodes")

    def __repr__(self) -> str:
        if len(self._table) == 0:
            return f"ProgramCertificate({self.distance}, no dates)"
        solved = self._table[~np.isnan(self._table[:, PROGRAM_FIELDS.index("objective")])]
        if len(solved) == 0:
            return f"ProgramCertificate({self.distance}, no date solved)"
        shown = ", ".join(
            f"{name} <= {float(np.nanmax(solved[:, PROGRAM_FIELDS.index(name)], initial=0.0)):.1e}"
            for name in ("cap_residual", "floor_residual", "budget_residual", "limit_residual", "gap")
        )
        return f"ProgramCertificate({self.distance}, {shown})"
