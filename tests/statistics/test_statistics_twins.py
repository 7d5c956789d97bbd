"""Kernel errors and bootstrap against slow, obvious twins and other libraries; the parts of the calibration."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from allocopt.backtests.statistics import HAC, CalibratedBlock, StudentisedBootstrap, sharpe_difference
from allocopt.backtests.statistics._bootstrap import critical_value, p_value, politis_white, resample
from allocopt.backtests.statistics._covariance import influence, kernel_variance, kernel_weights, standard_error
from allocopt.backtests.statistics._pair import pair_of
from allocopt.backtests.statistics.calibration import calibrate, fit_autoregression, stationary_rows
from allocopt.errors import InputError, SpecificationError

Floats = NDArray[np.float64]
KERNELS: tuple[Literal["qs", "parzen"], ...] = ("qs", "parzen")


def dependent(rng: np.random.Generator, rows: int = 90, slope: float = 0.3) -> Floats:
    values = rng.standard_t(5, (rows, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    for t in range(1, rows):
        values[t] += slope * values[t - 1]
    shifted: Floats = 0.02 * values + np.array([0.004, 0.002])
    return shifted


def kernel(x: float, name: str) -> float:
    """Andrews (1991), equation (2.7), as printed."""
    if name == "parzen":
        if x <= 0.5:
            return 1.0 - 6.0 * x**2 + 6.0 * x**3
        return 2.0 * (1.0 - x) ** 3 if x <= 1.0 else 0.0
    a = 6.0 * math.pi * x / 5.0
    return 25.0 / (12.0 * math.pi**2 * x**2) * (math.sin(a) / a - math.cos(a))


def slow_error(returns: Floats, name: str, prewhiten: bool) -> tuple[float, float]:
    """Section 3.1 with the whole matrix, element by element, on whatever unit the returns have."""
    rows = len(returns)
    mean = [sum(returns[:, k]) / rows for k in (0, 1)]
    second = [sum(returns[:, k] ** 2) / rows for k in (0, 1)]
    cubed = [(second[k] - mean[k] ** 2) ** 1.5 for k in (0, 1)]
    gradient = np.array(
        [second[0] / cubed[0], -second[1] / cubed[1], -0.5 * mean[0] / cubed[0], 0.5 * mean[1] / cubed[1]]
    )
    y = np.array([[r[0] - mean[0], r[1] - mean[1], r[0] ** 2 - second[0], r[1] ** 2 - second[1]] for r in returns])
    recolour = np.eye(4)
    if prewhiten:
        cross = sum(np.outer(y[t], y[t - 1]) for t in range(1, rows))
        own = sum(np.outer(y[t - 1], y[t - 1]) for t in range(1, rows))
        left, values, right = np.linalg.svd(cross @ np.linalg.inv(own))
        a = left @ np.diag([min(value, 0.97) for value in values]) @ right
        y = np.array([y[t] - a @ y[t - 1] for t in range(1, rows)])
        recolour = np.linalg.inv(np.eye(4) - a)
    size = len(y)
    above = below = 0.0
    for k in range(4):
        slope, constant = np.polyfit(y[:-1, k], y[1:, k], 1)
        variance = float(np.mean((y[1:, k] - constant - slope * y[:-1, k]) ** 2))
        above += 4.0 * slope**2 * variance**2 / (1.0 - slope) ** 8
        below += variance**2 / (1.0 - slope) ** 4
    bandwidth = (1.3221 if name == "qs" else 2.6614) * (above / below * size) ** 0.2
    psi = sum(np.outer(row, row) for row in y) / size
    for lag in range(1, size):
        gamma = np.sum([np.outer(y[t], y[t - lag]) for t in range(lag, size)], axis=0) / size
        psi = psi + kernel(lag / bandwidth, name) * (gamma + gamma.T)
    psi = recolour @ psi @ recolour.T * size / (size - 4)
    return math.sqrt(gradient @ psi @ gradient / rows), bandwidth


@pytest.mark.parametrize("prewhiten", [False, True])
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("slope", [-0.4, 0.0, 0.3])
def test_kernel_error_is_the_matrix_formula(
    rng: np.random.Generator, name: Literal["qs", "parzen"], prewhiten: bool, slope: float
) -> None:
    returns = dependent(rng, slope=slope)
    found = standard_error(pair_of(returns), HAC(name, prewhiten=prewhiten, moments="percent"))
    assert found == pytest.approx(slow_error(100.0 * returns, name, prewhiten), rel=1e-8)


@pytest.mark.parametrize("name", KERNELS)
def test_moments_differ_in_the_bandwidth_only(rng: np.random.Generator, name: Literal["qs", "parzen"]) -> None:
    pair = pair_of(dependent(rng))
    error, bandwidth = standard_error(pair, HAC(name, prewhiten=False))
    _, other = standard_error(pair, HAC(name, prewhiten=False, moments="percent"))
    assert bandwidth != pytest.approx(other, rel=1e-3)
    series = influence(pair.standardised, pair.ratios)
    variance = kernel_variance(series, name, bandwidth) * pair.rows / (pair.rows - 4)
    assert error == pytest.approx(math.sqrt(variance / pair.rows), rel=1e-10)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("bandwidth", [0.4, 3.0, 40.0])
def test_kernel_variance_agrees_with_statsmodels(
    rng: np.random.Generator, name: Literal["qs", "parzen"], bandwidth: float
) -> None:
    sandwich: Any = pytest.importorskip("statsmodels.stats.sandwich_covariance")
    series = rng.normal(size=300)

    def weights(lags: int) -> Floats:
        return np.array([1.0, *(kernel(lag / bandwidth, name) for lag in range(1, lags + 1))])

    expected = sandwich.S_hac_simple(series, nlags=299, weights_func=weights)[0, 0] / 300
    assert kernel_variance(series, name, bandwidth) == pytest.approx(expected, rel=1e-9)


def test_kernels_near_zero_and_at_the_joints() -> None:
    x = np.array([1e-9, 1e-3, 0.0132, 0.0133, 0.3, 0.5, 1.0, 1.7])
    assert kernel_weights(x, "qs")[2:] == pytest.approx([kernel(v, "qs") for v in x[2:]], rel=1e-9)
    assert kernel_weights(x, "qs")[:2] == pytest.approx([1.0, 1.0 - 1.2**2 * math.pi**2 * 1e-6 / 10], abs=1e-12)
    assert kernel_weights(x, "parzen") == pytest.approx([kernel(v, "parzen") for v in x], abs=1e-15)
    assert kernel_variance(np.array([1.0, -2.0, 2.0]), "qs", 0.0) == pytest.approx(3.0)


def slow_resample(returns: Floats, starts: NDArray[np.int64], block: int) -> tuple[float, float]:
    """One bootstrap sample as in section 3.2.2, from the starting rows of its blocks."""
    rows = np.concatenate([(start + np.arange(block)) % len(returns) for start in starts])
    sample = returns[rows]
    size, blocks = len(sample), len(starts)
    mean, second = sample.mean(axis=0), (sample**2).mean(axis=0)
    ratio = mean / sample.std(axis=0, ddof=1)
    cubed = (second - mean**2) ** 1.5
    gradient = np.concatenate((second / cubed, -0.5 * mean / cubed)) * [1.0, -1.0, 1.0, -1.0]
    y = np.column_stack((sample - mean, sample**2 - second))
    psi = np.zeros((4, 4))
    for j in range(blocks):
        zeta = y[j * block : (j + 1) * block].sum(axis=0) / math.sqrt(block)
        psi += np.outer(zeta, zeta) / blocks
    return float(ratio[0] - ratio[1]), math.sqrt(gradient @ psi @ gradient / size)


@pytest.mark.parametrize("block", [1, 4, 7])
def test_bootstrap_is_the_loop_over_samples(rng: np.random.Generator, block: int) -> None:
    returns = dependent(rng)
    drawn = resample(pair_of(returns), block, 60, np.random.default_rng(3))
    starts = np.random.default_rng(3).integers(0, 90, size=(60, 90 // block))
    expected = np.array([slow_resample(returns, row, block) for row in starts])
    assert drawn.differences == pytest.approx(expected[:, 0], rel=1e-9, abs=1e-12)
    assert drawn.errors == pytest.approx(expected[:, 1], rel=1e-9)


def test_bootstrap_of_nearly_equal_streams_keeps_its_digits(rng: np.random.Generator) -> None:
    returns = dependent(rng)
    returns[:, 1] = returns[:, 0] + 1e-7 * rng.normal(size=90)
    drawn = resample(pair_of(returns), 3, 40, np.random.default_rng(3))
    starts = np.random.default_rng(3).integers(0, 90, size=(40, 30))
    expected = np.array([slow_resample(returns, row, 3) for row in starts])
    assert drawn.errors == pytest.approx(expected[:, 1], rel=1e-4)  # the twin is the one that cancels


def test_bootstrap_agrees_with_arch(rng: np.random.Generator) -> None:
    bootstrap: Any = pytest.importorskip("arch.bootstrap")
    returns = dependent(rng)
    other = bootstrap.CircularBlockBootstrap(3, returns, seed=8)

    def difference(sample: Floats) -> Floats:
        ratios = sample.mean(axis=0) / sample.std(axis=0, ddof=1)
        return np.array([ratios[0] - ratios[1]])

    theirs = other.apply(difference, 2000)[:, 0]
    ours = resample(pair_of(returns), 3, 20_000, np.random.default_rng(1)).differences
    assert ours.mean() == pytest.approx(theirs.mean(), abs=4.0 * ours.std() / math.sqrt(2000))
    assert ours.std() == pytest.approx(theirs.std(), rel=0.08)


def test_p_value_and_critical_value_by_hand() -> None:
    statistics = np.arange(1.0, 20.0)  # 1 to 19
    assert p_value(statistics, 19.5) == 0.05
    assert p_value(statistics, 19.0) == 0.1
    assert p_value(statistics, 0.0) == 1.0
    assert critical_value(statistics, 0.95) == 19.0
    assert critical_value(statistics, 0.90) == 18.0
    with pytest.raises(SpecificationError, match="at least 99 replications"):
        critical_value(statistics, 0.99)


def test_a_seed_gives_one_answer(rng: np.random.Generator) -> None:
    days = pd.bdate_range("2020-01-01", periods=90)
    first, second = (pd.Series(column, days) for column in dependent(rng).T)

    def run(seed: int, jobs: int) -> tuple[float, list[float], int | None]:
        block = CalibratedBlock((1, 4), samples=50, replications=39, n_jobs=jobs)
        method = StudentisedBootstrap(block, replications=499, seed=seed)
        found = sharpe_difference(first, second, periods_per_year=252, method=method)
        assert found.calibration is not None
        assert "calibrated on 50 samples" in found.message
        return found.p_value, found.calibration.rejections.tolist(), found.block

    assert run(5, 1) == run(5, 2)
    assert run(5, 1)[1] != run(6, 1)[1]


def test_calibration_chooses_the_nearest_rate(rng: np.random.Generator) -> None:
    pair = pair_of(dependent(rng, 100))
    settings = CalibratedBlock((1, 3, 10), samples=200, replications=99)
    found = calibrate(pair, settings, HAC(), np.random.SeedSequence(2))
    assert found.rejections.index.tolist() == [1, 3, 10]
    assert ((found.rejections * 200) % 1).tolist() == [0.0, 0.0, 0.0]
    assert (found.rejections < 0.2).all()
    best = min(settings.lengths, key=lambda block: abs(found.rejections[block] - 0.05))
    assert found.chosen == best


def test_autoregression_is_found(rng: np.random.Generator) -> None:
    slopes = np.array([[0.5, 0.1], [-0.2, 0.3]])
    values = 0.01 * rng.normal(size=(20_000, 2))
    for before, now in itertools.pairwise(range(20_000)):
        values[now] += [0.01, -0.02] + slopes @ values[before]
    constant, found, residuals = fit_autoregression(values)
    assert found == pytest.approx(slopes, abs=0.03)
    assert constant == pytest.approx([0.01, -0.02], abs=0.001)
    assert residuals.shape == (19_999, 2)
    assert residuals.mean(axis=0) == pytest.approx([0.0, 0.0], abs=1e-12)
    growing: Floats = np.exp(np.cumsum(np.abs(rng.normal(0.01, 0.001, (200, 2))), axis=0))
    with pytest.raises(InputError, match="explodes"):
        fit_autoregression(growing)


def test_stationary_bootstrap_has_geometric_blocks_that_wrap() -> None:
    rows = stationary_rows(np.random.default_rng(1), 50, 2000, 37, 5.0)
    assert rows.min() == 0
    assert rows.max() == 36
    follows = (rows[:, 1:] - rows[:, :-1]) % 37 == 1
    # A new block starts with probability 1/5, and then on the next row by chance once in 37.
    assert follows.mean() == pytest.approx(0.8 + 0.2 / 37, abs=0.005)
    assert np.bincount(rows.ravel(), minlength=37) / rows.size == pytest.approx(np.full(37, 1 / 37), abs=0.003)


def test_politis_white_grows_with_dependence(rng: np.random.Generator) -> None:
    short, long = (politis_white(pair_of(dependent(rng, 2000, slope))) for slope in (0.0, 0.6))
    assert 1 <= short < long <= 200


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: HAC("bartlett"), "kernel"),  # type: ignore[arg-type]
        (lambda: HAC(moments="raw"), "moments"),  # type: ignore[arg-type]
        (lambda: HAC(prewhiten=1), "prewhiten"),  # type: ignore[arg-type]
        (lambda: StudentisedBootstrap(0), "block"),
        (lambda: StudentisedBootstrap("auto"), "block"),  # type: ignore[arg-type]
        (lambda: StudentisedBootstrap(replications=18), "replications"),
        (lambda: StudentisedBootstrap(seed=-1), "seed"),
        (lambda: CalibratedBlock(()), "lengths"),
        (lambda: CalibratedBlock((1, 1)), "lengths"),
        (lambda: CalibratedBlock((0,)), "block length"),
        (lambda: CalibratedBlock(samples=0), "samples"),
        (lambda: CalibratedBlock(replications=18), "cannot reach the level"),
        (lambda: CalibratedBlock(level=5), "level"),
        (lambda: CalibratedBlock(mean_block=0.5), "mean_block"),
        (lambda: CalibratedBlock(warm_up=-1), "warm_up"),
        (lambda: CalibratedBlock(n_jobs=0), "n_jobs"),
    ],
)
def test_specifications_are_checked(make: Any, match: str) -> None:
    with pytest.raises(SpecificationError, match=match):
        make()
