"""The test of two Sharpe ratios: analytic answers, identities, errors, size and power, the paper's data."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from allocopt.backtests.metrics import equity_curve, sharpe_ratio
from allocopt.backtests.statistics import (
    HAC,
    CalibratedBlock,
    JobsonKorkieMemmel,
    SharpeDifference,
    StudentisedBootstrap,
    sharpe_difference,
)
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

METHODS: tuple[HAC | StudentisedBootstrap | JobsonKorkieMemmel, ...] = (
    HAC(),
    HAC("parzen", prewhiten=False),
    StudentisedBootstrap(4, replications=199),
    JobsonKorkieMemmel(),
)


def streams(rng: np.random.Generator, rows: int = 250, correlation: float = 0.5) -> tuple[pd.Series, pd.Series]:
    covariance = [[1.0, correlation], [correlation, 1.0]]
    values = 0.0005 + 0.01 * rng.multivariate_normal([0.0, 0.0], covariance, rows)
    days = pd.bdate_range("2015-01-01", periods=rows)
    return pd.Series(values[:, 0], days), pd.Series(values[:, 1], days)


def test_ratios_are_those_of_the_metrics(rng: np.random.Generator) -> None:
    first, second = streams(rng)
    found = sharpe_difference(first, second, periods_per_year=252, cash_rate=0.03)
    start = first.index[0] - pd.Timedelta(days=1)
    for stream, ratio in ((first, found.first), (second, found.second)):
        curve = equity_curve(stream, capital=1.0, start=start)
        assert ratio == pytest.approx(sharpe_ratio(curve, periods_per_year=252, cash_rate=0.03), rel=1e-10)
    assert found.difference == pytest.approx(found.first - found.second, abs=1e-12)


def test_normal_formula_by_hand() -> None:
    # z = (1, 0, -1, 0) and (0, 1, 0, -1), repeated: uncorrelated, variances 1/2, ratios per row (ddof 1) known.
    days = pd.bdate_range("2020-01-01", periods=40)
    first = pd.Series(np.tile([0.02, 0.01, 0.0, 0.01], 10), days)
    second = pd.Series(np.tile([0.0, 0.01, 0.0, -0.01], 10), days)
    found = sharpe_difference(first, second, periods_per_year=4, method=JobsonKorkieMemmel())
    ratio = math.sqrt(2.0) * math.sqrt(39 / 40)
    assert found.correlation == pytest.approx(0.0, abs=1e-12)
    assert (found.first, found.second) == pytest.approx((2.0 * ratio, 0.0), abs=1e-12)
    assert found.standard_error == pytest.approx(2.0 * math.sqrt((2.0 + 0.5 * ratio**2) / 40), rel=1e-12)
    statistic = ratio / math.sqrt((2.0 + 0.5 * ratio**2) / 40)
    assert found.t_statistic == pytest.approx(statistic, rel=1e-12)
    assert found.p_value == pytest.approx(math.erfc(statistic / math.sqrt(2.0)), rel=1e-9)


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.5, 0.99])
def test_robust_errors_tend_to_the_normal_formula(rng: np.random.Generator, correlation: float) -> None:
    first, second = streams(rng, 40_000, correlation)
    normal = sharpe_difference(first, second, periods_per_year=252, method=JobsonKorkieMemmel()).standard_error
    for kernel in ("qs", "parzen"):
        for prewhiten in (False, True):
            method = HAC(kernel, prewhiten=prewhiten)
            robust = sharpe_difference(first, second, periods_per_year=252, method=method).standard_error
            assert robust == pytest.approx(normal, rel=0.05)


def test_error_of_an_autoregression_has_its_long_run_variance(rng: np.random.Generator) -> None:
    # With ratio zero the influence is z1 - z2 alone: long-run variance (2 - 2 rho) (1 + a) / (1 - a).
    a, rows = 0.4, 60_000
    noise = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]], rows) * math.sqrt(1 - a * a)
    for t in range(1, rows):
        noise[t] += a * noise[t - 1]
    days = pd.date_range("2000-01-01", periods=rows, freq="h")
    first, second = (pd.Series(0.001 * noise[:, k], days) for k in (0, 1))
    expected = math.sqrt(1.0 * (1 + a) / (1 - a) / rows)
    for method in (HAC(), HAC("parzen"), HAC(prewhiten=False)):
        found = sharpe_difference(first, second, periods_per_year=8760, method=method)
        assert found.standard_error_per_row == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("method", METHODS)
def test_units_and_scale(rng: np.random.Generator, method: Any) -> None:
    first, second = streams(rng)
    found = sharpe_difference(first, second, periods_per_year=252, method=method)
    other = sharpe_difference(3.0 * first, 0.25 * second, periods_per_year=63, method=method)
    assert other.difference == pytest.approx(found.difference / 2.0, rel=1e-9)
    assert other.standard_error == pytest.approx(found.standard_error / 2.0, rel=1e-9)
    assert other.p_value == pytest.approx(found.p_value, rel=1e-9)
    assert found.difference_per_row == pytest.approx(found.difference / math.sqrt(252))
    assert found.standard_error_per_row == pytest.approx(found.standard_error / math.sqrt(252))


@pytest.mark.parametrize("method", METHODS)
def test_swapping_changes_the_sign_only(rng: np.random.Generator, method: Any) -> None:
    first, second = streams(rng)
    there = sharpe_difference(first, second, periods_per_year=252, method=method)
    back = sharpe_difference(second, first, periods_per_year=252, method=method)
    assert back.difference == pytest.approx(-there.difference, rel=1e-12)
    assert back.p_value == pytest.approx(there.p_value, rel=1e-9)
    assert back.standard_error == pytest.approx(there.standard_error, rel=1e-9)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_the_same_stream_has_nothing_to_test(rng: np.random.Generator, method: Any, scale: float) -> None:
    first, _ = streams(rng)
    found = sharpe_difference(first, scale * first, periods_per_year=252, method=method)
    assert found.same
    assert (found.difference, found.standard_error, found.t_statistic, found.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert found.interval == (0.0, 0.0)
    assert found.first == found.second
    assert not found.significant
    assert "nothing to test" in found.message
    assert found.detectable() == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_a_shift_of_the_mean_is_not_the_same_stream(rng: np.random.Generator, method: Any) -> None:
    first, _ = streams(rng)
    found = sharpe_difference(first + 1e-5, first, periods_per_year=252, method=method)
    assert not found.same
    assert found.difference > 0.0
    assert found.standard_error > 0.0
    if isinstance(method, (HAC, JobsonKorkieMemmel)):
        # By hand: the influence is minus half the difference times (z^2 - 1), about its root of 2 over n.
        assert found.standard_error == pytest.approx(found.difference / math.sqrt(2 * 250), rel=0.5)


def test_cash_as_a_series_is_cash_as_a_number(rng: np.random.Generator) -> None:
    first, second = streams(rng)
    rates = pd.Series(0.04, first.index)
    by_date = sharpe_difference(first, second, periods_per_year=252, cash_rate=rates)
    at_once = sharpe_difference(first - 0.04 / 252, second - 0.04 / 252, periods_per_year=252)
    assert by_date.difference == pytest.approx(at_once.difference, rel=1e-10)
    assert by_date.p_value == pytest.approx(at_once.p_value, rel=1e-8)


@given(st.integers(0, 10_000), st.sampled_from(METHODS[:3]), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_interval_and_p_value_say_the_same(seed: int, method: Any, confidence: float) -> None:
    first, second = streams(np.random.default_rng(seed), 80)
    found = sharpe_difference(first, second + 0.001, periods_per_year=12, method=method, confidence=confidence)
    low, high = found.interval
    assert found.significant == (not low <= 0.0 <= high)
    assert low < found.difference < high
    assert 0.0 < found.p_value <= 1.0
    assert (f"{'' if found.significant else 'not '}significant") in str(found)


def test_common_movement_makes_the_test_sharper(rng: np.random.Generator) -> None:
    errors = []
    for correlation in (0.0, 0.9, 0.99):
        first, second = streams(rng, 2000, correlation)
        errors.append(sharpe_difference(first, second, periods_per_year=252).standard_error)
    assert errors[0] > 2.5 * errors[1] > 5.0 * errors[2]


def test_table_and_detectable(rng: np.random.Generator) -> None:
    first, second = streams(rng)
    found = sharpe_difference(first, second, periods_per_year=252)
    table = found.table()
    assert table["low"] == found.interval[0]
    assert table["rows"] == 250
    assert math.isnan(table["block"])
    assert found.detectable(0.8) == pytest.approx((1.959964 + 0.841621) * found.standard_error, rel=1e-6)
    assert found.detectable(0.5) == pytest.approx(1.959964 * found.standard_error, rel=1e-6)
    with pytest.raises(SpecificationError, match="power"):
        found.detectable(1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.p_value = 0.0  # type: ignore[misc]


def test_messages_name_the_method(rng: np.random.Generator) -> None:
    first, second = streams(rng, 100)

    def message(method: Any) -> str:
        return sharpe_difference(first, second, periods_per_year=252, method=method).message

    assert "HAC, parzen kernel, bandwidth" in message(HAC("parzen", prewhiten=False))
    assert "blocks of 3 rows, given, seed 0" in message(StudentisedBootstrap(3, replications=99))
    assert "by Politis and White" in message(StudentisedBootstrap(replications=99))
    assert "independent normal returns only" in message(JobsonKorkieMemmel())


# Errors


def test_dates_have_to_be_the_same(rng: np.random.Generator) -> None:
    first, second = streams(rng)
    with pytest.raises(LabelError, match="2015-01-01"):
        sharpe_difference(first, second.iloc[1:], periods_per_year=252)
    with pytest.raises(LabelError, match="not sorted"):
        sharpe_difference(first, second.iloc[::-1], periods_per_year=252)
    with pytest.raises(LabelError, match="not indexed by dates"):
        sharpe_difference(first.reset_index(drop=True), second, periods_per_year=252)
    with pytest.raises(LabelError, match="cash_rate has other dates"):
        sharpe_difference(first, second, periods_per_year=252, cash_rate=pd.Series(0.01, first.index[:-1]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.5])
def test_the_date_of_a_bad_return_is_named(rng: np.random.Generator, bad: float) -> None:
    first, second = streams(rng)
    second.iloc[7] = bad
    with pytest.raises(InputError, match=r"second stream .*2015-01-12"):
        sharpe_difference(first, second, periods_per_year=252)


def test_unusable_streams_are_refused(rng: np.random.Generator) -> None:
    first, second = streams(rng)
    with pytest.raises(ShapeError, match="29 rows"):
        sharpe_difference(first.iloc[:29], second.iloc[:29], periods_per_year=252)
    assert sharpe_difference(first.iloc[:30], second.iloc[:30], periods_per_year=252).rows == 30
    with pytest.raises(InputError, match="first stream has no volatility"):
        sharpe_difference(0.0 * first + 0.001, second, periods_per_year=252)
    with pytest.raises(ShapeError, match="not of type Series"):
        sharpe_difference(first.to_numpy(), second, periods_per_year=252)  # type: ignore[arg-type]
    coin = pd.Series(np.tile([0.01, -0.01], 125), first.index)
    with pytest.raises(InputError, match="no sampling error"):
        sharpe_difference(coin + 0.002, coin, periods_per_year=252)
    rare = pd.Series(0.0, first.index)
    rare.iloc[3] = 0.01
    with pytest.raises(InputError, match="moves on too few rows"):
        sharpe_difference(rare, second, periods_per_year=252, method=StudentisedBootstrap(1))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"periods_per_year": 0.0}, "periods_per_year"),
        ({"cash_rate": 5.0}, "decimal per year"),
        ({"cash_rate": math.nan}, "not a number"),
        ({"confidence": 95}, "confidence"),
        ({"confidence": 1.0}, "confidence"),
        ({"method": StudentisedBootstrap(26, replications=99)}, "fewer than 10 blocks"),
        ({"method": StudentisedBootstrap(block=CalibratedBlock((1, 26)), replications=99)}, "fewer than 10 blocks"),
        ({"method": StudentisedBootstrap(5, replications=99), "confidence": 0.995}, "at least 199 replications"),
    ],
)
def test_settings_are_checked(rng: np.random.Generator, settings: dict[str, Any], match: str) -> None:
    first, second = streams(rng)
    with pytest.raises(SpecificationError, match=match):
        sharpe_difference(first, second, **{"periods_per_year": 252, **settings})
    with pytest.raises(ShapeError, match="not a specification"):
        sharpe_difference(first, second, periods_per_year=252, method="hac")  # type: ignore[arg-type]


# Size and power


def rejections(method: Any, samples: int, rows: int, gap: float, tail: float | None = None) -> float:
    rng = np.random.default_rng(11)
    days = pd.bdate_range("2000-01-01", periods=rows)
    count = 0
    for _ in range(samples):
        values = rng.multivariate_normal([0.1 + gap, 0.1], [[1.0, 0.5], [0.5, 1.0]], rows)
        if tail is not None:
            values *= np.sqrt((tail - 2) / rng.chisquare(tail, (rows, 1)))
        first, second = (pd.Series(0.01 * values[:, k], days) for k in (0, 1))
        count += sharpe_difference(first, second, periods_per_year=12, method=method).significant
    return count / samples


@pytest.mark.parametrize("tail", [None, 6.0])
@pytest.mark.parametrize(
    ("method", "samples"), [(HAC(), 800), (StudentisedBootstrap(3, replications=199), 500)], ids=["hac", "bootstrap"]
)
def test_size_is_near_nominal(method: Any, samples: int, tail: float | None) -> None:
    # Three standard errors of a rate of 5 percent to either side, and the liberal bias of short samples.
    margin = 3.0 * math.sqrt(0.05 * 0.95 / samples)
    assert 0.05 - margin < rejections(method, samples, 120, 0.0, tail) < 0.06 + margin


@pytest.mark.parametrize(
    ("method", "samples"), [(HAC(), 500), (StudentisedBootstrap(3, replications=199), 300)], ids=["hac", "bootstrap"]
)
def test_power_is_what_theory_says(method: Any, samples: int) -> None:
    # Ratios 0.35 and 0.1, correlation 0.5: error 0.093 at 120 rows, so a power of 0.77.
    error = math.sqrt((2 - 2 * 0.5 + 0.5 * (0.35**2 + 0.1**2 - 2 * 0.35 * 0.1 * 0.25)) / 120)
    power = 0.5 * math.erfc((1.96 - 0.25 / error) / math.sqrt(2.0))
    assert rejections(method, samples, 120, 0.25) == pytest.approx(power, abs=0.08)


# The paper's data


def paper(folder: Path, name: str) -> tuple[pd.Series, pd.Series]:
    file = folder / "ledoit_wolf_2008" / f"{name}.csv"
    if not file.is_file():
        pytest.skip(f"no file {file.name} of the paper's returns in a folder ledoit_wolf_2008")
    values: NDArray[np.float64] = np.loadtxt(file, delimiter=",", skiprows=1) / 100.0
    assert values.shape == (120, 2)
    months = pd.date_range("1994-01-31", periods=120, freq="ME")
    return pd.Series(values[:, 0], months), pd.Series(values[:, 1], months)


def fund_test(folder: Path, name: str, method: Any) -> SharpeDifference:
    first, second = paper(folder, name)
    return sharpe_difference(first, second, periods_per_year=12, method=method)


@pytest.mark.market_data
def test_published_hedge_funds(market_data: Path) -> None:
    # What the authors' own routine hac.inference prints for their hedge fund returns.
    plain = fund_test(market_data, "hedge", HAC("parzen", prewhiten=False, moments="percent"))
    white = fund_test(market_data, "hedge", HAC("parzen", moments="percent"))
    root = math.sqrt(12)
    assert (plain.first / root, plain.second / root) == pytest.approx((1.014228, 1.460547), abs=5e-7)
    assert plain.difference_per_row == pytest.approx(-0.4463183, abs=5e-8)
    assert plain.standard_error_per_row == pytest.approx(0.3176271, abs=5e-8)
    assert white.standard_error_per_row == pytest.approx(0.3872694, abs=5e-8)
    assert (plain.p_value, white.p_value) == pytest.approx((0.1599724, 0.2491259), abs=5e-8)
    # Their bootstrap, blocks of 5 and 499 samples, printed 0.25 and 0.298 (one with a correction for small samples).
    method = StudentisedBootstrap(5, error=HAC("parzen", moments="percent"))
    assert fund_test(market_data, "hedge", method).p_value == pytest.approx(0.274, abs=0.05)
