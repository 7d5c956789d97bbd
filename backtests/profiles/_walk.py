"""Walk one profile down the rows: decide at a close, fill, mark, settle, hedge.

What is decided at a close uses that row and earlier ones, and is filled ``fill_lag - 1`` closes later. There is one
order at a time; while it waits, nothing else is decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from allocopt.backtests._checks import day
from allocopt.backtests.profiles._inputs import FloatArray, IntArray, Rows, Signals
from allocopt.backtests.profiles._records import Lot, Order, Trade, What
from allocopt.backtests.profiles._tables import LegTable
from allocopt.backtests.profiles.specification import MULTIPLIER, ProfileSpecification
from allocopt.errors import InputError


@dataclass(eq=False)
class Walk:
    """State of the run, and what it has recorded."""

    specification: ProfileSpecification
    rows: Rows
    signals: Signals
    tables: list[LegTable]
    hedge_per_unit: float
    fill_lag: int
    hedge_lag: int
    lots: list[Lot] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    live: list[Lot] = field(default_factory=list)
    trade: Trade | None = None
    order: Order | None = None
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
            self.trade.pnl = self._gain(total - 1)
        return self

    def _visit(self, row: int) -> None:
        self._accrue(row)
        if self.order is not None and self.order.due == row:
            self._fill(row)
        if self.order is None:
            self.order = self._decide(row)
            if self.order is not None and self.order.due == row:
                self._fill(row)
        self._settle(row)
        if self.trade is not None:
            self.holding[row + 1] = self.trade.number
            if self.specification.delta_hedge is not None:
                self.delta[row + 1] = self._net("delta", row)

    def _accrue(self, row: int) -> None:
        """Hedge of the row that ends now: what it traded at its start, and what it earned."""
        if self.trade is None or self.specification.delta_hedge is None:
            return
        known = row - self.hedge_lag + 1
        self.shares[row] = -self.delta[known] if known >= self.since else 0.0
        before = self.shares[row - 1] if row > self.since else 0.0
        self.traded[row] += abs(self.shares[row] - before)
        self.trade.banked += self.shares[row] * self.underlying[row]
        self.trade.banked -= abs(self.shares[row] - before) * self.hedge_per_unit

    def _decide(self, row: int) -> Order | None:
        spec, regime = self.specification, int(self.signals.regimes[row])
        trade = self.trade
        if trade is None:
            direction = spec.direction_in(regime)
            if direction == 0 or not self.signals.scores[row] >= spec.threshold:
                return None
            return self._order("enter", "", row, direction, regime, -1, -1)
        what, reason = self._wanted(row, trade, regime)
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

    def _wanted(self, row: int, trade: Trade, regime: int) -> tuple[What, str]:
        """First rule that holds: regime, stop, day limit, take-profit, days to expiry, greek limits."""
        spec, rows = self.specification, self.rows
        gain, entry_cost = self._gain(row), abs(trade.premium)
        if spec.direction_in(regime) != trade.direction:
            return "exit", "regime"
        if spec.stop is not None and -gain > spec.stop * entry_cost:
            return spec.stop_action, "stop"
        if spec.max_days is not None and rows.ordinals[row] - rows.ordinals[trade.began] >= spec.max_days:
            return "exit", "days"
        if spec.take_profit is not None and gain >= spec.take_profit * entry_cost:
            return spec.take_profit_action, "take-profit"
        if spec.roll_at_days is not None:
            left = [self._days_left(lot, row) for lot in self.live]
            due = {lot.leg for lot, days in zip(self.live, left, strict=True) if days <= spec.roll_at_days}
            due |= set(range(len(spec.legs))) - {lot.leg for lot in self.live}  # expired while an order was waiting
            if due:
                others = [days for lot, days in zip(self.live, left, strict=True) if lot.leg not in due]
                renewed = [spec.legs[leg] for leg in due]
                alone = all(leg.rolled_alone and leg.days <= min(others, default=0) for leg in renewed)
                return ("legs" if alone else "roll"), "roll"
        if spec.greek_limits.any and self._beyond_limits(row):
            return "roll", "greeks"
        return "exit", ""

    def _beyond_limits(self, row: int) -> bool:
        limits = self.specification.greek_limits
        scale = {"delta": 1.0, "gamma": 1.0, "vega": 1.0 / 100.0, "theta": 1.0 / 365.0}
        return any(
            limit is not None and abs(self._net(name, row) * scale[name]) > limit
            for name, limit in ((name, getattr(limits, name)) for name in scale)
        )

    def _fill(self, row: int) -> None:
        order, self.order = self.order, None
        assert order is not None
        last = row == len(self.rows) - 1
        if order.what == "legs":
            self._renew(row, last)
            return
        kept = self.trade is not None and order.what == "roll"
        if self.trade is not None:
            self._close(row, order.reason, kept=kept)
        if not kept:
            self.since = row + 1
        # What is entered at the last close has no row to pay or earn on.
        if order.what in ("enter", "roll") and not last:
            self._open(row, order)

    def _open(self, row: int, order: Order) -> None:
        campaign, began = order.campaign, order.began
        if order.what == "enter":
            campaign, began = self.campaigns, row
            self.campaigns += 1
        trade = Trade(len(self.trades), campaign, began, order.direction, order.regime, order.decided, row)
        self.trades.append(trade)
        self.trade = trade
        for leg in range(len(self.tables)):
            lot = self._buy(leg, row)
            trade.premium += lot.quantity * MULTIPLIER * self._price(lot, row)

    def _renew(self, row: int, last: bool) -> None:
        """Replace the legs that are rolled by themselves and are due, or have expired."""
        assert self.trade is not None
        at = self.specification.roll_at_days
        for lot in [lot for lot in self.live if self.specification.legs[lot.leg].rolled_alone]:
            if at is not None and self._days_left(lot, row) <= at:
                self._sell(lot, row)
        there = {lot.leg for lot in self.live}
        for leg in range(len(self.tables)):
            if leg not in there and not last:
                self._buy(leg, row)
                self.trade.leg_rolls += 1

    def _close(self, row: int, reason: str, *, kept: bool) -> None:
        """Close all legs; the hedge is sold too, unless the next trade takes it over at this close."""
        trade = self.trade
        assert trade is not None
        for lot in list(self.live):
            self._sell(lot, row)
        if not kept:
            self.traded[row] += abs(self.shares[row])
            trade.banked -= abs(self.shares[row]) * self.hedge_per_unit
        trade.closed, trade.reason, trade.pnl = row, reason, trade.banked
        self.trade = None

    def _settle(self, row: int) -> None:
        expired = [lot for lot in self.live if self._days_left(lot, row) <= 0]
        if all(self.specification.legs[lot.leg].rolled_alone for lot in expired):
            for lot in expired:
                self._sell(lot, row)
            return
        waiting, reason = self.order, "expiry"
        if waiting is not None and waiting.what in ("exit", "roll"):
            reason = waiting.reason
        if waiting is not None and waiting.what != "roll":
            self.order = None  # what it would have closed is gone
        self._close(row, reason, kept=False)

    def _buy(self, leg: int, row: int) -> Lot:
        """Open one leg in the trade's direction, bought or sold."""
        assert self.trade is not None
        lot = Lot(leg, self.tables[leg].leg.quantity * self.trade.direction, self.trade.number, row)
        self._price(lot, row)
        self.trade.banked -= self._cost(lot, row, lot.quantity)
        self.lots.append(lot)
        self.live.append(lot)
        return lot

    def _sell(self, lot: Lot, row: int) -> None:
        """Close one leg at the market, or at its intrinsic value and without cost where it expires."""
        assert self.trade is not None
        lot.closed, lot.settled = row, self._days_left(lot, row) <= 0
        self.trade.banked += lot.quantity * MULTIPLIER * (self._price(lot, row) - self._price(lot, lot.opened))
        if not lot.settled:
            self.trade.banked -= self._cost(lot, row, -lot.quantity)
        self.live.remove(lot)

    def _cost(self, lot: Lot, row: int, contracts: int) -> float:
        table = self.tables[lot.leg]
        per = (table.buying if contracts > 0 else table.selling)[table.cell(lot.opened, row)]
        return abs(contracts) * float(per)

    def _gain(self, row: int) -> float:
        """P&L of the trade so far, after what it has paid."""
        assert self.trade is not None
        gain = self.trade.banked
        for lot in self.live:
            gain += lot.quantity * MULTIPLIER * (self._price(lot, row) - self._price(lot, lot.opened))
        return gain

    def _net(self, name: str, row: int) -> float:
        """Greek of the unit's options at a close."""
        found = 0.0
        for lot in self.live:
            table = self.tables[lot.leg]
            found += lot.quantity * MULTIPLIER * float(getattr(table, name)[table.cell(lot.opened, row)])
        return found

    def _days_left(self, lot: Lot, row: int) -> int:
        return int(self.tables[lot.leg].expiry[lot.opened] - self.rows.ordinals[row])

    def _price(self, lot: Lot, row: int) -> float:
        table = self.tables[lot.leg]
        value = float(table.price[table.cell(lot.opened, row)])
        if value != value:
            raise InputError(
                "the surface has no volatility for an option that is held",
                where=f"{day(self.rows.dates[row])}, {table.leg.label}",
                remedy="start where the surface does, or give one that covers these dates and strikes",
            )
        return value
