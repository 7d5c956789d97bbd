"""Trades and their statistics, on the basis of executed weights: a trade is a spell in which a sleeve is held."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import require_kind
from allocopt.backtests.accounting import Ledger

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TradeStatistics:
    """Trades of a ledger, and what was traded to enter them, inside them, and to close them.

    A trade is a run of rows on which a sleeve's executed weight has one sign. Its value is the product of
    ``1 + w r - c`` over its rows, where ``w`` is the executed weight, ``r`` the sleeve's return less perpetual funding,
    and ``c`` the cost of trading it as a fraction of the whole value, times ``1 - c`` of the row that flattens it. So
    gain and loss are fractions of the whole capital, not of the position. A position that is open on the last row is
    not liquidated; its trade counts with what it is worth. Where a weight changes its sign, the row's trade and cost
    are split in proportion to what closes the old trade and what opens the new one.

    Attributes
    ----------
    trades : DataFrame
        One row a trade, by sleeve and then date: ``sleeve``, ``side`` ("long" or "short"), ``entry`` (date of the
        first row that it earns), ``last`` (date of the last one), ``close`` (date of the row that flattens it, NaT
        while open), ``bars``, ``value`` and ``gain`` (``value - 1``, decimal).
    turnover_entry, turnover_inside, turnover_close : float
        Sums of what was traded on the first row of a trade, on later rows, and on the row after it, both sides, as
        fractions of the value. They sum to `turnover`.
    """

    trades: pd.DataFrame
    turnover_entry: float
    turnover_inside: float
    turnover_close: float

    @property
    def count(self) -> int:
        """Number of trades, the open ones included."""
        return len(self.trades)

    @property
    def open(self) -> int:
        """Number of trades that the last row leaves open."""
        return int(self.trades["close"].isna().sum())

    @property
    def turnover(self) -> float:
        """Everything that was traded, both sides, as a sum of fractions of the value."""
        return math.fsum((self.turnover_entry, self.turnover_inside, self.turnover_close))

    @property
    def win_rate(self) -> float:
        """Share of trades whose value is over 1, decimal; NaN without trades."""
        return float((self.trades["value"] > 1.0).mean()) if self.count else math.nan

    @cached_property
    def profit_factor(self) -> float:
        """Sum of gains over sum of losses, each a fraction of its own trade; inf without losses, NaN without both."""
        gains = self.trades["gain"].to_numpy()
        won, lost = math.fsum(gains[gains > 0.0]), -math.fsum(gains[gains < 0.0])
        if lost == 0.0:
            return math.inf if won > 0.0 else math.nan
        return won / lost

    def table(self) -> pd.Series[float]:
        """Turnover and its parts, number of trades, win rate and profit factor."""
        return pd.Series(
            {
                "turnover": self.turnover,
                "turnover_entry": self.turnover_entry,
                "turnover_inside": self.turnover_inside,
                "turnover_close": self.turnover_close,
                "trades": float(self.count),
                "win_rate": self.win_rate,
                "profit_factor": self.profit_factor,
            }
        )


def trade_statistics(ledger: Ledger) -> TradeStatistics:
    """Find the trades of a ledger, value each after its costs, and split the turnover by its purpose.

    Parameters
    ----------
    ledger : Ledger
        Of either mode. In holdings, drift is no trade: only what was really traded counts as turnover.

    Returns
    -------
    TradeStatistics

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.accounting import Execution, account
    >>> dates = pd.date_range("2024-01-01", periods=5)
    >>> prices = pd.DataFrame({"A": [10.0, 11.0, 12.1, 12.1, 12.1]}, index=dates)
    >>> weights = pd.DataFrame({"A": [0.5, 0.5, 0.0, 0.0, 0.0]}, index=dates)
    >>> found = trade_statistics(account(weights, prices, Execution(mode="constant-mix")))
    >>> found.trades[["sleeve", "bars", "gain"]].round(4).to_dict("records")
    [{'sleeve': 'A', 'bars': 2, 'gain': 0.1025}]
    >>> found.turnover_entry, found.turnover_inside, found.turnover_close
    (0.5, 0.0, 0.5)
    """
    require_kind(ledger, Ledger, "what trades are looked for in")
    executed = ledger.executed.to_numpy()
    traded = np.abs(ledger.traded.to_numpy())
    before = ledger.equity.shift(1).to_numpy().copy()
    before[0] = ledger.capital
    cost = ledger.sleeve_cost.to_numpy() / before[:, None]
    gain = (ledger.sleeve_pnl.to_numpy() + ledger.sleeve_funding.to_numpy()) / before[:, None]
    side = np.sign(executed)
    turnover = dict.fromkeys(("entry", "inside", "close"), 0.0)
    rows: list[dict[str, object]] = []
    for i, sleeve in enumerate(ledger.sleeves):
        opening = _opening_share(executed[:, i], traded[:, i])
        for start, stop in _runs(side[:, i]):
            growth = 1.0 + gain[start:stop, i] - cost[start:stop, i]
            # On the first row only what opens the trade is its own: the rest closed one of the other sign.
            growth[0] += cost[start, i] * (1.0 - opening[start])
            value = float(np.prod(growth))
            closed = stop < len(side)
            if closed:
                closing = 1.0 - opening[stop] if side[stop, i] != 0.0 else 1.0
                value *= 1.0 - cost[stop, i] * closing
                turnover["close"] += traded[stop, i] * closing
            turnover["entry"] += traded[start, i] * opening[start]
            turnover["inside"] += float(traded[start + 1 : stop, i].sum())
            rows.append(
                {
                    "sleeve": sleeve,
                    "side": "long" if side[start, i] > 0.0 else "short",
                    "entry": ledger.dates[start],
                    "last": ledger.dates[stop - 1],
                    "close": ledger.dates[stop] if closed else pd.NaT,
                    "bars": stop - start,
                    "value": value,
                    "gain": value - 1.0,
                }
            )
    trades = pd.DataFrame(rows, columns=["sleeve", "side", "entry", "last", "close", "bars", "value", "gain"])
    return TradeStatistics(trades, *(float(turnover[part]) for part in ("entry", "inside", "close")))


def _runs(side: FloatArray) -> list[tuple[int, int]]:
    """First row, and row after the last, of each run of one sign that is not zero."""
    edges = np.flatnonzero(np.diff(side, prepend=0.0, append=0.0) != 0.0).tolist()
    return [(start, stop) for start, stop in pairwise(edges) if side[start] != 0.0]


def _opening_share(executed: FloatArray, traded: FloatArray) -> FloatArray:
    """Share of each row's trade that opens the row's position: all of it, but for a change of sign."""
    share = np.ones(len(executed))
    now = np.abs(executed)
    flips = np.flatnonzero(executed[1:] * executed[:-1] < 0.0) + 1
    share[flips] = np.minimum(now[flips] / np.where(traded[flips] > 0.0, traded[flips], 1.0), 1.0)
    return share
