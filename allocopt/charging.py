"""What the accounting does with costs: numbers for compiled code, unlike names, the market of a date, multiples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt._cost_checks import non_negative
from allocopt.costs import Cost, MarketCost, PerShareCost, ProportionalCost, SpreadCost, SquareRootImpact
from allocopt.labels import PerSleeve

if TYPE_CHECKING:
    import cvxpy as cp

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KernelCosts:
    """Costs as numbers, for compiled code that charges them without calling Python.

    Attributes
    ----------
    kind : array of int64, shape (K,)
        0: ``first * abs(x)``, `ProportionalCost` and `SpreadCost`. 1: ``first * abs(x)**1.5``, `SquareRootImpact`.
        2: ``max(first * abs(shares), second)`` in money where there is a trade, `PerShareCost`.
    first, second : array, shape (K, n)
        Parameters by cost and sleeve, as the formula of the kind says; zero where it has none.
    labels : tuple of str
        One name a cost, no two alike.
    """

    kind: npt.NDArray[np.int64]
    first: FloatArray
    second: FloatArray
    labels: tuple[str, ...]


def kernel_costs(costs: Sequence[Cost], n: int, sleeves: pd.Index | None = None) -> KernelCosts | None:
    """Parameters of costs for compiled code, or None where one of them is an own cost and only Python can charge it.

    Parameters
    ----------
    costs : sequence of Cost
        Charged one by one. A subclass may have a formula of its own, so it counts as an own cost.
    n : int
        Number of sleeves.
    sleeves : Index, optional
        Their labels.

    Raises
    ------
    LabelError, ShapeError
        For parameters by sleeve that do not fit the sleeves.

    Examples
    --------
    >>> found = kernel_costs([ProportionalCost(0.001), PerShareCost(0.005, minimum=1.0)], 2)
    >>> found.kind.tolist(), found.first.tolist(), found.second.tolist()
    ([0, 2], [[0.001, 0.001], [0.005, 0.005]], [[0.0, 0.0], [1.0, 1.0]])
    """
    kind = np.zeros(len(costs), dtype=np.int64)
    first, second = np.zeros((len(costs), n)), np.zeros((len(costs), n))
    for k, cost in enumerate(costs):
        if type(cost) not in (ProportionalCost, SpreadCost, SquareRootImpact, PerShareCost):
            return None
        if isinstance(cost, ProportionalCost | SpreadCost):
            first[k] = cost.rates(n, sleeves)
        elif isinstance(cost, SquareRootImpact):
            kind[k], first[k] = 1, cost.coefficients(n, sleeves)
        elif isinstance(cost, PerShareCost):
            kind[k] = 2
            first[k], second[k] = cost.money(n, sleeves)
    return KernelCosts(kind, first, second, cost_labels(costs))


def cost_labels(costs: Sequence[Cost]) -> tuple[str, ...]:
    """Labels of costs, those that occur more than once numbered, so that no two are alike.

    Examples
    --------
    >>> cost_labels([ProportionalCost(0.001), SquareRootImpact(0.02), ProportionalCost(0.002)])
    ('proportional cost 1', 'square-root impact', 'proportional cost 2')
    """
    given = [cost.label for cost in costs]
    taken = {label for label in given if given.count(label) == 1}
    found = []
    for label in given:
        name, number = label, 0
        while given.count(label) > 1 and (number == 0 or name in taken):
            number += 1
            name = f"{label} {number}"
        taken.add(name)
        found.append(name)
    return tuple(found)


def at_market(cost: Cost, prices: PerSleeve, capital: float) -> Cost:
    """Put the prices and the capital of a date into a cost that depends on them; others are given back as they are.

    Examples
    --------
    >>> import numpy as np
    >>> at_market(PerShareCost(0.01), [20.0], 1000.0).cost(np.array([0.5])).tolist()
    [0.00025]
    """
    return cost.at(prices, capital) if isinstance(cost, MarketCost) else cost


def scaled(cost: Cost, factor: float) -> Cost:
    """Give a cost that is ``factor`` times another one: for a sweep over costs.

    Parameters
    ----------
    cost : Cost
        Of this module, whose parameters are multiplied, or an own one, which is wrapped.
    factor : float
        At least 0.

    Raises
    ------
    SpecificationError
        For a factor that is negative or not finite.

    Examples
    --------
    >>> scaled(ProportionalCost(0.001), 2.0).rate
    0.002
    """
    non_negative(factor, "factor of a cost", "give a multiple of at least 0")
    if type(cost) is ProportionalCost:
        return replace(cost, rate=_times(cost.rate, factor))
    if type(cost) is SpreadCost:
        return replace(cost, spread=_times(cost.spread, factor), slippage=_times(cost.slippage, factor))
    if type(cost) is SquareRootImpact:
        return replace(cost, coefficient=_times(cost.coefficient, factor))
    if type(cost) is PerShareCost:
        return replace(cost, per_share=_times(cost.per_share, factor), minimum=_times(cost.minimum, factor))
    return _ScaledAtMarket(cost, factor) if isinstance(cost, MarketCost) else _Scaled(cost, factor)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """An own cost times a factor."""

    base: Cost
    factor: float

    @property
    def label(self) -> str:
        return self.base.label

    def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
        found: FloatArray = self.factor * self.base.cost(trades, sleeves)
        return found

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        return self.factor * self.base.expression(trades, sleeves)


@dataclass(frozen=True, eq=False)
class _ScaledAtMarket(_Scaled):
    """An own cost that depends on prices and capital, times a factor."""

    base: MarketCost

    def at(self, prices: PerSleeve, capital: float) -> Cost:
        return _Scaled(self.base.at(prices, capital), self.factor)


def _times(value: PerSleeve, factor: float) -> PerSleeve:
    if isinstance(value, Mapping):
        return {name: factor * number for name, number in value.items()}
    if isinstance(value, (pd.Series, np.ndarray, float, int)):
        return value * factor
    return [factor * number for number in value]
