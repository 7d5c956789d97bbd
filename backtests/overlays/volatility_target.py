"""Volatility target: scale the whole book so that its trailing volatility would have been the target."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_option
from allocopt.backtests.accounting import executed_weights, in_force
from allocopt.backtests.accounting.execution import finite_table
from allocopt.backtests.overlays.exposure import SMALLEST, require_number
from allocopt.backtests.overlays.volatility_scaling import VolatilityScaling
from allocopt.errors import InputError, LabelError, SpecificationError

#: The trailing volatility: equal weights over a window, or exponential weights.
Estimator: TypeAlias = Literal["rolling", "ewma"]

#: What is done on a row without a volatility to divide by: an error, the whole position, or none.
Without: TypeAlias = Literal["raise", "full", "flat"]

_ESTIMATORS: Final = ("rolling", "ewma")
_WITHOUT: Final = ("raise", "full", "flat")


@dataclass(frozen=True)
class VolatilityTarget:
    """Scale decided weights to a target volatility, as far as a cap allows.

    ``scale_t = min(cap, target / realized_t)``. ``realized_t`` is the trailing volatility of the unscaled book,
    ``sqrt(periods_per_year)`` times the deviation of ``book_s = sum_k executed_{s,k} returns_{s,k}`` over rows s up to
    t, where ``executed`` are the decided weights on the rows that they earn.

    Parameters
    ----------
    target : float
        Volatility aimed at, decimal per year: 0.20 is 20 percent.
    window : int
        Rows of the estimate. ``"rolling"``: the last `window` rows, at least 2. ``"ewma"``: rows seen before the
        first estimate, which then weighs all rows.
    periods_per_year : float
        Rows in a year: 252 for sessions, 8760 for hours.
    estimator : {"rolling", "ewma"}, default "rolling"
        ``"rolling"``: sample standard deviation (ddof 1). ``"ewma"``: root of the mean square about zero under weights
        that halve every `halflife` rows and sum to one.
    halflife : float, optional
        Rows after which a weight has halved; for ``"ewma"``, and only there. RiskMetrics' daily decay of 0.94 is a
        half-life of ``log(0.5) / log(0.94)``, 11.2 rows.
    cap : float, default 1.0
        Largest scale. At 1 the target is a ceiling: the book is cut, never geared up.
    include_current : bool, default True
        Whether the estimate of row t uses the return of row t. Either is known when row t is decided.
    undefined : {"raise", "full", "flat"}, default "raise"
        Warm-up rows, on which no estimate exists yet. ``"raise"``: an error if a weight is decided there. ``"full"``:
        scale 1 (or the cap, where it is lower), as the published trend basket was built. ``"flat"``: scale 0.
    zero : {"raise", "full", "flat"}, default "full"
        Rows on which the estimate is exactly zero, with the same choices. That is each entry after the book was flat
        for a whole window, so ``"raise"`` refuses most strategies.

    Raises
    ------
    SpecificationError
        A parameter is outside its range; a target above 5 must be in percent.

    Notes
    -----
    The estimate follows the book that was held. After a flat spell it still counts the flat rows, so it is too low and
    the scale too high until the window is full of positions.

    References
    ----------
    A. Moreira and T. Muir, "Volatility-Managed Portfolios", Journal of Finance 72 (2017), section I, for the idea;
    J.P. Morgan and Reuters, "RiskMetrics Technical Document", 4th ed. (1996), section 5.2, for the weights of
    ``"ewma"``. The start differs: weights are normalised over the rows seen, so no first variance is assumed.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.overlays import VolatilityTarget
    >>> days = pd.date_range("2024-01-01", periods=5)
    >>> weights = pd.DataFrame({"BTC": [0.5] * 5}, index=days)
    >>> returns = pd.DataFrame({"BTC": [0.0, 0.04, -0.04, 0.01, 0.01]}, index=days)
    >>> target = VolatilityTarget(0.20, 2, periods_per_year=365, undefined="full")
    >>> scaling = target.scale(weights, returns)
    >>> scaling.realized.round(3).tolist()
    [nan, 0.27, 0.54, 0.338, 0.0]
    >>> scaling.scale.round(3).tolist()
    [1.0, 0.74, 0.37, 0.592, 1.0]
    >>> scaling.weights["BTC"].round(3).tolist()
    [0.5, 0.37, 0.185, 0.296, 0.5]
    """

    target: float
    window: int
    _: KW_ONLY
    periods_per_year: float
    estimator: Estimator = "rolling"
    halflife: float | None = None
    cap: float = 1.0
    include_current: bool = True
    undefined: Without = "raise"
    zero: Without = "full"

    def __post_init__(self) -> None:
        require_number(self.target, "target", SMALLEST, 5.0, "give a decimal a year: 0.20 for twenty percent")
        require_number(self.periods_per_year, "periods_per_year", SMALLEST, math.inf, "give such as 252 or 8760")
        require_number(self.cap, "cap", SMALLEST, math.inf, "1.0 never gears the book up")
        require_option(self.estimator, _ESTIMATORS, "estimator")
        require_option(self.undefined, _WITHOUT, "undefined")
        require_option(self.zero, _WITHOUT, "zero")
        least = 2 if self.estimator == "rolling" else 1
        whole = isinstance(self.window, (int, np.integer)) and not isinstance(self.window, bool)
        if not whole or self.window < least:
            raise SpecificationError(
                f"window is not a whole number of rows of at least {least}",
                value=plain(self.window),
                remedy="give such as 20",
            )
        if (self.halflife is not None) != (self.estimator == "ewma"):
            raise SpecificationError(
                f"halflife does not go with the estimator {self.estimator!r}",
                value=self.halflife,
                remedy="give a half-life in rows with estimator='ewma', and none otherwise",
            )
        if self.halflife is not None:
            require_number(self.halflife, "halflife", SMALLEST, math.inf, "give rows, such as 11.2")
        if not isinstance(self.include_current, (bool, np.bool_)):
            raise SpecificationError(
                "include_current is not true or false", value=self.include_current, remedy="give True or False"
            )

    def scale(self, weights: pd.DataFrame, returns: pd.DataFrame, lag: int = 1) -> VolatilityScaling:
        """Scale each row of decided weights by what is known at its close.

        Parameters
        ----------
        weights : DataFrame, shape (T, n)
            Decided weights, decimal fractions of capital, unscaled and without later leverage.
        returns : DataFrame, shape (T, n)
            Decimal return of each sleeve over each row, as `simple_returns` gives it, with the labels of `weights`. No
            weight meets the first `lag` rows: they count as 0.0, as built.
        lag : int, default 1
            Rows from the decision to the period that it earns; the one that the accounting is to use.

        Returns
        -------
        VolatilityScaling
            The scale, the realised volatility and the scaled decided weights of the T rows.

        Raises
        ------
        InputError
            A weight or return is missing or infinite; or there is no estimate (a zero one) on a row with a weight and
            `undefined` (`zero`) is ``"raise"``. The date is named.
        LabelError, ShapeError
            The tables differ in their labels, are empty or are not indexed by increasing dates.
        SpecificationError
            `lag` is below 1.
        """
        executed = executed_weights(weights, lag)
        require_kind(returns, pd.DataFrame, "the table of returns")
        require_dates(returns.index, "the table of returns")
        earned = finite_table(returns, "return")
        if not (returns.index.equals(weights.index) and returns.columns.equals(weights.columns)):
            raise LabelError(
                "weights and returns differ in their dates or sleeves",
                value=(weights.shape, returns.shape),
                remedy="give both the same index and columns in the same order",
            )
        decided = weights.to_numpy(dtype=np.float64)
        book = (executed.to_numpy(dtype=np.float64) * earned).sum(axis=1)
        realized = self._realized(pd.Series(book, index=weights.index))
        scale = self._scale(np.asarray(realized, dtype=np.float64), (decided != 0.0).any(axis=1), weights.index)
        return VolatilityScaling(
            target=self.target,
            cap=self.cap,
            periods_per_year=self.periods_per_year,
            lag=lag,
            scale=pd.Series(scale, index=weights.index, name="scale"),
            realized=realized,
            weights=pd.DataFrame(decided * scale[:, np.newaxis], index=weights.index, columns=weights.columns),
        )

    def _realized(self, book: pd.Series[float]) -> pd.Series[float]:
        if self.estimator == "rolling":
            deviation = book.rolling(self.window).std()
        else:
            deviation = np.sqrt((book**2).ewm(halflife=self.halflife, min_periods=self.window).mean())
        realized = (deviation * math.sqrt(self.periods_per_year)).rename("realized_volatility")
        return realized if self.include_current else in_force(realized)

    def _scale(
        self, realized: NDArray[np.float64], invested: NDArray[np.bool_], dates: pd.Index
    ) -> NDArray[np.float64]:
        undefined, zero = np.isnan(realized), realized == 0.0
        with np.errstate(divide="ignore", over="ignore"):
            scale: NDArray[np.float64] = np.minimum(self.cap, self.target / realized)
        for rows, choice, what, name in (
            (undefined, self.undefined, "volatility is undefined in its warm-up", "undefined"),
            (zero, self.zero, "volatility is zero", "zero"),
        ):
            refused = np.flatnonzero(rows & invested)
            if choice == "raise" and refused.size:
                raise InputError(
                    f"{what} on {refused.size} rows with a weight, the first",
                    where=day(dates[refused[0]]),
                    remedy=f"start deciding later, or choose by name: {name}='full' or {name}='flat'",
                )
            # A flat row needs no size; with "raise" only such rows are left here.
            scale[rows] = 0.0 if choice == "flat" else min(1.0, self.cap)
        return scale
