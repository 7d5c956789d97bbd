"""compare(): its figures against plain loops, and a chain that adds up."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from allocopt import LabelError, Limits, ShapeError, SpecificationError, allocate, compare
from allocopt.solvers import Heuristic, Projection


@pytest.fixture
def scores(rng: np.random.Generator) -> pd.DataFrame:
    values = rng.exponential(size=(300, 6)) * (rng.random((300, 6)) < 0.7)
    values[7] = 0.0
    values[8] = [0.7, 0.3, 0.0, 0.0, 0.0, 0.0]
    return pd.DataFrame(values, index=pd.bdate_range("2019-01-01", periods=300), columns=list("abcdef"))


def test_summary_against_plain_loops(scores: pd.DataFrame) -> None:
    limits = Limits()
    result = compare(scores, limits)
    summary = result.summary()
    for label in ("heuristic", "euclidean", "kl"):
        weights = allocate(scores, limits, solver=label).weights
        over, entropy, distance, turnover, budget = [], [], [], [], []
        before = None
        for row, d in zip(weights.to_numpy(), scores.to_numpy(), strict=True):
            live = int((d > 0).sum())
            attainable = float(limits.attainable(live))
            t = [attainable * x / d.sum() if live else 0.0 for x in d]
            over.append(max(max(row) - 0.40, 0.0))
            budget.append(abs(math.fsum(row) - attainable))
            distance.append(math.sqrt(sum((x - y) ** 2 for x, y in zip(row, t, strict=True))))
            entropy.append(
                sum(x * math.log(x / y) for x, y in zip(row, t, strict=True) if x > 0) - math.fsum(row) + math.fsum(t)
            )
            if before is not None:
                turnover.append(sum(abs(x - y) for x, y in zip(row, before, strict=True)))
            before = list(row)
        found = {str(name): float(value) for name, value in summary[label].items()}
        broken = [x for x in over if x > 0]
        assert found["dates"] == 300
        assert found["dates over the cap"] == len(broken)
        assert found["mean excess on those"] == pytest.approx(np.mean(broken) if broken else 0.0)
        assert found["max excess"] == max(over)
        assert found["max budget error"] == pytest.approx(max(budget), abs=1e-15)
        assert found["mean Euclidean distance"] == pytest.approx(np.mean(distance))
        assert found["max KL distance (nats)"] == pytest.approx(max(entropy))
        assert found["mean turnover a date"] == pytest.approx(np.mean(turnover))
        assert found["mean number held"] == pytest.approx((weights > 0).sum(axis=1).mean())
        assert found["mean cash"] == pytest.approx(1.0 - weights.sum(axis=1).mean(), abs=1e-15)
        if label == "heuristic":
            assert found["dates over the cap"] > 50
        else:
            assert found["dates over the cap"] == found["max budget error"] == 0.0


def test_the_steps_add_up_to_the_whole_on_every_date(scores: pd.DataFrame) -> None:
    result = compare(scores)
    total = sum(after - before for before, after in zip(result.chain, result.chain[1:], strict=False))
    whole = allocate(scores).weights - allocate(scores, solver="heuristic").weights
    np.testing.assert_allclose(total, whole, atol=1e-15)
    steps = result.steps()
    assert steps["contribution"].iloc[:-1].sum() == pytest.approx(steps["contribution"].iloc[-1], abs=1e-15)
    assert steps["contribution"].iloc[-1] == pytest.approx(np.sqrt((whole**2).sum(axis=1)).mean())
    causes = result.causes()
    assert causes.iloc[:3].sum() == pytest.approx(causes["whole"], abs=1e-15)


def test_each_cause_vanishes_when_it_is_taken_away(scores: pd.DataFrame) -> None:
    enough = scores.where(scores > 0, 0.5)
    no_floor = compare(enough, Limits(floor=0.0)).causes()
    assert no_floor["floor"] == 0.0
    same_objective = compare(enough, Limits(), ("heuristic", "kl")).causes()
    assert same_objective["objective"] == 0.0
    patient = compare(enough, Limits(), (Heuristic(max_passes=5000), "euclidean")).causes()
    assert abs(patient["non-convergence"]) < 1e-13
    assert no_floor["objective"] > 0.001


def test_two_live_sleeves_are_a_failure_to_converge() -> None:
    causes = compare(np.array([[0.7, 0.3]])).causes()
    assert causes["non-convergence"] == pytest.approx(math.sqrt(0.02))
    assert causes["floor"] == causes["objective"] == 0.0


def test_no_dates_and_nothing_live() -> None:
    empty = compare(pd.DataFrame(columns=["a", "b"], dtype=float))
    assert empty.summary().T["dates"].tolist() == [0.0, 0.0, 0.0]
    nothing = compare(np.zeros((3, 2)))
    assert nothing.summary().T["mean cash"].tolist() == [1.0, 1.0, 1.0]
    assert nothing.causes()["whole"] == 0.0


def test_missing_is_passed_on(scores: pd.DataFrame) -> None:
    holes = scores.mask(scores == 0.0)
    pd.testing.assert_frame_equal(compare(holes, missing="exclude").summary(), compare(scores).summary())


def test_refusals(scores: pd.DataFrame) -> None:
    with pytest.raises(LabelError, match="ascending"):
        compare(scores.iloc[::-1])
    with pytest.raises(LabelError, match="same label"):
        compare(scores, Limits(), ("kl", Projection("kl")))
    with pytest.raises(SpecificationError, match="at least one"):
        compare(scores, Limits(), ())
    with pytest.raises(ShapeError, match="dates x sleeves"):
        compare(np.ones(3))


def test_the_figure_has_titles_units_and_every_solver(scores: pd.DataFrame) -> None:
    figure = compare(scores).plot()
    panels = figure.get_axes()
    assert len(panels) == 3
    assert "% of capital" in panels[0].get_ylabel()
    legend = panels[0].get_legend()
    assert legend is not None
    assert [text.get_text().split(":")[0] for text in legend.get_texts()] == ["heuristic", "euclidean", "kl"]
    compare(np.zeros((0, 2))).plot()
