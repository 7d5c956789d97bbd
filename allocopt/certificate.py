"""Certificates: a result's own proof that it keeps the limits and is optimal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import numpy.typing as npt
import pandas as pd

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
class Certificate(Generic[PerDate]):
    """Proof, date by date, that weights keep the limits and are the best that do.

    It is computed from the desirability and the weights alone, not from how they were found. ``t`` is the
    proportional target ``b* d / sum(d)``, ``b*`` the largest budget that cap and floor can hold, ``w`` the weights.
    One number a date where one date was given, else an array or Series.

    Attributes
    ----------
    cap_residual : per date
        ``max(w - cap, 0)`` over the sleeves held. Zero, in plain floating-point comparison, for a projection.
    floor_residual : per date
        ``max(floor - w, 0)`` over the sleeves held. Zero for a projection.
    budget_residual : per date
        ``b* - sum(w)``. Below n grid units of 2**-53 for a projection, and never negative beyond the rounding of b*.
    multiplier : per date
        The budget's multiplier m: ``w = clip(t - m, floor, cap)`` (Euclidean), ``w = clip(t exp(-m), floor, cap)``
        (KL) on the support. NaN on dates that hold nothing.
    support : per date
        Number of sleeves held.
    objective : per date
        ``1/2 ||w - t||**2`` (Euclidean) or ``KL(w || t)`` in nats.
    gap : per date
        How much worse the best neighbouring support size is: the value is convex in the size, so a positive gap
        proves that no other size is better. Infinite where no other size fits the limits (and without a floor, where
        there is no choice). Negative for weights that another size improves on.
    kkt_residual : per date
        Largest ``abs(w - clip(...))`` with the multiplier above, in units of weight: zero at the optimum on the
        support.
    distance : str
        The distance that objective, gap, multiplier and KKT residual refer to.
    """

    _table: npt.NDArray[np.float64]
    _wrap: Callable[[npt.NDArray[Any], str], PerDate]
    distance: str

    def _column(self, name: str) -> PerDate:
        column = self._table[:, FIELDS.index(name)]
        return self._wrap(column.astype(np.int64) if name == "support" else column, name)

    @property
    def cap_residual(self) -> PerDate:
        return self._column("cap_residual")

    @property
    def floor_residual(self) -> PerDate:
        return self._column("floor_residual")

    @property
    def budget_residual(self) -> PerDate:
        return self._column("budget_residual")

    @property
    def multiplier(self) -> PerDate:
        return self._column("multiplier")

    @property
    def support(self) -> PerDate:
        return self._column("support")

    @property
    def objective(self) -> PerDate:
        return self._column("objective")

    @property
    def gap(self) -> PerDate:
        return self._column("gap")

    @property
    def kkt_residual(self) -> PerDate:
        return self._column("kkt_residual")

    def to_frame(self) -> pd.DataFrame:
        """One row a date, one column a number."""
        return frame_of(self, FIELDS)

    def __repr__(self) -> str:
        if len(self._table) == 0:
            return f"Certificate({self.distance}, no dates)"
        worst = {name: float(self._table[:, FIELDS.index(name)].max()) for name in FIELDS[:3] + FIELDS[-1:]}
        gap = float(self._table[:, FIELDS.index("gap")].min())
        shown = ", ".join(f"{name} <= {value:.1e}" for name, value in worst.items())
        return f"Certificate({self.distance}, {shown}, gap >= {gap:.1e})"
