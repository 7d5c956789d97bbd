"""What a walk writes down: legs that were filled, trades, and the order that waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

What = Literal["enter", "exit", "roll", "legs"]


@dataclass(eq=False)
class Lot:
    """One leg or a part of it, from its fill to its close, its settlement or the last row."""

    leg: int
    quantity: float
    trade: int
    origin: int  # row on which the option was struck
    opened: int
    closed: int = -1
    settled: bool = False


@dataclass
class Trade:
    """A position from its fill to its close; a roll ends one and begins the next of the same campaign."""

    number: int
    campaign: int
    began: int  # row of the campaign's first fill
    direction: int
    regime: int
    decided: int
    opened: int
    units: float = 1.0  # size of its orders
    fraction: float = 1.0  # of an order that is filled at one close
    filled: float = 0.0  # share of the unit that was ever filled
    held: float = 0.0  # share of the unit that is held now
    premium: float = 0.0
    banked: float = 0.0  # P&L of what is closed, all costs, and the hedge
    pnl: float = 0.0  # set at the close, or on the last row
    closed: int = -1
    reason: str = ""
    leg_rolls: int = 0


@dataclass(frozen=True)
class Order:
    """What was decided, and when it is filled."""

    what: What
    reason: str
    due: int
    decided: int
    direction: int
    regime: int
    campaign: int
    began: int


def rows_of(trade: Trade, total: int) -> slice:
    """Rows that a trade earns and pays on."""
    return slice(trade.opened + 1, (trade.closed if trade.closed >= 0 else total - 1) + 1)
