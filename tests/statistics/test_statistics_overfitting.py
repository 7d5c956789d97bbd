"""Cross-validation of a search: by hand, a slow twin, invariances, simulated searches, errors, figures."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allocopt.backtests.statistics import BacktestOverfitting, backtest_overfitting
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

Floats = NDArray[np.float64]


def table(values: Any) -> pd.DataFrame:
    return pd.DataFrame(np.asarray(values, dtype=np.float64), pd.bdate_range("2015-01-01", periods=len(values)))


def noise(seed: int, rows: int = 120, trials: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return table(0.01 * rng.standard_t(5, (rows, trials)) + 0.01 * rng.normal(0.0, 1.0, (rows, 1)))


def sharpe(returns: Floats) -> Floats:
    found: Floats = returns.mean(axis=0) / returns.std(axis=0, ddof=1) * math.sqrt(252)
    return found


def twin(values: Floats, lengths: list[int]) -> tuple[list[int], list[float], list[float], list[float], list[float]]:
    """The procedure as the paper tells it, one split at a time, each half put together and measured anew."""
    ends = np.cumsum(lengths)
    blocks = [values[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    selected, inside, outside, ranks, everyone = [], [], [], [], []
    for taken in itertools.combinations(range(len(blocks)), len(blocks) // 2):
        train = sharpe(np.concatenate([blocks[k] for k in taken]))
        test = sharpe(np.concatenate([blocks[k] for k in range(len(blocks)) if k not in taken]))
        best = max(range(len(train)), key=lambda n: (train[n], -n))
        selected.append(best)
        inside.append(float(train[best]))
        outside.append(float(test[best]))
        ranks.append(float(sum(t < test[best] for t in test) + 0.5 * (1 + sum(t == test[best] for t in test))))
        everyone += test.tolist()
    return selected, inside, outside, ranks, everyone


# By hand


def test_two_blocks_by_hand() -> None:
    # In the first half trial 0 is best and in the second half worst; trial 2 the other way round.
    up, flat, down = [0.03, 0.01], [0.01, -0.01], [-0.01, -0.03]
    trials = table(np.column_stack([up + down, flat + flat, down + up]))
    found = backtest_overfitting(trials, periods_per_year=4, blocks=2)
    ratio = 2.0 * 0.02 / (0.01 * math.sqrt(2.0))
    assert found.splits["selected"].tolist() == [0, 2]
    assert found.splits["in_sample"].tolist() == pytest.approx([ratio, ratio])
    assert found.splits["out_of_sample"].tolist() == pytest.approx([-ratio, -ratio])
    assert found.splits["rank"].tolist() == [1.0, 1.0]
    assert found.splits["logit"].tolist() == pytest.approx([math.log(0.25 / 0.75)] * 2)
    assert (found.probability, found.probability_of_loss) == (1.0, 1.0)
    assert math.isnan(found.degradation["slope"])
    assert "no fit" in repr(found)
    assert found.selections.to_dict() == {0: 1, 2: 1}
    assert not found.dominates_first_order
    assert not found.dominates_second_order


def test_a_trial_that_is_always_best_is_not_overfitted(rng: np.random.Generator) -> None:
    base = rng.normal(0.0, 0.01, (80, 1))
    trials = table(base + 0.001 * np.arange(5.0))
    found = backtest_overfitting(trials, periods_per_year=252, blocks=8)
    assert found.probability == 0.0
    assert set(found.splits["selected"]) == {4}
    assert set(found.splits["rank"]) == {5.0}
    assert found.dominates_first_order
    assert found.dominates_second_order
    # One trial only is ever selected: what it gains in one half it lacks in the other.
    assert found.degradation["slope"] < -0.5


# A slow twin


@pytest.mark.parametrize(
    ("blocks", "rows", "remainder"), [(2, 9, "drop_last"), (4, 50, "spread"), (8, 125, "spread"), (8, 125, "drop_last")]
)
def test_every_split_is_that_of_the_twin(blocks: int, rows: int, remainder: Any) -> None:
    trials = noise(blocks + rows, rows, 6)
    found = backtest_overfitting(trials, periods_per_year=252, blocks=blocks, remainder=remainder)
    length, over = divmod(rows, blocks)
    lengths = [length + (remainder == "spread" and k < over) for k in range(blocks)]
    assert found.blocks["rows"].tolist() == lengths
    assert found.dropped == rows - sum(lengths)
    selected, inside, outside, ranks, everyone = twin(trials.to_numpy()[: sum(lengths)], lengths)
    assert len(found.splits) == math.comb(blocks, blocks // 2)
    assert found.splits["selected"].tolist() == selected
    assert found.splits["in_sample"].tolist() == pytest.approx(inside, rel=1e-10)
    assert found.splits["out_of_sample"].tolist() == pytest.approx(outside, rel=1e-10, abs=1e-10)
    assert found.splits["rank"].tolist() == ranks
    relative = np.array(ranks) / 7.0
    assert found.splits["logit"].tolist() == pytest.approx(np.log(relative / (1.0 - relative)).tolist(), abs=1e-14)
    assert found.probability == np.mean(relative <= 0.5)
    assert found.probability_of_loss == np.mean(np.array(outside) < 0.0)
    slope, intercept = np.polyfit(inside, outside, 1)
    assert found.degradation["slope"] == pytest.approx(slope, rel=1e-8)
    assert found.degradation["intercept"] == pytest.approx(intercept, rel=1e-8)
    assert found.degradation["r_squared"] == pytest.approx(np.corrcoef(inside, outside)[0, 1] ** 2, rel=1e-8)
    levels = found.levels.index.to_numpy()
    for name, values in (("selected", outside), ("any", everyone)):
        below = [np.mean(np.array(values) < level) for level in levels[1:]]
        assert found.levels[name].tolist()[1:] == pytest.approx(below, abs=1e-12)
    gap = (found.levels["any"] - found.levels["selected"]).to_numpy()
    assert found.levels["second_order"].iloc[-1] == pytest.approx(np.trapezoid(gap, levels), abs=1e-12)
    assert found.largest_violation == pytest.approx(max(-gap.min(), 0.0), abs=1e-15)
    # Up to the grid, the area is the difference of the means.
    step = levels[1] - levels[0]
    assert found.levels["second_order"].iloc[-1] == pytest.approx(np.mean(outside) - np.mean(everyone), abs=step)


def test_in_sample_blocks_are_the_combinations() -> None:
    found = backtest_overfitting(noise(1), periods_per_year=252, blocks=6)
    expected = list(itertools.combinations(range(6), 3))
    assert [found.in_sample_blocks(split) for split in found.splits.index] == expected
    with pytest.raises(SpecificationError, match="no such split: 20"):
        found.in_sample_blocks(20)


# Another metric


def test_the_slow_route_is_the_fast_one() -> None:
    trials = noise(2, 100, 5)
    fast = backtest_overfitting(trials, periods_per_year=252, blocks=6, cash_rate=0.03)
    slow = backtest_overfitting(trials, periods_per_year=252, blocks=6, cash_rate=0.03, metric=sharpe)
    pd.testing.assert_frame_equal(fast.splits, slow.splits, rtol=1e-9)
    pd.testing.assert_frame_equal(fast.levels, slow.levels, rtol=1e-7, atol=1e-9)
    assert "sharpe of the selected trial" in repr(slow)
    assert "Sharpe ratio of the selected trial" in repr(fast)


def test_a_metric_sees_whole_halves_in_order() -> None:
    rows = 48
    trials = table(np.column_stack([np.arange(rows), np.arange(rows) % 5]) / 1000.0)
    seen: list[tuple[int, ...]] = []

    def first_rise(returns: Floats) -> Floats:
        seen.append(tuple((1000.0 * returns[:, 0]).round().astype(int).tolist()))
        found: Floats = returns.sum(axis=0)
        return found

    found = backtest_overfitting(trials, periods_per_year=1, blocks=4, metric=first_rise, loss_below=0.5)
    assert len(seen) == len(found.splits) == 6
    for split, half in zip((0, 5, 1, 4, 2, 3), seen, strict=True):
        blocks = found.in_sample_blocks(split)
        assert half == tuple(12 * block + k for block in blocks for k in range(12))
    assert found.probability_of_loss == np.mean(found.splits["out_of_sample"] < 0.5)


@pytest.mark.parametrize(
    ("metric", "error", "match"),
    [
        (lambda x: x.mean(axis=0) * [1.0, math.nan, 1.0], InputError, r"trial 'b' .* in sample rows of split 0"),
        (lambda x: x.mean(axis=1), ShapeError, r"one number a trial: 'shape \(20,\)'"),
    ],
)
def test_a_metric_that_gives_no_number_is_refused(metric: Any, error: type[Exception], match: str) -> None:
    trials = noise(3, 40, 3).set_axis(list("abc"), axis=1)
    with pytest.raises(error, match=match):
        backtest_overfitting(trials, periods_per_year=252, blocks=4, metric=metric)


# Ties and invariances


def test_equal_trials_are_equal_whatever_their_leverage(rng: np.random.Generator) -> None:
    base = rng.normal(0.0003, 0.01, (96, 3))
    trials = table(np.column_stack([base[:, 0], base, 3.0 * base[:, 1] / 7.0, 0.1 * base[:, 0]]))
    found = backtest_overfitting(trials, periods_per_year=252, blocks=8)
    assert set(found.splits["selected"]) <= {0, 2, 3}  # the first of those that are equal
    alone = backtest_overfitting(table(base), periods_per_year=252, blocks=8)
    assert found.splits["selected"].map({0: 0, 2: 1, 3: 2}).tolist() == alone.splits["selected"].tolist()
    # Ranks among six: the groups hold 3, 2 and 1 equal trials.
    worth = {0: 3, 2: 2, 3: 1}
    for selected, rank in zip(found.splits["selected"], found.splits["rank"], strict=True):
        below = rank - (1 + worth[selected]) / 2
        assert below in {0.0, *(float(n) for n in (1, 2, 3, 4, 5))}
        assert below == int(below)


def test_with_all_trials_the_same_every_logit_is_zero(rng: np.random.Generator) -> None:
    found = backtest_overfitting(
        table(np.outer(rng.normal(0.0, 0.01, 64), [1.0, 2.0, 0.3, 1.7])), periods_per_year=252, blocks=4
    )
    assert found.splits["rank"].tolist() == [2.5] * 6
    assert found.splits["logit"].abs().max() < 1e-15
    assert found.probability == 1.0
    assert not found.dominates_first_order
    assert set(found.splits["selected"]) == {0}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.permutations(range(7)), st.floats(0.1, 5.0), st.sampled_from([1.0, 12.0, 252.0]))
def test_order_scale_and_units_change_nothing(seed: int, order: list[int], scale: float, periods: float) -> None:
    trials = noise(seed, 60)
    one = backtest_overfitting(trials, periods_per_year=1, blocks=6)
    other = backtest_overfitting(0.2 * scale * trials[order], periods_per_year=periods, blocks=6)
    assert other.splits["selected"].tolist() == one.splits["selected"].tolist()
    assert other.splits["rank"].tolist() == one.splits["rank"].tolist()
    assert other.probability == one.probability
    assert other.splits["out_of_sample"].tolist() == pytest.approx(
        (math.sqrt(periods) * one.splits["out_of_sample"]).tolist(), rel=1e-9, abs=1e-9
    )
    # Each half is in sample once and out of sample once: where both choose the same trial, performances swap.
    mirror = one.splits.iloc[::-1].reset_index(drop=True)
    same = (mirror["selected"] == one.splits["selected"]).to_numpy()
    assert one.splits["in_sample"][same].tolist() == pytest.approx(mirror["out_of_sample"][same].tolist(), rel=1e-12)
    assert 0.0 <= one.probability <= 1.0
    assert one.splits["rank"].between(1, 7).all()
    assert one.levels["selected"].is_monotonic_increasing
    assert one.levels["any"].iloc[-1] == one.levels["selected"].iloc[-1] == 1.0


def test_a_large_mean_costs_no_digits(rng: np.random.Generator) -> None:
    values = 1e-6 * rng.normal(0.0, 1.0, (64, 5))
    trials = table(values + 0.5)
    found = backtest_overfitting(trials, periods_per_year=252, blocks=4)
    selected, inside, _, ranks, _ = twin(trials.to_numpy(), [16] * 4)
    assert found.splits["selected"].tolist() == selected
    assert found.splits["rank"].tolist() == ranks
    assert found.splits["in_sample"].tolist() == pytest.approx(inside, rel=1e-8)


# Simulated searches


def test_selection_among_noise_is_a_coin_and_skill_is_found() -> None:
    rng = np.random.default_rng(8)
    without, with_one = [], []
    for _ in range(60):
        values = rng.normal(0.0, 0.01, (504, 30))
        without.append(backtest_overfitting(table(values), periods_per_year=252, blocks=8).probability)
        values[:, 4] += 0.01 * 4.0 / math.sqrt(252.0)
        with_one.append(backtest_overfitting(table(values), periods_per_year=252, blocks=8).probability)
    # Over searches the mean is 0.5 with an error of about 0.03; a single one scatters widely.
    assert np.mean(without) == pytest.approx(0.5, abs=0.1)
    assert np.std(without) > 0.1
    assert np.mean(with_one) < 0.05


# Errors


def test_settings_out_of_range_are_refused() -> None:
    trials = noise(4, 40, 3)
    for blocks in (0, 3, 26, 4.0, True):
        with pytest.raises(SpecificationError, match="blocks is not an even number"):
            backtest_overfitting(trials, periods_per_year=252, blocks=blocks)  # type: ignore[arg-type]
    wrongs: list[dict[str, Any]] = [
        {"remainder": "drop"},
        {"metric": "sortino"},
        {"metric": 3},
        {"loss_below": math.nan},
    ]
    for wrong in wrongs:
        with pytest.raises(SpecificationError):
            backtest_overfitting(trials, periods_per_year=252, **wrong)
    with pytest.raises(ShapeError, match="too short"):
        backtest_overfitting(trials.iloc[:15], periods_per_year=252, blocks=16)
    assert len(backtest_overfitting(trials.iloc[:16], periods_per_year=252, blocks=16).splits) == 12_870


def test_unusable_trials_are_refused() -> None:
    trials = noise(5, 80, 3).set_axis(list("abc"), axis=1)
    with pytest.raises(ShapeError, match="not of type DataFrame"):
        backtest_overfitting(trials.to_numpy(), periods_per_year=252)  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="not sorted"):
        backtest_overfitting(trials.iloc[::-1], periods_per_year=252)
    late = trials.copy()
    late.iloc[:50, 1] = 0.0
    with pytest.raises(InputError, match=r"'b' does not vary over half of the blocks.* at 2015-01-01 to 2015-01-14"):
        backtest_overfitting(late, periods_per_year=252, blocks=8)
    # Flat at two different values is no flat half; three of eight blocks are not enough for one.
    late.iloc[:20, 1], late.iloc[20:50, 1] = 0.001, 0.0
    assert 0.0 <= backtest_overfitting(late, periods_per_year=252, blocks=8).probability <= 1.0
    assert backtest_overfitting(late, periods_per_year=252, blocks=8, metric=lambda x: x.sum(axis=0)).probability >= 0.0


# Words and figures


def test_the_message_counts() -> None:
    found = backtest_overfitting(noise(6, 101), periods_per_year=252, blocks=6)
    overfitted = int((found.splits["logit"] <= 0.0).sum())
    assert f"in {overfitted} of 20 splits" in repr(found)
    assert "7 trials, 6 blocks of 16 rows, the last 5 rows left out" in repr(found)
    spread = backtest_overfitting(noise(6, 101), periods_per_year=252, blocks=6, remainder="spread")
    assert "6 blocks of 16 to 17 rows\n" in repr(spread)
    assert str(spread.blocks["last"].iloc[-1].date()) == str(noise(6, 101).index[-1].date())


def test_figures_are_drawn(tmp_path: Path) -> None:
    found = backtest_overfitting(noise(7, 100), periods_per_year=252, blocks=8)
    perfect = backtest_overfitting(noise(7, 100).assign(best=lambda x: x[0] + 0.05), periods_per_year=252, blocks=8)
    same = backtest_overfitting(noise(7, 100)[[0]].assign(other=lambda x: 2 * x[0]), periods_per_year=1)
    kinds = ("logit_figure", "degradation_figure", "dominance_figure", "figure")
    for kind, result in zip(kinds, (found, same, perfect, found), strict=True):
        path = tmp_path / f"{kind}.png"
        getattr(result, kind)().savefig(path, dpi=40)
        assert path.stat().st_size > 4_000
    histogram = found.logit_figure().axes[0]
    counted = sum(patch.get_height() for patch in histogram.patches)  # type: ignore[attr-defined]
    left = sum(p.get_height() for p in histogram.patches if p.get_x() + p.get_width() <= 1e-9)  # type: ignore[attr-defined]
    assert counted == pytest.approx(1.0)
    assert left == pytest.approx(found.probability)
    assert f"{found.probability:.2f}" in histogram.get_title(loc="left")
    points = sum(len(np.asarray(group.get_offsets())) for group in found.degradation_figure().axes[0].collections)
    assert points == len(found.splits)


def test_the_result_is_frozen() -> None:
    found = backtest_overfitting(noise(9), periods_per_year=252, blocks=4)
    assert isinstance(found, BacktestOverfitting)
    with pytest.raises(AttributeError):
        found.trials = 3  # type: ignore[misc]
