"""Trading costs as objects that the optimiser and the accounting share: one formula, written once for each use.

A trade ``x`` is a change of a sleeve's weight, as a decimal fraction of capital, of either sign. A cost is what it
takes out of capital, as a decimal fraction of capital, per trade (not per year).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt._cost_checks import non_negative
from allocopt._per_share import PerShareCost
from allocopt.errors import SpecificationError
from allocopt.labels import PerSleeve, per_sleeve

if TYPE_CHECKING:
    import cvxpy as cp

FloatArray = npt.NDArray[np.float64]

__all__ = [
    "Cost",
    "MarketCost",
    "PerShareCost",
    "ProportionalCost",
    "SpreadCost",
    "SquareRootImpact",
]


@runtime_checkable
class Cost(Protocol):
    """What a trade costs: evaluated on numbers by the accounting, written as a convex expression for the optimiser."""

    @property
    def label(self) -> str:
        """Short name for tables and messages."""
        ...

    def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
        """Cost of each trade, in the shape of ``trades`` (the last axis is the sleeves)."""
        ...

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        """Sum of the costs of one date's trades as a convex cvxpy expression."""
        ...


@runtime_checkable
class MarketCost(Cost, Protocol):
    """A cost that depends on the prices and the capital of the date, as `PerShareCost` does."""

    def at(self, prices: PerSleeve, capital: float) -> Cost:
        """Give the cost at these prices (money a share, by sleeve) and this capital (money)."""
        ...


@dataclass(frozen=True, eq=False)
class ProportionalCost:
    """Commission, half spread and slippage: what is paid per unit traded, whatever the size.

    ``cost_i = rate_i * abs(x_i)``.

    Parameters
    ----------
    rate : float, or one per sleeve (mapping, Series, sequence)
        Fraction of the traded amount, a side, at least 0: 0.0005 for 5 basis points.

    Raises
    ------
    SpecificationError
        For a rate that is negative or not finite.

    References
    ----------
    S. Boyd et al., "Multi-Period Trading via Convex Optimization", Foundations and Trends in Optimization 3 (2017),
    section 2.3, the term ``a abs(x)``.

    Examples
    --------
    >>> import numpy as np
    >>> ProportionalCost(0.001).cost(np.array([0.10, -0.25]))
    array([0.0001 , 0.00025])
    """

    rate: PerSleeve

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", non_negative(self.rate, "rate"))

    @property
    def label(self) -> str:
        """``"proportional cost"``."""
        return "proportional cost"

    def rates(self, n: int, sleeves: pd.Index | None = None) -> FloatArray:
        """Rate of each of ``n`` sleeves."""
        return per_sleeve(self.rate, n, sleeves, "rate of ProportionalCost")

    def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
        """``rate_i * abs(x_i)`` for each trade."""
        found: FloatArray = self.rates(trades.shape[-1], sleeves) * np.abs(trades)
        return found

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        """``sum(rate_i * abs(x_i))``."""
        import cvxpy as cp

        return self.rates(trades.shape[0], sleeves) @ cp.abs(trades)


@dataclass(frozen=True, eq=False)
class SpreadCost:
    """What crossing the bid-ask spread costs: half of it on each side, and slippage beyond it.

    ``cost_i = (spread_i / 2 + slippage_i) * abs(x_i)``.

    Parameters
    ----------
    spread : float, or one per sleeve (mapping, Series, sequence)
        Quoted spread, from bid to ask in full, as a decimal fraction of the price, at least 0: 0.0002 for 2 basis
        points.
    slippage : float, or one per sleeve, default 0.0
        What a fill is worse than the quote, a side, as a decimal fraction of the price, at least 0.

    Raises
    ------
    SpecificationError
        For a spread or a slippage that is negative or not finite.

    References
    ----------
    L. Harris, "Trading and Exchanges" (2003), chapter 14: the effective spread is twice what a trade pays over the
    midpoint.

    Examples
    --------
    >>> import numpy as np
    >>> SpreadCost(0.0004, slippage=0.0001).cost(np.array([0.10, -0.50])).round(9).tolist()
    [3e-05, 0.00015]
    """

    spread: PerSleeve
    slippage: PerSleeve = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "spread", non_negative(self.spread, "spread"))
        object.__setattr__(self, "slippage", non_negative(self.slippage, "slippage"))

    @property
    def label(self) -> str:
        """``"spread and slippage"``."""
        return "spread and slippage"

    def rates(self, n: int, sleeves: pd.Index | None = None) -> FloatArray:
        """Half spread and slippage of each of ``n`` sleeves, a side."""
        half = 0.5 * per_sleeve(self.spread, n, sleeves, "spread of SpreadCost")
        return half + per_sleeve(self.slippage, n, sleeves, "slippage of SpreadCost")

    def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
        """``(spread_i / 2 + slippage_i) * abs(x_i)`` for each trade."""
        found: FloatArray = self.rates(trades.shape[-1], sleeves) * np.abs(trades)
        return found

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        """``sum((spread_i / 2 + slippage_i) * abs(x_i))``."""
        import cvxpy as cp

        return self.rates(trades.shape[0], sleeves) @ cp.abs(trades)


