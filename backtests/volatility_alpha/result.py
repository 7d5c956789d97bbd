"""One run of the ladder: the account, its trades, its buyback lots, and what they earned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.volatility_alpha._raw import Bars, Inputs

if TYPE_CHECKING:
    from allocopt.backtests.volatility_alpha.specification import VolatilityAlpha


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
        return float(self.unwinds["profit"].to_numpy().sum())

    @property
    def volatility_alpha_unrealized(self) -> float:
        """Profit that the stack would bring at its expected prices, in money: no market price comes into it."""
        buy, left, expected = (self.lots[name].to_numpy() for name in ("buy_price", "left", "expected_sell_price"))
        return float(((expected - buy) * left).sum())

    @property
    def volatility_alpha_estimated_total(self) -> float:
        """Realised and expected profit together, in money: potential, if every lot is sold where it is expected."""
        return self.volatility_alpha_realized + self.volatility_alpha_unrealized

    @property
    def stack_mark_to_market(self) -> float:
        """Profit of the stack at the last close, in money: below 0 where the price is under what was paid."""
        buy, left = self.lots["buy_price"].to_numpy(), self.lots["left"].to_numpy()
        return float(((self.close - buy) * left).sum())

    @cached_property
    def baseline(self) -> VolatilityAlphaResult:
        """The ATH-only ladder on the same bars with the same start; this result if it is one."""
        if self.ladder.variant == "ath_only":
            return self
        from allocopt.backtests.volatility_alpha._run import from_inputs

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
