"""The probabilistic Sharpe ratio and the track record that it takes, from the first four moments of the returns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from allocopt.backtests._checks import require_kind
from allocopt.backtests.statistics._streams import require_confidence, require_number
from allocopt.backtests.statistics.records import TrackRecord, described, normal_cdf
from allocopt.errors import SpecificationError


@dataclass(frozen=True, kw_only=True, repr=False)
class ProbabilisticSharpe:
    """The probability that a true Sharpe ratio is above a benchmark.

    Attributes
    ----------
    probability : float
        The probabilistic Sharpe ratio, a decimal from 0 to 1.
    benchmark : float
        The ratio to beat, annualised.
    record : TrackRecord
        As given.

    Examples
    --------
    >>> from allocopt.backtests.statistics import TrackRecord, probabilistic_sharpe
    >>> fund = TrackRecord(sharpe=0.458 * 12**0.5, rows=24, skewness=-2.448, kurtosis=10.164, periods_per_year=12)
    >>> probabilistic_sharpe(fund)
    probabilistic Sharpe ratio 0.913: confidence that the true ratio is above 0.00 a year
    ratio 1.59 a year with standard error 1.17, 24 rows, skewness -2.45, kurtosis 10.16
    """

    probability: float
    benchmark: float
    record: TrackRecord

    @property
    def p_value(self) -> float:
        """One-sided, of the hypothesis that the true ratio is the benchmark or less: 1 minus the probability."""
        distance = (self.record.sharpe - self.benchmark) / self.record.standard_error
        return normal_cdf(-distance)

    @property
    def message(self) -> str:
        """The finding in words."""
        return (
            f"probabilistic Sharpe ratio {self.probability:.3f}: confidence that the true ratio is above "
            f"{self.benchmark:.2f} a year\n{described(self.record)}"
        )

    def __repr__(self) -> str:
        return self.message


def probabilistic_sharpe(record: TrackRecord, *, benchmark: float = 0.0) -> ProbabilisticSharpe:
    """Give the probability that the true Sharpe ratio is above a benchmark, for returns that need not be normal.

    ``PSR = Phi((S - S*) sqrt(n - 1) / sqrt(1 - g3 S + (g4 - 1) / 4 S**2))`` with ratios per row, skewness g3 and
    kurtosis g4. Negative skewness and fat tails lower it where the ratio is positive.

    Parameters
    ----------
    record : TrackRecord
        From `track_record`, or made by hand from published figures.
    benchmark : float, default 0.0
        S* annualised, as `TrackRecord.sharpe`.

    Returns
    -------
    ProbabilisticSharpe
        The probability, and its complement as a one-sided p-value.

    Raises
    ------
    ShapeError
        `record` is no `TrackRecord`.
    SpecificationError
        `benchmark` is no finite number.

    Notes
    -----
    The returns are taken as independent over time; `sharpe_estimate` is robust to autocorrelation. It is not a
    posterior probability: it is one minus the p-value of a one-sided test. For the best of several trials it is far
    too high: see `deflated_sharpe`.

    References
    ----------
    D. H. Bailey and M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15 (2012), section
    "Probabilistic Sharpe ratio".

    Examples
    --------
    With mean and deviation alone the fund below would pass at 95 percent; with its skewness and kurtosis it does not.

    >>> from allocopt.backtests.statistics import TrackRecord, probabilistic_sharpe
    >>> normal = TrackRecord(sharpe=0.458 * 12**0.5, rows=24, skewness=0, kurtosis=3, periods_per_year=12)
    >>> fund = TrackRecord(sharpe=0.458 * 12**0.5, rows=24, skewness=-2.448, kurtosis=10.164, periods_per_year=12)
    >>> round(probabilistic_sharpe(normal).probability, 3), round(probabilistic_sharpe(fund).probability, 3)
    (0.982, 0.913)
    """
    require_kind(record, TrackRecord, "the track record")
    level = require_number(benchmark, "benchmark", "give an annualised Sharpe ratio")
    probability = normal_cdf((record.sharpe - level) / record.standard_error)
    return ProbabilisticSharpe(probability=probability, benchmark=level, record=record)


@dataclass(frozen=True, kw_only=True, repr=False)
class MinimumTrackRecord:
    """How long a track record has to be before its Sharpe ratio is above a benchmark with some confidence.

    Attributes
    ----------
    rows : float
        Returns that are needed, a fraction as the formula gives it; infinite if the ratio is not above the benchmark.
    benchmark : float
        The ratio to beat, annualised.
    confidence : float
        A decimal, one-sided.
    record : TrackRecord
        As given.

    Examples
    --------
    >>> from allocopt.backtests.statistics import TrackRecord, minimum_track_record
    >>> record = TrackRecord(sharpe=2, rows=36, skewness=-0.72, kurtosis=5.78, periods_per_year=12)
    >>> minimum_track_record(record, benchmark=1.0)
    minimum track record 59.9 rows, 4.99 years, for a ratio above 1.00 a year with 95 % confidence
    36 rows are there: too few
    ratio 2.00 a year with standard error 0.79, 36 rows, skewness -0.72, kurtosis 5.78
    """

    rows: float
    benchmark: float
    confidence: float
    record: TrackRecord

    @property
    def years(self) -> float:
        """`rows` over the rows of one year."""
        return self.rows / self.record.periods_per_year

    @property
    def long_enough(self) -> bool:
        """Whether the record has as many rows."""
        return self.record.rows >= self.rows

    @property
    def message(self) -> str:
        """The finding in words."""
        goal = f"for a ratio above {self.benchmark:.2f} a year with {100.0 * self.confidence:.3g} % confidence"
        if math.isinf(self.rows):
            head = f"no track record is long enough {goal}: the ratio is not above it"
        else:
            head = (
                f"minimum track record {self.rows:.1f} rows, {self.years:.2f} years, {goal}\n"
                f"{self.record.rows} rows are there: {'enough' if self.long_enough else 'too few'}"
            )
        return f"{head}\n{described(self.record)}"

    def __repr__(self) -> str:
        return self.message


def minimum_track_record(
    record: TrackRecord, *, benchmark: float = 0.0, confidence: float = 0.95
) -> MinimumTrackRecord:
    """Give the length from which on a Sharpe ratio like the record's is above a benchmark with some confidence.

    ``1 + (1 - g3 S + (g4 - 1) / 4 S**2) (z / (S - S*))**2`` rows, with ratios per row and z the normal quantile of
    the confidence: where `probabilistic_sharpe` would be the confidence, were the moments to stay as they are.

    Parameters
    ----------
    record : TrackRecord
        From `track_record`, or made by hand.
    benchmark : float, default 0.0
        S* annualised.
    confidence : float, default 0.95
        A decimal from 0.5 up, one-sided.

    Returns
    -------
    MinimumTrackRecord
        Rows, years, and whether the record is long enough.

    Raises
    ------
    ShapeError
        `record` is no `TrackRecord`.
    SpecificationError
        `benchmark` is no finite number, or `confidence` is not between 0.5 and 1.

    References
    ----------
    D. H. Bailey and M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15 (2012), section
    "Track record length".

    Examples
    --------
    A ratio of 2 a year against 1, normal returns: 2.73 years of days, 2.83 of weeks, 3.24 of months.

    >>> from allocopt.backtests.statistics import TrackRecord, minimum_track_record
    >>> for rows in (250, 52, 12):
    ...     record = TrackRecord(sharpe=2, rows=rows, skewness=0, kurtosis=3, periods_per_year=rows)
    ...     print(round(minimum_track_record(record, benchmark=1.0).years, 2))
    2.73
    2.83
    3.24
    """
    require_kind(record, TrackRecord, "the track record")
    level = require_number(benchmark, "benchmark", "give an annualised Sharpe ratio")
    wanted = require_confidence(confidence)
    if wanted < 0.5:
        raise SpecificationError(
            "confidence is below 0.5", value=wanted, remedy="give 0.95; for ratios below a benchmark swap the signs"
        )
    distance = (record.sharpe - level) / math.sqrt(record.periods_per_year)
    rows = math.inf
    if distance > 0.0:
        quantile = NormalDist().inv_cdf(wanted) / distance
        rows = 1.0 + record.variance_factor * (quantile * quantile)  # infinite, not an error, where they all but meet
    return MinimumTrackRecord(rows=rows, benchmark=level, confidence=wanted, record=record)
