"""Commission by the share or contract, with a minimum an order: a cost that depends on prices and on the capital."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt._cost_checks import non_negative, positive, positive_number
from allocopt.errors import SpecificationError
from allocopt.labels import PerSleeve, per_sleeve

if TYPE_CHECKING:
    import cvxpy as cp

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PerShareCost:
    """Broker's commission: money for each share or contract, and at least a minimum an order.

    ``cost_i = max(minimum_i / capital, per_share_i * abs(x_i) / price_i)`` where ``x_i`` is not zero, and 0 where it
    is: ``abs(x_i) * capital / price_i`` shares are traded, each sleeve is one order, and the money is divided by the
    capital. Fractions of a share pay their fraction.

    Parameters
    ----------
    per_share : float, or one per sleeve (mapping, Series, sequence)
        Money for each share or contract, a side, at least 0: 0.005 for half a cent.
    minimum : float, or one per sleeve, default 0.0
        Money that an order costs at least. With ``per_share=0.0`` it is a flat fee an order.
    prices : float, or one per sleeve, optional
        Money that one share is worth; for a contract its price times its multiplier. Needed where ``per_share`` is
        above 0. Only a reference: the accounting puts the prices of each row in their place, with `at`.
    capital : float, optional
        Money that weights are fractions of. Needed where ``minimum`` is above 0, and a reference like ``prices``.

    Raises
    ------
    SpecificationError
        For money below 0 or not finite, and for a price or a capital that is not above 0; by `cost` and `expression`
        where prices or the capital are needed and missing.

    Notes
    -----
    The minimum makes the cost jump at zero, so it is not convex. What the optimiser sees (`rates`, `expression`) is
    ``s_i * abs(x_i)`` with ``s_i = max(minimum_i / capital, per_share_i / price_i)``, its convex envelope over trades
    of up to the whole capital, ``abs(x) <= 1``. Proof: ``s abs(x) <= cost(x)`` there, with equality at -1, 0 and 1,
    and a convex g below the cost has ``g(x) <= (1 - abs(x)) g(0) + abs(x) g(sign(x)) <= s abs(x)``. So a program
    underestimates small orders: one that pays the minimum costs ``minimum / capital``, and is taken for that times
    ``abs(x)``. The accounting charges the true cost. Without a minimum the two are equal.

    Examples
    --------
    Of 100,000, 10 % of a share at 50 are 200 shares, 1 in money; 1 % of a share at 20 are 50, and the minimum is 1.

    >>> import numpy as np
    >>> commission = PerShareCost(0.005, minimum=1.0, prices=[50.0, 20.0], capital=100_000.0)
    >>> (commission.cost(np.array([0.10, -0.01])) * 100_000.0).round(6).tolist()
    [1.0, 1.0]
    >>> (commission.at([25.0, 20.0], 100_000.0).cost(np.array([0.10, 0.0])) * 100_000.0).round(6).tolist()
    [2.0, 0.0]
    """

    per_share: PerSleeve
    minimum: PerSleeve = 0.0
    prices: PerSleeve | None = None
    capital: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "per_share", non_negative(self.per_share, "per_share", "give money a share"))
        object.__setattr__(self, "minimum", non_negative(self.minimum, "minimum", "give money an order"))
        if self.prices is not None:
            object.__setattr__(self, "prices", positive(self.prices, "a price", "give money a share"))
        if self.capital is not None:
            positive_number(self.capital, "capital", "give the money that weights are fractions of")

    @property
    def label(self) -> str:
        """``"per-share commission"``."""
        return "per-share commission"

    def at(self, prices: PerSleeve, capital: float) -> PerShareCost:
        """Give the same commission at these prices and this capital: what an accounting charges on a date."""
        return replace(self, prices=prices, capital=capital)

    def money(self, n: int, sleeves: pd.Index | None = None) -> tuple[FloatArray, FloatArray]:
        """Money a share and least money an order, for each of ``n`` sleeves."""
        return (
            per_sleeve(self.per_share, n, sleeves, "per_share of PerShareCost"),
            per_sleeve(self.minimum, n, sleeves, "minimum of PerShareCost"),
        )

    def rates(self, n: int, sleeves: pd.Index | None = None) -> FloatArray:
        """Slope of the convex envelope: what the optimiser charges per unit traded of each of ``n`` sleeves."""
        return np.maximum(*self._fractions(n, sleeves))

    def cost(self, trades: FloatArray, sleeves: pd.Index | None = None) -> FloatArray:
        """Commission of each trade as a decimal fraction of capital, the minimum included."""
        each, least = self._fractions(trades.shape[-1], sleeves)
        return np.where(trades == 0.0, 0.0, np.maximum(each * np.abs(trades), least))

    def expression(self, trades: cp.Expression, sleeves: pd.Index | None = None) -> cp.Expression:
        """``sum(rate_i * abs(x_i))``, the convex envelope of the cost."""
        import cvxpy as cp

        return self.rates(trades.shape[0], sleeves) @ cp.abs(trades)

    def _fractions(self, n: int, sleeves: pd.Index | None) -> tuple[FloatArray, FloatArray]:
        """Cost per unit traded, and least cost of an order, both as fractions of capital."""
        each, least = self.money(n, sleeves)
        if each.any():
            if self.prices is None:
                raise SpecificationError(
                    "PerShareCost has no prices", remedy="give prices=..., or take .at(prices, capital)"
                )
            each /= per_sleeve(self.prices, n, sleeves, "prices of PerShareCost")
        if least.any():
            if self.capital is None:
                raise SpecificationError(
                    "PerShareCost has a minimum and no capital", remedy="give capital=..., or take .at(prices, capital)"
                )
            least /= self.capital
        return each, least
