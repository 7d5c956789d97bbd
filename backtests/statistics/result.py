"""What a test of two Sharpe ratios found, as numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import pandas as pd

from allocopt.backtests._checks import plain
from allocopt.backtests.statistics.calibration import BlockCalibration
from allocopt.backtests.statistics.methods import HAC, JobsonKorkieMemmel, Method
from allocopt.errors import SpecificationError


@dataclass(frozen=True, kw_only=True, eq=False)
class SharpeDifference:
    """What a test of the difference between two Sharpe ratios found.

    Ratios, difference, standard error and interval are annualised: those per row times the root of `periods_per_year`.

    Attributes
    ----------
    first, second : float
        Sharpe ratios of the two streams (ddof 1, as in `allocopt.backtests.metrics.sharpe_ratio`).
    difference : float
        `first` minus `second`.
    standard_error : float
        Of the difference, by the method.
    t_statistic : float
        Difference over standard error; 0 where the streams are the same up to scale.
    p_value : float
        Two-sided, of the hypothesis that both ratios are equal.
    interval : tuple of two floats
        Confidence interval of the difference, symmetric. Without 0 inside exactly where the p-value is at most
        ``1 - confidence``.
    confidence : float
        Of the interval, a decimal.
    correlation : float
        Between the two streams.
    rows : int
        Number of pairs of returns, n.
    periods_per_year : float
        Rows of one year.
    method : HAC, StudentisedBootstrap or JobsonKorkieMemmel
        As given.
    bandwidth : float or None
        Of the kernel, in rows, as Andrews' rule chose it. None for `JobsonKorkieMemmel` and for equal streams.
    block : int or None
        Block length used, in rows; None without bootstrap and for equal streams.
    calibration : BlockCalibration or None
        How `CalibratedBlock` chose the block length.
    same : bool
        Whether one stream is a positive multiple of the other up to rounding. Then the difference is 0 by
        definition and the p-value 1.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import sharpe_difference
    >>> days = pd.bdate_range("2015-01-01", periods=2500)
    >>> rng = np.random.default_rng(5)
    >>> market = rng.normal(0.0003, 0.01, 2500)
    >>> first = pd.Series(market + rng.normal(0.0002, 0.003, 2500), days)
    >>> second = pd.Series(market, days)
    >>> print(sharpe_difference(first, second, periods_per_year=252))
    Sharpe ratios 1.25 and 0.79 a year, difference 0.46 with standard error 0.09 (95 % interval 0.28 to 0.64)
    significant at 5 %: p = 7.3e-07, t = 4.95, 2500 rows, correlation 0.96
    HAC, qs kernel, prewhitened, bandwidth 0.6 rows
    with this error a difference of 0.26 a year is found in 80 % of samples
    """

    first: float
    second: float
    difference: float
    standard_error: float
    t_statistic: float
    p_value: float
    interval: tuple[float, float]
    confidence: float
    correlation: float
    rows: int
    periods_per_year: float
    method: Method
    bandwidth: float | None
    block: int | None
    calibration: BlockCalibration | None
    same: bool

    @property
    def difference_per_row(self) -> float:
        """The difference between the ratios per row: not annualised."""
        return self.difference / math.sqrt(self.periods_per_year)

    @property
    def standard_error_per_row(self) -> float:
        """The standard error of the difference per row: not annualised."""
        return self.standard_error / math.sqrt(self.periods_per_year)

    @property
    def significant(self) -> bool:
        """Whether the p-value is at most ``1 - confidence``."""
        return self.p_value <= 1.0 - self.confidence + 1e-12

    def detectable(self, power: float = 0.8) -> float:
        """Annualised difference that a test with this standard error finds with a given probability.

        By the normal approximation, at the level ``1 - confidence``. A difference that is smaller than this and not
        significant says little: the sample could hardly have shown it.

        Parameters
        ----------
        power : float, default 0.8
            Probability of finding it, between 0.5 and 1.

        Returns
        -------
        float
            Annualised, never negative. 0 where both streams are the same.

        Raises
        ------
        SpecificationError
            `power` is out of its range.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from allocopt.backtests.statistics import sharpe_difference
        >>> rng = np.random.default_rng(6)
        >>> days = pd.bdate_range("2010-01-01", periods=1260)
        >>> first, second = (pd.Series(rng.normal(0, 0.01, 1260), days) for _ in range(2))
        >>> five_years = sharpe_difference(first, second, periods_per_year=252)
        >>> round(five_years.detectable(), 1)
        1.8
        """
        if isinstance(power, bool) or not isinstance(power, float) or not 0.5 <= power < 1.0:
            raise SpecificationError("power is not between 0.5 and 1", value=plain(power), remedy="give 0.8")
        normal = NormalDist()
        return (normal.inv_cdf(0.5 + self.confidence / 2.0) + normal.inv_cdf(power)) * self.standard_error

    def table(self) -> pd.Series[float]:
        """Give the figures as a Series, for a table of several tests; what does not apply is NaN.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from allocopt.backtests.statistics import sharpe_difference
        >>> days = pd.bdate_range("2020-01-01", periods=60)
        >>> stream = pd.Series(np.tile([0.01, -0.005], 30), days)
        >>> sharpe_difference(stream, 2 * stream, periods_per_year=252).table()[["difference", "p_value"]].tolist()
        [0.0, 1.0]
        """
        given = {
            "first": self.first,
            "second": self.second,
            "difference": self.difference,
            "standard_error": self.standard_error,
            "t_statistic": self.t_statistic,
            "p_value": self.p_value,
            "low": self.interval[0],
            "high": self.interval[1],
            "correlation": self.correlation,
            "rows": float(self.rows),
            "bandwidth": math.nan if self.bandwidth is None else self.bandwidth,
            "block": math.nan if self.block is None else float(self.block),
        }
        return pd.Series(given, dtype=float)

    @property
    def message(self) -> str:
        """The finding in words, one line a matter."""
        head = f"Sharpe ratios {self.first:.2f} and {self.second:.2f} a year, "
        if self.same:
            return f"{head}difference 0\nthe streams are the same up to scale: nothing to test, p = 1, {self.rows} rows"
        level = f"{100.0 * (1.0 - self.confidence):.3g} %"
        lines = [
            f"{head}difference {self.difference:.2f} with standard error {self.standard_error:.2f} "
            f"({100.0 * self.confidence:.3g} % interval {self.interval[0]:.2f} to {self.interval[1]:.2f})",
            f"{'' if self.significant else 'not '}significant at {level}: p = {_shown(self.p_value)}, "
            f"t = {self.t_statistic:.2f}, {self.rows} rows, correlation {self.correlation:.2f}",
            self._how(),
            f"with this error a difference of {self.detectable():.2f} a year is found in 80 % of samples",
        ]
        return "\n".join(lines)

    def _how(self) -> str:
        if isinstance(self.method, JobsonKorkieMemmel):
            return "Jobson-Korkie-Memmel, for independent normal returns only"
        error = self.method if isinstance(self.method, HAC) else self.method.error
        kernel = (
            f"{error.kernel} kernel{', prewhitened' if error.prewhiten else ''}, bandwidth {self.bandwidth:.1f} rows"
        )
        if isinstance(self.method, HAC):
            return f"HAC, {kernel}"
        chosen = "given"
        if self.calibration is not None:
            chosen = f"calibrated on {self.calibration.samples} samples"
        elif isinstance(self.method.block, str):
            chosen = "by Politis and White"
        return (
            f"studentised bootstrap, {self.method.replications} samples of blocks of {self.block} "
            f"row{'' if self.block == 1 else 's'}, {chosen}, seed {self.method.seed}\nerror of the data by {kernel}"
        )

    def __str__(self) -> str:
        return self.message


def _shown(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else f"{p:.1e}"
