"""Where a leg is struck, as data: a fraction of the spot, or a delta."""

from __future__ import annotations

from dataclasses import dataclass

from allocopt.backtests._checks import plain
from allocopt.backtests.profiles._settings import is_number
from allocopt.errors import SpecificationError


@dataclass(frozen=True)
class FractionOfSpot:
    """Strike a leg at a fraction of the spot at the close at which it is filled.

    Parameters
    ----------
    fraction : float, default 1.0
        Strike over spot, above 0: 1.0 is at the money, 1.05 a call 5 % out of the money, 0.93 a put 7 % out of it.

    Raises
    ------
    SpecificationError
        The fraction is not between 0.1 and 10.

    Examples
    --------
    >>> from allocopt.backtests.profiles import FractionOfSpot
    >>> FractionOfSpot(1.05).label
    'at 1.05 spot'
    """

    fraction: float = 1.0

    def __post_init__(self) -> None:
        if not is_number(self.fraction) or not 0.1 <= self.fraction <= 10.0:
            raise SpecificationError(
                "strike over spot is not between 0.1 and 10",
                value=plain(self.fraction),
                remedy="pass a decimal: 1.05 for five percent above the spot",
            )

    @property
    def label(self) -> str:
        """Words for tables: ``"at the money"`` or ``"at 1.05 spot"``."""
        return "at the money" if self.fraction == 1.0 else f"at {self.fraction:g} spot"


@dataclass(frozen=True)
class TargetDelta:
    """Strike a leg where the absolute spot delta of one option has this value at the close at which it is filled.

    The delta is that of Black-Scholes-Merton at the surface's volatility for the strike itself, so the strike solves
    an equation; it is found by bisection.

    Parameters
    ----------
    delta : float
        Absolute delta, between 0.01 and 0.99: 0.25 for the "25-delta" call or put.

    Raises
    ------
    SpecificationError
        The delta is outside its range.

    Examples
    --------
    >>> from allocopt.backtests.profiles import TargetDelta
    >>> TargetDelta(0.25).label
    '25-delta'
    """

    delta: float

    def __post_init__(self) -> None:
        if not is_number(self.delta) or not 0.01 <= self.delta <= 0.99:
            raise SpecificationError(
                "target delta is not between 0.01 and 0.99",
                value=plain(self.delta),
                remedy="pass the absolute value of one option's delta, 0.25 for 25-delta calls and puts alike",
            )

    @property
    def label(self) -> str:
        """Words for tables: ``"25-delta"``."""
        return f"{100 * self.delta:g}-delta"


#: At the money: struck at the spot.
AT_THE_MONEY = FractionOfSpot(1.0)

StrikeRule = FractionOfSpot | TargetDelta
