"""Book weights on profiles, with what it costs to trade the units that a change of weight, value or capital asks for.

A profile that holds a position has ``u_t = w_t V_{t-1} / K_t`` units over row t: weight, value of the book at the close
before, capital of one unit. Units that are carried over that close and more or fewer than before are traded at the
profile's own costs of that close. Both are paid at the start of the row from which the new size holds, whether or not
anything is still held then. What a profile opens, closes or rolls by itself at the close pays in its own return.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.accounting import Execution, Ledger, account
from allocopt.backtests.rotation.signals import FloatArray, RotationSignals
from allocopt.errors import SpecificationError

#: Fractions of the value by which the first passes may be apart.
_NEAR = 1e-15


def account_with_resizing(
    weights: pd.DataFrame,
    execution: Execution,
    signals: RotationSignals,
    exposure: pd.Series[float],
    capital: float,
    *,
    charged: bool,
) -> Ledger:
    """Account for weights; the ledger's charges are the cost of re-sizing, by row and profile."""
    returns = signals.returns

    def booked(paid: FloatArray | None) -> Ledger:
        charges = None if paid is None else pd.DataFrame(paid, index=returns.index, columns=returns.columns)
        return account(weights, None, execution, returns=returns, exposure=exposure, charges=charges, capital=capital)

    free = booked(None)
    if not charged:
        return free
    executed = np.zeros(returns.shape)
    executed[: len(free.dates)] = free.executed.to_numpy()
    _require_long(executed, signals)
    units = executed * signals.units_per_money
    # What is paid on a row depends on the growth of the rows before and on nothing later, so that each pass settles at
    # least one more row for good. The first passes leave out what costs do to interest; the ledger then has the word.
    gross = _growth(free, len(executed))
    paid = np.zeros_like(units)
    while True:
        found = _paid(units, gross - paid.sum(axis=1), signals)
        apart = float(np.abs(found - paid).max(initial=0.0))
        paid = found
        if apart <= _NEAR:
            break
    while True:
        ledger = booked(paid)
        found = _paid(units, _growth(ledger, len(executed)), signals)
        if np.array_equal(found, paid):
            return ledger
        paid = found


def _growth(ledger: Ledger, rows: int) -> FloatArray:
    """Value at the close of each row over that at its start; 0.0 after a bankruptcy."""
    growth = np.zeros(rows)
    growth[: len(ledger.dates)] = 1.0 + ledger.returns.to_numpy()
    return growth


def _paid(units: FloatArray, growth: FloatArray, signals: RotationSignals) -> FloatArray:
    """Cost of re-sizing at the start of each row, fractions of the value then; ``units`` are those that 1.00 has."""
    made = np.zeros_like(units)
    grown = growth[:-1, None]
    before = np.divide(units[:-1], grown, out=np.zeros_like(units[1:]), where=grown > 0.0)
    change = units[1:] - before
    made[1:] = np.where(change > 0.0, signals.cost_to_add[1:], signals.cost_to_remove[1:]) * np.abs(change)
    return made


def _require_long(executed: FloatArray, signals: RotationSignals) -> None:
    if (executed < 0.0).any():
        row, column = np.argwhere(executed < 0.0)[0].tolist()
        raise SpecificationError(
            "a weight is negative, and units of a profile are only bought",
            where=f"{day(signals.dates[row])}, sleeve {signals.returns.columns[column]!r}",
            value=float(executed[row, column]),
            remedy="allocate weights of at least 0, or set resizing=False",
        )
