"""Trades and lots of a walk as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from allocopt.backtests.profiles._accounts import Accounts
from allocopt.backtests.profiles._inputs import IntArray
from allocopt.backtests.profiles._records import rows_of
from allocopt.backtests.profiles._walk import Walk
from allocopt.backtests.profiles.specification import MULTIPLIER


def trade_frame(walk: Walk, accounts: Accounts, lots: pd.DataFrame) -> pd.DataFrame:
    """One row a trade; its money is the sum of its rows."""
    total, trades = len(walk.rows), walk.trades
    spans = [rows_of(trade, total) for trade in trades]
    opened = _integers([trade.opened for trade in trades])
    last = _integers([span.stop - 1 for span in spans])
    cost = accounts.costs.sum(axis=1)
    table = pd.DataFrame(
        {
            "campaign": _integers([trade.campaign for trade in trades]),
            "direction": ["long" if trade.direction > 0 else "short" for trade in trades],
            "regime": _integers([trade.regime for trade in trades]),
            "decided": _dates(walk, _integers([trade.decided for trade in trades])),
            "entry": _dates(walk, opened),
            "exit": _dates(walk, _integers([trade.closed for trade in trades])),
            "reason": [trade.reason for trade in trades],
            "rows": last - opened,
            "days": walk.rows.ordinals[last] - walk.rows.ordinals[opened],
            "units": np.array([trade.units for trade in trades], dtype=np.float64),
            "filled": np.array([trade.filled for trade in trades], dtype=np.float64),
            "legs": _words(walk, lots),
            "leg_rolls": _integers([trade.leg_rolls for trade in trades]),
            "premium": np.array([trade.premium for trade in trades], dtype=np.float64),
            "capital": np.array([accounts.capital[span].max() for span in spans], dtype=np.float64),
            "option_pnl": np.array([accounts.options[span].sum() for span in spans], dtype=np.float64),
            "hedge_pnl": np.array([accounts.hedge[span].sum() for span in spans], dtype=np.float64),
            "costs": np.array([cost[span].sum() for span in spans], dtype=np.float64),
            "pnl": np.array([accounts.pnl[span].sum() for span in spans], dtype=np.float64),
        }
    )
    table.index.name = "trade"
    return table


def lot_frame(walk: Walk) -> pd.DataFrame:
    """One row a leg that was filled."""
    lots, tables, final = walk.lots, walk.tables, len(walk.rows) - 1
    opened = _integers([lot.opened for lot in lots])
    closed = _integers([lot.closed for lot in lots])
    kind = np.int64 if all(isinstance(lot.quantity, int) for lot in lots) else np.float64
    quantity = np.array([lot.quantity for lot in lots], dtype=kind)
    begin = [tables[lot.leg].cell(lot.origin, lot.opened) for lot in lots]
    end = [tables[lot.leg].cell(lot.origin, lot.closed if lot.closed >= 0 else final) for lot in lots]
    paid = np.array([tables[lot.leg].price[at] for lot, at in zip(lots, begin, strict=True)], dtype=np.float64)
    got = np.array([tables[lot.leg].price[at] for lot, at in zip(lots, end, strict=True)], dtype=np.float64)
    expiry = _integers([int(tables[lot.leg].expiry[lot.origin]) for lot in lots])
    return pd.DataFrame(
        {
            "trade": _integers([lot.trade for lot in lots]),
            "leg": _integers([lot.leg for lot in lots]),
            "kind": [tables[lot.leg].leg.kind for lot in lots],
            "quantity": quantity,
            "strike": np.array([tables[lot.leg].strike[lot.origin] for lot in lots], dtype=np.float64),
            "expiry": pd.DatetimeIndex(expiry.astype("datetime64[D]")),
            "opened": _dates(walk, opened),
            "closed": _dates(walk, closed),
            "settled": np.array([lot.settled for lot in lots], dtype=np.bool_),
            "open_price": paid,
            "close_price": got,
            "open_volatility": np.array(
                [tables[lot.leg].volatility[at] for lot, at in zip(lots, begin, strict=True)], dtype=np.float64
            ),
            "pnl": quantity * MULTIPLIER * (got - paid),
        }
    )


def _integers(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def _dates(walk: Walk, rows: IntArray) -> pd.DatetimeIndex:
    """Dates of rows; a missing one for -1."""
    found = walk.rows.dates.take(np.maximum(rows, 0))
    return pd.DatetimeIndex(found.where(rows >= 0))


def _words(walk: Walk, lots: pd.DataFrame) -> list[str]:
    """Write out the legs that each trade was entered with."""
    days = lots["expiry"].dt.strftime("%Y-%m-%d").tolist()
    words: list[dict[int, str]] = [{} for _ in walk.trades]
    for lot, strike, expiry in zip(walk.lots, lots["strike"].tolist(), days, strict=True):
        trade, leg = walk.trades[lot.trade], walk.tables[lot.leg].leg
        if lot.origin == trade.opened:
            words[lot.trade][lot.leg] = f"{leg.quantity * trade.direction:+d} {leg.kind} {strike:.2f} {expiry}"
    return [", ".join(found.values()) for found in words]
