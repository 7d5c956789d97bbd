"""Tests of many strategies: equal to arch on the same samples, to slow twins, and of the right size under the null."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import MCS, SPA, RealityCheck, StepM
from arch.bootstrap import StationaryBootstrap as Sampler
from numpy.typing import NDArray

from allocopt.backtests.statistics import (
    StationaryBootstrap,
    model_confidence_set,
    reality_check,
    stepwise_superiority,
    superior_ability,
)
from allocopt.backtests.statistics.stationary_bootstrap import long_run_deviation, resampled_means, resampled_rows

Floats = NDArray[np.float64]
BLOCK = 4


def market(
    rng: np.random.Generator, rows: int = 300, k: int = 12, better: float = 0.0, slope: float = 0.2
) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Correlated, autocorrelated returns of k strategies of different volatility, and a benchmark of the same mean."""
    noise = rng.standard_t(5, (rows, k + 1)) * 0.006 + rng.normal(0.0, 0.01, (rows, 1))
    for t in range(1, rows):
        noise[t] += slope * noise[t - 1]
    noise[:, 1:] *= np.linspace(0.5, 2.0, k)
    noise[:, 1] += better
    days = pd.bdate_range("2010-01-01", periods=rows)
    names = [f"s{number}" for number in range(k)]
    return pd.DataFrame(noise[:, 1:], days, names), pd.Series(noise[:, 0], days)


def drawn_rows(rows: int, block: float, bootstrap: StationaryBootstrap) -> list[NDArray[np.int64]]:
    """The recursion of Politis and Romano, one row at a time, from the generator that arch seeds."""
    generator = np.random.default_rng(bootstrap.seed)
    samples = []
    for _ in range(bootstrap.replications):
        starts, coins = generator.integers(0, rows, size=rows), generator.random(rows)
        sample = [int(starts[0])]
        for t in range(1, rows):
            sample.append((sample[-1] + 1) % rows if coins[t] > 1.0 / block else int(starts[t]))
        samples.append(np.array(sample))
    return samples


@pytest.mark.parametrize("block", [1.0, 2.5, 9.0])
def test_sampled_rows_are_the_plain_recursion(block: float) -> None:
    bootstrap = StationaryBootstrap(seed=5, replications=99)
    expected = drawn_rows(40, block, bootstrap)
    found = list(resampled_rows(40, block, bootstrap))
    assert len(found) == len(expected) == 99
    for one, other in zip(found, expected, strict=True):
        assert one.tolist() == other.tolist()


def test_resampled_means_are_means_of_the_samples(rng: np.random.Generator) -> None:
    columns = rng.normal(size=(60, 3))
    bootstrap = StationaryBootstrap(seed=2, replications=120)
    expected = np.array([columns[rows].mean(axis=0) for rows in drawn_rows(60, 3.0, bootstrap)])
    assert resampled_means(columns, 3.0, bootstrap) == pytest.approx(expected, abs=1e-14)


def test_long_run_deviation_is_that_of_many_samples_and_of_the_sum(rng: np.random.Generator) -> None:
    columns = market(rng, rows=80, k=3)[0].to_numpy()
    found = long_run_deviation(columns, 5.0)
    means = resampled_means(columns, 5.0, StationaryBootstrap(seed=3, replications=20_000))
    assert found == pytest.approx(math.sqrt(80) * means.std(axis=0), rel=0.02)
    for place, column in enumerate(columns.T):
        x = column - column.mean()
        total = float(x @ x) / 80
        for lag in range(1, 80):
            kappa = (80 - lag) / 80 * 0.8**lag + lag / 80 * 0.8 ** (80 - lag)
            total += 2.0 * kappa * float(x[:-lag] @ x[lag:]) / 80
        assert found[place] == pytest.approx(math.sqrt(total), rel=1e-10)


@pytest.mark.parametrize("better", [0.0, 0.001, 0.003])
def test_p_values_are_those_of_arch_on_the_same_samples(rng: np.random.Generator, better: float) -> None:
    returns, benchmark = market(rng, better=better)
    returns["bad"] = returns["s3"] - 0.01  # so that the three recentrings differ
    bootstrap = StationaryBootstrap(seed=9, block=BLOCK, replications=400)
    arch = SPA(-benchmark, -returns, block_size=BLOCK, reps=400, seed=9)
    arch.compute()
    simulated: Any = arch._simulated_vals
    found = superior_ability(returns, benchmark, bootstrap, studentised=False)
    assert [found.lower, found.consistent, found.upper] == arch.pvalues.tolist()
    assert found.maxima.to_numpy() / math.sqrt(300) == pytest.approx(np.max(simulated, axis=0), abs=1e-15)
    assert found.table["standard_error"].to_numpy() == pytest.approx(np.sqrt(arch._loss_diff_var / 300), rel=1e-9)
    white = RealityCheck(-benchmark, -returns, block_size=BLOCK, reps=400, seed=9)
    white.compute()
    assert reality_check(returns, benchmark, bootstrap).p_value == white.pvalues["upper"] == found.upper


