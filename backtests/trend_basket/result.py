"""The trend basket's run: ledger, trades, and the tables that are reported."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests.accounting import Execution, Financing, Ledger, account
from allocopt.backtests.trades import TradeStatistics, trade_statistics
from allocopt.backtests.trend_basket.decisions import BasketDecisions, decide
from allocopt.backtests.trend_basket.specification import TrendBasket

FloatArray = npt.NDArray[np.float64]

#: Horizons that are reported: name and how far before the last row they begin; None for the whole run.
HORIZONS: tuple[tuple[str, pd.DateOffset | None], ...] = (
    ("full", None),
    ("3y", pd.DateOffset(years=3)),
    ("1y", pd.DateOffset(years=1)),
    ("6m", pd.DateOffset(months=6)),
    ("3m", pd.DateOffset(months=3)),
)


@dataclass(frozen=True, eq=False)
class TrendBasketResult:
    """A run of a `TrendBasket`.

    Attributes
    ----------
    basket : TrendBasket
    closes : DataFrame
        What it ran on.
    decisions : BasketDecisions
        Signals, composition, scale.
    ledger : Ledger
        The accounts of the leveraged book, capital 1.
    """

    basket: TrendBasket
    closes: pd.DataFrame
    decisions: BasketDecisions
    ledger: Ledger

    @cached_property
    def equity(self) -> pd.Series[float]:
        """Value at each close, from a capital of 1: the running product of the growth of each row."""
        return self.ledger.equity

    @cached_property
    def executed(self) -> pd.DataFrame:
        """Weights on the rows that they earn, before leverage: composition times exposure times scale, a row later."""
        return self.ledger.executed / self.basket.leverage if self.basket.leverage else self.ledger.executed

    @cached_property
    def turnover(self) -> pd.Series[float]:
        """Sum over the coins of what the executed weights change on each row, before leverage, both sides."""
        return self.ledger.turnover / (self.basket.leverage or 1.0)

    @cached_property
    def statistics(self) -> TradeStatistics:
        """Trades, valued after leverage and fees; turnover in the accounting's units, with leverage."""
        return trade_statistics(self.ledger)

    @property
    def trades(self) -> pd.DataFrame:
        """One row a trade: coin, dates, bars, value and gain (decimals of the capital, after leverage and fees)."""
        return self.statistics.trades

    @property
    def years(self) -> float:
        """Rows after the first over the rows of a year."""
        return (len(self.equity) - 1) / self.basket.periods_per_year

    @cached_property
    def metrics(self) -> pd.Series[float]:
        """The reported figures, decimals.

        ``annualized_return`` compounds over `years`; ``max_drawdown`` is positive; ``calmar`` is their ratio.
        ``turnover`` and its parts count both sides of the executed weights before leverage; ``trades`` is a number;
        ``win_rate`` and ``profit_factor`` are over trades.
        """
        statistics, leverage = self.statistics, self.basket.leverage or 1.0
        turnover = float(self.turnover.sum())
        return pd.Series(
            {
                **_curve(self.equity, self.basket.periods_per_year),
                "turnover_per_year": turnover / self.years,
                "turnover": turnover,
                "turnover_entry": statistics.turnover_entry / leverage,
                "turnover_inside": statistics.turnover_inside / leverage,
                "turnover_close": statistics.turnover_close / leverage,
                "trades": float(statistics.count),
                "win_rate": statistics.win_rate,
                "profit_factor": statistics.profit_factor,
            },
            name=self.basket.name,
        )

    @cached_property
    def horizons(self) -> pd.DataFrame:
        """The compounded curve sliced by date: full, 3 and 1 years, 6 and 3 months back from the last row.

        A horizon starts from the value on its first row, the last row at or before that date; one that reaches back
        further than the data is left out. Columns: start, end, total_return, annualized_return, max_drawdown, calmar,
        turnover_per_year, turnover.
        """
        end = self.equity.index[-1]
        found = {}
        for name, back in HORIZONS:
            start = self.equity.index[0] if back is None else end - back
            if start < self.equity.index[0]:
                continue
            first = int(self.equity.index.searchsorted(start, side="right")) - 1
            curve = self.equity.iloc[first:]
            turnover = float(self.turnover.iloc[first + 1 :].sum())
            years = (len(curve) - 1) / self.basket.periods_per_year
            found[name] = {
                "start": curve.index[0],
                "end": end,
                **_curve(curve, self.basket.periods_per_year),
                "turnover_per_year": turnover / years,
                "turnover": turnover,
            }
        return pd.DataFrame.from_dict(found, orient="index").rename_axis("horizon")

    @cached_property
    def monthly(self) -> pd.DataFrame:
        """Return of each calendar month; months chain, each starting from the end of the one before.

        Columns: start_equity, end_equity, return, turnover. The first month starts from the capital.
        """
        month = pd.DatetimeIndex(self.equity.index).tz_localize(None).to_period("M")
        end = self.equity.groupby(month).last()
        start = end.shift(1, fill_value=self.ledger.capital)
        return pd.DataFrame(
            {
                "start_equity": start,
                "end_equity": end,
                "return": end / start - 1.0,
                "turnover": self.turnover.groupby(month).sum(),
            }
        ).rename_axis("month")

    @property
    def first_exposure(self) -> pd.Timestamp | None:
        """First row on which a coin is held; None if that never happens."""
        held = (self.executed > 0.0).any(axis=1).to_numpy()
        return self.executed.index[int(held.argmax())] if held.any() else None

    @cached_property
    def delivered_volatility(self) -> pd.Series[float]:
        """The volatility target beside what was delivered, decimals per year.

        ``target``; ``book``, of the executed weights before leverage; ``leveraged``, of the returns after leverage and
        fees; ``leveraged_while_held``, of those on the rows on which a coin was held.
        """
        scale = math.sqrt(self.basket.periods_per_year)
        held = (self.executed != 0.0).any(axis=1).to_numpy()
        book = (self.executed * self.decisions.signals.returns).sum(axis=1)
        returns = self.ledger.returns
        return pd.Series(
            {
                "target": self.basket.volatility_target,
                "book": _deviation(book.to_numpy()[1:]) * scale,
                "leveraged": _deviation(returns.to_numpy()[1:]) * scale,
                "leveraged_while_held": _deviation(returns.to_numpy()[held]) * scale,
            },
            name="volatility",
        )

    def __repr__(self) -> str:
        total, trades = self.metrics["total_return"], int(self.metrics["trades"])
        return f"TrendBasketResult({self.basket.name}: {len(self.equity)} rows, return {total:.4f}, {trades} trades)"


