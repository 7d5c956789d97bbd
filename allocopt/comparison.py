"""Set allocators beside each other on the same dates, and split their difference into its causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.allocation import Allocation, AnySolver, Missing, SolverName, allocate, find_solver
from allocopt.containers import require_sorted
from allocopt.errors import LabelError, ShapeError, SpecificationError
from allocopt.limits import Limits
from allocopt.solvers.heuristic import Heuristic
from allocopt.solvers.projection import Projection
from allocopt.status import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]
Frames = Allocation[pd.DataFrame, "pd.Series[Any]"]

#: The links of the chain from the heuristic to the chosen projection, and which of the three causes each belongs to.
LINKS: tuple[tuple[str, str, str], ...] = (
    ("heuristic -> its loop without the floor rule", "floor", "drop what is below the floor, divide by the sum"),
    ("loop -> converged limit (KL, cap only)", "non-convergence", "passes that were not run, or cannot succeed"),
    ("KL, cap only -> KL with the floor", "floor", "hold nothing between zero and the floor, optimally"),
    ("KL with the floor -> chosen projection", "objective", "entropy against the chosen distance"),
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Allocations of several solvers on the same dates.

    Attributes
    ----------
    desirability : DataFrame (dates x sleeves)
        What was allocated.
    limits : Limits
        What the weights were held to (or should have been).
    allocations : dict of str to Allocation
        By the solver's label, in the order given.
    chain : tuple of DataFrame
        Weights at the five nodes of the chain: the heuristic, its loop without the floor rule, that loop's converged
        limit (KL, cap only), KL with the floor, the chosen projection. Neighbours differ by the links of `steps`.
    chosen : str
        Label of the projection that the chain ends in.
    """

    desirability: pd.DataFrame
    limits: Limits
    allocations: dict[str, Frames]
    chain: tuple[pd.DataFrame, ...]
    chosen: str

    @cached_property
    def target(self) -> pd.DataFrame:
        """Proportional target ``b* d / sum(d)`` of each date; zero where no sleeve is live. NaN counts as not live."""
        d = self._live_desirability()
        largest = d.max(axis=1, keepdims=True, initial=0.0)
        scaled = np.divide(d, largest, out=np.zeros_like(d), where=largest > 0.0)
        total = scaled.sum(axis=1, keepdims=True)
        t = np.divide(scaled, total, out=np.zeros_like(d), where=total > 0.0) * self._attainable()[:, None]
        return pd.DataFrame(t, index=self.desirability.index, columns=self.desirability.columns)

    def _live_desirability(self) -> FloatArray:
        d: FloatArray = np.nan_to_num(self.desirability.to_numpy(dtype=np.float64, na_value=np.nan), nan=0.0)
        return d

    def _attainable(self) -> FloatArray:
        """``b*`` of each date."""
        d = self._live_desirability()
        by_count = np.array([float(self.limits.attainable(k)) for k in range(d.shape[1] + 1)])
        found: FloatArray = by_count[(d > 0.0).sum(axis=1)]
        return found

    def summary(self) -> pd.DataFrame:
        """Tabulate what each solver keeps, breaks and costs: one row a figure, one column a solver.

        Returns
        -------
        DataFrame
            Weights, excesses and cash are decimal fractions of capital. "over the cap" and "under the floor" count
            dates by plain comparison, without a tolerance; excess and shortfall are means over those dates and the
            maximum. The budget error is ``abs(sum(w) - b*)``. Distances are to the proportional target: Euclidean
            norm, and relative entropy in nats. Turnover is ``sum(abs(w_t - w_{t-1}))`` a date, both sides counted.
        """
        return pd.DataFrame({label: self._figures(result) for label, result in self.allocations.items()})

    def _figures(self, result: Frames) -> dict[str, float]:
        w = result.weights.to_numpy()
        t = self.target.to_numpy()
        held = w > 0.0
        excess = np.where(held, w - self.limits.cap, 0.0).max(axis=1, initial=0.0)
        shortfall = np.where(held, self.limits.floor - w, 0.0).max(axis=1, initial=0.0)
        budget = np.abs(result.invested.to_numpy() - self._attainable())
        euclidean = np.sqrt(((w - t) ** 2).sum(axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(held, w * (np.log(w) - np.log(t)) - w, 0.0) + t
        entropy = terms.sum(axis=1)
        turnover = np.abs(np.diff(w, axis=0)).sum(axis=1)
        not_converged = result.status.counts().get(Outcome.NOT_CONVERGED, 0)
        return {
            "dates": float(len(w)),
            "dates over the cap": float((excess > 0.0).sum()),
            "mean excess on those": _mean(excess[excess > 0.0]),
            "max excess": _max(excess),
            "dates under the floor": float((shortfall > 0.0).sum()),
            "mean shortfall on those": _mean(shortfall[shortfall > 0.0]),
            "max shortfall": _max(shortfall),
            "mean budget error": _mean(budget),
            "max budget error": _max(budget),
            "dates not converged": float(not_converged),
            "mean Euclidean distance": _mean(euclidean),
            "max Euclidean distance": _max(euclidean),
            "mean KL distance (nats)": _mean(entropy),
            "max KL distance (nats)": _max(entropy),
            "mean turnover a date": _mean(turnover),
            "mean number held": _mean(held.sum(axis=1).astype(np.float64)),
            "mean cash": _mean(result.cash.to_numpy()),
        }

    def steps(self) -> pd.DataFrame:
        """Split the difference between the heuristic and the chosen projection along the chain.

        On each date the differences of neighbouring nodes add up, as vectors, to the whole difference. Each is
        measured along it, ``<step, whole> / norm(whole)``, so the measures add up to ``norm(whole)`` on every date
        and their means to its mean. A step against the rest counts as negative.

        Returns
        -------
        DataFrame
            One row a link and one for the whole: ``cause`` (floor, non-convergence or objective), ``contribution``
            (mean over dates, units of weight; adds up to the last row), ``share`` (of the last row), ``size`` (mean
            Euclidean norm of the step by itself, does not add up), ``dates`` (on which the step is not zero).
        """
        nodes = [frame.to_numpy() for frame in self.chain]
        whole = nodes[-1] - nodes[0]
        length = np.sqrt((whole**2).sum(axis=1))
        total = _mean(length)
        rows: list[dict[str, object]] = []
        for (name, cause, _), before, after in zip(LINKS, nodes, nodes[1:], strict=False):
            step = after - before
            along = np.divide((step * whole).sum(axis=1), length, out=np.zeros_like(length), where=length > 0.0)
            rows.append(_step_row(name, cause, _mean(along), total, step))
        rows.append(_step_row(f"heuristic -> {self.chosen}", "whole", total, total, whole))
        return pd.DataFrame(rows).set_index("step")

    def causes(self) -> pd.Series[float]:
        """Contribution of each cause: non-convergence, floor and objective, and the whole they add up to."""
        found = self.steps().groupby("cause", sort=False)["contribution"].sum()
        return found.reindex(["non-convergence", "floor", "objective", "whole"])

    def plot(self) -> Figure:
        """Figure of the largest weight a date, where the capital went, and the causes of the difference."""
        from allocopt.figures import comparison_figure

        return comparison_figure(self)

    def __repr__(self) -> str:
        dates, sleeves = self.desirability.shape
        return f"Comparison({', '.join(self.allocations)} on {dates} dates x {sleeves} sleeves, {self.limits})"


def compare(
    desirability: pd.DataFrame | npt.NDArray[Any],
    limits: Limits = Limits(),  # noqa: B008  # frozen
    solvers: Sequence[SolverName | AnySolver] = ("heuristic", "euclidean", "kl"),
    *,
    missing: Missing = "raise",
) -> Comparison:
    """Allocate the same dates with several solvers, and see what each keeps, breaks and costs.

    The difference between the heuristic and the chosen projection (the first of ``solvers`` that is no heuristic) is
    split along the chain heuristic -> its converged limit (KL, cap only) -> KL with the floor -> projection. The
    first link is in two: the heuristic's own floor rule, then its non-convergence.

    Parameters
    ----------
    desirability : DataFrame or 2-D array (dates x sleeves)
        As for `allocate`, in ascending order of dates (turnover depends on it).
    limits : Limits
        As for `allocate`.
    solvers : sequence of str or Solver
        At least one; labels must differ. The chain starts at the first `Heuristic` among them, else at the default.
    missing : {"raise", "exclude"}
        As for `allocate`.

    Returns
    -------
    Comparison
        With ``summary()``, ``steps()``, ``causes()`` and ``plot()``.

    Raises
    ------
    ShapeError
        If the desirability is not dates x sleeves.
    LabelError
        If dates are not ascending, or two solvers have the same label.
    SpecificationError
        If no solver is given.

    Examples
    --------
    >>> import numpy as np, allocopt
    >>> scores = np.array([[0.9, 0.3, 0.2, 0.02], [0.7, 0.2, 0.2, 0.3]])
    >>> result = allocopt.compare(scores)
    >>> result.summary().loc["dates over the cap"].to_dict()
    {'heuristic': 2.0, 'euclidean': 0.0, 'kl': 0.0}
    """
    frame = desirability if isinstance(desirability, pd.DataFrame) else None
    if frame is None:
        array = np.asarray(desirability)
        if array.ndim != 2:
            raise ShapeError("compare needs dates x sleeves", value=array.shape, remedy="pass a DataFrame or 2-D array")
        frame = pd.DataFrame(array)
    require_sorted(frame.index, "the desirability")
    methods = [find_solver(solver) for solver in solvers]
    if not methods:
        raise SpecificationError("no solver to compare", remedy="name at least one")
    labels = [method.label for method in methods]
    for label in labels:
        if labels.count(label) > 1:
            raise LabelError("two solvers have the same label", value=label, remedy="compare them in two calls")
    allocations = {method.label: allocate(frame, limits, solver=method, missing=missing) for method in methods}
    heuristic = next((m for m in methods if isinstance(m, Heuristic)), Heuristic())
    chosen = next((m for m in methods if not isinstance(m, Heuristic)), Projection())
    without_floor = Limits(cap=limits.cap, floor=0.0, budget=limits.budget)
    nodes: tuple[tuple[AnySolver, Limits], ...] = (
        (heuristic, limits),
        (heuristic, without_floor),
        (Projection("kl"), without_floor),
        (Projection("kl"), limits),
        (chosen, limits),
    )
    chain = tuple(
        allocations[solver.label].weights
        if within is limits and allocations.get(solver.label) and allocations[solver.label].solver == solver
        else allocate(frame, within, solver=solver, missing=missing).weights
        for solver, within in nodes
    )
    return Comparison(frame, limits, allocations, chain, chosen.label)


def _step_row(name: str, cause: str, contribution: float, whole: float, step: FloatArray) -> dict[str, object]:
    return {
        "step": name,
        "cause": cause,
        "contribution": contribution,
        "share": contribution / whole if whole > 0.0 else 0.0,
        "size": _mean(np.sqrt((step**2).sum(axis=1))),
        "dates": int((step != 0.0).any(axis=1).sum()),
    }


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _max(values: FloatArray) -> float:
    return float(values.max(initial=0.0))
