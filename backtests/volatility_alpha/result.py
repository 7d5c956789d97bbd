"""One run of the ladder: the account, its trades, its buyback lots, and what they earned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain
from allocopt.backtests.volatility_alpha._raw import Bars, FloatArray, Inputs, Raw, run_compiled
from allocopt.errors import InputError, LedgerError, SpecificationError

if TYPE_CHECKING:
    from allocopt.backtests.volatility_alpha.specification import VolatilityAlpha

#: The account's parts must add up to this, relative to the largest amount of a run.
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class VolatilityAlphaResult:
    """What `VolatilityAlpha.run` gives. Money and shares by date; decimals where it says so.

    The value of the account is ``shares * close + bank``. Its return is on the value of the day before, net of what
    the bank owes: where the bank is negative the position is larger than the value, and `leverage` is above 1.

    Attributes
    ----------
    ladder : VolatilityAlpha
        What was run.
    equity : Series, shape (T,)
        Value at each close, from the date of the first purchase. It ends where nothing is left (`ruined`).
    bank : Series, shape (T,)
        Cash at each close; negative: owed.
    holding : Series, shape (T,)
        Shares at each close.
    orders : DataFrame, shape (T, 4)
        Set at each close, live on the next date: ``buy_limit``, ``buy_shares``, ``sell_limit``, ``sell_shares``; NaN
        and 0 where there is none.
    transactions : DataFrame
        One row a trade in order of time, the first purchase first: ``date``, ``kind`` ("initial", "buy", "sell"),
        ``price``, ``shares``, ``limit``, ``amount`` (money into the bank, negative for a buy, before the fee), ``fee``,
        ``realised`` (profit of the buyback lots that it unwound), ``realised_initial`` (of shares of the first
        purchase), ``holding`` and ``bank`` after it.
    lots : DataFrame
        Every buyback, one row each: ``buy_date``, ``buy_price``, ``qty`` bought, ``expected_sell_price`` (the anchor
        when it was bought, one rung up), ``left`` (shares not unwound yet), ``realised`` so far, ``closed`` (date of
        the sale that took the last of it, NaT while open).
    unwinds : DataFrame
        Every part of a lot that was sold: ``sell_date``, ``lot`` (row of ``lots``), ``buy_date``, ``qty``,
        ``buy_price``, ``sell_price``, ``profit``.
    ruined : Timestamp or None
        First close at which nothing is left of the account. The run ends there, with what is owed.
    start_value : float
        Money at the start: the first purchase, and the bank's if there was a capital.
    """

    ladder: VolatilityAlpha
    equity: pd.Series[float]
    bank: pd.Series[float]
    holding: pd.Series[float]
    orders: pd.DataFrame
    transactions: pd.DataFrame
    lots: pd.DataFrame
    unwinds: pd.DataFrame
    ruined: pd.Timestamp | None
    start_value: float
    minimum_bank: float
    interest: float
    fees: float
    realised_initial: float
    unrealised_initial: float
    _bars: Bars
    _inputs: Inputs

    @property
    def total_return(self) -> float:
        """``(shares * close + bank - start) / start`` at the last close, a decimal; below -1 if more was lost."""
        return float(self.equity.iloc[-1]) / self.start_value - 1.0

    @property
    def buys(self) -> int:
        """Purchases, the first one among them."""
        return 1 + len(self.lots)

    @property
    def sells(self) -> int:
        """Sales."""
        return int((self.transactions["kind"] == "sell").sum())

    @property
    def stack(self) -> pd.DataFrame:
        """Buyback lots that are open at the end: ``buy_date``, ``buy_price``, ``qty`` left, ``expected_sell_price``."""
        found = self.lots[self.lots["left"] > 0.0]
        table = found[["buy_date", "buy_price", "left", "expected_sell_price"]].rename(columns={"left": "qty"})
        return table.reset_index(drop=True)

    @property
    def close(self) -> float:
        """Close of the last date, in money."""
        return float(self._bars.closes[self._inputs.first + len(self.equity) - 1])

    @property
    def returns(self) -> pd.Series[float]:
        """Return of each date on the account's value at the date before, a decimal; 0.0 on the first.

        The stream to use as a sleeve. The base is the value net of debt. A ruined account's last return is -1 or less.
        """
        values = self.equity.to_numpy()
        found = np.concatenate(([0.0], values[1:] / values[:-1] - 1.0))
        return pd.Series(found, index=self.equity.index, name=self.ladder.name)

    @property
    def leverage(self) -> pd.Series[float]:
        """Value of the shares over the value of the account at each close: above 1 where the bank is negative."""
        invested = self.equity - self.bank
        return (invested / self.equity).where(self.equity > 0.0).rename("leverage")

    @property
    def volatility_alpha_baseline(self) -> float:
        """Total return less that of the ATH-only ladder on the same bars, a decimal of the start value."""
        return self.total_return - self.baseline.total_return

    @property
    def volatility_alpha_realized(self) -> float:
        """Cash profit of the buyback lots that were unwound, in money. Under FIFO it may be negative."""
        return float(self.unwinds["profit"].sum())

    @property
    def volatility_alpha_unrealized(self) -> float:
        """Profit that the stack would bring at its expected prices, in money: no market price comes into it."""
        stack = self.stack
        return float(((stack["expected_sell_price"] - stack["buy_price"]) * stack["qty"]).sum())

    @property
    def volatility_alpha_estimated_total(self) -> float:
        """Realised and expected profit together, in money: potential, if every lot is sold where it is expected."""
        return self.volatility_alpha_realized + self.volatility_alpha_unrealized

    @property
    def stack_mark_to_market(self) -> float:
        """Profit of the stack at the last close, in money: below 0 where the price is under what was paid."""
        stack = self.stack
        return float(((self.close - stack["buy_price"]) * stack["qty"]).sum())

    @cached_property
    def baseline(self) -> VolatilityAlphaResult:
        """The ATH-only ladder on the same bars with the same start; this result if it is one."""
        if self.ladder.variant == "ath_only":
            return self
        twin = self.ladder.with_variant("ath_only")
        return from_inputs(twin, replace(self._inputs, variant="ath_only"))

    @cached_property
    def profit(self) -> pd.Series[float]:
        """What the account gained, by part, in money; the parts add up to its value less the start.

        ``realised_lots``, ``unrealised_lots`` (buybacks, at the last close), ``realised_initial``,
        ``unrealised_initial`` (shares of the first purchase), ``interest``, ``fees`` (negative).
        """
        return pd.Series(
            {
                "realised_lots": self.volatility_alpha_realized,
                "unrealised_lots": self.stack_mark_to_market,
                "realised_initial": self.realised_initial,
                "unrealised_initial": self.unrealised_initial,
                "interest": self.interest,
                "fees": 0.0 - self.fees,
            },
            name="profit",
        )

    @property
    def summary(self) -> pd.Series[float]:
        """The figures of a run by name: returns as decimals, amounts in money."""
        return pd.Series(
            {
                "total_return": self.total_return,
                "volatility_alpha_baseline": self.volatility_alpha_baseline,
                "volatility_alpha_realized": self.volatility_alpha_realized,
                "volatility_alpha_unrealized": self.volatility_alpha_unrealized,
                "volatility_alpha_estimated_total": self.volatility_alpha_estimated_total,
                "stack_mark_to_market": self.stack_mark_to_market,
                "buys": float(self.buys),
                "sells": float(self.sells),
                "minimum_bank": self.minimum_bank,
                "start_value": self.start_value,
            },
            name=self.ladder.name,
        )

    def __repr__(self) -> str:
        """Name, dates, return and trades."""
        dates = self.equity.index
        end = "ruined on" if self.ruined is not None else "to"
        return (
            f"VolatilityAlphaResult({self.ladder.name}: {self.total_return:.2%} from {day(dates[0])} {end} "
            f"{day(dates[-1])}, {self.buys} buys, {self.sells} sells)"
        )


def run_ladder(
    ladder: VolatilityAlpha, bars: Bars, shares: float | None = None, capital: float | None = None
) -> VolatilityAlphaResult:
    """Run on checked bars."""
    return from_inputs(ladder, inputs_of(ladder, bars, shares, capital))


def inputs_of(ladder: VolatilityAlpha, bars: Bars, shares: float | None, capital: float | None) -> Inputs:
    """Everything that one run takes, from its parameters and its first purchase."""
    bought, cash = first_purchase(ladder, float(bars.closes[0]), bars.dates[0], shares, capital)
    lending, borrowing = interest_rates(ladder, bars.dates)
    return Inputs(
        bars=bars, first=0, last=len(bars.closes) - 1, trigger=ladder.trigger, sharing=float(ladder.profit_sharing),
        variant=ladder.variant, lifo=ladder.lots == "lifo", exact=ladder.sell_quantity == "exact",
        whole=ladder.shares == "integer", margin=ladder.margin, fee=float(ladder.fee), lending=lending,
        borrowing=borrowing, shares=bought, cash=cash,
    )  # fmt: skip


def interest_rates(ladder: VolatilityAlpha, dates: pd.DatetimeIndex) -> tuple[FloatArray, FloatArray]:
    """Rates per row; empty arrays where all are 0, so that no interest is booked."""
    lending, borrowing = ladder.financing.per_row(dates)
    if not lending.any() and not borrowing.any():
        return np.empty(0), np.empty(0)
    return lending, borrowing


def first_purchase(
    ladder: VolatilityAlpha, price: float, date: pd.Timestamp, shares: float | None, capital: float | None
) -> tuple[float, float]:
    """Shares of the first purchase, and what is left in the bank."""
    if shares is not None and capital is not None:
        raise SpecificationError(
            "shares and capital are given both", value=(shares, capital), remedy="give the one that is known"
        )
    name, given = ("capital", capital) if capital is not None else ("shares", 100.0 if shares is None else shares)
    number = isinstance(given, (int, float, np.integer, np.floating)) and not isinstance(given, bool)
    if not number or not 0.0 < given < math.inf:
        raise SpecificationError(f"{name} is not a positive number", value=plain(given), remedy=f"give {name} above 0")
    whole = ladder.shares == "integer"
    if name == "shares":
        if whole and not float(given).is_integer():
            raise SpecificationError(
                "shares are not whole", value=plain(given), remedy='give a whole number, or shares="fractional"'
            )
        return float(given), 0.0
    bought = given / price
    if not whole:
        return bought, 0.0
    bought = math.floor(bought)
    if bought == 0:
        raise InputError(
            "the capital does not pay for one share",
            where=day(date),
            value=(plain(given), price),
            remedy='give more capital, or shares="fractional"',
        )
    return float(bought), given - bought * price


def from_inputs(ladder: VolatilityAlpha, inputs: Inputs) -> VolatilityAlphaResult:
    """Run the compiled ladder, check its account, and put names and dates on what it gives."""
    from allocopt.backtests.volatility_alpha import _kernels as k

    raw = run_compiled(inputs)
    bars, figures = inputs.bars, raw.figures
    stop = int(figures[k.LAST_ROW]) + 1
    dates = bars.dates[inputs.first : stop]
    require_shares(int(figures[k.STATUS]), dates[-1], raw.by_row[k.HELD, -1])
    start = inputs.shares * float(bars.closes[inputs.first]) + inputs.cash
    equity = raw.by_row[k.HELD] * bars.closes[inputs.first : stop] + raw.by_row[k.BANK]

    def by_date(row: int, name: str) -> pd.Series[float]:
        return pd.Series(raw.by_row[row], index=dates, name=name)

    lots, unwinds = _lots(raw, bars)
    result = VolatilityAlphaResult(
        ladder=ladder,
        equity=pd.Series(equity, index=dates, name="equity"),
        bank=by_date(k.BANK, "bank"),
        holding=by_date(k.HELD, "holding"),
        orders=pd.DataFrame(
            {
                "buy_limit": raw.by_row[k.BUY_LIMIT],
                "buy_shares": raw.by_row[k.BUY_ORDER],
                "sell_limit": raw.by_row[k.SELL_LIMIT],
                "sell_shares": raw.by_row[k.SELL_ORDER],
            },
            index=dates,
        ),
        transactions=_transactions(raw, inputs, dates),
        lots=lots,
        unwinds=unwinds,
        ruined=dates[-1] if figures[k.STATUS] == k.RUINED else None,
        start_value=start,
        minimum_bank=float(figures[k.LOWEST_BANK]),
        interest=float(figures[k.INTEREST_SUM]),
        fees=float(figures[k.FEE_SUM]),
        realised_initial=float(figures[k.PROFIT_INITIAL]),
        unrealised_initial=float(figures[k.INITIAL_LEFT] * (bars.closes[stop - 1] - bars.closes[inputs.first])),
        _bars=bars,
        _inputs=inputs,
    )
    _require_account(result)
    return result


def equity_curve(ladder: VolatilityAlpha, bars: Bars, capital: float) -> FloatArray:
    """Value at each close, up to the first one at which nothing is left: a run without its tables."""
    from allocopt.backtests.volatility_alpha import _kernels as k

    inputs = inputs_of(ladder, bars, None, capital)
    raw = run_compiled(inputs)
    stop = int(raw.figures[k.LAST_ROW]) + 1
    require_shares(int(raw.figures[k.STATUS]), bars.dates[stop - 1], raw.by_row[k.HELD, -1])
    equity: FloatArray = raw.by_row[k.HELD] * bars.closes[:stop] + raw.by_row[k.BANK]
    return equity


def require_shares(status: int, date: pd.Timestamp, held: float) -> None:
    """Raise if the run ended at an order that rounds to no share."""
    from allocopt.backtests.volatility_alpha import _kernels as k

    if status == k.NO_SHARE:
        raise InputError(
            f"an order rounds to no share: {held:g} shares are fewer than one lot",
            where=day(date),
            remedy='start with more shares, use fewer rungs or more profit_sharing, or shares="fractional"',
        )


def _require_account(result: VolatilityAlphaResult) -> None:
    gained = float(result.equity.iloc[-1]) - result.start_value
    scale = max(float(result.equity.abs().max()), float(result.bank.abs().max()), result.start_value)
    residual = abs(float(result.profit.sum()) - gained)
    if not residual <= TOLERANCE * scale * max(1.0, math.sqrt(len(result.transactions))):
        raise LedgerError(
            "the parts of the profit do not add up to the account's gain",
            value=residual,
            remedy="report this, with the bars and the ladder's name",
        )


def _transactions(raw: Raw, inputs: Inputs, dates: pd.DatetimeIndex) -> pd.DataFrame:
    from allocopt.backtests.volatility_alpha import _kernels as k

    rows = raw.by_row
    price = float(inputs.bars.closes[inputs.first])
    table: list[tuple[object, ...]] = [
        (dates[0], "initial", price, inputs.shares, math.nan, -inputs.shares * price, 0.0, 0.0, 0.0, inputs.shares,
         inputs.cash)
    ]  # fmt: skip
    bought, sold = rows[k.BUY_SHARES] > 0.0, rows[k.SELL_SHARES] > 0.0
    bank, held = inputs.cash, inputs.shares
    for t in np.flatnonzero(bought | sold).tolist():
        bank = float(rows[k.BANK, t - 1])
        if bought[t]:
            price, shares = float(rows[k.BUY_PRICE, t]), float(rows[k.BUY_SHARES, t])
            amount = -price * shares
            fee = inputs.fee * -amount
            bank, held = bank + amount - fee, held + shares
            limit = float(rows[k.BUY_LIMIT, t - 1])
            table.append((dates[t], "buy", price, shares, limit, amount, fee, 0.0, 0.0, held, bank))
        if sold[t]:
            price, shares = float(rows[k.SELL_PRICE, t]), float(rows[k.SELL_SHARES, t])
            amount = price * shares
            fee = inputs.fee * amount
            bank, held = bank + amount - fee, held - shares
            realised, initial = float(rows[k.REALISED, t]), float(rows[k.REALISED_INITIAL, t])
            limit = float(rows[k.SELL_LIMIT, t - 1])
            table.append((dates[t], "sell", price, shares, limit, amount, fee, realised, initial, held, bank))
    names = (
        "date", "kind", "price", "shares", "limit", "amount", "fee", "realised", "realised_initial", "holding", "bank",
    )  # fmt: skip
    return pd.DataFrame(table, columns=list(names))


def _lots(raw: Raw, bars: Bars) -> tuple[pd.DataFrame, pd.DataFrame]:
    from allocopt.backtests.volatility_alpha import _kernels as k

    lots, unwinds = raw.lots, raw.unwinds
    bought = bars.dates[lots[k.LOT_ROW].astype(np.int64)]
    which = unwinds[k.UNWIND_LOT].astype(np.int64)
    sold = bars.dates[unwinds[k.UNWIND_ROW].astype(np.int64)]
    # Rows of a lot are those of the bars; `by_row` ends on the last row of the run.
    prices = raw.by_row[k.SELL_PRICE][unwinds[k.UNWIND_ROW].astype(np.int64) - int(raw.figures[k.LAST_ROW]) - 1]
    profit = (prices - lots[k.LOT_PRICE, which]) * unwinds[k.UNWIND_SHARES]
    closed = pd.Series(pd.NaT, index=range(lots.shape[1]), dtype=bars.dates.dtype)
    done = lots[k.LOT_LEFT] == 0.0
    last = pd.Series(sold).groupby(which).last()
    closed[done] = last.reindex(np.flatnonzero(done)).to_numpy()
    table = pd.DataFrame(
        {
            "buy_date": bought,
            "buy_price": lots[k.LOT_PRICE],
            "qty": lots[k.LOT_BOUGHT],
            "expected_sell_price": lots[k.LOT_EXPECTED],
            "left": lots[k.LOT_LEFT],
            "realised": np.bincount(which, weights=profit, minlength=lots.shape[1]) if len(which) else 0.0,
            "closed": closed,
        }
    )
    sales = pd.DataFrame(
        {
            "sell_date": sold,
            "lot": which,
            "buy_date": bought[which],
            "qty": unwinds[k.UNWIND_SHARES],
            "buy_price": lots[k.LOT_PRICE, which],
            "sell_price": prices,
            "profit": profit,
        }
    )
    return table, sales
