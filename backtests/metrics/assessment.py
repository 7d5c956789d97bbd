"""All figures of one equity curve in one call."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import pandas as pd

from allocopt.backtests._checks import require_periods
from allocopt.backtests.metrics._curve import read_active, read_curve, read_rates, read_turnover
from allocopt.backtests.metrics._figures import Figures, Given, measure
from allocopt.backtests.metrics.regimes import regime_table
from allocopt.backtests.metrics.sharpe_error import require_hac


@dataclass(frozen=True, kw_only=True, eq=False)
class Performance(Figures):
    """What an account did, in figures. Made by `performance`.

    Decimals throughout (0.20 for twenty percent), drawdowns positive. A ratio with nothing to divide by is NaN, and
    ``None`` stands for a figure that was not asked for, never for a value.

    Attributes
    ----------
    start, end : Timestamp
        First and last row.
    bars : int
        n = T - 1, the periods between the rows.
    periods_per_year : float
        P, as given.
    bars_per_calendar_year : float
        Bars per 365.25 days that the dates really have. Far from P, something is annualised wrongly.
    starting_capital, final_value : float
        Money on the first and the last row.
    total_return : float
        Decimal over the whole time; see `total_return`.
    annual_return : float
        Geometric, per year of P bars; see `annual_return`.
    mean_annual_return : float
        Arithmetic, per year of P bars; see `mean_annual_return`.
    cagr : float
        Geometric, per year of 365.25 days; see `cagr`.
    volatility : float
        Per year; see `volatility`.
    sharpe : float
        Annualised; see `sharpe_ratio`.
    sharpe_standard_error : float or None
        Of the annualised ratio; see `sharpe_standard_error`. None with ``standard_error=False``.
    hac_lags : int or None
        Lags that the standard error used.
    sortino : float
        Annualised, downside deviation over all bars; see `sortino_ratio`.
    calmar : float
        ``annual_return / max_drawdown``; see `calmar_ratio`.
    max_drawdown : float
        Positive decimal, 0.0 if the account never fell; see `max_drawdown`.
    max_drawdown_peak, max_drawdown_trough, max_drawdown_recovery : Timestamp or NaT
        Last row at the high, first row at the low, first row at the high again (NaT while open). The earliest of
        equals. NaT without a drawdown.
    recovery_time : Timedelta or NaT
        From the trough to the recovery.
    max_drawdown_money : float
        Largest fall in money from a high. It need not be the one that is deepest in percent, so it has dates of its
        own.
    money_drawdown_peak, money_drawdown_trough : Timestamp or NaT
        Its dates.
    number_of_drawdowns : int
        All of them, however small; see `drawdowns`.
    mean_drawdown : float
        Mean of their depths, a decimal. NaN without one.
    longest_drawdown : Timedelta or NaT
        Longest time from a high to its recovery, or to the last row.
    win_rate_active : float or None
        Share of winning bars among those with a position; None without ``active``. See `win_rate`.
    win_rate_all : float
        Share of winning bars among all.
    active_bars : int or None
        Bars with a position; None without ``active``.
    profit_factor : float
        Over bars; see `profit_factor`.
    turnover_per_year : float or None
        Sum of the turnover over the years of P bars; None without ``turnover``.
    bps : float
        `balanced_performance_score` of ``sharpe``, ``cagr``, ``win_rate_all`` and ``max_drawdown``.
    by_regime : DataFrame or None
        As from `by_regime`; None without ``regimes``.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    periods_per_year: float
    bars_per_calendar_year: float
    starting_capital: float
    final_value: float
    hac_lags: int | None
    active_bars: int | None
    by_regime: pd.DataFrame | None = field(repr=False)

    def table(self) -> pd.Series[Any]:
        """Every figure under its name, in the order of the attributes; without the table by regime.

        Returns
        -------
        Series of objects, shape (34,)
            Named ``performance``. Numbers stay numbers and dates stay dates, hence the dtype.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.metrics import performance
        >>> equity = pd.Series([100.0, 75.0, 125.0, 100.0], index=pd.date_range("2024-01-01", periods=4))
        >>> table = performance(equity, periods_per_year=365, standard_error=False).table()
        >>> table[["total_return", "max_drawdown", "max_drawdown_trough", "number_of_drawdowns"]].tolist()
        [0.0, 0.25, Timestamp('2024-01-02 00:00:00'), 2]
        """
        return pd.Series({name: getattr(self, name) for name in ORDER}, dtype=object, name="performance")


