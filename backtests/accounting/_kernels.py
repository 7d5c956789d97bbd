"""The ledger, row by row, compiled.

Row t is the period from the close of row t-1 to the close of row t. At its start, at the prices of row t-1, holdings
are set to what was decided on row t - lag, and the trades and charges are paid for; then the period's price changes,
interest and funding are booked. ``_python.py`` does the same in plain Python.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

#: What a price that is missing means: an error where it is needed, no trading until it is back, trading at the last.
RAISE, HOLD, FILL = 0, 1, 2
#: Holdings drift between decisions; a constant mix is set to the decided weights on every row.
HOLDINGS, CONSTANT_MIX = 0, 1
#: Kinds of cost.
PROPORTIONAL, SQUARE_ROOT, PER_SHARE = 0, 1, 2
#: How a run ended: at the last row, by bankruptcy, at a price that is needed and missing, at one that is no price, or
#: with cash that is owed while nothing says what that costs.
DONE, BANKRUPT, NO_PRICE, BAD_PRICE, NO_FINANCING = 0, 1, 2, 3, 4
#: Rows of the figures.
VALUE, CASH, TURNOVER, COST, INTEREST, FUNDING, FIGURES = 0, 1, 2, 3, 4, 5, 6
#: A number of lots this close to a whole one is that whole one.
LOT_TOLERANCE = 1e-9
#: A holding is this close to what is wanted, relative to it: no order, which could only be one of rounding errors.
HELD_TOLERANCE = 1e-12
#: Cash may be owed up to what trading has cost so far, and this part of the value.
CASH_TOLERANCE = 1e-9

_table = types.Array(types.float64, 2, "A", readonly=True)
_row = types.Array(types.float64, 1, "A", readonly=True)
_rows = types.Array(types.int64, 1, "C", readonly=True)
_one = types.float64[::1]
_two = types.float64[:, ::1]
_whole = types.int64[::1]

_RUN = types.UniTuple(types.int64, 4)(
    _table, types.boolean, types.int64, _table, _rows, types.int64, types.int64, types.float64,
    _rows, _table, _table, _row, _row, _table, _row, types.float64, _two, _two, _one, _two, _whole, _one,
)  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _cost(kind, first, second, traded, shares, value):
    """Money that one trade costs by one cause; ``traded`` is money and ``shares`` a number, both without sign."""
    if traded == 0.0:
        return 0.0
    if kind == PROPORTIONAL:
        return first * traded
    if kind == SQUARE_ROOT:
        return first * traded * np.sqrt(traded / value)
    return max(first * shares, second)


@njit(cache=True, nogil=True, error_model="numpy")
def _whole_lots(shares, lot):
    """Shares cut to whole lots towards zero."""
    lots = shares / lot
    near = np.rint(lots)
    if abs(lots - near) <= LOT_TOLERANCE * max(1.0, abs(near)):
        return near * lot
    return np.trunc(lots) * lot


@njit(_RUN, cache=True, nogil=True, error_model="numpy")
def run(
    prices,  # (T, n), or returns over the rows where `relative`
    relative,
    mode,
    weights,  # (M, n), decided
    decided,  # (T,), row of `weights` that is decided on this row, or -1
    lag,
    gaps,
    lot,  # whole lots of so many shares; 0.0 for fractions
    kinds,  # (K,)
    first,  # (K, n)
    second,  # (K, n)
    lending,  # (T,) per row, known at its close; empty without financing
    borrowing,
    funding,  # (T, n), paid by longs over the row; no rows without funding
    charges,  # (T,), paid at the start of the row, fractions of the value, all sleeves together; empty without charges
    capital,
    figures,  # out (6, T), zeros before
    causes,  # out (T, K), or (T, K + 1) with charges, money, zeros before; no rows where it is not wanted
    pnl,  # out (n,), sum over the rows
    record,  # out (R, n), shares (holdings) or weights (constant mix) from a row on; no rows where it is not wanted
    record_rows,  # out (R,)
    residuals,  # out (3,)
):
    """One ledger. Returns how it ended, on which row, in which column, and the number of records."""
    rows, n = prices.shape
    held = np.zeros(n)  # shares, or weights of a constant mix
    target = np.zeros(n)
    waiting = np.zeros(n, dtype=np.bool_)
    fresh = np.zeros(n, dtype=np.bool_)
    last = np.full(n, np.nan)
    by_cause = np.zeros(len(kinds))
    total_by_cause = np.zeros(len(kinds))
    pnl[:] = 0.0
    residuals[:] = 0.0
    financed = len(lending) > 0
    funded = len(funding) > 0
    charged = len(charges) > 0
    all_charges = 0.0
    plain = mode == HOLDINGS and not funded  # rows of nothing but shares at known prices have a short way
    row = np.empty(n)
    gains = np.empty(n)
    count = 0
    any_waiting = False
    all_fresh = False
    cash = capital
    value = capital
    largest = capital
    worst = 0.0
    spent = 0.0
    other = 0.0
    lowest = -np.inf if relative else 0.0
    priced = True  # every sleeve has had a price: before its first one `last` is NaN, which the short way cannot take
    for i in range(n):
        p = prices[0, i]
        fresh[i] = relative or (lowest < p < np.inf)
        last[i] = 1.0 if relative else p
        priced &= fresh[i]
        if not fresh[i] and p == p:
            return BAD_PRICE, 0, i, 0
    figures[VALUE, 0] = capital
    figures[CASH, 0] = capital
    for t in range(1, rows):
        source = t - lag
        if source >= 0 and decided[source] >= 0:
            k = decided[source]
            for i in range(n):
                target[i] = weights[k, i]
                waiting[i] = True
            any_waiting = True
        turnover = 0.0
        cost = 0.0
        if any_waiting:
            any_waiting = False
            by_cause[:] = 0.0
            traded_cash = 0.0
            moved = False
            for i in range(n):
                if not waiting[i]:
                    continue
                if not fresh[i]:
                    idle = target[i] == 0.0 and held[i] == 0.0
                    if idle:
                        waiting[i] = False
                        continue
                    if gaps == RAISE or last[i] != last[i]:
                        return NO_PRICE, t - 1, i, count
                    if gaps == HOLD:
                        any_waiting = True
                        continue
                waiting[i] = False
                if mode == HOLDINGS:
                    wanted = target[i] * value / last[i]
                    if lot > 0.0:
                        wanted = _whole_lots(wanted, lot)
                    shares = wanted - held[i]
                    if abs(shares) <= HELD_TOLERANCE * abs(wanted):
                        continue
                    trade = shares * last[i]
                    traded_cash += trade
                else:
                    wanted = target[i]
                    trade = (wanted - held[i]) * value
                    shares = trade / last[i]
                if wanted != held[i]:
                    moved = True
                    held[i] = wanted
                    size = abs(trade)
                    turnover += size
                    for c in range(len(kinds)):
                        by_cause[c] += _cost(kinds[c], first[c, i], second[c, i], size, abs(shares), value)
            if moved:
                for c in range(len(kinds)):
                    cost += by_cause[c]
                    total_by_cause[c] += by_cause[c]
                    if len(causes) > 0:
                        causes[t, c] = by_cause[c]
                cash -= traded_cash + cost
                if len(record) > 0:
                    for i in range(n):  # a slice would compile numba's message for a wrong shape: 3 s
                        record[count, i] = held[i]
                    record_rows[count] = t
                count += 1
            turnover /= value
        if charged:
            charge = charges[t] * value
            cost += charge
            cash -= charge
            all_charges += charge
            if len(causes) > 0:
                causes[t, len(kinds)] = charge
        if mode == CONSTANT_MIX:
            invested = 0.0
            for i in range(n):
                invested += held[i] * value
            cash = value - invested - cost
        if not financed and cash < -(spent + cost) - CASH_TOLERANCE * value:
            return NO_FINANCING, t, 0, count
        interest = 0.0
        if financed:
            interest = cash * (lending[t - 1] if cash >= 0.0 else borrowing[t - 1])
        paid = 0.0
        gained = 0.0
        worth = 0.0
        complete = plain and priced
        if complete:
            for i in range(n):
                p = prices[t, i]
                complete &= 0.0 < p < np.inf
                row[i] = p
                stop = held[i] * p
                gain = stop - held[i] * last[i]
                gains[i] = gain
                gained += gain
                worth += stop
            if complete:
                for i in range(n):
                    pnl[i] += gains[i]
                    last[i] = row[i]
                if not all_fresh:
                    fresh[:] = True
                    all_fresh = True
            else:
                gained = 0.0
                worth = 0.0
        all_fresh &= complete
        for i in range(0 if complete else n):
            p = prices[t, i]
            h = held[i]
            known = lowest < p < np.inf
            fresh[i] = known
            if not known and p == p:
                return BAD_PRICE, t, i, count
            if h == 0.0:
                if known and not relative:
                    last[i] = p
                continue
            if not known:
                if gaps == RAISE:
                    return NO_PRICE, t, i, count
                p = 0.0 if relative else last[i]
            if mode == HOLDINGS:
                start = h * last[i]
                stop = h * p
            else:
                start = h * value
                stop = start * (1.0 + p) if relative else start * (p / last[i])
            gain = stop - start
            worth += stop
            gained += gain
            pnl[i] += gain
            if funded:
                paid -= start * funding[t, i]
            if not relative:
                last[i] = p
        if not priced:
            priced = True
            for i in range(n):
                priced &= last[i] == last[i]
        before = value
        cash += interest + paid
        value = cash + worth
        spent += cost
        other += interest + paid
        scale = max(before, abs(value))
        off = abs(before + gained - cost + interest + paid - value)
        if off > worst * scale:  # hardly ever: a division a row would cost more
            worst = off / scale
        figures[VALUE, t] = value
        figures[CASH, t] = cash
        figures[TURNOVER, t] = turnover
        figures[COST, t] = cost
        if financed:
            figures[INTEREST, t] = interest
        if funded:
            figures[FUNDING, t] = paid
        largest = max(largest, abs(value))
        if not value > 0.0:
            rows = t + 1
            break
    whole = value - capital + spent - other
    residuals[0] = worst
    residuals[1] = abs(pnl.sum() - whole) / largest
    residuals[2] = abs(total_by_cause.sum() + all_charges - spent) / largest
    return (DONE if value > 0.0 else BANKRUPT), rows - 1, 0, count
