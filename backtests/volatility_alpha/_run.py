"""From parameters and bars to a result: what a run takes, the compiled ladder, and names and dates on what it gives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain
from allocopt.backtests.volatility_alpha._raw import Bars, FloatArray, Inputs, Raw, run_compiled
from allocopt.backtests.volatility_alpha.result import VolatilityAlphaResult
from allocopt.errors import InputError, LedgerError, SpecificationError

if TYPE_CHECKING:
    from allocopt.backtests.volatility_alpha.specification import VolatilityAlpha

#: The account's parts must add up to this, relative to the largest amount of a run.
TOLERANCE = 1e-9


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
    if not is_positive(given):
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
    bought = math.floor(bought * (1.0 + 1e-12))  # the price of 100 shares buys 100, though the quotient is below it
    if bought == 0:
        raise InputError(
            "the capital does not pay for one share",
            where=day(date),
            value=(plain(given), price),
            remedy='give more capital, or shares="fractional"',
        )
    return float(bought), max(given - bought * price, 0.0)


def is_positive(value: object) -> bool:
    """Whether it is a number above 0."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return number and 0.0 < value < math.inf  # type: ignore[operator]


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
    equity, bank = result.equity.to_numpy(), result.bank.to_numpy()
    gained = float(equity[-1]) - result.start_value
    scale = max(float(np.abs(equity).max()), float(np.abs(bank).max()), result.start_value)
    residual = abs(float(result.profit.to_numpy().sum()) - gained)
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
