"""What a walk-forward study found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from allocopt.backtests.accounting import Ledger
from allocopt.backtests.walk_forward.selection import Degradation
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: How the test windows become one history.
Stitched = Literal["account", "returns", "paths"]

_NOTES: dict[Stitched, str] = {
    "account": "One account through all folds. At a border where the configuration changes, one decision moves to what "
    "the new one holds, and its cost is paid; holdings drift over every border. Charges that a study books itself are "
    "each configuration's own: a switch adds none to them.",
    "returns": "Returns of the test windows are chained. Changing from one configuration to another is free here: what "
    "the switches would have cost is in none of these figures.",
    "paths": "Every configuration ran once on all rows, and each path takes the returns of the configuration that the "
    "split of each row chose. Changing from one to another is free, and choices know returns that come after.",
}


@dataclass(frozen=True, eq=False)
class WalkForward:
    """A walk-forward study: what was chosen, what came of it, and how much the choice was worth. By `walk_forward`.

    Returns and shares are decimals; ``in_sample`` and ``out_of_sample`` are the figure that was selected by.

    Attributes
    ----------
    score : str
        The figure that configurations were chosen by.
    periods_per_year : float
    cash_rate : float or Series
        Decimal per year, of the Sharpe and the Sortino ratio.
    configurations : tuple of dict
        The grid, in order.
    folds : DataFrame
        One row a fold: ``train_start``, ``train_end``, ``test_start``, ``test_end``, ``test_rows``,
        ``configuration`` (the chosen one), ``in_sample``, ``out_of_sample``, ``rank`` (of the chosen one out of
        sample, 1 the best) ``of`` so many, then figures of the chosen configuration's own run on the test rows.
    chosen : DataFrame
        Chosen parameters by first test date, one column a parameter.
    stability : DataFrame
        For each parameter and value the number and the share of the folds that chose it.
    changes : Series
        Borders at which each parameter, and the configuration, changed.
    scores : DataFrame
        One row a fold and configuration: ``in_sample``, ``out_of_sample``, their ranks, and whether it was chosen.
    degradation : Degradation
        Scores in sample against out of sample.
    comparison : DataFrame
        Beside each other on all test rows: the walk-forward (or each path), the benchmark, the baseline, the
        configuration that was best in hindsight, the median one.
    failures : DataFrame
        Configurations that a fold could not score: ``fold``, ``configuration``, ``why``. They were never chosen.
    switches : DataFrame
        One row a border where the configuration changed: date, from, to, ``turnover`` and ``cost`` of that row as
        fractions of the value.
    stitching : {"account", "returns", "paths"}
        How test windows became one history; `stitching_note` says it in words.
    paths : DataFrame or None
        Returns by path, for combinatorial splits.
    ledger : Ledger or None
        The one account, from the first row of the first chosen run; test rows begin later.
    bankrupt : Timestamp or None
        Row on which the account was lost; the returns end before it.
    """

    score: str
    periods_per_year: float
    cash_rate: float | pd.Series
    configurations: tuple[dict[str, Any], ...]
    folds: pd.DataFrame
    chosen: pd.DataFrame
    stability: pd.DataFrame
    changes: pd.Series
    scores: pd.DataFrame
    degradation: Degradation
    comparison: pd.DataFrame
    failures: pd.DataFrame
    switches: pd.DataFrame
    stitching: Stitched
    paths: pd.DataFrame | None
    ledger: Ledger | None
    bankrupt: pd.Timestamp | None
    _returns: pd.Series | None = field(repr=False)
    _before: pd.Timestamp = field(repr=False)
    _benchmark: pd.Series | None = field(repr=False)
    _baseline: pd.Series | None = field(repr=False)
    _tested: pd.DataFrame = field(repr=False)
    _full: pd.DataFrame = field(repr=False)

    @property
    def returns(self) -> pd.Series[float]:
        """Return of every test row, out of sample, after costs and switches.

        Raises
        ------
        SpecificationError
            For combinatorial splits, which make several histories: see `paths`.
        """
        if self._returns is None:
            raise SpecificationError(
                "combinatorial splits make several histories, and not one", remedy="use .paths, one column a path"
            )
        return self._returns

    @property
    def equity(self) -> pd.Series[float]:
        """Value at the close of every test row, 1.0 at the close before the first."""
        growth = np.concatenate([[1.0], np.cumprod(1.0 + self.returns.to_numpy())])
        return pd.Series(growth, index=self.returns.index.insert(0, self._before), name="equity")

    @property
    def benchmark(self) -> pd.Series[float] | None:
        """Return of the benchmark on every test row; None without one."""
        return self._benchmark

    @property
    def baseline(self) -> pd.Series[float] | None:
        """Return of the baseline on every test row, from each fold's run; None without one."""
        return self._baseline

    @property
    def stitching_note(self) -> str:
        """How the history was made, in words."""
        return _NOTES[self.stitching]

    def returns_matrix(self, rows: Literal["test", "full"] = "test") -> pd.DataFrame:
        """Give the returns of every configuration, as tests of data snooping want them: PBO, reality check, SPA.

        Parameters
        ----------
        rows : {"test", "full"}
            ``"test"``: each fold's test rows from that fold's runs. ``"full"``: all rows from the first train row to
            the last test row, from the runs of the last fold.

        Returns
        -------
        DataFrame, shape (rows, configurations)
            Decimals; columns by `configuration_name`, in the order of the grid. NaN where there is no result.

        Raises
        ------
        SpecificationError
            For other rows.
        """
        if rows not in ("test", "full"):
            raise SpecificationError("unknown rows", value=rows, remedy='use "test" or "full"')
        return self._tested if rows == "test" else self._full

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by its name, to be written to files."""
        return {
            "comparison": self.comparison,
            "folds": self.folds,
            "chosen": self.chosen,
            "stability": self.stability,
            "changes": self.changes.to_frame(),
            "degradation": self.degradation.table().to_frame(),
            "scores": self.scores,
            "switches": self.switches,
            "failures": self.failures,
        }

    def figure_history(self) -> Figure:
        """Draw the chained curve with the borders of its folds, beside the benchmark; or every path.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from allocopt.backtests.walk_forward.figures import history_figure

        return history_figure(self)

    def figure_scores(self) -> Figure:
        """Draw the score of every configuration and fold, in sample against out of sample.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from allocopt.backtests.walk_forward.figures import scores_figure

        return scores_figure(self)

    def figure_chosen(self) -> Figure:
        """Draw the chosen value of every parameter over time.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from allocopt.backtests.walk_forward.figures import chosen_figure

        return chosen_figure(self)

    def __repr__(self) -> str:
        row = self.comparison.iloc[0]
        return (
            f"WalkForward({len(self.folds)} folds x {len(self.configurations)} configurations by {self.score}; "
            f"in sample {self.degradation.in_sample:.4g}, out of sample {self.degradation.out_of_sample:.4g}; "
            f"{self.comparison.index[0]}: sharpe {row['sharpe']:.4g}, return {row['total_return']:.4g})"
        )