@pytest.mark.parametrize("better", [0.0, 0.001, 0.003])
def test_studentised_p_values_are_those_of_arch_on_scaled_differences(rng: np.random.Generator, better: float) -> None:
    returns, benchmark = market(rng, better=better)
    returns["bad"] = returns["s3"] - 0.01
    found = superior_ability(returns, benchmark, StationaryBootstrap(seed=9, block=BLOCK, replications=400))
    differences = np.array(returns, dtype=np.float64) - np.array(benchmark, dtype=np.float64)[:, None]
    scaled = differences / long_run_deviation(differences, BLOCK)
    arch = SPA(np.zeros(300), -scaled, block_size=BLOCK, reps=400, seed=9)
    arch.compute()
    assert [found.lower, found.consistent, found.upper] == arch.pvalues.tolist()
    assert found.lower <= found.consistent <= found.upper == found.maxima["upper"].gt(found.statistic).mean()
    assert not found.table["relevant"]["bad"]


def test_superior_ability_is_the_formula(rng: np.random.Generator) -> None:
    returns, benchmark = market(rng, rows=60, k=4, better=0.002)
    returns["s2"] -= 0.004
    bootstrap = StationaryBootstrap(seed=1, block=3.0, replications=120)
    found = superior_ability(returns, benchmark, bootstrap)
    columns = {str(name): (returns[name] - benchmark).tolist() for name in returns}
    d = {name: sum(x) / 60 for name, x in columns.items()}
    w = {name: float(found.table["standard_error"][name]) * math.sqrt(60) for name in columns}
    observed = max(math.sqrt(60) * d[name] / w[name] for name in columns)
    bound = -math.sqrt(2.0 * math.log(math.log(60)))
    above = {"lower": 0, "consistent": 0, "upper": 0}
    for rows in drawn_rows(60, 3.0, bootstrap):
        mean = {name: sum(x[row] for row in rows) / 60 for name, x in columns.items()}
        centre = {
            "lower": {name: max(d[name], 0.0) for name in columns},
            "consistent": {n: d[n] if math.sqrt(60) * d[n] / w[n] >= bound else 0.0 for n in columns},
            "upper": d,
        }
        for kind, g in centre.items():
            above[kind] += max(math.sqrt(60) * (mean[n] - g[n]) / w[n] for n in columns) > observed
    assert {kind: getattr(found, kind) for kind in above} == {kind: count / 120 for kind, count in above.items()}
    assert found.statistic == pytest.approx(observed, rel=1e-12)


def test_bad_strategies_weaken_the_reality_check_only(rng: np.random.Generator) -> None:
    returns, benchmark = market(rng, better=0.0012)
    bootstrap = StationaryBootstrap(seed=4, block=BLOCK)
    bad = pd.DataFrame(rng.normal(-0.02, 0.05, (300, 40)), returns.index, [f"bad{k}" for k in range(40)])
    with_bad = returns.join(bad)
    alone, joined = (superior_ability(table, benchmark, bootstrap).consistent for table in (returns, with_bad))
    assert joined == pytest.approx(alone, abs=0.01)
    whites = [reality_check(table, benchmark, bootstrap).p_value for table in (returns, with_bad)]
    assert whites[1] > whites[0] + 0.2


def test_scale_and_order_of_strategies_do_not_matter(rng: np.random.Generator) -> None:
    returns, _ = market(rng)
    bootstrap = StationaryBootstrap(seed=4, block=BLOCK, replications=200)
    one = superior_ability(returns, 0.0, bootstrap)
    factors = 2.0 ** np.arange(-10, 2)
    other = superior_ability((returns * factors)[returns.columns[::-1]], 0.0, bootstrap)
    assert (one.lower, one.consistent, one.upper, one.best) == (other.lower, other.consistent, other.upper, other.best)


