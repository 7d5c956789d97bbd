"""The ladder, bar by bar, compiled. ``_python.py`` does the same in plain Python.

Row t is one bar. Orders that are set with what is known at the close of row t are live on row t+1: first the buy is
booked, then the sell, then the interest on what the bank held at the close of row t.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Variants.
FULL, ATH_ONLY, ATH_SELL = 0, 1, 2
#: How a run ended: at its last row, with nothing left at a close, or at an order that rounds to no share.
DONE, RUINED, NO_SHARE = 0, 1, 2
#: Rows of ``by_row``.
(
    BANK, HELD, ANCHOR, BUY_PRICE, BUY_SHARES, SELL_PRICE, SELL_SHARES, BUY_LIMIT, BUY_ORDER, SELL_LIMIT, SELL_ORDER,
    INTEREST, FEE, REALISED, REALISED_INITIAL, COLUMNS,
) = range(16)  # fmt: skip
#: Rows of ``lots``.
LOT_ROW, LOT_PRICE, LOT_BOUGHT, LOT_LEFT, LOT_EXPECTED, LOT_COLUMNS = range(6)
#: Rows of ``unwinds``.
UNWIND_ROW, UNWIND_LOT, UNWIND_SHARES, UNWIND_COLUMNS = range(4)
#: Entries of ``figures``.
(
    STATUS, LAST_ROW, EQUITY, DRAWDOWN, LOWEST_BANK, BUYS, SELLS, PROFIT, PROFIT_INITIAL, INTEREST_SUM, FEE_SUM, STACK,
    STACK_COST, STACK_EXPECTED, INITIAL_LEFT, HELD_LAST, LOT_COUNT, UNWIND_COUNT, FIGURES,
) = range(19)  # fmt: skip
#: A sale this close to what is left of a lot, relative to it, closes the lot: the rest would be a rounding error.
DUST = 1e-9


@njit(cache=True, nogil=True, error_model="numpy")
def ladder(
    opens,
    highs,
    lows,
    closes,
    first,  # row of the first purchase, at its close
    last,  # last row
    trigger,
    sharing,
    variant,
    lifo,
    exact,
    whole,
    margin,
    fee,
    lending,  # (T,) per row, from its close to the next; empty where no interest is booked
    borrowing,
    shares,
    cash,
    by_row,  # out (COLUMNS, T), NaN prices and zeros before; no columns where it is not wanted
    lots,  # out (LOT_COLUMNS, T)
    opened,  # scratch (T,), numbers of the lots that are open
    unwinds,  # out (UNWIND_COLUMNS, 2 T); no columns where it is not wanted
    figures,  # out (FIGURES,)
):
    """One run from ``first`` to ``last``."""
    up = 1.0 + trigger
    size = trigger * sharing
    part = size / (1.0 + size) if exact else size / up
    trades = size > 0.0
    recorded = by_row.shape[1] > 0
    noted = unwinds.shape[1] > 0
    paid = len(lending) > 0
    bank = cash
    held = shares
    initial = shares
    anchor = closes[first]
    highest = anchor
    basis = anchor
    value = held * anchor + bank
    peak = value
    worst = 0.0
    lowest = bank
    buys, sells = 1, 0
    profit = 0.0
    profit_initial = 0.0
    interest_sum = 0.0
    fee_sum = 0.0
    head, tail, count, unwound = 0, 0, 0, 0
    status = DONE
    stop = last
    buy_limit = 0.0
    buy_order = 0.0
    sell_limit = np.inf
    sell_order = 0.0
    fresh = True
    quiet = margin and not paid and not recorded and variant != ATH_SELL  # between two fills only the value moves
    floor = 0.0
    t = first
    while True:
        if t > first:
            earned = bank * (lending[t - 1] if bank >= 0.0 else borrowing[t - 1]) if paid else 0.0
            if buy_order > 0.0 and lows[t] <= buy_limit:
                price = opens[t] if highs[t] < buy_limit else buy_limit
                amount = price * buy_order
                charge = fee * amount
                bank -= amount + charge
                fee_sum += charge
                lowest = min(lowest, bank)
                held += buy_order
                lots[LOT_ROW, count] = t
                lots[LOT_PRICE, count] = price
                lots[LOT_BOUGHT, count] = buy_order
                lots[LOT_LEFT, count] = buy_order
                lots[LOT_EXPECTED, count] = anchor
                opened[tail] = count
                tail += 1
                count += 1
                buys += 1
                anchor = price
                fresh = True
                if recorded:
                    by_row[BUY_PRICE, t] = price
                    by_row[BUY_SHARES, t] = buy_order
                    by_row[FEE, t] += charge
            if sell_order > 0.0 and highs[t] >= sell_limit:
                price = opens[t] if lows[t] > sell_limit else sell_limit
                amount = price * sell_order
                charge = fee * amount
                bank += amount - charge
                fee_sum += charge
                held -= sell_order
                rest = sell_order
                won = 0.0
                while rest > DUST * sell_order and tail > head:
                    k = opened[tail - 1] if lifo else opened[head]
                    left = lots[LOT_LEFT, k]
                    taken = rest
                    if rest >= left * (1.0 - DUST):
                        taken = left
                        if lifo:
                            tail -= 1
                        else:
                            head += 1
                    lots[LOT_LEFT, k] = left - taken
                    won += (price - lots[LOT_PRICE, k]) * taken
                    rest -= taken
                    if noted:
                        unwinds[UNWIND_ROW, unwound] = t
                        unwinds[UNWIND_LOT, unwound] = k
                        unwinds[UNWIND_SHARES, unwound] = taken
                    unwound += 1
                initial -= rest
                profit += won
                profit_initial += (price - basis) * rest
                sells += 1
                anchor = price
                fresh = True
                if recorded:
                    by_row[SELL_PRICE, t] = price
                    by_row[SELL_SHARES, t] = sell_order
                    by_row[FEE, t] += charge
                    by_row[REALISED, t] = won
                    by_row[REALISED_INITIAL, t] = (price - basis) * rest
            if paid:
                bank += earned
                interest_sum += earned
                lowest = min(lowest, bank)
                if recorded:
                    by_row[INTEREST, t] = earned
            value = held * closes[t] + bank
            if value > peak:
                peak = value
            elif value < (1.0 - worst) * peak:
                worst = 1.0 - value / peak
        if variant == ATH_SELL and t > first and highs[t] > highest:
            highest = highs[t]
            fresh = True
        if fresh and trades:
            wanted = size * held
            if whole:
                wanted = np.rint(wanted)
            sell_order = part * held
            if whole:
                sell_order = np.rint(sell_order)
            sell_limit = max(anchor * up, highest) if variant == ATH_SELL else anchor * up
            buy_limit = anchor / up
            buy_order = 0.0 if variant == ATH_ONLY else wanted
            if t < last and (sell_order == 0.0 or (variant != ATH_ONLY and wanted == 0.0)):
                status = NO_SHARE
            fresh = not margin  # what the bank pays for may change from one evening to the next
            if not margin and buy_order > 0.0:
                affordable = max(bank, 0.0) / (buy_limit * (1.0 + fee))
                if whole:
                    affordable = np.floor(affordable * (1.0 + 1e-12))
                buy_order = min(buy_order, affordable)
        if recorded:
            by_row[BANK, t] = bank
            by_row[HELD, t] = held
            by_row[ANCHOR, t] = anchor
            if trades:
                by_row[SELL_LIMIT, t] = sell_limit
                by_row[SELL_ORDER, t] = sell_order
                if buy_order > 0.0:
                    by_row[BUY_LIMIT, t] = buy_limit
                    by_row[BUY_ORDER, t] = buy_order
        if value <= 0.0:
            status = RUINED
        if t == last or status != DONE:
            stop = t
            break
        t += 1
        if quiet:
            floor = (1.0 - worst) * peak
            while t < last and lows[t] > buy_limit and highs[t] < sell_limit:
                value = held * closes[t] + bank
                if value > peak:
                    peak = value
                    floor = (1.0 - worst) * peak
                elif value < floor:
                    if value <= 0.0:
                        break  # the row is run again, as the last one
                    worst = 1.0 - value / peak
                    floor = value
                t += 1
    stack = 0.0
    cost = 0.0
    expected = 0.0
    for i in range(head, tail):
        k = opened[i]
        stack += lots[LOT_LEFT, k]
        cost += lots[LOT_LEFT, k] * lots[LOT_PRICE, k]
        expected += lots[LOT_LEFT, k] * (lots[LOT_EXPECTED, k] - lots[LOT_PRICE, k])
    figures[STATUS] = status
    figures[LAST_ROW] = stop
    figures[EQUITY] = value
    figures[DRAWDOWN] = worst
    figures[LOWEST_BANK] = lowest
    figures[BUYS] = buys
    figures[SELLS] = sells
    figures[PROFIT] = profit
    figures[PROFIT_INITIAL] = profit_initial
    figures[INTEREST_SUM] = interest_sum
    figures[FEE_SUM] = fee_sum
    figures[STACK] = stack
    figures[STACK_COST] = cost
    figures[STACK_EXPECTED] = expected
    figures[INITIAL_LEFT] = initial
    figures[HELD_LAST] = held
    figures[LOT_COUNT] = count
    figures[UNWIND_COUNT] = unwound


@njit(cache=True, nogil=True, error_model="numpy")
def ladder_grid(
    opens,
    highs,
    lows,
    closes,
    starts,  # (S,) first rows
    lasts,  # (S,) last rows
    triggers,  # (N,)
    sharings,  # (M,)
    variant,
    lifo,
    exact,
    whole,
    margin,
    fee,
    lending,
    borrowing,
    shares,  # (S,) first purchase of each start
    cash,  # (S,)
    figures,  # out (N, M, S, FIGURES)
):
    """Run all triggers, profit sharings and starts on one instrument; each gives what `ladder` gives for it alone."""
    rows = len(closes)
    by_row = np.zeros((COLUMNS, 0))
    lots = np.zeros((LOT_COLUMNS, rows))
    opened = np.zeros(rows, dtype=np.int64)
    unwinds = np.zeros((UNWIND_COLUMNS, 0))
    for i in range(len(triggers)):
        for j in range(len(sharings)):
            for k in range(len(starts)):
                ladder(
                    opens, highs, lows, closes, starts[k], lasts[k], triggers[i], sharings[j], variant, lifo, exact,
                    whole, margin, fee, lending, borrowing, shares[k], cash[k], by_row, lots, opened, unwinds,
                    figures[i, j, k],
                )  # fmt: skip
