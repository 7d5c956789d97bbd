"""What a study of windows found: outcomes by ladder, by ticker, and by what the window was like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import plain, require_option
from allocopt.backtests.volatility_alpha._raw import FloatArray
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from allocopt.backtests.volatility_alpha.windows import WindowStudy

#: Figures that are kept of each run, in this order.
FIGURES: Final = ("total_return", "max_drawdown", "minimum_bank", "realised", "buys", "sells", "ruined")
#: What outcomes may be grouped by.
Condition = Literal["buy_and_hold", "volatility", "max_drawdown", "displacement"]
_CONDITIONS: Final = ("buy_and_hold", "volatility", "max_drawdown", "displacement")
_QUANTILES: Final = (0.05, 0.25, 0.50, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class History:
    """Windows of one history, and the figures of each variant: shape (n, profit sharings, starts, figures)."""

    windows: pd.DataFrame
    cells: Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False, repr=False)
class WindowResult:
    """What `WindowStudy.run` gives.

    Attributes
    ----------
    study : WindowStudy
        What was run.
    histories : mapping of str to History
        By ticker.
    """

    study: WindowStudy
    histories: Mapping[str, History]

    @property
    def starts(self) -> dict[str, int]:
        """Windows of each ticker."""
        return {ticker: len(history.windows) for ticker, history in self.histories.items()}

    def cell(self, n: float, profit_sharing: float) -> pd.DataFrame:
        """Outcomes of one ladder: one row a ticker and start.

        Parameters
        ----------
        n, profit_sharing : float
            Of the study.

        Returns
        -------
        DataFrame
            ``ticker``, ``start``, ``end``; of the window ``buy_and_hold`` (total return, decimal), ``max_drawdown``
            and ``volatility`` (decimal a year) of the shares held, ``displacement`` (absolute log return over
            volatility times the root of the years: how many standard deviations from its start the price ended);
            ``full``, ``ath_only`` (total returns), ``difference`` (full less buy-and-hold), ``wealth_ratio`` (value at
            the end over that of buy-and-hold), ``alpha`` (full less ATH-only), ``full_drawdown``, ``minimum_bank``
            (decimal of the start), ``realised`` (of buybacks, decimal of the start), ``buys``, ``sells``, ``ruined``.

        Raises
        ------
        SpecificationError
            For a cell that is none of the study's.
        """
        i = self._place(n, self.study.n, "n")
        j = self._place(profit_sharing, self.study.profit_sharing, "profit_sharing")
        parts = []
        for ticker, history in self.histories.items():
            full = dict(zip(FIGURES, history.cells["full"][i, j].T, strict=True))
            ath_only = history.cells["ath_only"][i, j][:, 0]
            held = history.windows["buy_and_hold"].to_numpy()
            parts.append(
                history.windows.assign(
                    ticker=ticker,
                    full=full["total_return"],
                    ath_only=ath_only,
                    difference=full["total_return"] - held,
                    wealth_ratio=(1.0 + full["total_return"]) / (1.0 + held),
                    alpha=full["total_return"] - ath_only,
                    full_drawdown=full["max_drawdown"],
                    minimum_bank=full["minimum_bank"],
                    realised=full["realised"],
                    buys=full["buys"].astype(np.int64),
                    sells=full["sells"].astype(np.int64),
                    ruined=full["ruined"] > 0.0,
                )
            )
        table = pd.concat(parts, ignore_index=True)
        return table[["ticker", *(name for name in table.columns if name != "ticker")]]

    @property
    def distribution(self) -> pd.DataFrame:
        """Full less buy-and-hold over all windows, one row a cell: index (n, profit_sharing).

        Columns as in `by_ticker`, of all tickers together, each window counted once.
        """
        rows = {
            (n, sharing): summarise(self.cell(n, sharing))
            for n in self.study.n
            for sharing in self.study.profit_sharing
        }
        table = pd.DataFrame.from_dict(rows, orient="index")
        table.index = pd.MultiIndex.from_tuples(list(rows), names=["n", "profit_sharing"])
        return table.astype({"windows": int})

    def by_ticker(self, n: float, profit_sharing: float) -> pd.DataFrame:
        """Summarise one ladder's outcomes by ticker.

        Parameters
        ----------
        n, profit_sharing : float
            Of the study.

        Returns
        -------
        DataFrame, one row a ticker
            ``windows``; ``beats`` (share of windows with more than buy-and-hold); ``mean`` and quantiles ``q05`` to
            ``q95`` of the difference of total returns, decimals; ``ratio_q05``, ``ratio_q50``, ``ratio_q95`` of the
            wealth ratio; ``alpha_negative`` (share of windows below the ATH-only ladder); ``shallower`` (share with
            a smaller drawdown than buy-and-hold); ``owes`` (share in which the bank is ever negative);
            ``deepest_bank`` (lowest of all, decimal of the start); ``ruined`` (share).

        Raises
        ------
        SpecificationError
            As `cell`.
        """
        groups = self.cell(n, profit_sharing).groupby("ticker", sort=False)
        return pd.DataFrame.from_dict({name: summarise(group) for name, group in groups}, orient="index").astype(
            {"windows": int}
        )

    def by_condition(
        self, n: float, profit_sharing: float, on: Condition, edges: Sequence[float] | int = 5
    ) -> pd.DataFrame:
        """Summarise one ladder's outcomes by what the window was like.

        Parameters
        ----------
        n, profit_sharing : float
            Of the study.
        on : {"buy_and_hold", "volatility", "max_drawdown", "displacement"}
            Column of `cell`. All of them are known at the end of a window only: this explains, it does not predict.
        edges : sequence of float, or int
            Bounds of the groups, the lower one included; or that many groups of equal size.

        Returns
        -------
        DataFrame, one row a group
            Columns as in `by_ticker`.

        Raises
        ------
        SpecificationError
            As `cell`, and for another column, or edges that do not increase or have no window between them.
        """
        require_option(on, _CONDITIONS, "the condition")
        return summarise_groups(self.cell(n, profit_sharing), on, edges)

    def figure(self, n: float, profit_sharing: float) -> Figure:
        """Draw one ladder's differences to buy-and-hold: by ticker, and against what the window was like.

        Parameters
        ----------
        n, profit_sharing : float
            Of the study.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            As `cell`.
        """
        from allocopt.backtests.volatility_alpha._windows_figure import windows_figure

        return windows_figure(self, n, profit_sharing)

    def _place(self, value: float, known: Sequence[float], name: str) -> int:
        if value not in known:
            raise SpecificationError(f"{name} is none of the study's", value=plain(value), remedy=f"one of {known}")
        return list(known).index(value)

    def __repr__(self) -> str:
        """Cells, tickers and windows."""
        cells = len(self.study.n) * len(self.study.profit_sharing)
        return f"WindowResult({cells} ladders, {len(self.histories)} tickers, {sum(self.starts.values()):,} windows)"


def summarise_groups(table: pd.DataFrame, on: Condition, edges: Sequence[float] | int) -> pd.DataFrame:
    """Figures by group of windows: between bounds, or in groups of equal size."""
    if isinstance(edges, (int, np.integer)):
        if isinstance(edges, bool) or edges < 1:
            raise SpecificationError("edges are fewer than one group", value=plain(edges), remedy="give 5")
        groups = pd.qcut(table[on], int(edges), duplicates="drop")
    else:
        if len(edges) < 2 or not (np.diff(edges) > 0.0).all():
            raise SpecificationError("edges do not increase", value=tuple(edges), remedy="give ascending bounds")
        groups = pd.cut(table[on], list(edges), right=False)
    rows = {str(name): summarise(group) for name, group in table.groupby(groups, observed=True)}
    if not rows:
        raise SpecificationError(
            f"no window lies between the edges of {on}", value=plain(edges), remedy="give wider bounds"
        )
    return pd.DataFrame.from_dict(rows, orient="index").astype({"windows": int}).rename_axis(on)


def summarise(table: pd.DataFrame) -> dict[str, float]:
    """Figures of a group of windows, as `WindowResult.by_ticker` lists them."""
    difference, ratio = table["difference"], table["wealth_ratio"]
    quantiles = difference.quantile(list(_QUANTILES))
    ratios = ratio.quantile([0.05, 0.50, 0.95])
    return {
        "windows": float(len(table)),
        "beats": float((difference > 0.0).mean()),
        "mean": float(difference.mean()),
        **{f"q{100 * q:02.0f}": float(value) for q, value in quantiles.items()},  # type: ignore[operator]
        **{f"ratio_q{100 * q:02.0f}": float(value) for q, value in ratios.items()},  # type: ignore[operator]
        "alpha_negative": float((table["alpha"] < 0.0).mean()),
        "shallower": float((table["full_drawdown"] < table["max_drawdown"]).mean()),
        "owes": float((table["minimum_bank"] < 0.0).mean()),
        "deepest_bank": float(table["minimum_bank"].min()),
        "ruined": float(table["ruined"].mean()),
    }
