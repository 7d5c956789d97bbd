"""The deflated Sharpe ratio: the best of many trials against what the best of as many without skill would show."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocopt.backtests._checks import plain, require_kind
from allocopt.backtests.statistics._streams import read_trials, shown_p
from allocopt.backtests.statistics.independent import AllTrials, IndependentTrials
from allocopt.backtests.statistics.records import TrackRecord, described, normal_cdf, record_of
from allocopt.backtests.statistics.trials import SharpeTrials, trials_of
from allocopt.errors import LabelError


@dataclass(frozen=True, kw_only=True, repr=False)
class DeflatedSharpe:
    """What is left of the Sharpe ratio of the best of many trials.

    Attributes
    ----------
    probability : float
        The deflated Sharpe ratio, a decimal from 0 to 1: `probabilistic_sharpe` with the hurdle as its benchmark.
    hurdle : float
        What the best of as many trials without skill is expected to show, annualised.
    familywise_p_value : float
        Probability that the best of `SharpeTrials.independent` trials without skill has as high a ratio, were each
        judged by its own error: ``1 - PSR(0) ** N``.
    record : TrackRecord
        Of the chosen trial.
    trials : SharpeTrials
        All of them.
    chosen : label or None
        Which trial it is.

    Examples
    --------
    >>> from allocopt.backtests.statistics import SharpeTrials, TrackRecord, deflated_sharpe
    >>> best = TrackRecord(sharpe=2.5, rows=1250, skewness=-3, kurtosis=10, periods_per_year=250)
    >>> deflated_sharpe(best, SharpeTrials(number=100, independent=100, variance=0.5))
    deflated Sharpe ratio 0.900: confidence that the true ratio is above 1.79 a year
    1.79 is what the best of 100.0 independent trials without skill shows (100 trials, deviation 0.71 a year)
    ratio 2.50 a year with standard error 0.55, 1250 rows, skewness -3.00, kurtosis 10.00
    p = 3.1e-04 for no skill in any trial, by the errors alone
    """

    probability: float
    hurdle: float
    familywise_p_value: float
    record: TrackRecord
    trials: SharpeTrials
    chosen: Hashable | None

    @property
    def message(self) -> str:
        """The finding in words."""
        which = "" if self.chosen is None else f" of {self.chosen!r}"
        return (
            f"deflated Sharpe ratio {self.probability:.3f}{which}: confidence that the true ratio is above "
            f"{self.hurdle:.2f} a year\n"
            f"{self.hurdle:.2f} is what the best of {self.trials.independent:.1f} independent trials without skill "
            f"shows ({self.trials.number} trials, deviation {math.sqrt(self.trials.variance):.2f} a year)\n"
            f"{described(self.record)}\n"
            f"p = {shown_p(self.familywise_p_value)} for no skill in any trial, by the errors alone"
        )

    def __repr__(self) -> str:
        return self.message


def deflated_sharpe(record: TrackRecord, trials: SharpeTrials, *, chosen: Hashable | None = None) -> DeflatedSharpe:
    """Judge the best of many trials by the ratio that the best of as many trials without skill would show.

    Parameters
    ----------
    record : TrackRecord
        Of the trial that was chosen: from `track_record`, or made by hand.
    trials : SharpeTrials
        All that were looked at: from `sharpe_trials`, or made by hand. The same rows of a year.
    chosen : label, optional
        Name of the trial, for the message.

    Returns
    -------
    DeflatedSharpe
        The deflated ratio, its hurdle, and the familywise p-value.

    Raises
    ------
    ShapeError
        `record` is no `TrackRecord`, or `trials` no `SharpeTrials`.

    Notes
    -----
    The trials without skill have a mean ratio of 0 and the variance that is seen among all trials, skilled ones too.
    The maximum itself scatters less than one ratio does, so that for many trials a 95 percent confidence is passed by
    luck far less often than in 5 percent of searches; `DeflatedSharpe.familywise_p_value` has its nominal size for
    independent trials.

    References
    ----------
    D. H. Bailey and M. Lopez de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest
    Overfitting, and Non-Normality", Journal of Portfolio Management 40 (2014), equations 1 and 2. The familywise
    p-value is Sidak's.

    Examples
    --------
    The paper's example: 0.900 after 100 trials, and 0.95 had there been 46.

    >>> from allocopt.backtests.statistics import SharpeTrials, TrackRecord, deflated_sharpe
    >>> best = TrackRecord(sharpe=2.5, rows=1250, skewness=-3, kurtosis=10, periods_per_year=250)
    >>> for number in (100, 46):
    ...     trials = SharpeTrials(number=number, independent=number, variance=0.5)
    ...     print(round(deflated_sharpe(best, trials).probability, 4))
    0.9004
    0.9505
    """
    require_kind(record, TrackRecord, "the track record")
    require_kind(trials, SharpeTrials, "the description of the trials")
    hurdle, error = trials.hurdle, record.standard_error
    # 1 - (1 - p)^N, without loss of a small p.
    alone = normal_cdf(-record.sharpe / error)
    familywise = 1.0 if alone == 1.0 else -math.expm1(trials.independent * math.log1p(-alone))
    return DeflatedSharpe(
        probability=normal_cdf((record.sharpe - hurdle) / error),
        hurdle=hurdle,
        familywise_p_value=familywise,
        record=record,
        trials=trials,
        chosen=chosen,
    )


def deflated_sharpe_of_best(
    trials: pd.DataFrame,
    *,
    periods_per_year: float,
    cash_rate: float | pd.Series[float] = 0.0,
    independent: IndependentTrials = AllTrials(),  # noqa: B008 - frozen
    chosen: Hashable | None = None,
) -> DeflatedSharpe:
    """Deflate the Sharpe ratio of the best column of a search, or of a chosen one.

    `sharpe_trials`, `track_record` and `deflated_sharpe` in one call.

    Parameters
    ----------
    trials : DataFrame, shape (n, M), n >= 3, M >= 2
        Returns as decimals per row, one column for *every* trial of the search, by date in order.
    periods_per_year : float
        P, the rows of one year.
    cash_rate : float or Series, default 0.0
        Decimal per year, taken off as ``cash_rate / P`` a row.
    independent : AllTrials, AverageCorrelation or Clusters, default AllTrials()
        How many independent trials they amount to.
    chosen : label, optional
        A column. Default: that of the highest Sharpe ratio; of equals, the first.

    Returns
    -------
    DeflatedSharpe
        The deflated ratio, its hurdle, and the familywise p-value.

    Raises
    ------
    InputError, ShapeError, SpecificationError
        As in `sharpe_trials` and `track_record`.
    LabelError
        As in `sharpe_trials`; or `chosen` is no column.

    Examples
    --------
    The best of 50 strategies without skill looks good, and is what the best of 50 without skill looks like:

    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import deflated_sharpe_of_best
    >>> days = pd.bdate_range("2020-01-01", periods=1000)
    >>> noise = pd.DataFrame(np.random.default_rng(3).normal(0, 0.01, (1000, 50)), days)
    >>> found = deflated_sharpe_of_best(noise, periods_per_year=252)
    >>> round(found.record.sharpe, 2), round(found.hurdle, 2), round(found.probability, 2)
    (0.97, 0.9, 0.55)
    """
    streams = read_trials(trials, cash_rate, periods_per_year, 3)
    found = trials_of(streams, independent)
    if chosen is None:
        place = int(np.argmax(streams.values.mean(axis=0) / streams.values.std(axis=0, ddof=1)))
    else:
        found_at = streams.labels.get_loc(chosen) if chosen in streams.labels else None
        if not isinstance(found_at, int):
            raise LabelError("the chosen trial is no column", value=plain(chosen), remedy="name a column of the table")
        place = found_at
    return deflated_sharpe(
        record_of(streams.values[:, place], streams.periods), found, chosen=plain(streams.labels[place])
    )