@dataclass(frozen=True, eq=False)
class SquareRootImpact:
    """Market impact that grows with the square root of the size: what is paid because the trade moves the price.

    ``cost_i = coefficient_i * abs(x_i) ** 1.5``; the price moves by ``coefficient_i * sqrt(abs(x_i))``.

    Parameters
    ----------
    coefficient : float, or one per sleeve (mapping, Series, sequence)
        Price move, as a decimal fraction, for a trade of the whole capital, at least 0. `from_market` derives it.

    Raises
    ------
    SpecificationError
        For a coefficient that is negative or not finite.

    References
    ----------
    R. C. Grinold and R. N. Kahn, "Active Portfolio Management", 2nd ed. (2000), chapter 16; S. Boyd et al. (2017),
    section 2.3, the term ``b sigma abs(x)**1.5 / V**0.5``.

    Examples
    --------
    >>> import numpy as np
    >>> SquareRootImpact(0.02).cost(np.array([0.25, -0.01]))
    array([2.5e-03, 2.0e-05])
    """

    coefficient: PerSleeve

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficient", non_negative(self.coefficient, "coefficient"))

    @classmethod
    def from_market(
        cls,
        volatility: Mapping[Any, float] | pd.Series[Any],
        volume: Mapping[Any, float] | pd.Series[Any],
        capital: float,
        constant: float = 1.0,
    ) -> SquareRootImpact:
        """Coefficient ``constant * volatility * sqrt(capital / volume)`` of each sleeve.

        Parameters
        ----------
        volatility : mapping or Series, by sleeve
            Standard deviation of returns over the period that the volume is counted in, as a decimal (0.012 a day).
        volume : mapping or Series, by sleeve
            Turnover of the market over that period, in the money of ``capital``.
        capital : float
            Money that weights are fractions of.
        constant : float, default 1.0
            About one by experience.

        Examples
        --------
        >>> impact = SquareRootImpact.from_market({"SPY": 0.01}, {"SPY": 4e10}, capital=1e8)
        >>> round(impact.coefficient["SPY"], 6)
        0.0005
        """
        if set(volatility.keys()) != set(volume.keys()):
            raise SpecificationError(
                "volatility and volume name different sleeves",
                value=sorted(map(str, set(volatility.keys()) ^ set(volume.keys()))),
                remedy="give both for every sleeve",
            )
        for name, value in (("capital", capital), ("constant", constant), *((str(k), v) for k, v in volume.items())):
            if not 0.0 < value < np.inf:
                raise SpecificationError(f"{name} is not a positive number", value=value, remedy="give money above 0")
        return cls({k: constant * float(volatility[k]) * float(np.sqrt(capital / volume[k])) for k in volume.keys()})  # noqa: SIM118  # a Series iterates its values

    @property
    def label(self) -> str:
        """``"square-root impact"``."""
        return "square-root impact"

    def coefficients(self, n: int, sleeves: pd.Index | None = None) -> FloatArray:
        """Coefficient of each of ``n`` sleeves."""
        return per_sleeve(self.coefficient, n, sleeves, "coefficient of SquareRootImpact")

    def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
        """``coefficient_i * abs(x_i) ** 1.5`` for each trade."""
        found: FloatArray = self.coefficients(trades.shape[-1], sleeves) * np.abs(trades) ** 1.5
        return found

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        """``sum(coefficient_i * abs(x_i) ** 1.5)``, as second-order cones."""
        import cvxpy as cp

        return self.coefficients(trades.shape[0], sleeves) @ cp.power(cp.abs(trades), 1.5)
