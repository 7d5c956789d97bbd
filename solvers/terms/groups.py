"""Limits on sums of weights: named groups, and exposures that are linear in the weights."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from allocopt.errors import LabelError, SpecificationError
from allocopt.labels import positions
from allocopt.solvers.terms.base import Built, Context, Limit, require_number
from allocopt.solvers.terms.covariance import CovarianceLike, aligned_rows


@dataclass(frozen=True, eq=False)
class GroupLimits:
    """Lower and upper limit of the summed weight of named groups: ``lower_g <= sum(w_i, i in g) <= upper_g``.

    Groups may overlap, and need not cover every sleeve.

    Parameters
    ----------
    groups : mapping of name to sequence of sleeves
        Sleeves by label, or by column number where there are no labels.
    lower, upper : float or mapping of name to float, optional
        Decimal fractions of capital. A group without one has no such limit.

    Raises
    ------
    SpecificationError
        If a lower limit is above the upper one, or no limit is given.
    LabelError
        If a limit names no group (or, when used, a group names no sleeve).

    Examples
    --------
    >>> import allocopt
    >>> from allocopt.solvers import ConvexProgram, GroupLimits
    >>> tech = GroupLimits({"tech": ["XLK", "XLC"]}, upper=0.5)
    >>> scores = {"XLK": 4.0, "XLC": 3.0, "XLP": 1.0, "XLU": 1.0}
    >>> weights = allocopt.allocate(scores, solver=ConvexProgram(terms=(tech,))).weights
    >>> {sleeve: round(weight, 4) for sleeve, weight in weights.items()}
    {'XLK': 0.3056, 'XLC': 0.1944, 'XLP': 0.25, 'XLU': 0.25}
    """

    groups: Mapping[str, Sequence[Hashable]]
    lower: float | Mapping[str, float] | None = None
    upper: float | Mapping[str, float] | None = None

    needs_previous = False

    def __post_init__(self) -> None:
        if not isinstance(self.groups, Mapping) or any(
            isinstance(members, str) or not isinstance(members, (Sequence, pd.Index))
            for members in self.groups.values()
        ):
            raise SpecificationError(
                "groups do not map names to lists of sleeves", value=self.groups, remedy='give {"tech": ["XLK", "XLC"]}'
            )
        object.__setattr__(self, "groups", {name: tuple(members) for name, members in self.groups.items()})
        lower, upper = self._side(self.lower, "lower"), self._side(self.upper, "upper")
        if not lower and not upper:
            raise SpecificationError("group limits without a limit", remedy="give lower or upper")
        for name in lower.keys() & upper.keys():
            if lower[name] > upper[name]:
                raise SpecificationError(
                    "lower limit of a group is above its upper limit",
                    where=f"group {name!r}",
                    value=(lower[name], upper[name]),
                    remedy="swap or move them",
                )

    def _side(self, limit: float | Mapping[str, float] | None, side: str) -> dict[str, float]:
        given = (
            {} if limit is None else dict(limit) if isinstance(limit, Mapping) else dict.fromkeys(self.groups, limit)
        )
        for name, value in given.items():
            if name not in self.groups:
                raise LabelError(f"{side} limit names no group", value=name, remedy=f"groups: {', '.join(self.groups)}")
            require_number(value, f"{side} limit of group {name!r}", 0.0)
        return given

    def build(self, context: Context) -> Built:
        """``sum - upper`` and ``lower - sum`` for each group."""
        import cvxpy as cp

        limits = []
        lower, upper = self._side(self.lower, "lower"), self._side(self.upper, "upper")
        for name, members in self.groups.items():
            columns = positions(members, context.shape[1], context.sleeves, f"group {name!r}")
            indicator = np.zeros(context.shape[1])
            indicator[columns] = 1.0
            total = cp.sum(cp.multiply(indicator, context.weights))
            if name in upper:
                limits.append(Limit(f"group {name!r} at most {upper[name]:g}", total - upper[name]))
            if name in lower:
                limits.append(Limit(f"group {name!r} at least {lower[name]:g}", lower[name] - total))
        return Built(limits=tuple(limits))


@dataclass(frozen=True, eq=False)
class ExposureLimits:
    """Lower and upper bounds on exposures that are linear in the weights: ``lower_j <= sum_i X_ij w_i <= upper_j``.

    Betas, durations, factor loadings, or any score that the whole must keep within bounds.

    Parameters
    ----------
    loadings : DataFrame (sleeves x exposures) or array (n, m)
        ``X``: exposure of one unit of weight in a sleeve, in its own unit.
    lower, upper : float or mapping of exposure to float, optional
        Bounds on the exposure of the whole, in the same unit.

    Examples
    --------
    >>> import numpy as np, allocopt
    >>> from allocopt.solvers import ConvexProgram, ExposureLimits
    >>> beta = ExposureLimits(np.array([[1.4], [1.0], [0.6]]), upper=0.95)
    >>> result = allocopt.allocate([5.0, 3.0, 2.0], solver=ConvexProgram(terms=(beta,)))
    >>> [round(weight, 3) for weight in result.weights]
    [0.275, 0.325, 0.4]
    """

    loadings: CovarianceLike
    lower: float | Mapping[Any, float] | None = None
    upper: float | Mapping[Any, float] | None = None

    needs_previous = False

    def __post_init__(self) -> None:
        table = np.asarray(self.loadings, np.float64)
        if table.ndim != 2 or not np.isfinite(table).all():
            raise SpecificationError("loadings are not a finite table", value=table.shape, remedy="sleeves x exposures")
        if self.lower is None and self.upper is None:
            raise SpecificationError("exposure limits without a limit", remedy="give lower or upper")
        if (
            isinstance(self.lower, (int, float))
            and isinstance(self.upper, (int, float))
            and not self.lower <= self.upper
        ):
            raise SpecificationError(
                "lower limit of exposures is above the upper one",
                value=(self.lower, self.upper),
                remedy="swap or move them",
            )

    def build(self, context: Context) -> Built:
        """``exposure - upper`` and ``lower - exposure`` for each exposure."""
        import cvxpy as cp

        table = aligned_rows(self.loadings, context.shape[1], context.sleeves, "loadings")
        labels = self.loadings.columns if isinstance(self.loadings, pd.DataFrame) else range(table.shape[1])
        names: list[Hashable] = list(labels)
        limits = []
        for side, given, sign in (("at most", self.upper, 1.0), ("at least", self.lower, -1.0)):
            bounds = {} if given is None else given if isinstance(given, Mapping) else dict.fromkeys(names, given)
            for name, bound in bounds.items():
                if name not in names:
                    raise LabelError("a bound names no exposure", value=name, remedy=f"exposures: {names}")
                require_number(bound, f"bound of exposure {name!r}", -np.inf)
                loadings = table.T[names.index(name)]
                # In units of the largest loading, so that the solver's tolerance means the same for any unit.
                scale = float(np.abs(loadings).max(initial=0.0)) or 1.0
                exposure = cp.sum(cp.multiply(loadings / scale, context.weights))
                limits.append(
                    Limit(f"exposure {name!r} {side} {bound:g}", sign * (exposure - bound / scale), unit=scale)
                )
        return Built(limits=tuple(limits))
