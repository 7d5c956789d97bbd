"""One compiled cvxpy problem whose bounds are moved, and which is solved, without cvxpy.

cvxpy canonicalises a problem a single time, as a disciplined parametrised program (A. Agrawal et al., "Differentiable
Convex Optimization Layers", NeurIPS 2019, section 4). A date sets its parameters. A node of the search over supports
only moves bounds, and those are entries of the canonical vectors, found once by changing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cvxpy as cp
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from allocopt.solvers import _backends
from allocopt.solvers._backends import Canonical, Cones, Ended, Raw
from allocopt.solvers._polish import polish, residual
from allocopt.solvers.base import FloatArray


class SolverFailure(Exception):  # noqa: N818  # not an error of the caller's: the run turns it into one
    """A backend ended without an accurate answer."""


@dataclass(frozen=True, eq=False)
class Point:
    """Minimiser of a problem within given bounds; ``bound`` proves how low the value can be at all."""

    w: FloatArray
    value: float
    bound: float
    kkt_residual: float
    at_lower: np.ndarray[Any, np.dtype[np.bool_]]
    at_upper: np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class Moved:
    """Where a parameter goes in a canonical vector: ``vector[places] += factors * value[entries]``."""

    places: npt.NDArray[np.int64]
    entries: npt.NDArray[np.int64]
    factors: FloatArray

    @classmethod
    def found(cls, base: FloatArray, probes: list[FloatArray], values: list[FloatArray]) -> Moved | None:
        """Compare a vector with the parameter at zero with what it is at ``values``: ones, 1, 2, ..., and others.

        None where a place depends on several entries.
        """
        places = np.flatnonzero(np.any([probe != base for probe in probes], axis=0))
        factors = (probes[0] - base)[places]
        if not factors.all():
            return None
        entries = np.rint((probes[1] - base)[places] / factors).astype(np.int64) - 1
        if not ((entries >= 0) & (entries < len(values[0]))).all():
            return None
        moved = cls(places, entries, factors)
        for probe, value in zip(probes, values, strict=True):
            again = base.copy()
            moved.add(again, value)
            if not np.allclose(again, probe, rtol=1e-9, atol=1e-12):
                return None
        return moved

    def add(self, vector: FloatArray, value: FloatArray) -> None:
        """Move ``vector`` in place."""
        vector[self.places] += self.factors * value[self.entries]

    def rows(self, n: int) -> npt.NDArray[np.int64]:
        """Place of each of the ``n`` entries, where each has just one."""
        found = np.empty(n, np.int64)
        found[self.entries] = self.places
        return found


class Problem:
    """One compiled problem whose bounds ``lower <= w <= upper`` can be moved without cvxpy.

    Parameters
    ----------
    problem : cvxpy Problem
        In which ``lower`` and ``upper`` occur only as ``w >= lower`` and ``w <= upper``.
    dead : cvxpy Parameter, optional
        Occurs only as ``w + dead`` in the entropy: one where the upper bound is zero, to keep the logarithm finite.
    hull : cvxpy Parameter, optional
        Occurs only linearly: floors of the sleeves that may be zero or above them.
    dates : sequence of cvxpy Parameter
        Change from date to date. If they enter the canonical vectors entry by entry, a date does without cvxpy too.
    tables : bool
        Whether there are other parameters that change, such as matrices; then each date goes through cvxpy.
    """

    def __init__(
        self,
        problem: cp.Problem,
        w: cp.Variable,
        lower: cp.Parameter,
        upper: cp.Parameter,
        backend: str,
        tolerance: float,
        *,
        dead: cp.Parameter | None = None,
        hull: cp.Parameter | None = None,
        dates: Sequence[cp.Parameter] = (),
        tables: bool = True,
    ) -> None:
        self._problem, self._w = problem, w
        self._movable = {"lower": lower, "upper": upper}
        if dead is not None:
            self._movable["dead"] = dead
        if hull is not None:
            self._movable["hull"] = hull
        known = {parameter.id for parameter in problem.parameters()}
        self._dates = [parameter for parameter in dates if parameter.id in known]
        self._affine = not tables
        self._backend, self._tolerance = backend, tolerance
        self._moves: dict[int, tuple[Moved, Moved]] = {}
        self._columns = slice(0, 0)
        self._names: tuple[str, ...] = ()
        self._used: set[str] = set()
        self._last: tuple[bytes, Raw] | None = None

    def load(self) -> None:
        """Take over the present values of all parameters."""
        if not self._names:
            self._compile()
        self._last = None
        if self._affine:
            b, q = self._base.b.copy(), self._base.q.copy()
            for parameter in self._dates:
                self._move(b, q, parameter, np.atleast_1d(parameter.value))
            self._now = replace(self._base, b=b, q=q)
            return
        for parameter in self._movable.values():
            parameter.value = np.zeros(parameter.shape)
        self._now = self._canonical()

    def _compile(self) -> None:
        """Canonicalise for the first time, and find the places of all parameters that enter entry by entry."""
        before = [parameter.value for parameter in self._dates]
        for parameter in (*self._movable.values(), *self._dates):
            parameter.value = np.zeros(parameter.shape)
        self._base = self._canonical()
        for parameter in (*self._movable.values(), *(self._dates if self._affine else [])):
            moves = self._places(parameter)
            if moves is not None:
                self._moves[parameter.id] = moves
            elif any(parameter is date for date in self._dates):
                self._affine = False  # an own expression mixes its entries: cvxpy has to set each date
            else:
                raise AssertionError("cvxpy changed how it canonicalises bounds")
        for parameter, value in zip(self._dates, before, strict=True):
            parameter.value = value
        self._names = _backends.choose(self._backend, self._base)
        n = self._w.shape[0]
        self._low, self._high = (self._moves[self._movable[name].id][0].rows(n) for name in ("lower", "upper"))

    def _places(self, parameter: cp.Parameter) -> tuple[Moved, Moved] | None:
        """Find where a parameter goes, by changing it; None if it does not enter entry by entry."""
        size = max(parameter.size, 1)
        values = [np.ones(size), np.arange(1.0, size + 1.0), 1.0 / np.arange(2.0, size + 2.0) ** 2]
        probes = []
        for value in values:
            parameter.value = value.reshape(parameter.shape)
            probes.append(self._canonical())
        parameter.value = np.zeros(parameter.shape)
        right = Moved.found(self._base.b, [probe.b for probe in probes], values)
        linear = Moved.found(self._base.q, [probe.q for probe in probes], values)
        same = all(
            np.array_equal(probe.A.data, self._base.A.data) and np.array_equal(probe.P.data, self._base.P.data)
            for probe in probes
        )
        return (right, linear) if right is not None and linear is not None and same else None

    def _move(self, b: FloatArray, q: FloatArray, parameter: cp.Parameter, value: FloatArray) -> None:
        right, linear = self._moves[parameter.id]
        right.add(b, value)
        linear.add(q, value)

    def _canonical(self) -> Canonical:
        data, _, _ = self._problem.get_problem_data(cp.CLARABEL)
        start = data["param_prob"].var_id_to_col[self._w.id]
        self._columns = slice(start, start + self._w.shape[0])
        size, dims = len(data["c"]), data["dims"]
        P = sp.csc_matrix(data["P"]) if "P" in data else sp.csc_matrix((size, size))
        return Canonical(
            P=P,
            upper=sp.triu(P, format="csc"),
            q=data["c"],
            A=sp.csc_matrix(data["A"]),
            b=np.array(data["b"]),
            dims=Cones(dims.zero, dims.nonneg, tuple(dims.soc), tuple(dims.psd), dims.exp, tuple(dims.p3d)),
        )

    def within(self, lower: FloatArray, upper: FloatArray, hull: FloatArray | None = None) -> Canonical:
        """Give the canonical problem of the loaded date these bounds."""
        values = {"lower": lower, "upper": upper, "dead": np.where(upper > 0.0, 0.0, 1.0), "hull": hull}
        b, q = self._now.b.copy(), self._now.q.copy()
        for name in self._movable:
            value = values[name]
            assert value is not None
            self._move(b, q, self._movable[name], value)
        return replace(self._now, b=b, q=q)

    def solve(
        self, lower: FloatArray, upper: FloatArray, hull: FloatArray | None = None, *, polished: bool = False
    ) -> Point | None:
        """Minimiser within the bounds, or None where there is none.

        Raises
        ------
        SolverFailure
            If the backend says anything but solved or infeasible.
        """
        canonical = self.within(lower, upper, hull)
        key = lower.tobytes() + upper.tobytes()
        if self._last is not None and self._last[0] == key and canonical.linear:
            raw = self._last[1]  # the search has just solved it; the final solve only polishes
        else:
            raw = self._first_accurate(canonical, lower, upper, final=polished)
        self._last = (key, raw)
        if raw.ended is Ended.INFEASIBLE:
            return None
        if raw.ended is Ended.UNBOUNDED:
            raise SolverFailure(f"the objective falls without end ({raw.message}); an own term must be bounded below")
        if raw.ended is not Ended.OPTIMAL:
            raise SolverFailure(raw.message)
        if polished:
            raw = polish(canonical, raw)
        low, high = self._low, self._high
        return Point(
            w=raw.x[self._columns],
            value=raw.value,
            bound=raw.bound,
            kkt_residual=residual(canonical, raw.x, raw.z) if canonical.linear else abs(raw.value - raw.bound),
            at_lower=raw.z[low] > raw.s[low],
            at_upper=raw.z[high] > raw.s[high],
        )

    @property
    def linear(self) -> bool:
        """Whether the loaded problem has no cones but half-lines."""
        return self._now.linear

    @property
    def name(self) -> str:
        """Backends whose answers were taken."""
        return " and ".join(name for name in self._names if name in self._used)

    def _first_accurate(self, canonical: Canonical, lower: FloatArray, upper: FloatArray, *, final: bool) -> Raw:
        """Answer of the first backend and tolerance that ends accurately, else the last one's."""
        for name in self._names:
            for tolerance in _backends.tolerances(canonical, self._tolerance, final=final):
                raw = self._raw(canonical, lower, upper, name, tolerance)
                if raw.ended is not Ended.INACCURATE:
                    self._used.add(name)
                    return raw
        return raw

    def _raw(self, canonical: Canonical, lower: FloatArray, upper: FloatArray, name: str, tolerance: float) -> Raw:
        """Solve; where there are cones, without the weights whose bounds are equal."""
        fixed = np.flatnonzero(lower == upper)
        if canonical.linear or len(fixed) == 0:
            return _backends.solve(canonical, name, tolerance)
        low, high = self._low[fixed], self._high[fixed]
        columns = fixed + self._columns.start
        values = lower[fixed]
        raw = _backends.solve(canonical.without(columns, values, np.concatenate([low, high])), name, tolerance)
        if raw.ended is not Ended.OPTIMAL:
            return raw
        x = np.zeros(len(canonical.q))
        x[np.delete(np.arange(len(x)), columns)] = raw.x
        x[columns] = values
        z = np.zeros(len(canonical.b))
        z[np.delete(np.arange(len(z)), np.concatenate([low, high]))] = raw.z
        slope = (canonical.P @ x + canonical.q + canonical.A.T @ z)[columns]
        z[low], z[high] = np.maximum(slope, 0.0), np.maximum(-slope, 0.0)
        constant = float(canonical.q[columns] @ values) + 0.5 * float(
            values @ (canonical.P[columns][:, columns] @ values)
        )
        return replace(
            raw, x=x, z=z, s=canonical.b - canonical.A @ x, value=raw.value + constant, bound=raw.bound + constant
        )
