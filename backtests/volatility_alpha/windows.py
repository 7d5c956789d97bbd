"""Every window of every history: the ladder's outcomes beside buy-and-hold, at each n and profit sharing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_option, require_periods
from allocopt.backtests.volatility_alpha._raw import VARIANTS, Bars, FloatArray, IntArray
from allocopt.backtests.volatility_alpha._run import first_purchase, interest_rates, require_shares
from allocopt.backtests.volatility_alpha.bars import bars_from_closes, read_bars, require_checks
from allocopt.backtests.volatility_alpha.specification import VolatilityAlpha
from allocopt.backtests.volatility_alpha.window_result import History, WindowResult
from allocopt.errors import InputError, ShapeError, SpecificationError


@dataclass(frozen=True)
class WindowStudy:
    """Run a ladder from every start of a window, over many histories, at many n and profit sharings, in one call.

    Windows of one history overlap, histories move together, and tickers that are looked at today are those that
    lasted: the outcomes are a description of the past, not a sample of independent ones.

    Parameters
    ----------
    n : sequence of float
        Rungs to a doubling.
    profit_sharing : sequence of float
        Decimals.
    window : int, default 1260
        Bars of a window, from the first purchase to the last close: five years of exchange days.
    step : int, default 1
        Bars from one start to the next. 1: every start.
    ladder : VolatilityAlpha, default fractional shares
        All other parameters; its n, profit_sharing and variant are set by the study.
    shares : float, default 100
        First purchase of each run; it matters where shares are whole.
    path : {"flat", "joined"}, default "joined"
        How closes become bars, as in `bars_from_closes`, where the data is closes. Flat bars move the anchor over
        several rungs at once for one order, up and down not alike, so that holdings can drift far from the price.
    periods_per_year : float, default 252
        Bars a year, for the volatility.
    allow : sequence of {"gap", "split"}
        Checks of the bars to leave out.
    n_jobs : int, default 1
        Threads; one history is one job. The outcome does not depend on it.

    Raises
    ------
    SpecificationError
        For a setting outside its range.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> days = pd.bdate_range("2020-01-01", periods=400)
    >>> closes = pd.DataFrame({"A": 100 * np.exp(0.2 * np.sin(np.arange(400) / 30))}, index=days)
    >>> found = WindowStudy(n=(8, 16), profit_sharing=(0.5,), window=253).run(closes)
    >>> found.starts, found.distribution["windows"].tolist()
    ({'A': 148}, [148, 148])
    """

    n: Sequence[float] = (6, 8, 10, 16, 20)
    profit_sharing: Sequence[float] = (0.25, 0.5, 0.75, 1.0)
    window: int = 1260
    step: int = 1
    ladder: VolatilityAlpha = VolatilityAlpha(shares="fractional")  # noqa: RUF009 - frozen
    shares: float = 100.0
    path: Literal["flat", "joined"] = "joined"
    periods_per_year: float = 252.0
    allow: Collection[str] = ()
    n_jobs: int = 1

    def __post_init__(self) -> None:
        for name, least in (("window", 2), ("step", 1), ("n_jobs", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise SpecificationError(
                    f"{name} is not a whole number of at least {least}", value=plain(value), remedy="give more"
                )
        for name in ("n", "profit_sharing"):
            values = getattr(self, name)
            if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)) or not len(values):
                raise SpecificationError(
                    f"{name} is no sequence of numbers", value=plain(values), remedy="give (8, 16)"
                )
            if len(set(values)) < len(values):
                raise SpecificationError(f"{name} has a number twice", value=tuple(values), remedy="give each once")
            object.__setattr__(self, name, tuple(plain(value) for value in values))
        if not isinstance(self.ladder, VolatilityAlpha):
            raise SpecificationError("ladder is no VolatilityAlpha", value=plain(self.ladder), remedy="give one")
        for n in self.n:
            for sharing in self.profit_sharing:
                replace(self.ladder, n=n, profit_sharing=sharing)
        require_periods(self.periods_per_year)
        require_option(self.path, ("flat", "joined"), "path")
        require_checks(self.allow)

    def run(self, data: pd.DataFrame | Mapping[str, pd.DataFrame]) -> WindowResult:
        """Run every cell.

        Parameters
        ----------
        data : DataFrame, shape (T, tickers), or mapping of str to DataFrame
            Closes by date and ticker, missing only before a ticker's first and after its last; or tables of bars by
            ticker, as `VolatilityAlpha.run` takes them. Histories shorter than the window give no outcome.

        Returns
        -------
        WindowResult

        Raises
        ------
        InputError, LabelError, ShapeError
            As `VolatilityAlpha.run`, naming the ticker; or if no history is as long as the window.
        """
        histories = self._histories(data)
        with ThreadPoolExecutor(self.n_jobs) as pool:
            done = list(pool.map(lambda item: self._history(*item), histories.items()))
        return WindowResult(self, dict(zip(histories, done, strict=True)))

    def _histories(self, data: pd.DataFrame | Mapping[str, pd.DataFrame]) -> dict[str, Bars]:
        tables: dict[str, pd.DataFrame] = {}
        if isinstance(data, pd.DataFrame):
            for name, closes in data.items():
                known = np.flatnonzero(closes.notna().to_numpy())
                if known.size:
                    tables[str(name)] = bars_from_closes(closes.iloc[known[0] : known[-1] + 1], path=self.path)
        elif isinstance(data, Mapping):
            tables = {str(name): table for name, table in data.items()}
        else:
            raise ShapeError(
                "neither a table of closes nor bars by ticker",
                value=type(data).__name__,
                remedy="give a DataFrame with one column a ticker, or {ticker: bars}",
            )
        found: dict[str, Bars] = {}
        longest = 0
        for ticker, table in tables.items():
            longest = max(longest, len(table))
            if len(table) < self.window:
                continue
            try:
                found[ticker] = read_bars(table, allow=self.allow)
            except Exception as error:
                error.add_note(f"in the history of {ticker}")
                raise
        if not found:
            raise ShapeError(
                "no history is as long as the window",
                value=f"{longest} bars, window {self.window}",
                remedy="give a shorter window, or longer histories",
            )
        return found

    def _history(self, ticker: str, bars: Bars) -> History:
        starts = np.arange(0, len(bars.closes) - self.window + 1, self.step, dtype=np.int64)
        lasts = starts + self.window - 1
        held = run_grid(self.ladder, bars, starts, lasts, (8.0,), (0.0,), "full", self.shares, ticker)[0, 0]
        cells = {
            variant: run_grid(
                self.ladder, bars, starts, lasts, self.n, self.profit_sharing, variant, self.shares, ticker
            )
            for variant in ("full", "ath_only")
        }
        logs = pd.Series(np.diff(np.log(bars.closes)))
        spread = logs.rolling(self.window - 1).std().to_numpy() if self.window > 2 else np.full(len(logs), np.nan)
        volatility = spread[lasts - 1] * np.sqrt(self.periods_per_year)
        years = (self.window - 1) / self.periods_per_year
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.abs(np.log1p(held[:, 0])) / (volatility * np.sqrt(years))
        windows = pd.DataFrame(
            {
                "start": bars.dates[starts],
                "end": bars.dates[lasts],
                "buy_and_hold": held[:, 0],
                "max_drawdown": held[:, 1],
                "volatility": volatility,
                "displacement": moved,
            }
        )
        return History(windows, cells)


def run_grid(
    ladder: VolatilityAlpha,
    bars: Bars,
    starts: IntArray,
    lasts: IntArray,
    n: Sequence[float],
    profit_sharing: Sequence[float],
    variant: str,
    shares: float,
    what: str,
) -> FloatArray:
    """Run every cell of one history; figures of shape (n, profit sharings, starts, figures), decimals of the start."""
    from allocopt.backtests.volatility_alpha import _kernels as k

    bought, cash = first_purchase(ladder, float(bars.closes[0]), bars.dates[0], shares, None)
    lending, borrowing = interest_rates(ladder, bars.dates)
    triggers = np.array([replace(ladder, n=one, profit_sharing=0.0).trigger for one in n])
    sharings = np.array(profit_sharing, dtype=np.float64)
    raw = np.zeros((len(triggers), len(sharings), len(starts), k.FIGURES))
    whole = len(starts)
    k.ladder_grid(
        bars.opens, bars.highs, bars.lows, bars.closes, starts, lasts, triggers, sharings, VARIANTS.index(variant),
        ladder.lots == "lifo", ladder.sell_quantity == "exact", ladder.shares == "integer", ladder.margin,
        float(ladder.fee), lending, borrowing, np.full(whole, bought), np.full(whole, cash), raw,
    )  # fmt: skip
    stopped = np.argwhere(raw[..., k.STATUS] == k.NO_SHARE)
    if len(stopped):
        i, j, s = (int(place) for place in stopped[0])
        try:
            require_shares(k.NO_SHARE, bars.dates[int(raw[i, j, s, k.LAST_ROW])], raw[i, j, s, k.HELD_LAST])
        except InputError as error:
            error.add_note(f"{what}, n {n[i]}, profit_sharing {profit_sharing[j]}, bought {day(bars.dates[starts[s]])}")
            raise
    start = bought * bars.closes[starts] + cash
    found: list[Any] = [
        raw[..., k.EQUITY] / start - 1.0,
        raw[..., k.DRAWDOWN],
        raw[..., k.LOWEST_BANK] / start,
        raw[..., k.PROFIT] / start,
        raw[..., k.BUYS],
        raw[..., k.SELLS],
        raw[..., k.STATUS] == k.RUINED,
    ]
    return np.stack([np.asarray(part, dtype=np.float64) for part in found], axis=-1)