def slow_steps(statistics: Floats, drawn: Floats, level: float) -> list[int]:
    """Algorithm 4.1: reject what clears the critical value of all that are left, until nothing does."""
    left, superior = list(range(len(statistics))), []
    while left:
        worst = np.sort(drawn[:, left].max(axis=1))
        allowed = math.floor(level * len(worst) + 1e-9)  # samples that may lie above the critical value
        found = [k for k in left if statistics[k] >= worst[len(worst) - 1 - allowed]]
        if not found:
            break
        superior += found
        left = [k for k in left if k not in found]
    return sorted(superior)


@pytest.mark.parametrize("studentised", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_stepwise_test_takes_the_steps_of_the_paper(seed: int, studentised: bool) -> None:
    rng = np.random.default_rng(seed)
    returns, benchmark = market(rng, k=10)
    returns += rng.uniform(0.0, 0.006, 10)
    bootstrap = StationaryBootstrap(seed=seed, block=BLOCK, replications=199)
    found = stepwise_superiority(returns, benchmark, bootstrap, studentised=studentised, confidence=0.9)
    differences = np.array(returns, dtype=np.float64) - np.array(benchmark, dtype=np.float64)[:, None]
    scale = 1.0 / long_run_deviation(differences, BLOCK) if studentised else np.ones(10)
    drawn = (resampled_means(differences, BLOCK, bootstrap) - differences.mean(axis=0)) * scale
    expected = slow_steps(differences.mean(axis=0) * scale, drawn, 0.1)
    assert found.superior == [returns.columns[k] for k in expected]
    assert [name for name, p in found.table["p_value"].items() if p <= 0.1] == found.superior


def test_some_steps_find_more_than_the_first() -> None:
    """Or the test above would not tell a stepwise test from one with a single step."""
    more = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        returns, benchmark = market(rng, k=10)
        returns += rng.uniform(0.0, 0.006, 10)
        bootstrap = StationaryBootstrap(seed=seed, block=BLOCK, replications=199)
        differences = np.array(returns, dtype=np.float64) - np.array(benchmark, dtype=np.float64)[:, None]
        scale = 1.0 / long_run_deviation(differences, BLOCK)
        drawn = (resampled_means(differences, BLOCK, bootstrap) - differences.mean(axis=0)) * scale
        first = np.quantile(drawn.max(axis=1), 0.9)
        single = int((differences.mean(axis=0) * scale > first).sum())
        more += len(stepwise_superiority(returns, benchmark, bootstrap, confidence=0.9).superior) > single
    assert more >= 1


@pytest.mark.parametrize("seed", range(4))
def test_stepwise_test_finds_what_arch_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    returns, benchmark = market(rng, k=8)
    returns["s0"] += 0.004
    returns["s4"] += 0.002
    returns["bad"] = returns["s3"] - 0.01  # arch would fail if all strategies were superior, by more than one step
    arch = StepM(-benchmark, -returns, block_size=BLOCK, reps=400, seed=seed)
    arch.compute()
    bootstrap = StationaryBootstrap(seed=seed, block=BLOCK, replications=400)
    found = stepwise_superiority(returns, benchmark, bootstrap, studentised=False, recentring="consistent")
    assert found.superior == list(arch.superior_models)


def test_all_strategies_may_be_superior_in_several_steps() -> None:
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2015-01-01", periods=500)
    returns = pd.DataFrame(rng.normal(0.0, 0.01, (500, 4)), days)
    returns += np.array([0.01, 0.01, 0.001, 0.001]) - returns.mean()
    bootstrap = StationaryBootstrap(seed=1, block=1.0)
    found = stepwise_superiority(returns, 0.0, bootstrap, studentised=False)
    one_step = superior_ability(returns, 0.0, bootstrap, studentised=False).maxima["upper"].quantile(0.95)
    assert found.superior == [0, 1, 2, 3]
    assert one_step > math.sqrt(500) * 0.001


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("ours", "theirs"), [("range", "R"), ("max", "max")])
def test_confidence_set_is_that_of_arch_on_the_same_samples(seed: int, ours: Any, theirs: Any) -> None:
    returns, _ = market(np.random.default_rng(seed), k=15)
    returns += np.random.default_rng(seed + 100).uniform(0.0, 0.004, 15)
    arch = MCS(-returns, size=0.1, reps=300, block_size=BLOCK, method=theirs, seed=seed)
    arch.compute()
    bootstrap = StationaryBootstrap(seed=seed, block=BLOCK, replications=300)
    found = model_confidence_set(returns, bootstrap, statistic=ours, confidence=0.9)
    assert found.table.index.tolist() == arch.pvalues.index.tolist()
    assert found.table["p_value"].tolist() == arch.pvalues["Pvalue"].tolist()
    assert sorted(found.included) == arch.included
    assert 1 <= len(found.included) < 15


