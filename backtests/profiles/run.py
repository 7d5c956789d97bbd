"""Run option structures from their specifications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import numpy as np
import pandas as pd

from allocopt.backtests._checks import plain, require_kind
from allocopt.backtests.options import VolatilitySurface
from allocopt.backtests.profiles._accounts import Accounts, greek_frame, keep_accounts
from allocopt.backtests.profiles._frames import lot_frame, trade_frame
from allocopt.backtests.profiles._inputs import Rows, Signals
from allocopt.backtests.profiles._tables import leg_table
from allocopt.backtests.profiles._walk import Walk
from allocopt.backtests.profiles.costs import CAUSES, INDEX_COSTS, ExecutionCosts
from allocopt.backtests.profiles.fills import PartialFills
from allocopt.backtests.profiles.result import ProfileResult
from allocopt.backtests.profiles.specification import ProfileSpecification
from allocopt.backtests.rotation import OHLCV
from allocopt.errors import LabelError, SpecificationError


def run_profile(
    specification: ProfileSpecification,
    market: OHLCV,
    scores: pd.Series[float],
    regimes: pd.Series[int],
    surface: VolatilitySurface,
    *,
    rate: float | pd.Series[float] = 0.0,
    dividend: float | pd.Series[float] = 0.0,
    costs: ExecutionCosts = INDEX_COSTS,
    fill_lag: int = 1,
    hedge_lag: int = 1,
    partial_fills: PartialFills | None = None,
    holidays: Iterable[str | date | np.datetime64] | None = None,
) -> ProfileResult:
    """Find out what an option structure would have earned: entered, hedged, rolled and left by rules, at a cost.

    A decision at the close of row t uses that row and earlier ones. With ``fill_lag=1`` it is filled at that close and
    earns from t to t+1.

    Parameters
    ----------
    specification : ProfileSpecification
        The structure and its rules.
    market : OHLCV
        T daily bars of the underlying; closes are used.
    scores : Series, shape (T,)
        The profile's score on each row of the market, NaN in its warm-up only, which never enters.
    regimes : Series, shape (T,)
        Numbers of `allocopt.regimes.Regime` on the same rows, missing in the warm-up only.
    surface : VolatilitySurface
        Volatilities of options by date, calendar days to expiry and ``ln(strike / forward)``. It is asked only for
        rows from the first possible entry on.
    rate, dividend : float or Series of shape (T,), default 0.0
        Interest rate and dividend yield, continuously compounded decimals a year. A market adjusted for dividends has
        none left.
    costs : ExecutionCosts, default INDEX_COSTS
        Those of an index. Take `ETF_COSTS` for an ETF.
    fill_lag : int, default 1
        A decision at the close of row t is filled at that of row t + fill_lag - 1. While an order waits nothing else
        is decided.
    hedge_lag : int, default 1
        The hedge over row t offsets the delta at the close of row t - hedge_lag. It is always sold with the position.
    partial_fills : PartialFills, optional
        Fills large orders in parts. Default: every order is filled whole.
    holidays : iterable of dates, optional
        Weekdays without a session, by which expiries are set; they have to be known in advance. Default: the rules
        of the New York exchanges.

    Returns
    -------
    ProfileResult
        Of one unit. The position that the last row leaves open is marked, not closed.

    Raises
    ------
    ShapeError
        An argument is of the wrong kind, or the surface does not answer elementwise.
    LabelError
        Scores, regimes or rates are not on the market's rows; there are two bars on a day.
    InputError
        A score or a regime is missing after its warm-up; the surface has no volatility for an option that is held.
    SpecificationError
        A lag below 1, or a rate that is no number.
    LedgerError
        The accounts do not add up.

    Notes
    -----
    *Expiry.* A leg of n days filled on day D expires on D + n, or on the session before where that is none; where this
    is D itself, on the next session. At the close of that day it is settled at intrinsic value, without cost. If the
    exchange was closed against its calendar, it is settled at the next close.

    *Rules at a close*, the first that holds: the regime is none of those of the position's direction (exit); the loss
    is over `stop`; `max_days` have passed since the campaign began (exit); the take-profit is reached; the nearest
    expiry is within `roll_at_days` (roll); a greek is beyond its limit (roll). A roll closes and opens at one close,
    whatever the score. After an exit the next entry is decided at the next close at the earliest.

    *Parts of a fill.* See `PartialFills`. Each part is priced and paid for at its own close.

    *Hedge.* It trades the net delta of the options in the underlying, carried as a future is: one unit earns
    ``S_t - S_{t-1} exp((rate - dividend) dt)``. Fractions are traded.

    Premiums and capital earn no interest here.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.options import FlatSurface
    >>> from allocopt.backtests.profiles import NO_COSTS, published_profiles, run_profile
    >>> from allocopt.backtests.rotation import OHLCV
    >>> days = pd.bdate_range("2024-03-01", periods=6)
    >>> close = pd.Series([400.0, 404.0, 396.0, 400.0, 410.0, 410.0], index=days)
    >>> market = OHLCV(pd.DataFrame({name: close for name in ("open", "high", "low", "close")}))
    >>> scores = pd.Series([0.0, 0.9, 0.9, 0.9, 0.9, 0.9], index=days)
    >>> regimes = pd.Series([4, 4, 4, 4, 4, 5], index=days)
    >>> surface = FlatSurface(pd.Series(0.2, index=days), "twenty percent")
    >>> made = run_profile(published_profiles()["P6"], market, scores, regimes, surface, costs=NO_COSTS)
    >>> made.trades[["direction", "entry", "exit", "reason", "rows"]].to_string(index=False).split()[-5:]
    ['long', '2024-03-04', '2024-03-08', 'regime', '4']
    >>> bool(np.isclose(made.attribution.sum(axis=1), made.daily_pnl, atol=1e-9).all())
    True
    """
    require_kind(specification, ProfileSpecification, "the specification of the profile")
    rows = Rows.read(market, surface, rate, dividend, holidays)
    return _run(specification, rows, scores, regimes, costs, fill_lag, hedge_lag, partial_fills)


def run_profiles(
    specifications: Mapping[str, ProfileSpecification],
    market: OHLCV,
    scores: pd.DataFrame,
    regimes: pd.Series[int],
    surface: VolatilitySurface,
    *,
    rate: float | pd.Series[float] = 0.0,
    dividend: float | pd.Series[float] = 0.0,
    costs: ExecutionCosts = INDEX_COSTS,
    fill_lag: int = 1,
    hedge_lag: int = 1,
    partial_fills: PartialFills | None = None,
    holidays: Iterable[str | date | np.datetime64] | None = None,
) -> dict[str, ProfileResult]:
    """Run several profiles on the same market, each by its own column of scores.

    Parameters
    ----------
    specifications : mapping of str to ProfileSpecification
        By column of `scores`, such as `published_profiles()`.
    scores : DataFrame, shape (T, >= n)
        From `allocopt.backtests.rotation.profile_scores`.
    market, regimes, surface, rate, dividend, costs, fill_lag, hedge_lag, partial_fills, holidays
        As in `run_profile`.

    Returns
    -------
    dict of str to ProfileResult
        In the order of `specifications`.

    Raises
    ------
    LabelError
        There are no scores of that name.
    ShapeError, InputError, SpecificationError, LedgerError
        As in `run_profile`.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.options import FlatSurface
    >>> from allocopt.backtests.profiles import published_profiles, run_profiles
    >>> from allocopt.backtests.rotation import OHLCV
    >>> days = pd.bdate_range("2024-03-01", periods=6)
    >>> market = OHLCV(pd.DataFrame(400.0, index=days, columns=["open", "high", "low", "close"]))
    >>> scores = pd.DataFrame(0.55, index=days, columns=["P1", "P2", "P3", "P4", "P5", "P6"])
    >>> surface = FlatSurface(pd.Series(0.2, index=days), "twenty percent")
    >>> made = run_profiles(published_profiles(), market, scores, pd.Series(5, index=days), surface)
    >>> {name: len(result.trades) for name, result in made.items()}
    {'P1': 0, 'P2': 3, 'P3': 0, 'P4': 0, 'P5': 0, 'P6': 0}
    """
    require_kind(scores, pd.DataFrame, "the table of scores")
    missing = [name for name in specifications if name not in scores.columns]
    if missing:
        raise LabelError("there are no scores of a profile", value=missing, remedy="name the columns as the profiles")
    rows = Rows.read(market, surface, rate, dividend, holidays)
    return {
        name: _run(
            require_kind(found, ProfileSpecification, f"the specification of {name}"),
            rows,
            scores[name],
            regimes,
            costs,
            fill_lag,
            hedge_lag,
            partial_fills,
        )
        for name, found in specifications.items()
    }


def _run(
    specification: ProfileSpecification,
    rows: Rows,
    scores: pd.Series[float],
    regimes: pd.Series[int],
    costs: ExecutionCosts,
    fill_lag: int,
    hedge_lag: int,
    partial_fills: PartialFills | None,
) -> ProfileResult:
    execution = require_kind(costs, ExecutionCosts, "the costs")
    if partial_fills is not None:
        require_kind(partial_fills, PartialFills, "the partial fills")
    for name, lag in (("fill_lag", fill_lag), ("hedge_lag", hedge_lag)):
        if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or lag < 1:
            raise SpecificationError(
                f"{name} is not a whole number of at least 1",
                value=plain(lag),
                remedy="give 1 to fill at the close of the decision; less would know the future",
            )
    signals = Signals.read(scores, regimes, rows.dates)
    listed = np.isin(signals.regimes, specification.regimes)
    entries = np.flatnonzero(listed & (signals.scores >= specification.threshold))
    fills = np.zeros(len(rows), dtype=np.bool_)
    if entries.size:  # any later row of a listed regime may see a roll
        decided = np.flatnonzero(listed)
        filled = decided[decided >= entries[0]] + fill_lag - 1
        if partial_fills is not None:  # a roll opens when the last part of the old position is closed
            longest = max(partial_fills.closes(share) for _, share in partial_fills.tiers)
            filled = np.unique(filled + np.arange(longest)[:, None])
        fills[filled[filled < len(rows) - 1]] = True
    tables = [leg_table(leg, rows, fills, execution) for leg in specification.legs]
    walk = Walk(specification, rows, signals, tables, execution, int(fill_lag), int(hedge_lag), partial_fills)
    walk.run(entries)
    return _result(walk, keep_accounts(walk, execution), execution)


def _result(walk: Walk, accounts: Accounts, execution: ExecutionCosts) -> ProfileResult:
    index = walk.rows.dates
    held = walk.holding[:-1]
    signs = [*(trade.direction for trade in walk.trades), 0]  # the last one is for rows without a trade
    direction: pd.Series[int] = pd.Series([signs[number] for number in held], index=index, name="direction")
    returns = np.divide(accounts.pnl, accounts.capital, out=np.zeros(len(index)), where=held >= 0)
    lots = lot_frame(walk)
    hedge = {
        "shares": walk.shares,
        "traded": walk.traded,
        "pnl": accounts.hedge,
        "cost": accounts.costs[:, -1],
    }
    return ProfileResult(
        specification=walk.specification,
        execution=execution,
        trades=trade_frame(walk, accounts, lots),
        lots=lots,
        daily_pnl=pd.Series(accounts.pnl, index=index, name="pnl"),
        returns=pd.Series(returns, index=index, name="return"),
        capital=pd.Series(accounts.capital, index=index, name="capital"),
        resizing=pd.DataFrame(accounts.resizing, index=index, columns=["adding", "removing"]),
        direction=direction,
        greeks=greek_frame(accounts, index),
        attribution=pd.DataFrame(accounts.parts, index=index),
        costs=pd.DataFrame(accounts.costs, index=index, columns=list(CAUSES)),
        hedge=pd.DataFrame(hedge, index=index),
        identities=pd.Series(accounts.identities, name="gap"),
    )
