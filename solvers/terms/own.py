"""Own objectives and constraints, written in cvxpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from allocopt.errors import SpecificationError
from allocopt.solvers.terms.base import Built, Context, Limit

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True, eq=False)
class Custom:
    """An own objective and own constraints, written in cvxpy.

    Parameters
    ----------
    name : str
        For messages.
    objective : callable, optional
        Gets the cvxpy variable of the n weights, returns a convex scalar expression that is added to the objective.
    constraints : callable, optional
        Gets the variable, returns a cvxpy constraint or a sequence of them (``<=``, ``>=`` or ``==``), by
        the DCP rules.

    Raises
    ------
    SpecificationError
        When used: for an expression that is not convex, or a constraint of another kind.

    References
    ----------
    S. Diamond and S. Boyd, "CVXPY: A Python-embedded modeling language for convex optimization", Journal of Machine
    Learning Research 17 (2016).

    Examples
    --------
    >>> import cvxpy as cp, allocopt
    >>> from allocopt.solvers import ConvexProgram, Custom
    >>> pair = Custom("first at least twice the second", constraints=lambda w: [w[0] >= 2 * w[1]])
    >>> result = allocopt.allocate([3.0, 3.0, 4.0], solver=ConvexProgram(terms=(pair,)))
    >>> [round(weight, 3) for weight in result.weights]
    [0.4, 0.2, 0.4]
    """

    name: str
    objective: Callable[[cp.Variable], cp.Expression] | None = None
    constraints: Callable[[cp.Variable], Sequence[cp.Constraint] | cp.Constraint] | None = None

    needs_previous = False

    def build(self, context: Context) -> Built:
        """Write the expressions, each constraint turned into one that must be at most zero."""
        import cvxpy as cp

        objective = None
        if self.objective is not None:
            objective = self.objective(context.weights)
            if not isinstance(objective, cp.Expression) or not objective.is_scalar() or not objective.is_convex():
                raise SpecificationError(
                    "own objective is not a convex scalar expression", where=repr(self.name), remedy="see the DCP rules"
                )
            self._require_known(objective, context)
        limits = []
        given = [] if self.constraints is None else self.constraints(context.weights)
        for i, constraint in enumerate(given if isinstance(given, (list, tuple)) else [given]):
            if isinstance(constraint, cp.constraints.Equality | cp.constraints.Zero):
                excess = cp.max(cp.abs(constraint.expr))
            elif isinstance(constraint, cp.constraints.Inequality | cp.constraints.NonPos):
                excess = cp.max(constraint.expr)
            else:
                raise SpecificationError(
                    "own constraint is neither <= nor ==",
                    where=repr(self.name),
                    remedy="write cones as cp.norm(...) <=",
                )
            if not excess.is_convex():
                raise SpecificationError(
                    "own constraint does not follow the DCP rules", where=repr(self.name), remedy="see the DCP rules"
                )
            self._require_known(constraint, context)
            limits.append(Limit(f"{self.name}" if i == 0 else f"{self.name} ({i + 1})", excess, (constraint,)))
        return Built(objective, tuple(limits))

    def _require_known(self, expression: cp.Expression | cp.Constraint, context: Context) -> None:
        """Raise unless the weights are the only variable and every parameter has a value."""
        for variable in expression.variables():
            if variable.id != context.weights.id:
                raise SpecificationError(
                    "own expression has a variable of its own",
                    where=repr(self.name),
                    value=variable.name(),
                    remedy="write it with the weights alone, through cvxpy's atoms",
                )
        for parameter in expression.parameters():
            if parameter.value is None:
                raise SpecificationError(
                    "parameter of an own expression has no value",
                    where=repr(self.name),
                    value=parameter.name(),
                    remedy="set it before allocating",
                )
