"""One account through all folds: the chosen configurations' decisions, one switch at a border, everything paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.accounting import Execution, Ledger, account
from allocopt.backtests.walk_forward.study import FloatArray, Run, run_of_ledger
from allocopt.errors import SpecificationError

_APART = 'hold it fixed over the grid, or say stitching="returns" to chain returns with free switches'


@dataclass(frozen=True, eq=False)
class Leg:
    """The run of a fold's chosen configuration, its first and last test row, and whether it is another one."""

    run: Run
    first: int
    last: int
    switched: bool

    @property
    def ledger(self) -> Ledger:
        """Its accounts."""
        assert self.run.ledger is not None
        return self.run.ledger


def stitch(legs: Sequence[Leg], dates: pd.DatetimeIndex) -> Run:
    """Account the decisions of all legs once.

    The account begins where the first leg's own does and holds what that leg holds when its test window begins. A leg
    decides on the rows from ``first - lag`` on. Where it is another configuration than the one before, the first of
    these decisions moves to the weights that its own run holds then.
    """
    execution = _execution(legs)
    sleeves, market, relative = _market(legs, dates)
    begin, lag = legs[0].run.first, execution.lag
    rows: list[int] = []
    composition: list[FloatArray] = []
    exposure: list[float] = []
    for number, leg in enumerate(legs):
        low = begin if number == 0 else leg.first - lag
        high = leg.last if number == len(legs) - 1 else legs[number + 1].first - lag - 1
        for row in range(low, high + 1):
            taken = _decision(leg, row)
            if taken is None and leg.switched and row == low:
                taken = _held(leg, row, execution)
            if taken is not None:
                rows.append(row)
                composition.append(_spread(taken[0], leg.ledger.sleeves, sleeves))
                exposure.append(taken[1])
    if not rows:  # nothing is ever decided: all is cash
        rows, composition, exposure = [begin], [np.zeros(len(sleeves))], [1.0]
    index = dates[rows]
    ledger = account(
        pd.DataFrame(np.vstack(composition), index=index, columns=sleeves),
        None if relative else market,
        replace(execution, schedule=None),
        returns=market if relative else None,
        exposure=pd.Series(exposure, index=index),
        funding=_funding(legs, dates, sleeves),
        charges=_charges(legs, dates, sleeves),
        capital=legs[0].ledger.capital,
    )
    return run_of_ledger(ledger, begin)


def _decision(leg: Leg, row: int) -> tuple[FloatArray, float] | None:
    """Composition and exposure that the leg's run decides on a row."""
    inputs, decisions = leg.ledger._inputs, leg.ledger._decisions
    which = int(inputs.decided[row - leg.run.first]) if row >= leg.run.first else -1
    return None if which < 0 else (decisions.composition[which], float(decisions.exposure[which]))


def _held(leg: Leg, row: int, execution: Execution) -> tuple[FloatArray, float]:
    """Give what the leg's own run holds at the close of a row, or is about to hold, as a decision."""
    ledger, nothing = leg.ledger, np.zeros(len(leg.ledger.sleeves))
    latest = next((r for r in range(row, leg.run.first - 1, -1) if _decision(leg, r) is not None), None)
    if latest is None or row > leg.run.last:
        return nothing, 1.0
    composition, exposure = _decision(leg, latest) or (nothing, 1.0)
    if execution.mode == "constant-mix" or latest > row - execution.lag:
        return composition, exposure  # held without drift, or decided and not filled yet
    place = row - leg.run.first
    weights = ledger.positions.to_numpy()[place] / leg.run.equity[place]
    total = float(weights.sum())
    if execution.financing is None and total > 1.0:
        weights = weights / total  # what its costs have left owing is not borrowed again
    return (weights / exposure, exposure) if exposure != 0.0 else (weights, 1.0)


def _spread(weights: FloatArray, own: pd.Index[Any], sleeves: pd.Index[Any]) -> FloatArray:
    """Weights on the sleeves of all legs; 0.0 where a leg does not have one."""
    if own.equals(sleeves):
        return weights
    found = np.zeros(len(sleeves))
    found[sleeves.get_indexer(own)] = weights
    return found


