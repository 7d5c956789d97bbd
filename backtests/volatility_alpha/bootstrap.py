"""Other histories that a ticker might have had: the ladder on bars resampled in blocks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from allocopt.backtests._checks import plain, require_periods
from allocopt.backtests.volatility_alpha._raw import Bars, FloatArray
from allocopt.backtests.volatility_alpha.bars import Date, read_bars, require_checks
from allocopt.backtests.volatility_alpha.specification import VolatilityAlpha
from allocopt.backtests.volatility_alpha.window_result import FIGURES, summarise, summarise_groups
from allocopt.backtests.volatility_alpha.windows import run_grid
from allocopt.errors import InputError, ShapeError, SpecificationError

VARIANTS: Final = ("full", "ath_only", "ath_sell")


@dataclass(frozen=True)
class BootstrapStudy:
    """Run a ladder and buy-and-hold on many resampled histories of one ticker.

    A bar is taken as four factors on the close before it (open, high, low, close), and bars are drawn in blocks of
    random length by the stationary bootstrap, so that volatility still comes in spells within a block and drifts and
    falls longer than a block do not survive. It asks what the ladder does to a price of this kind, not to this price.

    Parameters
    ----------
    ladder : VolatilityAlpha, default fractional shares
        What to run; its three variants are.
    window : int, default 1260
        Bars of each resampled history, the first purchase on the first.
    replications : int, default 1000
        Histories.
    block : int, optional
        Mean length of a block, in bars. None: chosen for the squared log returns, whose dependence is what spells of
        volatility are.
    seed : int, default 0
        Of the draws.
    periods_per_year : float, default 252
        Bars a year, for the volatility.
    allow : sequence of {"gap", "split"}
        Checks of the bars to leave out.

    Raises
    ------
    SpecificationError
        For a setting outside its range.

    References
    ----------
    Politis and Romano (1994), "The stationary bootstrap", JASA 89; the block length is that of Politis and White
    (2004), corrected by Patton, Politis and White (2009), as the arch package computes it.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.volatility_alpha import bars_from_closes
    >>> days = pd.bdate_range("2020-01-01", periods=300)
    >>> closes = pd.Series(100 * np.exp(np.random.default_rng(1).normal(0, 0.02, 300).cumsum()), index=days)
    >>> found = BootstrapStudy(window=200, replications=20, block=10).run(bars_from_closes(closes))
    >>> len(found.outcomes), found.block
    (20, 10)
    """

    ladder: VolatilityAlpha = VolatilityAlpha(shares="fractional")  # noqa: RUF009 - frozen
    window: int = 1260
    replications: int = 1000
    block: int | None = None
    seed: int = 0
    periods_per_year: float = 252.0
    allow: Collection[str] = ()

    def __post_init__(self) -> None:
        for name, least in (("window", 3), ("replications", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise SpecificationError(
                    f"{name} is not a whole number of at least {least}", value=plain(value), remedy="give more"
                )
        if self.block is not None:
            whole = isinstance(self.block, (int, np.integer)) and not isinstance(self.block, bool)
            if not whole or self.block < 1:
                raise SpecificationError(
                    "block is no whole number of at least one bar", value=plain(self.block), remedy="give 20, or None"
                )
        if not isinstance(self.ladder, VolatilityAlpha):
            raise SpecificationError("ladder is no VolatilityAlpha", value=plain(self.ladder), remedy="give one")
        rates = (self.ladder.financing.lending, self.ladder.financing.borrowing)
        if any(isinstance(rate, pd.Series) for rate in rates):
            raise SpecificationError(
                "rates by date have no place in a resampled history", remedy="give constant rates in the financing"
            )
        require_periods(self.periods_per_year)
        require_checks(self.allow)

    def run(self, ohlc: pd.DataFrame, *, start: Date | None = None, end: Date | None = None) -> BootstrapResult:
        """Resample the bars from start to end, and run on each history.

        Parameters
        ----------
        ohlc : DataFrame, shape (T, 4)
            As `VolatilityAlpha.run` takes it; bars of closes are taken too.
        start, end : date, optional
            First and last bar to draw from.

        Returns
        -------
        BootstrapResult

        Raises
        ------
        InputError, LabelError, ShapeError
            As `VolatilityAlpha.run`; for fewer than 50 bars, or if no block length suits the returns.
        """
        from arch.bootstrap import StationaryBootstrap

        bars = read_bars(ohlc, start=start, end=end, allow=self.allow)
        if len(bars.closes) < 50:
            raise ShapeError("too few bars to draw from", value=len(bars.closes), remedy="give at least 50")
        table = np.column_stack((bars.opens, bars.highs, bars.lows, bars.closes))
        factors = table[1:] / table[:-1, 3:]
        block = int(self.block) if self.block is not None else _block(factors[:, 3])
        # The resampled rows, not the data, are asked for: they are as many as the window has bars after its first.
        draws = StationaryBootstrap(block, np.arange(len(factors)), seed=np.random.default_rng(self.seed))
        columns: dict[str, list[float]] = {}
        dates = pd.DatetimeIndex(pd.date_range("2000-01-01", periods=self.window, freq="D"))
        for _ in range(self.replications):
            rows = _rows(draws, self.window - 1)
            for name, value in self._outcome(factors[rows], dates).items():
                columns.setdefault(name, []).append(value)
        return BootstrapResult(self, block, pd.DataFrame(columns).astype({"ruined": bool}))

    def _outcome(self, factors: FloatArray, dates: pd.DatetimeIndex) -> dict[str, float]:
        closes = 100.0 * np.concatenate(([1.0], np.cumprod(factors[:, 3])))
        table = np.vstack(([100.0] * 4, factors * closes[:-1, None]))
        bars = Bars(dates, *(np.ascontiguousarray(column) for column in table.T))
        first, last = np.array([0]), np.array([self.window - 1])
        n, sharing = (self.ladder.n,), (self.ladder.profit_sharing,)
        held = run_grid(self.ladder, bars, first, last, n, (0.0,), "full", 100.0, "a resampled history")[0, 0, 0]
        runs = {
            variant: run_grid(self.ladder, bars, first, last, n, sharing, variant, 100.0, "a resampled history")[
                0, 0, 0
            ]
            for variant in VARIANTS
        }
        full = dict(zip(FIGURES, runs["full"], strict=True))
        volatility = float(np.log(factors[:, 3]).std(ddof=1) * np.sqrt(self.periods_per_year))
        years = (self.window - 1) / self.periods_per_year
        return {
            "buy_and_hold": float(held[0]),
            "max_drawdown": float(held[1]),
            "volatility": volatility,
            "displacement": abs(float(np.log1p(held[0]))) / (volatility * years**0.5),
            "full": float(full["total_return"]),
            "ath_only": float(runs["ath_only"][0]),
            "ath_sell": float(runs["ath_sell"][0]),
            "difference": float(full["total_return"] - held[0]),
            "wealth_ratio": float((1.0 + full["total_return"]) / (1.0 + held[0])),
            "alpha": float(full["total_return"] - runs["ath_only"][0]),
            "full_drawdown": float(full["max_drawdown"]),
            "minimum_bank": float(full["minimum_bank"]),
            "ruined": float(full["ruined"]),
        }


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResult:
    """What `BootstrapStudy.run` gives.

    Attributes
    ----------
    study : BootstrapStudy
        What was run.
    block : int
        Mean length of the blocks, in bars.
    outcomes : DataFrame, one row a history
        ``buy_and_hold``, ``full``, ``ath_only``, ``ath_sell`` (total returns, decimals), and the other columns of
        `WindowResult.cell`.
    """

    study: BootstrapStudy
    block: int
    outcomes: pd.DataFrame

    @property
    def summary(self) -> pd.Series[float]:
        """Full less buy-and-hold over all histories; entries as in `WindowResult.by_ticker`."""
        return pd.Series(summarise(self.outcomes), name=self.study.ladder.name)

    def by_displacement(self, edges: Sequence[float] | int = (0.0, 0.5, 1.0, 1.5, np.inf)) -> pd.DataFrame:
        """Summarise by how many standard deviations from its start the price ended.

        Parameters
        ----------
        edges : sequence of float, or int
            As in `WindowResult.by_condition`.

        Returns
        -------
        DataFrame, one row a group
            Entries as in ``summary``.

        Raises
        ------
        SpecificationError
            For edges that do not increase, or have no history between them.
        """
        return summarise_groups(self.outcomes, "displacement", edges)

    def __repr__(self) -> str:
        """Ladder, histories and block."""
        beats = float((self.outcomes["difference"] > 0.0).mean())
        return (
            f"BootstrapResult({self.study.ladder.name}: {len(self.outcomes):,} histories, blocks of {self.block} "
            f"bars, {beats:.1%} above buy-and-hold)"
        )


def _block(closes: FloatArray) -> int:
    from arch.bootstrap import optimal_block_length

    returns = np.log(closes)
    length = float(optimal_block_length(returns**2)["stationary"].iloc[0])
    if not np.isfinite(length):
        raise InputError("no block length suits the returns", value=length, remedy="give block, as a number of bars")
    return max(1, round(length))


def _rows(draws: object, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows of one resampled history of any length: samples of the whole are put end to end."""
    parts: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    total = 0
    while total < count:
        parts.append(np.asarray(draws.update_indices(), dtype=np.int64))  # type: ignore[attr-defined]
        total += len(parts[-1])
    return np.concatenate(parts)[:count]