def run_basket(basket: TrendBasket, closes: pd.DataFrame, funding: pd.DataFrame | None) -> TrendBasketResult:
    """Decide on every row, then account for it as a constant mix of the executed weights."""
    decisions = decide(basket, closes)
    return TrendBasketResult(basket, closes, decisions, carry_out(basket, closes, decisions, funding))


def carry_out(
    basket: TrendBasket, closes: pd.DataFrame, decisions: BasketDecisions, funding: pd.DataFrame | None = None
) -> Ledger:
    """Ledger of decided weights: constant mix, executed one row later, with leverage and fees."""
    return account(
        decisions.composition,
        closes,
        execution_of(basket),
        exposure=decisions.scale * (basket.exposure * basket.leverage),
        funding=funding,
    )


def execution_of(basket: TrendBasket) -> Execution:
    """How the basket trades. Perpetuals are margined, so a book over its capital borrows no cash."""
    return Execution(
        mode="constant-mix",
        lag=1,
        costs=basket.costs,
        financing=Financing(lending=0.0, borrowing=0.0, periods_per_year=basket.periods_per_year),
    )


def _curve(equity: pd.Series[float], periods_per_year: float) -> dict[str, float]:
    """Figures of a curve from its first to its last value."""
    value = equity.to_numpy()
    years = (len(value) - 1) / periods_per_year
    total = float(value[-1] / value[0] - 1.0)
    annual = (1.0 + total) ** (1.0 / years) - 1.0 if total > -1.0 else -1.0
    drawdown = float((1.0 - value / np.maximum.accumulate(value)).max())
    return {
        "total_return": total,
        "annualized_return": annual,
        "max_drawdown": drawdown,
        "calmar": annual / drawdown if drawdown > 0.0 else math.nan,
    }


def _deviation(values: FloatArray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan
