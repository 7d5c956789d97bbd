"""The ledger, row by row, in plain Python: what ``_kernels.run`` is checked against, and the route for own costs.

One sleeve at a time, in the words of the definitions; a thousand times slower than the compiled rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from allocopt.backtests.accounting._raw import FloatArray, Inputs, Raw
from allocopt.charging import at_market
from allocopt.costs import Cost

BANKRUPT, NO_PRICE, BAD_PRICE, NO_FINANCING, DONE = "bankrupt", "no price", "bad price", "no financing", "done"


def run_rows(inputs: Inputs, costs: Sequence[Cost], sleeves: pd.Index) -> Raw:
    """One ledger with any cost objects."""
    rows, n = inputs.prices.shape
    charged = len(inputs.charges) > 0
    raw = Raw.empty(rows, n, len(costs) + charged, records=rows)
    held = [0.0] * n
    target: dict[int, float] = {}
    last = [1.0 if inputs.relative else float(price) for price in inputs.prices[0]]
    fresh = [inputs.relative or _is_price(price, inputs.relative) for price in last]
    for i in range(n):
        if not fresh[i] and not math.isnan(last[i]):
            return raw.ended(BAD_PRICE, 0, i, 0)
    value = cash = inputs.capital
    raw.figures[0] = (value, cash, 0.0, 0.0, 0.0, 0.0)
    total = dict.fromkeys(("cost", "other"), 0.0)
    count = 0
    for t in range(1, rows):
        source = t - inputs.lag
        if source >= 0 and inputs.decided[source] >= 0:
            target = dict(enumerate(inputs.weights[inputs.decided[source]].tolist()))
        trades, shares = [0.0] * n, [0.0] * n
        moved = False
        for i in list(target):
            if not fresh[i]:
                if target[i] == 0.0 == held[i]:
                    del target[i]
                    continue
                if inputs.gaps == "raise" or math.isnan(last[i]):
                    return raw.ended(NO_PRICE, t - 1, i, count)
                if inputs.gaps == "hold":
                    continue
            wanted = target.pop(i)
            if inputs.mode == "holdings":
                wanted = wanted * value / last[i]
                if inputs.lot > 0.0:
                    wanted = _whole_lots(wanted, inputs.lot)
                shares[i] = wanted - held[i]
                if abs(shares[i]) <= 1e-12 * abs(wanted):  # an order of rounding errors is none
                    continue
                trades[i] = shares[i] * last[i]
            else:
                trades[i] = (wanted - held[i]) * value
                shares[i] = trades[i] / last[i]
            moved = moved or wanted != held[i]
            held[i] = wanted
        fractions = np.array(trades) / value
        paid = [_charge(cost, fractions, sleeves, last, value) for cost in costs]
        if charged:
            paid.append(math.fsum(inputs.charges[t]) * value)
        cost = math.fsum(paid)
        if inputs.mode == "constant-mix":
            cash = value - math.fsum(weight * value for weight in held) - cost
        else:
            cash -= math.fsum(trades) + cost
        if moved:
            raw.record[count], raw.record_rows[count] = held, t
            count += 1
        if not len(inputs.lending) and cash < -(total["cost"] + cost) - 1e-9 * value:
            return raw.ended(NO_FINANCING, t, 0, count)
        interest = 0.0
        if len(inputs.lending):
            interest = cash * float((inputs.lending if cash >= 0.0 else inputs.borrowing)[t - 1])
        gains, worth, funding = [0.0] * n, [0.0] * n, 0.0
        for i in range(n):
            price = float(inputs.prices[t, i])
            fresh[i] = _is_price(price, inputs.relative)
            if not fresh[i] and not math.isnan(price):
                return raw.ended(BAD_PRICE, t, i, count)
            if held[i] != 0.0 and not fresh[i]:
                if inputs.gaps == "raise":
                    return raw.ended(NO_PRICE, t, i, count)
                price = 0.0 if inputs.relative else last[i]
            if held[i] != 0.0:
                growth = 1.0 + price if inputs.relative else price / last[i]
                start = held[i] * (last[i] if inputs.mode == "holdings" else value)
                worth[i] = held[i] * price if inputs.mode == "holdings" else start * growth
                gains[i] = worth[i] - start
                if len(inputs.funding):
                    funding -= start * float(inputs.funding[t, i])
            if not inputs.relative and not math.isnan(price):
                last[i] = price
        before = value
        cash += interest + funding
        value = cash + math.fsum(worth)
        raw.figures[t] = (value, cash, float(np.abs(fractions).sum()), cost, interest, funding)
        raw.causes[t] = paid
        raw.pnl[:] += gains
        total["cost"] += cost
        total["other"] += interest + funding
        change = math.fsum(gains) - cost + interest + funding
        raw.residuals[0] = max(raw.residuals[0], abs(before + change - value) / max(before, abs(value)))
        if not value > 0.0:
            return raw.ended(BANKRUPT, t, 0, count).with_sums(inputs.capital, total["cost"], total["other"])
    return raw.ended(DONE, rows - 1, 0, count).with_sums(inputs.capital, total["cost"], total["other"])


def _charge(cost: Cost, trades: FloatArray, sleeves: pd.Index, prices: list[float], value: float) -> float:
    """Money that one date's trades cost by one cause."""
    known = [price if price > 0.0 else 1.0 for price in prices]  # a sleeve without a price does not trade
    return float(at_market(cost, known, value).cost(trades, sleeves).sum()) * value


def _is_price(price: float, relative: bool) -> bool:
    return math.isfinite(price) and (relative or price > 0.0)


def _whole_lots(shares: float, lot: float) -> float:
    lots = shares / lot
    near = float(round(lots))
    if abs(lots - near) <= 1e-9 * max(1.0, abs(near)):
        return near * lot
    return math.trunc(lots) * lot
