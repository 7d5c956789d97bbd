"""The ladder, event by event, in plain Python: what ``_kernels.ladder`` is checked against.

In the words of the definitions; a hundred times slower than the compiled bars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from allocopt.backtests.volatility_alpha._kernels import DUST
from allocopt.backtests.volatility_alpha._raw import Inputs


@dataclass(eq=False)
class Lot:
    """Shares that a buyback bought, and what is left of them."""

    row: int
    price: float
    bought: float
    left: float
    expected: float


@dataclass(eq=False)
class Order:
    """A limit and a number of shares; none where the number is 0."""

    limit: float = math.nan
    shares: float = 0.0


@dataclass(eq=False)
class Account:
    """All that a run knows, and what it has noted by row."""

    bank: float
    held: float
    initial: float
    anchor: float
    highest: float
    basis: float
    stack: list[Lot] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    unwinds: list[tuple[int, int, float]] = field(default_factory=list)
    fills: list[tuple[int, str, float, float]] = field(default_factory=list)
    orders: list[tuple[Order, Order]] = field(default_factory=list)
    banks: list[float] = field(default_factory=list)
    holdings: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    interest: float = 0.0
    fees: float = 0.0
    profit: float = 0.0
    profit_initial: float = 0.0
    lowest: float = 0.0
    ended: str = "done"


def run_rows(inputs: Inputs) -> Account:
    """One run from the first row to the last."""
    bars = inputs.bars
    price = float(bars.closes[inputs.first])
    account = Account(inputs.cash, inputs.shares, inputs.shares, price, price, price, lowest=inputs.cash)
    buy, sell = Order(), Order()
    for t in range(inputs.first, inputs.last + 1):
        opened, high, low, close = (float(prices[t]) for prices in (bars.opens, bars.highs, bars.lows, bars.closes))
        if t > inputs.first:
            interest = 0.0
            if len(inputs.lending):
                interest = account.bank * float((inputs.lending if account.bank >= 0.0 else inputs.borrowing)[t - 1])
            if buy.shares and low <= buy.limit:
                whole_bar_below = high < buy.limit
                _buy(account, inputs, t, opened if whole_bar_below else buy.limit, buy.shares)
            if sell.shares and high >= sell.limit:
                whole_bar_above = low > sell.limit
                _sell(account, inputs, t, opened if whole_bar_above else sell.limit, sell.shares)
            account.bank += interest
            account.interest += interest
            account.lowest = min(account.lowest, account.bank)
            account.highest = max(account.highest, high)
        account.banks.append(account.bank)
        account.holdings.append(account.held)
        account.values.append(account.held * close + account.bank)
        buy, sell = _orders(account, inputs)
        account.orders.append((buy, sell))
        if account.values[-1] <= 0.0:
            account.ended = "ruined"
            break
        if inputs.trigger * inputs.sharing > 0.0 and t < inputs.last:
            wanted = _rounded(inputs.trigger * inputs.sharing * account.held, inputs)
            if sell.shares == 0.0 or (inputs.variant != "ath_only" and wanted == 0.0):
                account.ended = "no share"
                break
    return account


def _orders(account: Account, inputs: Inputs) -> tuple[Order, Order]:
    r, s, shares, anchor = inputs.trigger, inputs.sharing, account.held, account.anchor
    if r * s == 0.0:
        return Order(), Order()
    quantity = shares * (r * s / (1.0 + r * s) if inputs.exact else r * s / (1.0 + r))
    limit = anchor * (1.0 + r)
    if inputs.variant == "ath_sell":
        limit = max(limit, account.highest)
    sell = Order(limit, _rounded(quantity, inputs))
    if inputs.variant == "ath_only":
        return Order(), sell
    buy = Order(anchor / (1.0 + r), _rounded(r * s * shares, inputs))
    if not inputs.margin:
        affordable = max(account.bank, 0.0) / (buy.limit * (1.0 + inputs.fee))
        if inputs.whole:
            affordable = math.floor(affordable * (1.0 + 1e-12))
        buy.shares = min(buy.shares, affordable)
    return buy, sell


def _rounded(shares: float, inputs: Inputs) -> float:
    return float(round(shares)) if inputs.whole else shares


def _buy(account: Account, inputs: Inputs, t: int, price: float, shares: float) -> None:
    _pay(account, -price * shares, inputs)
    account.held += shares
    lot = Lot(t, price, shares, shares, account.anchor)
    account.lots.append(lot)
    account.stack.append(lot)
    account.fills.append((t, "buy", price, shares))
    account.anchor = price


def _sell(account: Account, inputs: Inputs, t: int, price: float, shares: float) -> None:
    _pay(account, price * shares, inputs)
    account.held -= shares
    rest = shares
    while account.stack and rest > DUST * shares:
        lot = account.stack[-1 if inputs.lifo else 0]
        closes = rest >= lot.left * (1.0 - DUST)
        taken = lot.left if closes else rest
        if closes:
            account.stack.remove(lot)
        lot.left -= taken
        rest -= taken
        account.profit += (price - lot.price) * taken
        account.unwinds.append((t, account.lots.index(lot), taken))
    account.initial -= rest
    account.profit_initial += (price - account.basis) * rest
    account.fills.append((t, "sell", price, shares))
    account.anchor = price


def _pay(account: Account, amount: float, inputs: Inputs) -> None:
    """Book what a trade brings (negative: costs), and its fee."""
    fee = inputs.fee * abs(amount)
    account.bank += amount - fee
    account.fees += fee
    account.lowest = min(account.lowest, account.bank)
