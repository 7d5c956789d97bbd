"""The ledger of a run: what was held, traded, paid and earned on every row, and the proof that it adds up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from allocopt.backtests.metrics import Performance

from allocopt.backtests.accounting._inputs import Decisions, Market
from allocopt.backtests.accounting._raw import IDENTITIES, FloatArray, Inputs, IntArray, Raw
from allocopt.backtests.accounting.specification import Execution
from allocopt.costs import MarketCost, PerShareCost
from allocopt.errors import SpecificationError, StaleInputError


@dataclass(frozen=True, eq=False)
class Ledger:
    """Everything that happened to the money, row by row. Made by `account`.

    Row t is the period from the close of row t-1 to the close of row t. Weights, turnover and returns are decimal
    fractions of the value at the row's start; equity, cash, costs and P&L are money. Rows end at a bankruptcy.

    Tables by sleeve are worked out when they are first asked for, from the caller's prices. A `StaleInputError` says
    that these were changed in place since the run.
    """

    _market: Market
    _decisions: Decisions
    execution: Execution
    _inputs: Inputs
    _labels: tuple[str, ...]
    _raw: Raw
    route: str

    @property
    def dates(self) -> pd.DatetimeIndex:
        """The rows."""
        return self._market.dates[: self._raw.row + 1]

    @property
    def sleeves(self) -> pd.Index:
        """The columns of all tables by sleeve."""
        return self._market.sleeves

    @property
    def capital(self) -> float:
        """Money at the close of row 0."""
        return self._inputs.capital

    @property
    def lag(self) -> int:
        """Rows from a decision to the period that it earns."""
        return self._inputs.lag

    @property
    def bankrupt(self) -> pd.Timestamp | None:
        """Date on which the value was no longer positive, the last row of the ledger; None if that did not happen."""
        return self.dates[-1] if self._raw.how == "bankrupt" else None

    @property
    def equity(self) -> pd.Series[float]:
        """Value at the close of each row, money: cash and positions."""
        return self._figure(0, "equity")

    @property
    def cash(self) -> pd.Series[float]:
        """Cash at the close of each row, money; negative where it is borrowed."""
        return self._figure(1, "cash")

    @property
    def turnover(self) -> pd.Series[float]:
        """What was traded at the start of each row, both sides, as a fraction of the value then."""
        return self._figure(2, "turnover")

    @property
    def cost(self) -> pd.Series[float]:
        """What trading cost, and what was charged, at the start of each row, money."""
        return self._figure(3, "cost")

    @property
    def interest(self) -> pd.Series[float]:
        """Interest received (negative: paid) over each row, money."""
        return self._figure(4, "interest")

    @property
    def funding(self) -> pd.Series[float]:
        """Perpetual funding received (negative: paid) over each row, money."""
        return self._figure(5, "funding")

    @property
    def costs(self) -> pd.DataFrame:
        """What was paid at the start of each row by cause, money; the last is ``charges``, where there are some."""
        return pd.DataFrame(self._raw.causes[: self._rows], index=self.dates, columns=list(self._labels))

    @cached_property
    def returns(self) -> pd.Series[float]:
        """Change of the equity over each row as a fraction of its start; 0.0 on row 0, which ends no period."""
        value = self._raw.figures[: self._rows, 0]
        found = np.zeros(self._rows)
        found[1:] = value[1:] / value[:-1] - 1.0
        return pd.Series(found, index=self.dates, name="return")

    @cached_property
    def executed(self) -> pd.DataFrame:
        """Weights held over each row, as fractions of the value at its start, after the trades."""
        if self._inputs.mode == "constant-mix":
            return self._frame(self._held)
        return self._frame(self._start / self._value_before[:, None])

    @cached_property
    def opening_positions(self) -> pd.DataFrame:
        """Money in each sleeve at the start of each row, after the trades."""
        return self._frame(self._start)

    @cached_property
    def positions(self) -> pd.DataFrame:
        """Money in each sleeve at the close of each row: with `cash`, the equity."""
        return self._frame(self._start + self.sleeve_pnl.to_numpy())

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Shares held over each row.

        Raises
        ------
        SpecificationError
            For a constant mix, which holds weights, or a ledger of returns.
        """
        if self._inputs.mode == "constant-mix" or self._of_returns:
            raise SpecificationError(
                "there are no shares in a constant mix or in a ledger of returns",
                value=self._inputs.mode,
                remedy='use mode="holdings" and give prices',
            )
        return self._frame(self._held)

    @cached_property
    def invested(self) -> pd.Series[bool]:
        """Rows over which something is held."""
        return pd.Series((self._held != 0.0).any(axis=1), index=self.dates, name="invested")

    @cached_property
    def borrowed(self) -> pd.Series[float]:
        """Cash owed at the start of each row, after trades and costs, as a fraction of the value; 0.0 where none is."""
        cash = self._value_before - self.cost.to_numpy() - self._start.sum(axis=1)
        return pd.Series(np.maximum(-cash, 0.0) / self._value_before, index=self.dates, name="borrowed")

    @cached_property
    def traded(self) -> pd.DataFrame:
        """What was traded in each sleeve at the start of each row, a signed fraction of the value then."""
        held = self._held
        changes = np.diff(held, axis=0, prepend=np.zeros((1, held.shape[1])))
        if self._inputs.mode == "constant-mix":
            return self._frame(changes)
        prices = np.where(changes != 0.0, self._last_prices[np.r_[0, 0 : self._rows - 1]], 0.0)
        return self._frame(changes * prices / self._value_before[:, None])

    @cached_property
    def charges(self) -> pd.DataFrame | None:
        """Charges paid for each sleeve at the start of each row, money; None where none were given."""
        if not len(self._inputs.charges):
            return None
        paid = self._inputs.charges[: self._rows] * self._value_before[:, None]
        paid[0] = 0.0
        return self._frame(paid)

    @cached_property
    def sleeve_cost(self) -> pd.DataFrame:
        """What trading each sleeve cost, and its charges, at the start of each row, money; they sum to `cost`."""
        trades = self.traded.to_numpy()
        cost = np.zeros_like(trades)
        rows = np.flatnonzero((trades != 0.0).any(axis=1))
        before = self._value_before
        for cause in self.execution.causes:
            own_formula = type(cause) is not PerShareCost
            if isinstance(cause, PerShareCost) and not own_formula:
                each, least = cause.money(len(self.sleeves), self.sleeves)
                money = np.abs(trades[rows]) * before[rows, None]
                prices = np.where(money > 0.0, self._last_prices[rows - 1], 1.0)
                cost[rows] += np.where(money > 0.0, np.maximum(each * money / prices, least), 0.0)
            elif isinstance(cause, MarketCost):
                for row in rows.tolist():
                    prices = self._last_prices[row - 1]
                    known = np.where(prices > 0.0, prices, 1.0)  # a sleeve without a price does not trade
                    at = cause.at(known, float(before[row]))
                    cost[row] += at.cost(trades[row], self.sleeves) * before[row]
            else:
                cost[rows] += cause.cost(trades[rows], self.sleeves) * before[rows, None]
        return self._frame(cost if self.charges is None else cost + self.charges.to_numpy())

    @cached_property
    def sleeve_pnl(self) -> pd.DataFrame:
        """Money that each sleeve's price change brought over each row, before costs, interest and funding.

        Raises
        ------
        StaleInputError
            If the prices were changed in place since the run.
        """
        growth = self._growth()
        held = self._held != 0.0
        pnl = np.where(held, self._start * np.where(held, growth, 0.0), 0.0)
        scale = max(float(np.abs(pnl).sum()), self.capital)
        if not np.abs(pnl.sum(axis=0) - self._raw.pnl).max() <= 1e-9 * scale < np.inf:
            raise _stale()
        return self._frame(pnl)

    @cached_property
    def sleeve_funding(self) -> pd.DataFrame:
        """Perpetual funding that each sleeve received (negative: paid) over each row, money; the sleeves sum to all."""
        if not len(self._inputs.funding):
            return self._frame(np.zeros_like(self._start))
        return self._frame(-self._start * self._inputs.funding[: self._rows])

    @cached_property
    def composition(self) -> pd.DataFrame:
        """Weights in force on each row as they were decided, before exposure: the cap and the floor hold here."""
        return self._frame(self._in_force(self._decisions.composition, 0.0))

    @cached_property
    def exposure(self) -> pd.Series[float]:
        """Factor on the composition in force on each row; 0.0 before the first decision takes effect."""
        factor = self._in_force(self._decisions.exposure[:, None], 0.0)[:, 0]
        return pd.Series(factor, index=self.dates, name="exposure")

    @cached_property
    def gaps(self) -> pd.Series[int]:
        """Number of rows without a price, by sleeve, whether it was needed or not."""
        missing = np.isnan(self._market.values[1 if self._market.relative else 0 : self._rows]).sum(axis=0)
        return pd.Series(missing, index=self.sleeves, name="missing prices")

    @property
    def identities(self) -> pd.Series[float]:
        """Largest residual of each identity that was checked on this run, relative to the value. At most 1e-9."""
        return pd.Series(self._raw.residuals, index=list(IDENTITIES), name="residual")

    def performance(
        self,
        *,
        periods_per_year: float,
        regimes: pd.Series[Any] | None = None,
        cash_rate: float | pd.Series[float] = 0.0,
        standard_error: bool = True,
    ) -> Performance:
        """Figures of the equity, with the win rate on invested rows and the turnover: see `performance`.

        Parameters
        ----------
        periods_per_year : float
            Rows a year.
        regimes : Series, optional
            Regime that governs each row, as `in_force` gives it.
        cash_rate : float or Series, default 0.0
            Decimal per year, on the row that it stands on.
        standard_error : bool, default True
            Whether to estimate the error of the Sharpe ratio.
        """
        from allocopt.backtests.metrics import performance

        return performance(
            self.equity,
            periods_per_year=periods_per_year,
            active=self.invested,
            turnover=self.turnover,
            regimes=regimes,
            cash_rate=cash_rate,
            standard_error=standard_error,
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a period: equity, return, cash, turnover, interest, funding, cost in all and by cause, then weights.

        Columns have two levels: ``("ledger", name)``, ``("cost", cause)``, ``("executed", sleeve)``.
        """
        parts = {
            "ledger": pd.DataFrame(
                {
                    "equity": self.equity,
                    "return": self.returns,
                    "cash": self.cash,
                    "exposure": self.exposure,
                    "turnover": self.turnover,
                    "cost": self.cost,
                    "interest": self.interest,
                    "funding": self.funding,
                }
            ),
            "cost": self.costs,
            "executed": self.executed,
        }
        return pd.concat({name: part for name, part in parts.items() if part.shape[1]}, axis=1)

    def __repr__(self) -> str:
        value = self._raw.figures[self._rows - 1, 0]
        ended = f", bankrupt on {self.bankrupt}" if self.bankrupt is not None else ""
        return (
            f"Ledger({self._rows} rows x {len(self.sleeves)} sleeves, {self.execution.mode}, lag {self.lag}: "
            f"{self.capital:g} -> {value:g}, costs {self._raw.figures[: self._rows, 3].sum():.4g}{ended})"
        )

    @property
    def _of_returns(self) -> bool:
        return self._market.of_returns

    @property
    def _rows(self) -> int:
        return self._raw.row + 1

    def _figure(self, column: int, name: str) -> pd.Series[float]:
        return pd.Series(self._raw.figures[: self._rows, column], index=self.dates, name=name)

    def _frame(self, values: FloatArray) -> pd.DataFrame:
        return pd.DataFrame(values, index=self.dates, columns=self.sleeves)

    @property
    def _value_before(self) -> FloatArray:
        """Value at the start of each row; row 0 has the capital."""
        value = self._raw.figures[: self._rows, 0]
        return np.concatenate([value[:1], value[:-1]])

    @cached_property
    def _held(self) -> FloatArray:
        """Shares, or weights of a constant mix, on each row."""
        records = self._raw.record_rows[: self._raw.records]
        which = np.searchsorted(records, np.arange(self._rows), side="right")
        table = np.vstack([np.zeros((1, len(self.sleeves))), self._raw.record[: self._raw.records]])
        held: FloatArray = table[which]
        return held

    @cached_property
    def _last_prices(self) -> FloatArray:
        """Price of the row or the last one before it."""
        prices: FloatArray = self._market.values[: self._rows]
        held = self._held
        if np.isnan(prices).any():
            prices = pd.DataFrame(prices).ffill().to_numpy()
        if self._inputs.mode == "holdings":
            valued = np.where(held != 0.0, prices, 0.0) if np.isnan(prices).any() else prices
            value, cash = self._raw.figures[: self._rows, 0], self._raw.figures[: self._rows, 1]
            off = np.abs(np.einsum("ij,ij->i", held, valued) + cash - value)
            if not (off <= 1e-9 * (np.abs(value) + np.abs(cash))).all():
                raise _stale()
        return prices

    def _growth(self) -> FloatArray:
        """Return of each sleeve over each row; 0 over a gap, and on row 0."""
        growth = np.zeros((self._rows, len(self.sleeves)))
        if self._market.relative:
            growth[1:] = np.nan_to_num(self._market.values[1 : self._rows], nan=0.0)
        else:
            growth[1:] = self._last_prices[1:] / self._last_prices[:-1] - 1.0
        return growth

    @cached_property
    def _start(self) -> FloatArray:
        """Money in each sleeve at the start of each row, after the trades."""
        if self._inputs.mode == "constant-mix":
            return self._held * self._value_before[:, None]
        before = self._last_prices[np.r_[0, 0 : self._rows - 1]]
        return np.where(self._held != 0.0, self._held * np.where(self._held != 0.0, before, 0.0), 0.0)

    def _in_force(self, table: FloatArray, missing: float) -> FloatArray:
        """Row of a table by decision that is in force on each row."""
        latest: IntArray = np.maximum.accumulate(
            np.where(self._inputs.decided >= 0, np.arange(len(self._inputs.decided)), -1)
        )
        rows = np.arange(self._rows) - self.lag
        source = np.where(rows >= 0, latest[np.maximum(rows, 0)], -1)
        found: FloatArray = np.where(
            (source >= 0)[:, None], table[self._inputs.decided[np.maximum(source, 0)]], missing
        )
        return found


def _stale() -> StaleInputError:
    return StaleInputError(
        "the prices were changed in place after the run", remedy="call account again, or pass it a copy"
    )
