"""The trend basket's run: ledger, trades, and the tables that are reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy.typing as npt
import pandas as pd

from allocopt.backtests.accounting import Execution, Financing, Ledger, account
from allocopt.backtests.studies.sweeps import MULTIPLIERS, Sweep, cost_sweep, curve_figures, never_binding, run_all
from allocopt.backtests.trades import TradeStatistics, trade_statistics
from allocopt.backtests.trend_basket.decisions import BasketDecisions, Signals, decide, decide_from
from allocopt.backtests.trend_basket.specification import ORIGINAL_LIMITS, TrendBasket

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
    _funding: pd.DataFrame | None = None

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
        return pd.Series(
            {
                **curve_figures(self.equity, self.turnover, periods_per_year=self.basket.periods_per_year),
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
            traded = self.turnover.iloc[first:]  # the first row's own trade belongs to what was before
            figures = curve_figures(curve, traded, periods_per_year=self.basket.periods_per_year)
            found[name] = {"start": curve.index[0], "end": end, **figures}
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
        found: dict[str, float] = {
            "target": self.basket.volatility_target,
            "book": _deviation(book.to_numpy()[1:]) * scale,
            "leveraged": _deviation(returns.to_numpy()[1:]) * scale,
            "leveraged_while_held": _deviation(returns.to_numpy()[held]) * scale,
        }
        return pd.Series(found, name="volatility")

    def phase_sweep(self, *, metric: str = "total_return", n_jobs: int = 1, progress: bool = False) -> Sweep:
        """Run the basket at every offset of its schedule: one row an offset, and the rank of this one.

        Parameters
        ----------
        metric : str, default "total_return"
            Figure to rank by; `Sweep.summaries` has the rank by each.
        n_jobs : int, default 1
            Processes, as for joblib.
        progress : bool, default False
            Show a progress bar.
        """
        run = partial(_phase, self.basket, self.closes, self.decisions.signals, self._funding)
        offsets = range(self.basket.interval)
        figures = run_all(run, offsets, n_jobs=n_jobs, progress=progress, what="phases")
        return Sweep(pd.DataFrame(figures, index=pd.Index(offsets, name="offset")), self.basket.offset, metric)

    def cost_sweep(self, multipliers: Sequence[float] = MULTIPLIERS) -> Sweep:
        """Run the same decisions at multiples of their costs; turnover before leverage."""
        found = cost_sweep(
            self.decisions.composition,
            self.closes,
            execution_of(self.basket),
            periods_per_year=self.basket.periods_per_year,
            multipliers=multipliers,
            exposure=self._sizes,
            funding=self._funding,
        )
        table = found.table.copy()
        table[["turnover_per_year", "turnover"]] /= self.basket.leverage or 1.0
        return Sweep(table, found.chosen)

    @cached_property
    def never_binding(self) -> tuple[str, ...]:
        """Parameters that could be relaxed altogether without changing a decided weight on any row."""
        relaxed = {
            "top": self.closes.shape[1],
            # A momentum that is not above zero is no desirability.
            "min_momentum": min(0.0, self.basket.min_momentum) if self.basket.weighting == "momentum" else -math.inf,
            "min_market_momentum": -math.inf,
            "volatility_cap": math.inf,
            "volatility_target": math.inf,
            "limits": ORIGINAL_LIMITS,
        }
        found = never_binding(lambda basket: decide(basket, self.closes).weights, self.basket, relaxed)
        return (*found, *(("top",) if self.basket.top >= self.closes.shape[1] else ()))

    @property
    def _sizes(self) -> pd.Series[float]:
        return self.decisions.scale * (self.basket.exposure * self.basket.leverage)

    def __repr__(self) -> str:
        total, trades = self.metrics["total_return"], int(self.metrics["trades"])
        return f"TrendBasketResult({self.basket.name}: {len(self.equity)} rows, return {total:.4f}, {trades} trades)"


def run_basket(basket: TrendBasket, closes: pd.DataFrame, funding: pd.DataFrame | None) -> TrendBasketResult:
    """Decide on every row, then account for it as a constant mix of the executed weights."""
    decisions = decide(basket, closes)
    return TrendBasketResult(basket, closes, decisions, carry_out(basket, closes, decisions, funding), funding)


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


def _phase(
    basket: TrendBasket, closes: pd.DataFrame, signals: Signals, funding: pd.DataFrame | None, offset: int
) -> dict[str, float]:
    """Figures of the basket at one offset of its schedule; turnover before leverage."""
    other = replace(basket, offset=offset)
    ledger = carry_out(other, closes, decide_from(other, signals), funding)
    turnover = ledger.turnover / (basket.leverage or 1.0)
    return curve_figures(ledger.equity, turnover, periods_per_year=basket.periods_per_year)


def _deviation(values: npt.NDArray[Any]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan
