"""What came of running one profile."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from allocopt.backtests.profiles.costs import ExecutionCosts
from allocopt.backtests.profiles.specification import ProfileSpecification


@dataclass(frozen=True, eq=False, repr=False)
class ProfileResult:
    """Trades, P&L, greeks and capital of one unit of a profile. Made by `run_profile`.

    Row t is the period from the close of row t-1 to the close of row t. All money is that of one unit (100 shares a
    contract). A trade owns the rows after its fill up to and including that of its close: what it costs to open stands
    on the first of them, what it costs to close on the last.

    Attributes
    ----------
    specification : ProfileSpecification
        What was run.
    execution : ExecutionCosts
        What trading cost.
    trades : DataFrame
        One row a trade: ``campaign`` (a roll ends a trade and starts the next of its campaign), ``direction`` ("long"
        or "short"), ``regime`` (at its decision), ``decided``, ``entry``, ``exit`` (dates of the closes; NaT while
        open), ``reason`` ("regime", "stop", "days", "take-profit", "roll", "greeks", "expiry"; "" while open),
        ``rows``, ``days`` (calendar), ``units`` (that its orders are for: the tier of their slippage), ``filled``
        (share of the unit that was entered), ``legs``, ``leg_rolls``, ``premium`` (paid above 0, received below),
        ``capital`` (the most), ``option_pnl``, ``hedge_pnl``, ``costs``, ``pnl``.
    lots : DataFrame
        One row a leg of a trade, or a part of one that was filled by itself: ``trade``, ``leg``, ``kind``,
        ``quantity``, ``strike``, ``expiry``, ``opened``, ``closed``, ``settled`` (at expiry, at intrinsic value),
        ``open_price``, ``close_price`` (money a share; the last mark while open), ``open_volatility``, ``pnl`` (money,
        before costs).
    daily_pnl : Series
        P&L over each row, after all costs, money.
    returns : Series
        ``daily_pnl / capital``, decimal; 0.0 where nothing is held.
    capital : Series
        Capital that funds the unit over each row, money, known at its start: premiums and margins of `unit_capital`,
        what it cost to open the options, and what it would cost to close them and the hedge. Within a trade it rises
        with what the position needs, and does not fall. 0.0 where nothing is held.
    resizing : DataFrame
        What it costs to hold more or less of the unit than over the row before, in options and hedge: ``adding`` and
        ``removing`` a whole unit, money, at the prices of the close at which the row begins. 0.0 where nothing is
        carried over that close; what is opened or closed at it pays for that in `costs`.
    direction : Series
        +1, -1 or 0 over each row.
    greeks : DataFrame
        Of the options, at the start of each row: ``delta`` (money per 1.00 of the underlying, which is shares),
        ``gamma`` (change of that per 1.00), ``vega`` (money per volatility point), ``theta`` (money per calendar day).
    attribution : DataFrame
        P&L of each row: ``delta`` (that of the row's start times the move), ``gamma`` (what the change of delta along
        the row added), ``vega``, ``theta``, ``hedge``, ``costs``, and ``residual``, the rest of the options' P&L. Rows
        sum to `daily_pnl`. The greeks are followed along the straight line from close to close.
    costs : DataFrame
        What trading cost, by cause: ``spread``, ``slippage``, ``commission``, ``fees``, ``hedge``; money, at least 0.
    hedge : DataFrame
        ``shares`` of the underlying held over each row, ``traded`` (both ways, on the row that pays), ``pnl`` before
        costs, ``cost``.
    identities : Series
        Largest gaps, money, between sums that must agree. They were checked before this was returned.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.options import FlatSurface
    >>> from allocopt.backtests.profiles import published_profiles, run_profile
    >>> from allocopt.backtests.rotation import OHLCV
    >>> days = pd.bdate_range("2024-03-04", periods=4)
    >>> market = OHLCV(pd.DataFrame(400.0, index=days, columns=["open", "high", "low", "close"]))
    >>> signals = pd.Series(0.9, index=days), pd.Series([4, 4, 4, 5], index=days)
    >>> surface = FlatSurface(pd.Series(0.2, index=days), "twenty percent")
    >>> result = run_profile(published_profiles()["P6"], market, *signals, surface)
    >>> result
    ProfileResult(P6: 1 trades, P&L -86.54 a unit on 4 rows)
    >>> result.attribution[["delta", "theta", "costs"]].sum().round(2).tolist()
    [0.0, -75.95, -10.59]
    """

    specification: ProfileSpecification
    execution: ExecutionCosts
    trades: pd.DataFrame
    lots: pd.DataFrame
    daily_pnl: pd.Series[float]
    returns: pd.Series[float]
    capital: pd.Series[float]
    resizing: pd.DataFrame
    direction: pd.Series[int]
    greeks: pd.DataFrame
    attribution: pd.DataFrame
    costs: pd.DataFrame
    hedge: pd.DataFrame
    identities: pd.Series[float]

    def summary(self) -> pd.Series[float]:
        """Totals over all rows: trades, share of rows held, P&L and its parts, money of one unit.

        Returns
        -------
        Series
            ``trades``, ``campaigns``, ``held`` (share of rows, decimal), ``win_rate`` (trades whose P&L is above 0,
            decimal; NaN without any), ``pnl``, and the columns of `attribution`.
        """
        trades = self.trades
        figures = {
            "trades": float(len(trades)),
            "campaigns": float(trades["campaign"].nunique()),
            "held": float((self.direction != 0).mean()),
            "win_rate": float((trades["pnl"] > 0.0).mean()) if len(trades) else float("nan"),
            "pnl": float(self.daily_pnl.sum()),
        }
        return pd.Series({**figures, **{str(name): float(self.attribution[name].sum()) for name in self.attribution}})

    def __repr__(self) -> str:
        """Show the profile, its trades and its P&L."""
        return (
            f"ProfileResult({self.specification.name}: {len(self.trades)} trades, "
            f"P&L {self.daily_pnl.sum():.2f} a unit on {len(self.daily_pnl)} rows)"
        )
