"""Book weights on profiles, with what it costs to trade the units that a change of weight, value or capital asks for.

A profile that holds a position has ``u_t = w_t V_{t-1} / K_t`` units over row t: weight, value of the book at the close
before, capital of one unit. Units that are carried over that close and more or fewer than before are traded at the
profile's own costs of that close. As in the profiles' own accounts, what is added pays on the first row that has it and
what is removed on the last. What a profile opens, closes or rolls by itself at the close pays in its own return.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.accounting import Execution, Ledger, account
from allocopt.backtests.rotation.signals import FloatArray, RotationSignals
from allocopt.errors import LedgerError, SpecificationError

#: Fractions of the value by which the costs and the returns that they depend on may be apart.
_TOLERANCE = 1e-13
_PASSES = 200


def account_with_resizing(
    weights: pd.DataFrame,
    execution: Execution,
    signals: RotationSignals,
    exposure: pd.Series[float],
    capital: float,
    *,
    charged: bool,
) -> Ledger:
    """Account for weights; the ledger's funding holds the cost of re-sizing, by row and profile."""
    returns = signals.returns

    def booked(rates: FloatArray | None) -> Ledger:
        funding = None if rates is None else pd.DataFrame(rates, index=returns.index, columns=returns.columns)
        return account(weights, None, execution, returns=returns, exposure=exposure, funding=funding, capital=capital)

    ledger = booked(None)
    if not charged:
        return ledger
    earned = returns.to_numpy()
    # What the book earned besides the profiles' returns: further costs and interest.
    rates: FloatArray = np.zeros_like(earned)
    for _ in range(_PASSES):
        rows = len(ledger.dates)
        executed = np.zeros_like(earned)
        executed[:rows] = ledger.executed.to_numpy()
        _require_long(executed, signals)
        growth = np.zeros(len(earned))
        growth[:rows] = ledger.returns.to_numpy()
        gross = np.einsum("ij,ij->i", executed, earned - rates)
        found = _fixed(executed, earned, growth - gross, signals)
        apart = float(np.abs((found - rates) * executed).max(initial=0.0))
        rates = found
        if apart <= _TOLERANCE:
            return ledger
        ledger = booked(rates)
    raise _apart(signals)


def _fixed(executed: FloatArray, earned: FloatArray, besides: FloatArray, signals: RotationSignals) -> FloatArray:
    """Cost of re-sizing each row, as a rate on the position, that goes with the returns that it leaves."""
    gross = np.einsum("ij,ij->i", executed, earned) + besides
    units = executed * signals.units_per_money
    add, remove = signals.cost_to_add[1:], signals.cost_to_remove[1:]
    held = executed != 0.0
    cost: FloatArray = np.zeros_like(executed)
    for _ in range(_PASSES):
        growth = np.maximum(1.0 + gross - cost.sum(axis=1), 0.0)[:-1, None]  # of each row but the last
        before = np.divide(units[:-1], growth, out=np.zeros_like(units[1:]), where=growth > 0.0)
        change = units[1:] - before
        made = np.zeros_like(cost)
        made[1:] = add * np.maximum(change, 0.0)
        made[:-1] += remove * np.maximum(-change, 0.0) * growth
        apart = float(np.abs(made - cost).max(initial=0.0))
        cost = made
        if apart <= _TOLERANCE:
            return np.divide(cost, executed, out=np.zeros_like(cost), where=held)
    raise _apart(signals)


def _require_long(executed: FloatArray, signals: RotationSignals) -> None:
    if (executed < 0.0).any():
        row, column = np.argwhere(executed < 0.0)[0].tolist()
        raise SpecificationError(
            "a weight is negative, and units of a profile are only bought",
            where=f"{day(signals.dates[row])}, sleeve {signals.returns.columns[column]!r}",
            value=float(executed[row, column]),
            remedy="allocate weights of at least 0, or set resizing=False",
        )


def _apart(signals: RotationSignals) -> LedgerError:
    return LedgerError(
        "the costs of re-sizing do not settle: they are about as large as the positions",
        where=f"{day(signals.dates[0])} to {day(signals.dates[-1])}",
        remedy="lower the costs, or set resizing=False",
    )