def _market(legs: Sequence[Leg], dates: pd.DatetimeIndex) -> tuple[pd.Index[Any], pd.DataFrame, bool]:
    """Sleeves and prices (or returns) of all legs, which must agree wherever two of them have one."""
    markets = [leg.ledger._market for leg in legs]
    last = markets[-1]
    if any(market.relative != last.relative for market in markets):
        raise SpecificationError("some configurations are accounted on prices and some on returns", remedy=_APART)
    frames = []
    for market in markets:
        # Row 0 of returns is not used, and may hold anything.
        first = 1 if market.relative else 0
        frames.append(pd.DataFrame(market.values[first:], index=market.dates[first:], columns=market.sleeves))
    whole = frames[-1]
    for frame in reversed(frames[:-1]):
        columns, index = frame.columns.intersection(whole.columns), frame.index.intersection(whole.index)
        one, other = (part.loc[index, columns].to_numpy() for part in (frame, whole))
        apart = (one != other) & ~np.isnan(one) & ~np.isnan(other)
        if apart.any():
            row, column = np.argwhere(apart)[0].tolist()
            raise SpecificationError(
                "two chosen configurations have different prices, and one account cannot hold both",
                where=f"{day(index[row])}, sleeve {columns[column]!r}",
                value=(float(one[row, column]), float(other[row, column])),
                remedy=_APART,
            )
        if len(columns) < frame.shape[1] or len(index) < len(frame) or (np.isnan(other) & ~np.isnan(one)).any():
            whole = whole.combine_first(frame)
    sleeves = pd.Index(dict.fromkeys(name for frame in frames for name in frame.columns), name=last.sleeves.name)
    rows = dates[legs[0].run.first : legs[-1].last + 1]
    if whole.index.equals(rows) and whole.columns.equals(sleeves):
        return sleeves, whole, last.relative
    return sleeves, whole.reindex(index=rows, columns=sleeves), last.relative


def _funding(legs: Sequence[Leg], dates: pd.DatetimeIndex, sleeves: pd.Index[Any]) -> pd.DataFrame | None:
    frames = [
        pd.DataFrame(ledger._inputs.funding, index=ledger._market.dates, columns=ledger.sleeves)
        for ledger in (leg.ledger for leg in legs)
        if len(ledger._inputs.funding)
    ]
    if not frames:
        return None
    whole = frames[-1]
    for frame in frames[:-1]:
        whole = whole.combine_first(frame)
    return whole.reindex(index=dates[legs[0].run.first : legs[-1].last + 1], columns=sleeves).fillna(0.0)


def _charges(legs: Sequence[Leg], dates: pd.DatetimeIndex, sleeves: pd.Index[Any]) -> pd.DataFrame | None:
    """Give the charges of each leg's own run on the rows that it covers; a switch itself is charged nothing."""
    if not any(len(leg.ledger._inputs.charges) for leg in legs):
        return None
    begin, end = legs[0].run.first, legs[-1].last
    table = np.zeros((end + 1 - begin, len(sleeves)))
    for number, leg in enumerate(legs):
        own, start = leg.ledger._inputs.charges, leg.run.first
        low = begin if number == 0 else leg.first
        high = min(end if number == len(legs) - 1 else legs[number + 1].first - 1, start + len(own) - 1)
        if len(own):
            columns = sleeves.get_indexer(leg.ledger.sleeves)
            table[low - begin : high + 1 - begin, columns] = own[low - start : high + 1 - start]
    return pd.DataFrame(table, index=dates[begin : end + 1], columns=sleeves)


def _execution(legs: Sequence[Leg]) -> Execution:
    """Give the execution of all legs, which must be one."""
    last = legs[-1].ledger.execution
    for leg in legs[:-1]:
        for field in fields(Execution):
            one, other = getattr(leg.ledger.execution, field.name), getattr(last, field.name)
            if field.name != "schedule" and not _same(one, other):
                raise SpecificationError(
                    f"two chosen configurations are executed differently: {field.name}",
                    value=(one, other),
                    remedy=_APART,
                )
    return last


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, pd.Series):
        common = one.index.intersection(other.index)
        return one.loc[common].equals(other.loc[common])
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    if is_dataclass(one):
        return all(_same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return bool(one == other)
