"""Read weights, prices, exposure, funding and charges, and line them up on the rows of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_numbers, require_same_clock
from allocopt.backtests.accounting._raw import FloatArray, Inputs, IntArray, Mode
from allocopt.backtests.accounting.execution import finite_table
from allocopt.backtests.accounting.financing import on_rows
from allocopt.backtests.accounting.specification import Execution
from allocopt.backtests.schedules import Schedule
from allocopt.containers import require_unique
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

#: Rows of returns that are looked at for being prices or percent by mistake.
LOOK = 1000

#: Decided weights may sum to this much over 1 before it is borrowing.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Market:
    """Prices, or returns over the rows, of the sleeves of a ledger."""

    dates: pd.DatetimeIndex
    sleeves: pd.Index
    values: FloatArray  # (T, n), as the caller holds them: not copied
    relative: bool
    of_returns: bool

    @classmethod
    def read(cls, prices: pd.DataFrame | None, returns: pd.DataFrame | None) -> Market:
        """Take exactly one of the two."""
        if (prices is None) == (returns is None):
            raise SpecificationError(
                "prices and returns are both given" if prices is not None else "neither prices nor returns are given",
                remedy="give exactly one of them",
            )
        table = prices if prices is not None else returns
        what = "price" if prices is not None else "return"
        frame = require_kind(table, pd.DataFrame, f"the table of {what}s")
        dates = require_dates(frame.index, f"the table of {what}s")
        require_unique(frame.columns, "sleeve")
        if frame.shape[0] == 0 or frame.shape[1] == 0:
            raise ShapeError(f"the table of {what}s is empty", value=frame.shape, remedy="give rows and sleeves")
        if all(dtype == np.float64 for dtype in frame.dtypes):
            values = frame.to_numpy()
        else:
            numbers = [require_numbers(frame.iloc[:, i], f"{what} of {name!r}") for i, name in enumerate(frame.columns)]
            values = np.column_stack(numbers)
        if prices is None and len(values) > 1:
            typical = (
                float(np.nanmedian(np.abs(values[1 : 1 + LOOK]))) if not np.isnan(values[1 : 1 + LOOK]).all() else 0.0
            )
            if typical > 1.0:
                raise InputError(
                    f"returns look like prices or percent: their median size in the first {LOOK} rows",
                    value=typical,
                    remedy="give decimals, 0.01 for 1 %, or pass prices",
                )
        return cls(dates, frame.columns, values, prices is None, prices is None)

    def where(self, row: int, column: int) -> str:
        """Words for one cell."""
        return f"{day(self.dates[row])}, sleeve {plain(self.sleeves[column])!r}"

    def for_mode(self, mode: Mode) -> Market:
        """Turn returns into a price path where shares are held."""
        if mode == "constant-mix" or not self.relative:
            return self
        bad = ~((self.values[1:] > -1.0) & (self.values[1:] < np.inf))
        if bad.any():
            row, column = np.argwhere(bad)[0].tolist()
            raise InputError(
                "holdings need a price path, and a return is missing, infinite or at most -1",
                where=self.where(row + 1, column),
                value=float(self.values[row + 1, column]),
                remedy='give prices, or use mode="constant-mix"',
            )
        path = np.ones_like(self.values, order="C")
        np.cumprod(1.0 + self.values[1:], axis=0, out=path[1:])
        return Market(self.dates, self.sleeves, path, False, True)


@dataclass(frozen=True, eq=False)
class Decisions:
    """What is decided: composition and exposure of each deciding row, and which rows those are."""

    composition: FloatArray  # (M, n)
    exposure: FloatArray  # (M,)
    decided: IntArray  # (T,), row of the composition or -1

    @cached_property
    def weights(self) -> FloatArray:
        """Composition times exposure."""
        if (self.exposure == 1.0).all():
            return self.composition
        return self.composition * self.exposure[:, None]

    @classmethod
    def read(
        cls, weights: pd.DataFrame, exposure: float | pd.Series, execution: Execution, market: Market
    ) -> Decisions:
        """Line weights up with the market's sleeves and rows, and leave those of the schedule."""
        require_kind(weights, pd.DataFrame, "the decided weights")
        dates = require_dates(weights.index, "the table of decided weights")
        require_same_clock(dates, market.dates, "the table of decided weights, beside the prices,")
        require_unique(weights.columns, "sleeve")
        if set(weights.columns) != set(market.sleeves):
            apart = sorted(map(str, set(weights.columns) ^ set(market.sleeves)))
            raise LabelError(
                "weights and prices have different sleeves", value=apart, remedy="give both for the same sleeves"
            )
        ordered = weights if weights.columns.equals(market.sleeves) else weights[market.sleeves.to_list()]
        composition = finite_table(ordered, "decided weight")
        if not composition.flags.owndata:  # the ledger shows it later, when the caller's table may have been changed
            composition = composition.copy()
        rows = _rows_of(dates, market.dates)
        size = _exposure(exposure, dates)
        decided = np.full(len(market.dates), -1, dtype=np.int64)
        decided[rows] = np.arange(len(rows))
        if isinstance(execution.schedule, Schedule):
            decided = _scheduled(execution.schedule, decided, rows, market.dates)
        found = cls(composition, size, decided)
        if execution.financing is None:
            found._require_no_borrowing(market.dates)
        return found

    def _require_no_borrowing(self, dates: pd.DatetimeIndex) -> None:
        sums = np.einsum("ij->i", self.weights)  # several times as fast as sum(axis=1) on rows this short
        over = sums > 1.0 + ROUNDING
        used = np.zeros(len(sums), dtype=bool)
        used[self.decided[self.decided >= 0]] = True
        if (over & used).any():
            row = int((over & used).argmax())
            raise SpecificationError(
                "decided weights borrow cash, and nothing says what it costs",
                where=day(dates[int((self.decided == row).argmax())]),
                value=float(sums[row]),
                remedy="give Execution(financing=Financing(...)), with borrowing=0.0 if it is meant to be free",
            )