#: Order of the figures in `Performance.table`: the span, the growth, the risk, the trading.
ORDER = (
    "start", "end", "bars", "periods_per_year", "bars_per_calendar_year", "starting_capital", "final_value",
    "total_return", "annual_return", "mean_annual_return", "cagr", "volatility",
    "sharpe", "sharpe_standard_error", "hac_lags", "sortino", "calmar",
    "max_drawdown", "max_drawdown_peak", "max_drawdown_trough", "max_drawdown_recovery", "recovery_time",
    "max_drawdown_money", "money_drawdown_peak", "money_drawdown_trough",
    "number_of_drawdowns", "mean_drawdown", "longest_drawdown",
    "win_rate_active", "win_rate_all", "active_bars", "profit_factor", "turnover_per_year", "bps",
)  # fmt: skip


def performance(
    equity: pd.Series[float],
    *,
    periods_per_year: float,
    active: pd.Series[bool] | None = None,
    turnover: pd.Series[float] | None = None,
    regimes: pd.Series[Any] | None = None,
    cash_rate: float | pd.Series[float] = 0.0,
    hac_lags: int | None = None,
    standard_error: bool = True,
) -> Performance:
    """Measure an equity curve: growth, risk, reward against risk, drawdowns, wins, turnover; also by regime.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row, every value finite and above 0; the first is the starting capital. Rows ascending by date. From a
        stream of returns: `equity_curve`.
    periods_per_year : float
        The bars of one year: 252 for exchange days, 8760 for hours round the clock.
    active : Series of bool, shape (T,), optional
        Whether a position was held over the bar that ends at the row, for the win rate on active bars.
    turnover : Series, shape (T,), optional
        Sum of absolute trades over the value of the account, for the bar that ends at the row; decimals, at least 0.
    regimes : Series, shape (T,), optional
        Label of each row, already aligned to the row whose return it governs; as in `by_regime`.
    cash_rate : float or Series, default 0.0
        What cash would have earned, decimal per year, spread evenly over the bars of a year; for the Sharpe and the
        Sortino ratio only. A Series has the rows of `equity`.
    hac_lags : int, optional
        Lags of the standard error, from 0 to below the number of bars. Default: `newey_west_lags`.
    standard_error : bool, default True
        Whether to compute the standard error of the Sharpe ratio. It loads statsmodels, which takes about a second the
        first time.

    Returns
    -------
    Performance
        The figures as attributes; `Performance.table` gives them as a Series.

    Raises
    ------
    InputError
        A value of the curve is missing, infinite, zero or negative (its date); turnover is missing or negative,
        ``active`` is not True or False, a regime or a rate is missing, each on a row after the first.
    LabelError
        The curve is not by ascending dates, or another Series has other rows.
    ShapeError
        Not a Series, or fewer than two rows.
    SpecificationError
        `periods_per_year` is not a positive number, `cash_rate` no decimal, or `hac_lags` out of range, or given with
        ``standard_error=False``.

    Notes
    -----
    Row 0 is where the account starts. It ends no bar, so what the other Series hold there counts in nothing and may be
    missing. A window cut out of a longer run therefore starts at its first row's value, without that row's trades.

    Examples
    --------
    >>> from arch.data import sp500
    >>> from allocopt.backtests.metrics import performance
    >>> measured = performance(sp500.load()["Adj Close"], periods_per_year=252)
    >>> round(measured.cagr, 4), round(measured.max_drawdown, 4)
    (0.0363, 0.5678)
    >>> str(measured.max_drawdown_peak.date()), str(measured.max_drawdown_trough.date()), measured.recovery_time.days
    ('2007-10-09', '2009-03-09', 1480)
    >>> round(measured.sharpe, 2), round(measured.sharpe_standard_error, 2)
    (0.28, 0.19)
    """
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    given = Given(
        periods_per_year=periods,
        cash=read_rates(cash_rate, curve, periods),
        lags=require_hac(hac_lags, standard_error, curve.returns.size),
        active=None if active is None else read_active(active, curve),
        turnover=None if turnover is None else read_turnover(turnover, curve),
    )
    figures = measure(curve, given)
    return Performance(
        **{item.name: getattr(figures, item.name) for item in fields(Figures)},
        start=curve.dates[0],
        end=curve.dates[-1],
        periods_per_year=periods,
        bars_per_calendar_year=curve.returns.size / float(curve.years.sum()),
        starting_capital=float(curve.values[0]),
        final_value=float(curve.values[-1]),
        hac_lags=given.lags,
        active_bars=None if given.active is None else int(given.active.sum()),
        by_regime=None if regimes is None else regime_table(curve, given, regimes),
    )
