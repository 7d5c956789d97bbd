"""One compiled cvxpy problem whose bounds are moved, and which is solved, without cvxpy.

cvxpy canonicalises a problem a single time, as a disciplined parametrised program (A. Agrawal et al., "Differentiable
Convex Optimization Layers", NeurIPS 2019, section 4). A date sets its parameters. A node of the search over supports
only moves bounds, and those are entries of the canonical vectors, found once by changing them.
"""

from __future__ import annotations

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
    def between(cls, base: FloatArray, ones: FloatArray, counted: FloatArray) -> Moved:
        """From the vector at zero, with ones and with 1, 2, 3, ... in the parameter."""
        places = np.flatnonzero(ones - base)
        factors = (ones - base)[places]
        entries = np.rint((counted - base)[places] / factors).astype(np.int64) - 1
        if not np.allclose(base[places] + factors * (entries + 1.0), counted[places]):
            raise AssertionError("cvxpy changed how it canonicalises bounds")
        return cls(places, entries, factors)

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
    ) -> None:
        self._problem, self._w = problem, w
        self._movable = {"lower": lower, "upper": upper}
        if dead is not None:
            self._movable["dead"] = dead
        if hull is not None:
            self._movable["hull"] = hull
        self._backend, self._tolerance = backend, tolerance
        self._right: dict[str, Moved] = {}
        self._linear: dict[str, Moved] = {}
        self._columns = slice(0, 0)
        self._names: tuple[str, ...] = ()
        self._last: tuple[bytes, Raw] | None = None

    def load(self) -> None:
        """Take over the present values of all parameters."""
        n = self._w.shape[0]
        for parameter in self._movable.values():
            parameter.value = np.zeros(n)
        self._now = self._canonical()
        self._last = None
        if not self._names:
            for name, parameter in self._movable.items():
                probes = []
                for probe in (np.ones(n), np.arange(1.0, n + 1.0)):
                    parameter.value = probe
                    probes.append(self._canonical())
                parameter.value = np.zeros(n)
                self._right[name] = Moved.between(self._now.b, probes[0].b, probes[1].b)
                self._linear[name] = Moved.between(self._now.q, probes[0].q, probes[1].q)
            self._names = _backends.choose(self._backend, self._now)
            self._low, self._high = self._right["lower"].rows(n), self._right["upper"].rows(n)

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
            self._right[name].add(b, value)
            self._linear[name].add(q, value)
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
    def name(self) -> str:
        """Backend that is asked first."""
        return self._names[0] if self._names else ""

    def _first_accurate(self, canonical: Canonical, lower: FloatArray, upper: FloatArray, *, final: bool) -> Raw:
        """Answer of the first backend and tolerance that ends accurately, else the last one's."""
        for name in self._names:
            for tolerance in _backends.tolerances(canonical, self._tolerance, final=final):
                raw = self._raw(canonical, lower, upper, name, tolerance)
                if raw.ended is not Ended.INACCURATE:
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