def _rows_of(dates: pd.DatetimeIndex, rows: pd.DatetimeIndex) -> IntArray:
    """Positions of the deciding dates among the rows."""
    if dates.equals(rows):
        return np.arange(len(rows))
    found: IntArray = rows.searchsorted(dates)  # both are sorted: no hash table of all rows is needed
    lacking = np.asarray(rows[np.minimum(found, len(rows) - 1)] != dates)
    if lacking.any():
        raise LabelError(
            "weights are decided on a date that has no row of prices",
            where=day(dates[int(lacking.argmax())]),
            remedy="decide on dates of the price table",
        )
    return found


def _scheduled(schedule: Schedule, decided: IntArray, rows: IntArray, dates: pd.DatetimeIndex) -> IntArray:
    on = schedule.rows(dates)
    lacking = on & (decided < 0)
    lacking[: rows[0]] = False
    if lacking.any():
        raise LabelError(
            "the schedule wants a decision on a row without weights",
            where=day(dates[int(lacking.argmax())]),
            remedy="give weights on every row, or leave the schedule out: the weights' dates are then the decisions",
        )
    return np.where(on, decided, -1)


def _exposure(exposure: float | pd.Series, dates: pd.DatetimeIndex) -> FloatArray:
    if isinstance(exposure, pd.Series):
        return on_rows(exposure, dates, "exposure").copy()
    if isinstance(exposure, bool) or not isinstance(exposure, (int, float, np.number)) or not np.isfinite(exposure):
        raise SpecificationError(
            "exposure is no finite number", value=plain(exposure), remedy="give a factor, or a Series by decision date"
        )
    return np.full(len(dates), float(exposure))


def read_funding(funding: pd.DataFrame | None, market: Market) -> FloatArray:
    """Funding rates on the rows and sleeves of the market; no rows where there are none."""
    if funding is None:
        return np.empty((0, len(market.sleeves)))
    require_kind(funding, pd.DataFrame, "the table of funding rates")
    if not funding.index.equals(market.dates) or set(funding.columns) != set(market.sleeves):
        raise LabelError(
            "funding rates have other dates or sleeves than the prices",
            remedy="give one rate a row and sleeve, 0.0 where none is due",
        )
    return finite_table(funding[market.sleeves.to_list()], "funding rate")


def read_charges(charges: pd.DataFrame | None, market: Market) -> FloatArray:
    """Charges on the rows and sleeves of the market; no rows where there are none."""
    if charges is None:
        return np.empty((0, len(market.sleeves)))
    require_kind(charges, pd.DataFrame, "the table of charges")
    if not charges.index.equals(market.dates) or set(charges.columns) != set(market.sleeves):
        raise LabelError(
            "charges have other dates or sleeves than the prices",
            remedy="give one a row and sleeve, 0.0 where nothing is paid",
        )
    found = finite_table(charges[market.sleeves.to_list()], "charge")
    if (found < 0.0).any():
        row, column = np.argwhere(found < 0.0)[0].tolist()
        raise InputError(
            "a charge is negative",
            where=market.where(row, column),
            value=float(found[row, column]),
            remedy="charges are paid: give the fraction of the value without a sign",
        )
    if np.shares_memory(found, charges.to_numpy()):  # the ledger shows it later
        found = found.copy()
    return found


def gather(
    decisions: Decisions,
    market: Market,
    execution: Execution,
    funding: FloatArray,
    charges: FloatArray,
    capital: float,
) -> Inputs:
    """Everything that the rows need."""
    if isinstance(capital, bool) or not isinstance(capital, (int, float, np.number)) or not 0.0 < capital < np.inf:
        raise SpecificationError("capital is no positive amount", value=plain(capital), remedy="give money above 0")
    lending, borrowing = np.empty(0), np.empty(0)
    if execution.financing is not None:
        lending, borrowing = execution.financing.per_row(market.dates)
    return Inputs(
        prices=market.values,
        relative=market.relative,
        mode=execution.mode,
        weights=decisions.weights,
        decided=decisions.decided,
        lag=execution.lag,
        gaps=execution.gaps,
        lot=float(execution.lot),
        lending=lending,
        borrowing=borrowing,
        funding=funding,
        charges=charges,
        capital=float(capital),
    )
