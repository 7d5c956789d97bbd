"""Probabilistic and deflated Sharpe ratio: published examples, identities, other libraries, error rates, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from allocopt.backtests.statistics import (
    AllTrials,
    AverageCorrelation,
    Clusters,
    SharpeTrials,
    TrackRecord,
    deflated_sharpe,
    deflated_sharpe_of_best,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_trials,
    track_record,
)
from allocopt.backtests.statistics.independent import cluster
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError


def monthly(rows: int = 24, skewness: float = 0.0, kurtosis: float = 3.0) -> TrackRecord:
    sharpe = 0.458 * math.sqrt(12)
    return TrackRecord(sharpe=sharpe, rows=rows, skewness=skewness, kurtosis=kurtosis, periods_per_year=12)


def table(values: Any) -> pd.DataFrame:
    return pd.DataFrame(values, pd.bdate_range("2015-01-01", periods=len(values)))


# Published examples


def test_probabilistic_example_of_the_paper() -> None:
    # Bailey and Lopez de Prado (2012): a fund with 24 months, 0.982 by mean and deviation, 0.913 by all four moments.
    assert probabilistic_sharpe(monthly()).probability == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(monthly(skewness=-2.448, kurtosis=10.164)).probability == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("periods", "skewness", "kurtosis", "years"),
    [(250, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_track_record_lengths_of_the_paper(periods: int, skewness: float, kurtosis: float, years: float) -> None:
    # Bailey and Lopez de Prado (2012): a ratio of 2 a year against 1 at 95 percent.
    record = TrackRecord(sharpe=2.0, rows=100, skewness=skewness, kurtosis=kurtosis, periods_per_year=periods)
    assert minimum_track_record(record, benchmark=1.0).years == pytest.approx(years, abs=0.005)


@pytest.mark.parametrize(
    ("number", "skewness", "kurtosis", "published"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_deflated_example_of_the_paper(number: int, skewness: float, kurtosis: float, published: float) -> None:
    # Bailey and Lopez de Prado (2014), "A numerical example": five years of days, variance 1/2 of the annual ratios.
    best = TrackRecord(sharpe=2.5, rows=1250, skewness=skewness, kurtosis=kurtosis, periods_per_year=250)
    found = deflated_sharpe(best, SharpeTrials(number=number, independent=number, variance=0.5))
    assert found.probability == pytest.approx(published, abs=5e-5)
    if number == 100:
        assert found.hurdle / math.sqrt(250) == pytest.approx(0.1132, abs=5e-5)


# Identities


@given(
    st.floats(-4, 4), st.integers(3, 5000), st.floats(-2, 2), st.floats(0.01, 20), st.sampled_from([1, 12, 252]),
    st.floats(-1, 3), st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)  # fmt: skip
def test_minimum_track_record_inverts_the_probability(
    sharpe: float, rows: int, skewness: float, excess: float, periods: int, benchmark: float, confidence: float
) -> None:
    record = TrackRecord(
        sharpe=sharpe, rows=rows, skewness=skewness, kurtosis=1.0 + skewness**2 + excess, periods_per_year=periods
    )
    found = minimum_track_record(record, benchmark=benchmark, confidence=confidence)
    probability = probabilistic_sharpe(record, benchmark=benchmark).probability
    assert 0.0 <= probability <= 1.0
    if sharpe <= benchmark:
        assert math.isinf(found.rows)
        assert not found.long_enough
        assert "no track record is long enough" in repr(found)
        return
    if math.isinf(found.rows):  # they all but meet
        assert sharpe - benchmark < 1e-100
        return
    distance = (sharpe - benchmark) / math.sqrt(periods)
    reached = stats.norm.cdf(distance * math.sqrt(found.rows - 1.0) / math.sqrt(record.variance_factor))
    assert reached == pytest.approx(confidence, abs=1e-9)
    if abs(probability - confidence) > 1e-9:
        assert found.long_enough == (probability > confidence)


def test_a_ratio_that_all_but_meets_its_benchmark_takes_for_ever() -> None:
    record = TrackRecord(sharpe=0.0, rows=20, skewness=0.0, kurtosis=3.0, periods_per_year=12)
    assert minimum_track_record(record, benchmark=-1e-210).rows == math.inf


def test_probability_and_p_value(rng: np.random.Generator) -> None:
    found = probabilistic_sharpe(monthly(skewness=-2.448, kurtosis=10.164), benchmark=0.5)
    assert found.probability + found.p_value == pytest.approx(1.0, abs=1e-15)
    assert probabilistic_sharpe(monthly(), benchmark=monthly().sharpe).probability == 0.5
    sure = TrackRecord(sharpe=4.0, rows=5000, skewness=0.0, kurtosis=3.0, periods_per_year=252)
    assert 0.0 < probabilistic_sharpe(sure).p_value < 1e-60
    returns = pd.Series(rng.normal(0.001, 0.01, 500), pd.bdate_range("2015-01-01", periods=500))
    one = track_record(returns, periods_per_year=252)
    other = track_record(3.0 * returns, periods_per_year=63)
    assert other.sharpe == pytest.approx(one.sharpe / 2.0)
    for scale, record in ((1.0, one), (0.5, other)):
        benchmark = scale * 0.7
        assert probabilistic_sharpe(record, benchmark=benchmark).probability == pytest.approx(
            probabilistic_sharpe(one, benchmark=0.7).probability, rel=1e-12
        )


def test_moments_are_those_of_scipy(rng: np.random.Generator) -> None:
    returns = pd.Series(0.01 * rng.standard_t(6, 300) + 0.001, pd.bdate_range("2015-01-01", periods=300))
    record = track_record(returns, periods_per_year=252, cash_rate=0.05)
    excess = returns.to_numpy() - 0.05 / 252
    assert record.skewness == pytest.approx(stats.skew(excess), rel=1e-10)
    assert record.kurtosis == pytest.approx(stats.kurtosis(excess, fisher=False), rel=1e-10)
    assert record.sharpe_per_row == pytest.approx(excess.mean() / excess.std(ddof=1), rel=1e-10)
    assert record.rows == 300


@pytest.mark.parametrize(("number", "apart"), [(2, 0.09), (5, 0.03), (10, 0.024), (100, 0.01), (1000, 0.008)])
def test_expected_maximum_is_near_the_exact_one(number: int, apart: float) -> None:
    exact = integrate.quad(lambda x: x * number * stats.norm.pdf(x) * stats.norm.cdf(x) ** (number - 1), -10, 10)[0]
    assert expected_maximum_sharpe(number, 1.0) == pytest.approx(exact, rel=apart)
    assert expected_maximum_sharpe(number, 9.0) == pytest.approx(3.0 * expected_maximum_sharpe(number, 1.0), rel=1e-15)


def test_expected_maximum_never_falls_below_zero() -> None:
    few = [expected_maximum_sharpe(1.0 + step / 100, 1.0) for step in range(200)]
    assert few[0] == 0.0
    assert min(few) == 0.0
    assert expected_maximum_sharpe(1.2, 1.0) == 0.0  # the formula alone gives -0.28
    assert np.all(np.diff(few) >= 0.0)
    assert math.isfinite(expected_maximum_sharpe(1e18, 1.0))


def test_one_trial_is_not_deflated() -> None:
    found = deflated_sharpe(
        monthly(skewness=-2.448, kurtosis=10.164), SharpeTrials(number=1, independent=1, variance=0.0)
    )
    plain = probabilistic_sharpe(monthly(skewness=-2.448, kurtosis=10.164))
    assert found.probability == plain.probability
    assert found.familywise_p_value == pytest.approx(plain.p_value, rel=1e-12)


def test_familywise_p_value_keeps_small_numbers() -> None:
    sure = TrackRecord(sharpe=8.0, rows=2520, skewness=0.0, kurtosis=3.0, periods_per_year=252)
    trials = SharpeTrials(number=50, independent=50, variance=0.1)
    found = deflated_sharpe(sure, trials)
    assert found.familywise_p_value == pytest.approx(50 * probabilistic_sharpe(sure).p_value, rel=1e-9)
    lost = TrackRecord(sharpe=-90.0, rows=25200, skewness=0.0, kurtosis=3.0, periods_per_year=252)
    assert deflated_sharpe(lost, trials).familywise_p_value == 1.0


# Counting trials


def test_all_trials_and_their_variance(rng: np.random.Generator) -> None:
    trials = table(rng.normal(0.0, 0.01, (400, 30)))
    found = sharpe_trials(trials, periods_per_year=252)
    ratios = trials.mean() / trials.std() * math.sqrt(252)
    assert (found.number, found.independent) == (30, 30.0)
    assert found.variance == pytest.approx(ratios.var(), rel=1e-10)
    best = deflated_sharpe_of_best(trials, periods_per_year=252)
    assert best.chosen == ratios.idxmax()
    assert best.record.sharpe == pytest.approx(ratios.max(), rel=1e-12)
    assert best.probability == pytest.approx(
        probabilistic_sharpe(best.record, benchmark=best.hurdle).probability, rel=1e-12
    )
    named = deflated_sharpe_of_best(trials, periods_per_year=252, chosen=3)
    assert named.record == track_record(trials[3], periods_per_year=252)
    assert "of 3:" in repr(named)


def test_average_correlation_is_equation_9(rng: np.random.Generator) -> None:
    trials = table(rng.normal(0.0, 0.01, (300, 12)) + rng.normal(0.0, 0.02, (300, 1)))
    matrix = trials.corr().to_numpy()
    average = np.mean([matrix[i, j] for i in range(12) for j in range(12) if i != j])
    found = sharpe_trials(trials, periods_per_year=252, independent=AverageCorrelation())
    assert found.independent == pytest.approx(average + (1.0 - average) * 12, rel=1e-12)
    assert found.variance == sharpe_trials(trials, periods_per_year=252).variance
    same = table(np.outer(rng.normal(0.0, 0.01, 300), [1.0, 2.0, 3.0]))
    assert sharpe_trials(same, periods_per_year=252, independent=AverageCorrelation()).independent == pytest.approx(1.0)
    opposite = table(np.outer(rng.normal(0.0, 0.01, 300), [1.0, -1.0]))
    rule = AverageCorrelation()
    assert sharpe_trials(opposite, periods_per_year=252, independent=rule).independent == pytest.approx(3.0)


def test_clusters_find_the_groups(rng: np.random.Generator) -> None:
    groups = np.repeat(rng.normal(0.0, 0.01, (500, 4)), [3, 5, 2, 4], axis=1)
    trials = table(groups + rng.normal(0.0, 0.003, (500, 14)))
    order = rng.permutation(14)
    found = sharpe_trials(trials, periods_per_year=252, independent=Clusters())
    shuffled = sharpe_trials(trials[order], periods_per_year=252, independent=Clusters())
    assert found.independent == shuffled.independent == 4.0
    assert found.variance == pytest.approx(shuffled.variance, rel=1e-9)
    numbers = cluster(trials.corr().to_numpy(), 0.5)
    assert numbers.tolist() == [0] * 3 + [1] * 5 + [2] * 2 + [3] * 4
    ratios = []
    for number in range(4):
        members = trials.loc[:, numbers == number]
        weights = 1.0 / members.to_numpy().var(axis=0)
        portfolio = pd.Series(members.to_numpy() @ weights / weights.sum())
        ratios.append(portfolio.mean() / portfolio.std() * math.sqrt(252))
    assert found.variance == pytest.approx(np.var(ratios, ddof=1), rel=1e-9)
    one = sharpe_trials(trials.iloc[:, :3], periods_per_year=252, independent=Clusters())
    assert (one.independent, one.variance, one.hurdle) == (1.0, 0.0, 0.0)
    assert sharpe_trials(trials, periods_per_year=252, independent=Clusters(0.999)).independent == 14.0


# Another library


def test_skfolio_agrees(rng: np.random.Generator) -> None:
    measures = pytest.importorskip("skfolio.measures", reason="skfolio is not installed")
    values = 0.01 * rng.standard_t(5, (400, 20)) + 0.0004
    trials = table(values)
    ratios = values.mean(axis=0) / values.std(axis=0, ddof=1)
    for column in range(20):
        record = track_record(trials[column], periods_per_year=252)
        ours = probabilistic_sharpe(record, benchmark=0.1 * math.sqrt(252)).probability
        theirs = measures.probabilistic_sharpe_ratio(values[:, column], benchmark_sharpe_ratio=0.1)
        assert ours == pytest.approx(theirs, rel=1e-9)
    best = deflated_sharpe_of_best(trials, periods_per_year=252)
    assert best.probability == pytest.approx(
        measures.deflated_sharpe_ratio(values[:, int(np.argmax(ratios))], ratios), rel=1e-9
    )


# Error rates


def test_error_rates_without_skill() -> None:
    rng = np.random.default_rng(5)
    searches, level = 300, 0.05
    first, naive, deflated, familywise = [], 0, 0, []
    for _ in range(searches):
        trials = table(rng.normal(0.0, 0.01, (250, 40)))
        first.append(probabilistic_sharpe(track_record(trials[0], periods_per_year=252)).p_value)
        best = deflated_sharpe_of_best(trials, periods_per_year=252)
        naive += probabilistic_sharpe(best.record).p_value <= level
        deflated += best.probability >= 1.0 - level
        familywise.append(best.familywise_p_value)
    # One trial named beforehand: p-values are uniform.
    assert stats.kstest(first, "uniform").pvalue > 0.01
    # The best of 40: naively it passes in 1 - 0.95^40 = 87 percent of searches; by the familywise p-value in 5 percent;
    # against the expected maximum in fewer, as the maximum scatters less than one ratio.
    assert naive / searches == pytest.approx(0.87, abs=0.06)
    assert (np.array(familywise) <= level).mean() == pytest.approx(level, abs=0.04)
    assert stats.kstest(familywise, "uniform").pvalue > 0.01
    assert deflated / searches <= level


def test_deflated_ratio_finds_skill() -> None:
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(60):
        noise = rng.normal(0.0, 0.01, (1000, 40))
        noise[:, 7] += 0.01 * 3.0 / math.sqrt(252.0)  # a true ratio of 3 a year, over four years
        best = deflated_sharpe_of_best(table(noise), periods_per_year=252)
        found += best.chosen == 7 and best.probability >= 0.95
    assert found >= 45


# Errors


def test_records_that_cannot_be_are_refused() -> None:
    with pytest.raises(SpecificationError, match="not the excess"):
        monthly(kurtosis=0.5)
    with pytest.raises(SpecificationError, match="kurtosis with this skewness"):
        monthly(skewness=2.0, kurtosis=4.9)
    with pytest.raises(SpecificationError, match="rows"):
        monthly(rows=1)
    with pytest.raises(InputError, match="no sampling error"):
        TrackRecord(sharpe=1.0, rows=9, skewness=2.0, kurtosis=5.0, periods_per_year=1)
    for name in ("sharpe", "skewness", "kurtosis"):
        settings: dict[str, Any] = {"sharpe": 1.0, "rows": 9, "skewness": 0.0, "kurtosis": 3.0, "periods_per_year": 12}
        with pytest.raises(SpecificationError, match=name):
            TrackRecord(**{**settings, name: math.nan})
    with pytest.raises(ShapeError, match="TrackRecord"):
        probabilistic_sharpe(1.5)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="benchmark"):
        probabilistic_sharpe(monthly(), benchmark=math.inf)
    with pytest.raises(SpecificationError, match=r"below 0\.5"):
        minimum_track_record(monthly(), confidence=0.4)


def test_trials_that_cannot_be_are_refused(rng: np.random.Generator) -> None:
    trials = table(rng.normal(0.0, 0.01, (50, 4)))
    with pytest.raises(ShapeError, match="fewer than two trials"):
        sharpe_trials(trials[[0]], periods_per_year=252)
    with pytest.raises(LabelError, match="a trial is there twice: 1"):
        sharpe_trials(trials[[0, 1, 1]], periods_per_year=252)
    with pytest.raises(InputError, match="trial 2 has no volatility"):
        sharpe_trials(trials.assign(**{"flat": 0.001}).set_axis([0, 1, 3, 4, 2], axis=1), periods_per_year=252)
    broken = trials.copy()
    broken.iloc[5, 3] = math.nan
    with pytest.raises(InputError, match="trial 3 is missing or infinite at 2015-01-08"):
        sharpe_trials(broken, periods_per_year=252)
    mixed = trials.astype({1: object})
    mixed.iloc[4, 1] = "x"
    with pytest.raises(InputError, match="trial 1 is not a number at 2015-01-07: 'x'"):
        sharpe_trials(mixed, periods_per_year=252)
    with pytest.raises(ShapeError, match="not a rule"):
        sharpe_trials(trials, periods_per_year=252, independent=AllTrials)  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="no column"):
        deflated_sharpe_of_best(trials, periods_per_year=252, chosen="x")
    with pytest.raises(SpecificationError, match="correlation"):
        Clusters(1.0)
    with pytest.raises(SpecificationError, match="independent"):
        SharpeTrials(number=5, independent=0.5, variance=0.1)
    with pytest.raises(SpecificationError, match="at least 0"):
        expected_maximum_sharpe(5, -0.1)
    opposite = table(np.outer(rng.normal(0.0, 0.01, 50), [1.0, -1.0]))
    with pytest.raises(InputError, match="portfolio of a cluster"):
        sharpe_trials(opposite, periods_per_year=252, independent=Clusters(-0.9999999999999999))
