"""What is refused, in which words; and how long the table may take."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from arch.data import sp500

from allocopt.backtests import metrics
from allocopt.backtests.metrics import by_regime, equity_curve, performance
from allocopt.errors import AllocoptError, InputError, LabelError, ShapeError, SpecificationError

DAYS = pd.date_range("2024-01-01", periods=4)
EQUITY = pd.Series([100.0, 110.0, 99.0, 120.0], index=DAYS)
TAKES_EQUITY: list[Callable[[Any], object]] = [
    lambda e: performance(e, periods_per_year=252),
    lambda e: by_regime(e, pd.Series(1, index=DAYS), periods_per_year=252),
    metrics.total_return,
    lambda e: metrics.annual_return(e, periods_per_year=252),
    lambda e: metrics.mean_annual_return(e, periods_per_year=252),
    metrics.cagr,
    lambda e: metrics.volatility(e, periods_per_year=252),
    lambda e: metrics.sharpe_ratio(e, periods_per_year=252),
    lambda e: metrics.sharpe_standard_error(e, periods_per_year=252),
    lambda e: metrics.sortino_ratio(e, periods_per_year=252),
    lambda e: metrics.calmar_ratio(e, periods_per_year=252),
    metrics.win_rate,
    metrics.profit_factor,
    metrics.underwater,
    metrics.max_drawdown,
    metrics.drawdowns,
]


@pytest.mark.parametrize("function", TAKES_EQUITY)
@pytest.mark.parametrize(
    ("equity", "kind", "words"),
    [
        (EQUITY.replace(99.0, 0.0), InputError, r"equity is not positive at 2024-01-03: 0\.0\. Remedy: end the curve"),
        (EQUITY.replace(99.0, -5.0), InputError, r"equity is not positive at 2024-01-03: -5\.0"),
        (EQUITY.replace(99.0, math.nan), InputError, "equity is missing or infinite at 2024-01-03: nan"),
        (EQUITY.replace(99.0, math.inf), InputError, "equity is missing or infinite at 2024-01-03: inf"),
        (EQUITY.replace(99.0, -math.inf), InputError, "equity is missing or infinite at 2024-01-03: -inf"),
        (EQUITY.astype(object).replace(99.0, "x"), InputError, "equity is not a number at 2024-01-03: 'x'"),
        (EQUITY > 100, InputError, "equity is not a number at 2024-01-01: False"),
        (EQUITY.to_numpy(), ShapeError, "the equity curve is not of type Series: 'ndarray'"),
        (EQUITY.to_frame(), ShapeError, "the equity curve is not of type Series: 'DataFrame'"),
        (EQUITY.iloc[:1], ShapeError, "the equity curve has no bar: '1 rows'"),
        (EQUITY.iloc[:0], ShapeError, "the equity curve has no bar: '0 rows'"),
        (EQUITY.reset_index(drop=True), LabelError, "the equity curve is not indexed by dates"),
        (EQUITY.iloc[::-1], LabelError, "the equity curve is not sorted by date at row 1: '2024-01-03'"),
        (EQUITY.iloc[[0, 1, 1, 2]], LabelError, "the equity curve has a date twice at row 2: '2024-01-02'"),
    ],
)
def test_every_function_checks_the_curve(
    function: Callable[[Any], object], equity: object, kind: type[AllocoptError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        function(equity)


@pytest.mark.parametrize("periods", [0, -252, math.nan, math.inf, True, "252", None, [252]])
def test_periods_per_year_is_a_positive_number(periods: Any) -> None:
    for function in (
        performance,
        metrics.annual_return,
        metrics.mean_annual_return,
        metrics.volatility,
        metrics.sharpe_ratio,
        metrics.sharpe_standard_error,
        metrics.sortino_ratio,
        metrics.calmar_ratio,
        lambda equity, periods_per_year: by_regime(equity, EQUITY, periods_per_year=periods_per_year),
    ):
        with pytest.raises(SpecificationError, match="periods_per_year is not a positive number"):
            function(EQUITY, periods_per_year=periods)


def test_periods_per_year_has_to_be_said() -> None:
    with pytest.raises(TypeError, match="periods_per_year"):
        performance(EQUITY)  # type: ignore[call-arg]


@pytest.mark.parametrize("number", [252, 252.0, np.int64(252), np.float32(252)])
def test_periods_per_year_of_any_number_type(number: Any) -> None:
    assert performance(EQUITY, periods_per_year=number).periods_per_year == 252.0


def test_whole_numbers_and_other_float_types_are_money_too() -> None:
    expected = performance(EQUITY, periods_per_year=252).table()
    for dtype in ("int64", "Float64", "Int32"):
        pd.testing.assert_series_equal(
            performance(cast("pd.Series[float]", EQUITY.astype(dtype)), periods_per_year=252).table(), expected
        )


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"active": [True] * 4}, ShapeError, "active is not of type Series"),
        ({"active": pd.Series([True] * 3, index=DAYS[:3])}, LabelError, "active has other rows .* at 2024-01-04"),
        ({"active": pd.Series([True] * 4)}, LabelError, "active has other rows than the equity curve"),
        ({"active": pd.Series(1, index=DAYS)}, InputError, "active is not True or False at 2024-01-02: 1"),
        (
            {"active": pd.Series([True, True, None, True], index=DAYS)},
            InputError,
            "active is not True or False at 2024-01-03",
        ),
        ({"turnover": 0.5}, ShapeError, "turnover is not of type Series: 'float'"),
        (
            {"turnover": pd.Series([0, 0, -0.5, 0], index=DAYS)},
            InputError,
            r"turnover is negative at 2024-01-03: -0\.5",
        ),
        ({"turnover": pd.Series([0, 0, 0, math.nan], index=DAYS)}, InputError, "turnover is missing .* at 2024-01-04"),
        (
            {"turnover": pd.Series(0.0, index=DAYS[::-1])},
            LabelError,
            "turnover has other rows .*'same dates, other order'",
        ),
        ({"regimes": pd.Series([1, 1, None, 1], index=DAYS)}, InputError, "the regime is missing at 2024-01-03"),
        (
            {"regimes": pd.Series([pd.NA, pd.NA, 1, 1], index=DAYS, dtype="Int64")},
            InputError,
            "the regime is missing at 2024-01-02",
        ),
        ({"regimes": pd.Series(1, index=DAYS[1:])}, LabelError, "regimes has other rows .* at 2024-01-01"),
        ({"regimes": {}}, ShapeError, "regimes is not of type Series"),
        ({"cash_rate": 5}, SpecificationError, r"cash_rate is not a decimal per year: 5\.0\. Remedy: write 0\.05"),
        ({"cash_rate": -1.5}, SpecificationError, "cash_rate is not a decimal per year"),
        ({"cash_rate": math.nan}, SpecificationError, "cash_rate is not a number"),
        ({"cash_rate": "5%"}, SpecificationError, "cash_rate is not a number: '5%'"),
        ({"cash_rate": True}, SpecificationError, "cash_rate is not a number"),
        ({"cash_rate": pd.Series([0, 0, math.nan, 0], index=DAYS)}, InputError, "cash_rate is missing .* 2024-01-03"),
        ({"cash_rate": pd.Series(4.5, index=DAYS)}, SpecificationError, "cash_rate is not a decimal per year: 4.5"),
        ({"cash_rate": pd.Series(0.0, index=DAYS[1:])}, LabelError, "cash_rate has other rows"),
        ({"hac_lags": -1}, SpecificationError, "hac_lags is not a whole number from 0 .* Remedy: give 0 to 2"),
        ({"hac_lags": 3}, SpecificationError, "hac_lags is not a whole number from 0"),
        ({"hac_lags": 1.0}, SpecificationError, "hac_lags is not a whole number from 0"),
        ({"hac_lags": True}, SpecificationError, "hac_lags is not a whole number from 0"),
        ({"hac_lags": 1, "standard_error": False}, SpecificationError, "hac_lags is given but no standard error"),
    ],
)
def test_what_is_given_beside_the_curve(given: dict[str, Any], kind: type[AllocoptError], words: str) -> None:
    with pytest.raises(kind, match=words):
        performance(EQUITY, periods_per_year=252, **given)
    if "regimes" not in given:
        with pytest.raises(kind, match=words):
            by_regime(EQUITY, pd.Series(1, index=DAYS), periods_per_year=252, **given)


def test_first_row_may_be_missing_since_it_ends_no_bar() -> None:
    full = performance(
        EQUITY,
        periods_per_year=252,
        active=pd.Series([False, True, False, True], index=DAYS),
        turnover=pd.Series([0.0, 1.0, 0.0, 2.0], index=DAYS),
        cash_rate=pd.Series([0.0, 0.01, 0.01, 0.02], index=DAYS),
    )
    missing = performance(
        EQUITY,
        periods_per_year=252,
        active=pd.Series([None, True, False, True], index=DAYS),
        turnover=pd.Series([math.nan, 1.0, 0.0, 2.0], index=DAYS),
        cash_rate=pd.Series([math.nan, 0.01, 0.01, 0.02], index=DAYS),
    )
    pd.testing.assert_series_equal(missing.table(), full.table())
    nullable = pd.Series([pd.NA, True, False, True], index=DAYS, dtype="boolean")
    assert metrics.win_rate(EQUITY, nullable) == full.win_rate_active == 1.0


@pytest.mark.parametrize(
    ("returns", "given", "kind", "words"),
    [
        ([0.1, -1.0], {"start": "2023-12-31"}, InputError, r"a return loses the whole account at 2024-01-02: -1\.0"),
        ([0.1, -1.5], {"start": "2023-12-31"}, InputError, "a return loses the whole account at 2024-01-02"),
        ([0.1, math.nan], {"start": "2023-12-31"}, InputError, "a return is missing or infinite at 2024-01-02: nan"),
        ([0.1, math.inf], {"start": "2023-12-31"}, InputError, "a return is missing or infinite at 2024-01-02: inf"),
        ([0.1, -math.inf], {"start": "2023-12-31"}, InputError, "a return is missing or infinite at 2024-01-02: -inf"),
        ([1e200, 1e200], {"start": "2023-12-31"}, InputError, "the compounded returns leave .* at 2024-01-02: inf"),
        (
            [0.1],
            {},
            SpecificationError,
            r"the first return needs a row before it at 2024-01-01: 0\.1\. Remedy: pass start=",
        ),
        ([], {}, ShapeError, "the stream of returns is empty"),
        (
            [0.1],
            {"start": "2024-01-01"},
            LabelError,
            "start is not before the first return at 2024-01-01: '2024-01-01'",
        ),
        ([0.1], {"start": pd.NaT}, LabelError, "start is not before the first return"),
        ([0.1], {"start": "soon"}, LabelError, "start is not a date: 'soon'"),
        ([0.1], {"start": pd.Timestamp("2023-12-31", tz="UTC")}, LabelError, "differ in having a time zone"),
        ([0.0], {"capital": 0.0}, SpecificationError, r"capital is not a positive number: 0\.0"),
        ([0.0], {"capital": math.inf}, SpecificationError, "capital is not a positive number"),
        ([0.0], {"capital": "100"}, SpecificationError, "capital is not a positive number"),
    ],
)
def test_returns_that_make_no_curve(
    returns: list[float], given: dict[str, Any], kind: type[AllocoptError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        equity_curve(pd.Series(returns, index=DAYS[: len(returns)], dtype=float), **given)


def test_returns_are_a_dated_series() -> None:
    with pytest.raises(ShapeError, match="the stream of returns is not of type Series"):
        equity_curve([0.0, 0.1])  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="the stream of returns is not indexed by dates"):
        equity_curve(pd.Series([0.0, 0.1]))


@pytest.mark.parametrize("bars", [0, -5, 2.5, True, None])
def test_rule_for_the_lags_counts_bars(bars: Any) -> None:
    with pytest.raises(SpecificationError, match="bars is not a whole number of at least 1"):
        metrics.newey_west_lags(bars)


def test_importing_is_light() -> None:
    code = "import sys, allocopt.backtests.metrics; print([m for m in ('statsmodels', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_whole_table_of_twenty_years_takes_milliseconds() -> None:
    """The mark is 10 ms for 5,031 rows without the standard error; the best of twenty, since machines are shared."""
    index = sp500.load()["Adj Close"]
    beside = pd.Series(index.to_numpy() > 1200, index=index.index)
    best = math.inf
    for _ in range(20):
        start = time.perf_counter()
        performance(
            index, periods_per_year=252, active=beside, turnover=beside.astype(float), standard_error=False
        ).table()
        best = min(best, time.perf_counter() - start)
    assert best < 0.010
