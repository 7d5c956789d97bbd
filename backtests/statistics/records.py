"""What is known of a track record: its Sharpe ratio and the moments of its returns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from allocopt.backtests._checks import require_periods
from allocopt.backtests.metrics import _numbers
from allocopt.backtests.statistics._streams import FloatArray, read_stream, require_number
from allocopt.backtests.statistics.methods import whole
from allocopt.errors import InputError, SpecificationError


@dataclass(frozen=True, kw_only=True)
class TrackRecord:
    """What the probabilistic Sharpe ratio needs to know of a track record.

    `track_record` computes it from returns. Made by hand it takes published figures.

    Parameters
    ----------
    sharpe : float
        Sharpe ratio of the excess returns, annualised: the ratio per row times the root of `periods_per_year`.
    rows : int
        n, the number of returns, at least 2.
    skewness : float
        Of the returns per row; 0 for a normal distribution.
    kurtosis : float
        Of the returns per row; 3 for a normal distribution. No distribution has less than ``1 + skewness**2``.
    periods_per_year : float
        P, the rows of one year.

    Raises
    ------
    SpecificationError
        A number is out of its range, such as an *excess* kurtosis of 0.
    InputError
        The moments leave the ratio no sampling error: returns that take two values can.

    Examples
    --------
    Two years of monthly returns of a hedge fund (Bailey and Lopez de Prado 2012): 0.458 a month.

    >>> from allocopt.backtests.statistics import TrackRecord
    >>> fund = TrackRecord(sharpe=0.458 * 12**0.5, rows=24, skewness=-2.448, kurtosis=10.164, periods_per_year=12)
    >>> round(fund.standard_error, 2)
    1.17
    """

    sharpe: float
    rows: int
    skewness: float
    kurtosis: float
    periods_per_year: float

    def __post_init__(self) -> None:
        require_number(self.sharpe, "sharpe", "give the annualised ratio")
        whole(self.rows, 2, "rows", "give the number of returns")
        require_number(self.skewness, "skewness", "give 0.0 for a symmetric distribution")
        require_number(self.kurtosis, "kurtosis", "give 3.0 for a normal distribution")
        require_periods(self.periods_per_year)
        if self.kurtosis < (1.0 + self.skewness**2) * (1.0 - 1e-9):
            raise SpecificationError(
                "no distribution has so small a kurtosis with this skewness",
                value=(float(self.skewness), float(self.kurtosis)),
                remedy="give the kurtosis itself, 3 for a normal distribution, not the excess over it",
            )
        if not self.variance_factor > 1e-12:
            raise InputError(
                "the Sharpe ratio has no sampling error",
                value=self.variance_factor,
                remedy="give returns that take more than two values",
            )

    @property
    def sharpe_per_row(self) -> float:
        """S, the ratio per row: not annualised."""
        return self.sharpe / math.sqrt(self.periods_per_year)

    @property
    def variance_factor(self) -> float:
        """``1 - skewness S + (kurtosis - 1) / 4 S**2``: n - 1 times the variance of the ratio per row."""
        ratio = self.sharpe_per_row
        return 1.0 - self.skewness * ratio + (self.kurtosis - 1.0) / 4.0 * ratio**2

    @property
    def standard_error(self) -> float:
        """Of `sharpe`, annualised, for independent returns with these moments."""
        return math.sqrt(self.variance_factor / (self.rows - 1) * self.periods_per_year)


def track_record(
    returns: pd.Series[float], *, periods_per_year: float, cash_rate: float | pd.Series[float] = 0.0
) -> TrackRecord:
    """Take the Sharpe ratio and the moments of a strategy's returns, for `probabilistic_sharpe` and `deflated_sharpe`.

    Parameters
    ----------
    returns : Series, shape (n,), n >= 3
        Decimals per row, by date in order. Leave out rows without a period: ``ledger.returns.iloc[1:]``.
    periods_per_year : float
        P, the rows of one year.
    cash_rate : float or Series, default 0.0
        Decimal per year, taken off as ``cash_rate / P`` a row. A Series gives it by date.

    Returns
    -------
    TrackRecord
        The ratio with ddof 1; skewness and kurtosis are the moments themselves, ``mean(z**3)`` and ``mean(z**4)``,
        without a correction for small samples.

    Raises
    ------
    InputError
        A return is missing, infinite or below -1; the returns do not vary, or leave the ratio no sampling error.
    LabelError
        The dates are out of order or twice there; `cash_rate` has other dates.
    ShapeError
        `returns` is no Series, or has fewer than 3 rows.
    SpecificationError
        A setting is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.statistics import track_record
    >>> returns = pd.Series([0.03, -0.01, 0.02, 0.0], pd.date_range("2024-01-31", periods=4, freq="ME"))
    >>> record = track_record(returns, periods_per_year=12)
    >>> round(record.sharpe, 3), round(record.skewness, 3), round(record.kurtosis, 3)
    (1.897, 0.0, 1.36)
    """
    stream = read_stream(returns, cash_rate, periods_per_year, 3)
    return record_of(stream.values[:, 0], stream.periods)


def record_of(excess: FloatArray, periods: float) -> TrackRecord:
    """Take the moments of excess returns that are known to vary."""
    z = (excess - excess.mean()) / excess.std()
    return TrackRecord(
        sharpe=_numbers.sharpe(excess, periods),
        rows=excess.size,
        skewness=float((z**3).mean()),
        kurtosis=float((z**4).mean()),
        periods_per_year=periods,
    )


def normal_cdf(x: float) -> float:
    """Distribution function of the standard normal, accurate in both tails."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def described(record: TrackRecord) -> str:
    """Describe a track record in one line."""
    return (
        f"ratio {record.sharpe:.2f} a year with standard error {record.standard_error:.2f}, {record.rows} rows, "
        f"skewness {record.skewness:.2f}, kurtosis {record.kurtosis:.2f}"
    )