def test_equal_strategies_share_their_p_value(rng: np.random.Generator) -> None:
    returns, _ = market(rng, k=5, better=0.002)
    bootstrap = StationaryBootstrap(seed=3, block=BLOCK, replications=200)
    alone = model_confidence_set(returns, bootstrap).table["p_value"]
    twins = returns.assign(again=returns["s2"], once_more=returns["s2"], other=returns["s0"])
    found = model_confidence_set(twins, bootstrap).table["p_value"]
    assert {name: found[name] for name in alone.index} == alone.to_dict()
    assert found["again"] == found["once_more"] == found["s2"]
    assert found["other"] == found["s0"]
    same = pd.DataFrame({"a": returns["s0"], "b": returns["s0"]})
    assert model_confidence_set(same, bootstrap).included == ["a", "b"]


def test_block_length_comes_from_the_data_and_is_reported(rng: np.random.Generator) -> None:
    from arch.bootstrap import optimal_block_length

    returns, benchmark = market(rng, rows=400, slope=0.6)
    found = superior_ability(returns, benchmark, StationaryBootstrap(seed=1, replications=99))
    expected = optimal_block_length(returns.sub(benchmark, axis=0))["stationary"].median()
    assert found.block == pytest.approx(expected)
    assert found.block > 4.0
    assert f"mean block {found.block:.1f} rows (by Politis and White), seed 1" in str(found)
    slow = returns.iloc[:200].cumsum().mul(0.01)
    assert superior_ability(slow, 0.0, StationaryBootstrap(seed=1, replications=99)).block == 20.0  # a tenth


def test_same_seed_same_answer(rng: np.random.Generator) -> None:
    returns, benchmark = market(rng, better=0.001)
    for test in (reality_check, superior_ability, stepwise_superiority):
        one, same, other = (test(returns, benchmark, StationaryBootstrap(seed=s)) for s in (1, 1, 2))
        assert str(one) == str(same) != str(other)
    kept = returns.copy()
    model_confidence_set(returns, StationaryBootstrap(seed=1))
    pd.testing.assert_frame_equal(returns, kept)


def test_size_under_the_null() -> None:
    """Strategies as good as the benchmark, correlated and dependent over time: 5 percent, give or take."""
    rejections = {"white": 0, "hansen": 0}
    for run in range(120):
        returns, benchmark = market(np.random.default_rng(1000 + run), rows=160, k=10)
        bootstrap = StationaryBootstrap(seed=run, block=5.0, replications=199)
        rejections["white"] += reality_check(returns, benchmark, bootstrap).p_value <= 0.05
        hansen = superior_ability(returns, benchmark, bootstrap)
        rejections["hansen"] += hansen.consistent <= 0.05
        if run < 20:
            # The first step is that of the upper p-value, so that test and p-value agree.
            steps = stepwise_superiority(returns, benchmark, bootstrap).superior
            assert bool(steps) == (hansen.upper <= 0.05)
    # 5 percent of 120 is 6 with a deviation of 2.4. `benchmarks/superior_ability.py size` has more runs.
    assert all(1 <= count <= 14 for count in rejections.values()), rejections


def test_confidence_set_holds_the_best() -> None:
    held = 0
    for run in range(40):
        rng = np.random.default_rng(run)
        returns, _ = market(rng, rows=250, k=8)
        returns += np.where(np.arange(8) < 2, 0.001, 0.0)
        found = model_confidence_set(
            returns, StationaryBootstrap(seed=run, block=5.0, replications=199), confidence=0.9
        )
        held += "s0" in found.included
    assert held >= 31  # 90 percent is 36, with a deviation of 1.9


def test_sampler_of_arch_takes_a_mean_length_that_is_no_whole_number() -> None:
    lengths = []
    samplers: Any = Sampler
    for (rows,), _ in samplers(2.5, np.arange(5000), seed=1).bootstrap(20):
        lengths.append(5000 / (1 + np.count_nonzero(np.diff(rows) % 5000 != 1)))
    assert float(np.mean(lengths)) == pytest.approx(2.5, rel=0.02)
