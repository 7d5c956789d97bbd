"""Walk one profile down the rows: decide at a close, fill, mark, settle, hedge.

What is decided at a close uses that row and earlier ones, and is filled ``fill_lag - 1`` closes later, whole or in
parts. There is one order at a time; while it waits or is worked, nothing else is decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from allocopt.backtests._checks import day
from allocopt.backtests.profiles._inputs import FloatArray, IntArray, Rows, Signals
from allocopt.backtests.profiles._records import Lot, Order, Trade, What
from allocopt.backtests.profiles._rules import wanted
from allocopt.backtests.profiles._sizing import order_units
from allocopt.backtests.profiles._tables import LegTable
from allocopt.backtests.profiles.costs import ExecutionCosts
from allocopt.backtests.profiles.fills import PartialFills
from allocopt.backtests.profiles.specification import MULTIPLIER, ProfileSpecification
from allocopt.errors import InputError

#: Share of a unit below which nothing of it is left: rounding.
_NOTHING = 1e-12


@dataclass(eq=False)
class Walk:
    """State of the run, and what it has recorded."""

    specification: ProfileSpecification
    rows: Rows
    signals: Signals
    tables: list[LegTable]
    costs: ExecutionCosts
    fill_lag: int
    hedge_lag: int
    fills: PartialFills | None = None
    lots: list[Lot] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    live: list[Lot] = field(default_factory=list)
    trade: Trade | None = None
    order: Order | None = None
    leaving: Order | None = None  # an exit or a roll that is filled in parts
    campaigns: int = 0
    since: int = 0  # first row of the hedge that is held

    def __post_init__(self) -> None:
        total = len(self.rows)
        years = self.rows.years_since_last()
        growth = np.ones(total)
        growth[1:] = np.exp((self.rows.rate[:-1] - self.rows.dividend[:-1]) * years[1:])
        # P&L of one unit of the underlying over each row, carried as a future is.
        self.underlying: FloatArray = np.zeros(total)
        self.underlying[1:] = self.rows.spot[1:] - self.rows.spot[:-1] * growth[1:]
        self.delta: FloatArray = np.zeros(total + 1)  # of the options, at the start of each row
        self.shares: FloatArray = np.zeros(total)  # held as a hedge over each row
        self.traded: FloatArray = np.zeros(total)  # in shares, on the row that pays for it
        self.holding: IntArray = np.full(total + 1, -1, dtype=np.int64)  # trade that each row belongs to

    def run(self, entries: IntArray) -> Walk:
        """Visit the rows on which something may happen; `entries` are those that allow an entry."""
        total = len(self.rows)
        row = 0
        while row < total:
            if self.trade is None and self.order is None:
                following = int(np.searchsorted(entries, row))
                if following == len(entries):
                    break
                row = int(entries[following])
            self._visit(row)
            row += 1
        if self.trade is not None:
            self.trade.pnl = self.gain(total - 1)
        return self

    def tier(self, lot: Lot) -> int:
        """Tier of slippage of the orders that a lot is traded in."""
        return self.costs.tier_of(self.tables[lot.leg].leg.quantity, self.trades[lot.trade].units)

    def gain(self, row: int) -> float:
        """P&L of the trade so far, after what it has paid."""
        assert self.trade is not None
        gain = self.trade.banked
        for lot in self.live:
            gain += lot.quantity * MULTIPLIER * (self._price(lot, row) - self._price(lot, lot.opened))
        return gain

    def net(self, name: str, row: int) -> float:
        """Greek of the unit's options at a close."""
        found = 0.0
        for lot in self.live:
            table = self.tables[lot.leg]
            found += lot.quantity * MULTIPLIER * float(getattr(table, name)[table.cell(lot.origin, row)])
        return found

    def days_left(self, lot: Lot, row: int) -> int:
        """Calendar days to expiry."""
        return int(self.tables[lot.leg].expiry[lot.origin] - self.rows.ordinals[row])

    def _visit(self, row: int) -> None:
        self._accrue(row)
        if self.leaving is not None:
            self._leave(row, self.leaving)
        else:
            if self.order is not None and self.order.due == row:
                self._fill(row)
            fresh = self.trade is not None and self.trade.opened == row and self.fill_lag == 1
            if self.order is None and self.leaving is None and not fresh:  # no fill is undone at its own close
                self.order = self._decide(row)
                if self.order is not None and self.order.due == row:
                    self._fill(row)
        self._add(row)
        self._settle(row)
        if self.trade is not None:
            self.holding[row + 1] = self.trade.number
            if self.specification.delta_hedge is not None:
                self.delta[row + 1] = self.net("delta", row)

    def _accrue(self, row: int) -> None:
        """Hedge of the row that ends now: what it traded at its start, and what it earned."""
        if self.trade is None or self.specification.delta_hedge is None:
            return
        known = row - self.hedge_lag + 1
        self.shares[row] = -self.delta[known] if known >= self.since else 0.0
        before = self.shares[row - 1] if row > self.since else 0.0
        self.traded[row] += abs(self.shares[row] - before)
        self.trade.banked += self.shares[row] * self.underlying[row]
        self.trade.banked -= abs(self.shares[row] - before) * self.costs.hedge_per_unit

    def _decide(self, row: int) -> Order | None:
        spec, regime, trade = self.specification, int(self.signals.regimes[row]), self.trade
        if trade is None:
            direction = spec.direction_in(regime)
            if direction == 0 or not self.signals.scores[row] >= spec.threshold:
                return None
            return self._order("enter", "", row, direction, regime, -1, -1)
        what, reason = wanted(self, row, trade, regime)
        if not reason:
            return None
        return self._order(what, reason, row, trade.direction, regime, trade.campaign, trade.began)

    def _order(
        self,
        what: What,
        reason: str,
        row: int,
        direction: int,
        regime: int,
        campaign: int,
        began: int,
    ) -> Order:
        return Order(what, reason, row + self.fill_lag - 1, row, direction, regime, campaign, began)

    def _fill(self, row: int) -> None:
        order, self.order = self.order, None
        assert order is not None
        if order.what == "legs":
            self._renew(row)
        elif self.trade is not None:
            self._leave(row, order)
        else:
            self.since = row + 1
            if order.what in ("enter", "roll"):
                self._open(row, order)

    def _leave(self, row: int, order: Order) -> None:
        """Close the position, or the part of it that is filled now; a roll then opens the next one."""
        trade = self.trade
        assert trade is not None
        part = min(trade.fraction, trade.held)
        trade.held -= part
        if trade.held > _NOTHING:
            for lot in self.live:
                sold = replace(lot, quantity=lot.quantity * part / (trade.held + part))
                lot.quantity -= sold.quantity
                self.lots.append(sold)
                self._sell(sold, row)
            self.leaving = order
            return
        self.leaving = None
        self._close(row, order.reason, kept=order.what == "roll")
        if order.what == "roll":
            self._open(row, order)
        else:
            self.since = row + 1

    def _open(self, row: int, order: Order) -> None:
        if row == len(self.rows) - 1:
            return  # what is entered at the last close has no row to pay or earn on
        campaign, began = order.campaign, order.began
        if order.what == "enter":
            campaign, began = self.campaigns, row
            self.campaigns += 1
        trade = Trade(len(self.trades), campaign, began, order.direction, order.regime, order.decided, row)
        trade.units = order_units(self.specification, self.tables, self.rows, self.costs, trade)
        if self.fills is not None:
            largest = max(abs(leg.quantity) for leg in self.specification.legs)
            trade.fraction = self.fills.fraction(largest * trade.units)
        self.trades.append(trade)
        self.trade = trade
        trade.filled = trade.held = trade.fraction
        for leg in range(len(self.tables)):
            lot = self._buy(leg, row, row, trade.fraction)
            trade.premium += lot.quantity * MULTIPLIER * self._price(lot, row)

    def _add(self, row: int) -> None:
        """Fill the next part of an entry, in the options that are held."""
        trade = self.trade
        if trade is None or self.fills is None or self.fills.remainder == "cancel" or trade.filled >= 1.0 - _NOTHING:
            return
        busy = self.order is not None or self.leaving is not None or trade.opened == row
        if busy or row == len(self.rows) - 1 or any(self.days_left(lot, row) <= 0 for lot in self.live):
            return
        part = min(trade.fraction, 1.0 - trade.filled)
        for leg, origin in dict.fromkeys((lot.leg, lot.origin) for lot in self.live):
            lot = self._buy(leg, origin, row, part)
            trade.premium += lot.quantity * MULTIPLIER * self._price(lot, row)
        trade.filled += part
        trade.held += part

    def _renew(self, row: int) -> None:
        """Replace the legs that are rolled by themselves and are due, or have expired."""
        assert self.trade is not None
        at = self.specification.roll_at_days
        for lot in [lot for lot in self.live if self.specification.legs[lot.leg].rolled_alone]:
            if at is not None and self.days_left(lot, row) <= at:
                self._sell(lot, row)
        there = {lot.leg for lot in self.live}
        for leg in range(len(self.tables)):
            if leg not in there and row < len(self.rows) - 1:
                self._buy(leg, row, row, self.trade.held)
                self.trade.leg_rolls += 1

    def _close(self, row: int, reason: str, *, kept: bool) -> None:
        """Close all legs; the hedge is sold too, unless the next trade takes it over at this close."""
        trade = self.trade
        assert trade is not None
        for lot in list(self.live):
            self._sell(lot, row)
        if not kept:
            self.traded[row] += abs(self.shares[row])
            trade.banked -= abs(self.shares[row]) * self.costs.hedge_per_unit
        trade.closed, trade.reason, trade.pnl, trade.held = row, reason, trade.banked, 0.0
        self.trade = None

    def _settle(self, row: int) -> None:
        expired = [lot for lot in self.live if self.days_left(lot, row) <= 0]
        if all(self.specification.legs[lot.leg].rolled_alone for lot in expired):
            for lot in expired:
                self._sell(lot, row)
            return
        waiting, reason = self.order or self.leaving, "expiry"
        if waiting is not None and waiting.what in ("exit", "roll"):
            reason = waiting.reason
        if waiting is not None and waiting.what != "roll":
            self.order = None  # what it would have closed is gone
        elif self.leaving is not None:
            self.order = replace(self.leaving, due=row + 1)
        self.leaving = None
        self._close(row, reason, kept=False)

    def _buy(self, leg: int, origin: int, row: int, share: float) -> Lot:
        """Open one leg, or a share of it, in the trade's direction, bought or sold."""
        assert self.trade is not None
        whole = self.tables[leg].leg.quantity * self.trade.direction
        lot = Lot(leg, whole if share == 1.0 else whole * share, self.trade.number, origin, row)
        self._price(lot, row)
        self.trade.banked -= self._cost(lot, row, lot.quantity)
        self.lots.append(lot)
        self.live.append(lot)
        return lot

    def _sell(self, lot: Lot, row: int) -> None:
        """Close one leg at the market, or at its intrinsic value and without cost where it expires."""
        assert self.trade is not None
        lot.closed, lot.settled = row, self.days_left(lot, row) <= 0
        self.trade.banked += lot.quantity * MULTIPLIER * (self._price(lot, row) - self._price(lot, lot.opened))
        if not lot.settled:
            self.trade.banked -= self._cost(lot, row, -lot.quantity)
        if lot in self.live:
            self.live.remove(lot)

    def _cost(self, lot: Lot, row: int, contracts: float) -> float:
        table = self.tables[lot.leg]
        return abs(contracts) * float(table.cost(contracts, self.tier(lot))[table.cell(lot.origin, row)])

    def _price(self, lot: Lot, row: int) -> float:
        table = self.tables[lot.leg]
        value = float(table.price[table.cell(lot.origin, row)])
        if value != value:
            raise InputError(
                "the surface has no volatility for an option that is held",
                where=f"{day(self.rows.dates[row])}, {table.leg.label}",
                remedy="start where the surface does, or give one that covers these dates and strikes",
            )
        return value
