"""Cases solved by hand, for both distances."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from allocopt import Allocation, Limits, Outcome, allocate
from allocopt.solvers import Distance
from allocopt.solvers.base import FloatArray

UNIT = 2.0**-53
BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])


def solve(row: list[float], limits: Limits, distance: Distance) -> Allocation[list[float], Any]:
    result: Any = allocate(row, limits, solver=distance)
    found: Allocation[list[float], Any] = result
    return found


def close(found: list[float], wanted: list[float]) -> bool:
    """As long as what is wanted, zeros in the same places, and equal within a few roundings of the row."""
    assert len(found) == len(wanted)
    assert [x == 0.0 for x in found] == [x == 0.0 for x in wanted]
    return max(abs(x - y) for x, y in zip(found, wanted, strict=True)) <= 1e-15 * len(wanted)


@BOTH
@pytest.mark.parametrize(
    ("row", "limits", "weights", "outcome"),
    [
        ([3.0, 1.0], Limits(), [0.4, 0.4], Outcome.CAPPED),
        ([0.0, 3.0, 0.0, 1e-9], Limits(), [0.0, 0.4, 0.0, 0.4], Outcome.CAPPED),
        ([7.0], Limits(), [0.4], Outcome.CAPPED),
        ([7.0], Limits(cap=1.0), [1.0], Outcome.FULL),
        ([0.0, 7.0, 0.0], Limits(budget=0.25), [0.0, 0.25, 0.0], Outcome.FULL),
        ([0.0, 0.0, 0.0], Limits(), [0.0, 0.0, 0.0], Outcome.EMPTY),
        ([0.0], Limits(), [0.0], Outcome.EMPTY),
        ([7.0, 7.0, 4.0, 2.0], Limits(), [0.35, 0.35, 0.2, 0.1], Outcome.FULL),
        ([4.0, 3.0, 2.0, 1.0], Limits(cap=1.0, floor=0.0), [0.4, 0.3, 0.2, 0.1], Outcome.FULL),
        ([4.0, 3.0, 2.0, 1.0], Limits(cap=0.4, floor=0.1), [0.4, 0.3, 0.2, 0.1], Outcome.FULL),
        ([4.0, 3.0, 2.0, 1.0], Limits(cap=0.25, floor=0.0), [0.25, 0.25, 0.25, 0.25], Outcome.FULL),
        # Three floors of .35 do not fit a budget of 1, and two sleeves cannot hold more than .4 each.
        ([4.0, 3.0, 2.0, 1.0], Limits(cap=0.4, floor=0.35), [0.4, 0.4, 0.0, 0.0], Outcome.FLOORED),
        ([1.0, 2.0, 3.0], Limits(cap=0.4, floor=0.35), [0.0, 0.4, 0.4], Outcome.FLOORED),
        ([1.0, 2.0], Limits(cap=0.4, floor=0.35), [0.4, 0.4], Outcome.CAPPED),
        # A budget of .3 between one cap of .2 and two floors of .16.
        ([5.0, 4.0, 3.0], Limits(cap=0.2, floor=0.16, budget=0.3), [0.2, 0.0, 0.0], Outcome.FLOORED),
        ([5.0, 4.0, 3.0, 2.0, 1.0], Limits(cap=0.25, floor=0.25), [0.25, 0.25, 0.25, 0.25, 0.0], Outcome.FULL),
        ([1.0, 1.0, 1.0, 1.0, 1.0], Limits(cap=0.25, floor=0.25), [0.25, 0.25, 0.25, 0.25, 0.0], Outcome.FULL),
        # The float 0.2 is more than a fifth: five floors do not fit.
        ([5.0, 4.0, 3.0, 2.0, 1.0], Limits(cap=0.2, floor=0.2), [0.2, 0.2, 0.2, 0.2, 0.0], Outcome.FLOORED),
        ([2.0, 1.0], Limits(cap=1.0, floor=1.0), [1.0, 0.0], Outcome.FULL),
        ([2.0, 1.0], Limits(floor=0.3, budget=0.2), [0.0, 0.0], Outcome.UNAFFORDABLE),
        ([2.0, 1.0], Limits(cap=0.0, floor=0.0), [0.0, 0.0], Outcome.CAPPED),
    ],
)
def test_both_distances_agree(
    row: list[float], limits: Limits, weights: list[float], outcome: Outcome, distance: Distance
) -> None:
    result = solve(row, limits, distance)
    assert close(result.weights, weights)
    assert result.status.outcome is outcome
    assert abs(result.invested - sum(weights)) <= 1e-15 * len(row)
    assert result.cash == 1.0 - result.invested


@BOTH
def test_two_live_sleeves_leave_a_fifth_in_cash(distance: Distance) -> None:
    result = solve([3.0, 1.0], Limits(), distance)
    assert result.weights == [0.4, 0.4]
    assert result.invested == 0.8
    assert result.cash == 1.0 - 0.8


@BOTH
def test_a_cap_and_floor_of_one_third(distance: Distance) -> None:
    third = 1 / 3  # less than a third: three are all that fit, and they do not quite spend the budget
    result = solve([4.0, 3.0, 2.0, 1.0], Limits(cap=third, floor=third), distance)
    assert result.weights == [third, third, third, 0.0]
    assert 1.0 - 3 * UNIT <= result.invested <= 1.0


@pytest.mark.parametrize(
    ("distance", "row", "limits", "weights"),
    [
        # One sleeve over the cap gives .2 to two others: equal amounts, or equal factors (.6 / .4).
        ("euclidean", [6.0, 2.5, 1.5], Limits(), [0.4, 0.35, 0.25]),
        ("kl", [6.0, 2.5, 1.5], Limits(), [0.4, 0.375, 0.225]),
        ("euclidean", [15.0, 60.0, 25.0], Limits(), [0.25, 0.4, 0.35]),
        ("kl", [15.0, 60.0, 25.0], Limits(), [0.225, 0.4, 0.375]),
        # The second joins the first at the cap.
        ("euclidean", [12.0, 7.0, 1.0], Limits(), [0.4, 0.4, 0.2]),
        ("kl", [12.0, 7.0, 1.0], Limits(), [0.4, 0.4, 0.2]),
        # A tenth of the budget is the least worth holding; the last sleeve's target is .04.
        # Euclidean: holding it costs (2 x .03**2 + .06**2) / 2, dropping it (2 x .02**2 + .04**2) / 2: dropped.
        # KL: holding it costs .9 ln(.9 / .96) + .1 ln(.1 / .04) = .0335, dropping it -ln .96 = .0408: held.
        ("euclidean", [60.0, 36.0, 4.0], Limits(cap=1.0, floor=0.1), [0.62, 0.38, 0.0]),
        ("kl", [60.0, 36.0, 4.0], Limits(cap=1.0, floor=0.1), [0.5625, 0.3375, 0.1]),
        ("kl", [60.0, 39.0, 1.0], Limits(cap=1.0, floor=0.1), [60 / 99, 39 / 99, 0.0]),
        ("euclidean", [60.0, 31.0, 9.0], Limits(cap=1.0, floor=0.1), [0.595, 0.305, 0.1]),
        # The first sleeve's surplus lifts the last one over the floor: .6 - .2, and .2 / 3 for each of the rest.
        ("euclidean", [60.0, 25.0, 14.0, 1.0], Limits(), [0.4, 19 / 60, 0.14 + 0.2 / 3, 0.01 + 0.2 / 3]),
        # 1e-3 of the rest is dropped by KL: .55 ln(.55 / .399) + .05 ln(.05 / .001) against .6 ln(.6 / .399).
        ("kl", [600.0, 259.0, 140.0, 1.0], Limits(), [0.4, 0.6 * 259 / 399, 0.6 * 140 / 399, 0.0]),
        # Without a floor the surplus is spread over all that are left.
        ("euclidean", [96.0, 3.0, 1.0], Limits(cap=0.5, floor=0.0), [0.5, 0.26, 0.24]),
        ("kl", [96.0, 3.0, 1.0], Limits(cap=0.5, floor=0.0), [0.5, 0.375, 0.125]),
        # A smaller budget scales the target, not the limits.
        ("euclidean", [6.0, 2.5, 1.5], Limits(cap=0.2, floor=0.05, budget=0.5), [0.2, 0.175, 0.125]),
    ],
)
def test_one_distance(distance: Distance, row: list[float], limits: Limits, weights: list[float]) -> None:
    result = solve(row, limits, distance)
    assert close(result.weights, weights)
    assert result.invested == limits.budget
    assert result.status.outcome is Outcome.FULL


def test_half_the_floor_is_the_break_even_of_a_euclidean_tie_and_the_larger_support_wins() -> None:
    # With nobody at the cap, holding and dropping a target of floor / 2 cost the same.
    limits = Limits(cap=1.0, floor=0.125)
    assert allocate([9.0, 6.0, 1.0], limits).weights == [9 / 16 - 1 / 32, 6 / 16 - 1 / 32, 0.125]
    assert allocate([9.0 * 2**50, 6.0 * 2**50, 2.0**50 - 1.0], limits).weights[2] == 0.0
    assert allocate([9.0 * 2**50, 6.0 * 2**50, 2.0**50 + 1.0], limits).weights[2] == 0.125


@BOTH
def test_of_equal_sleeves_the_lower_columns_are_held(distance: Distance) -> None:
    result = solve([2.0, 1.0, 2.0, 2.0, 2.0], Limits(cap=0.4, floor=0.3), distance)
    assert [w > 0 for w in result.weights] == [True, False, True, True, False]
    assert close(result.weights, [1 / 3, 0.0, 1 / 3, 1 / 3, 0.0])
    assert result.invested == 1.0


@BOTH
def test_twenty_equal_sleeves_at_a_floor_of_five_percent_hold_nineteen(distance: Distance) -> None:
    result = solve([1.0] * 20, Limits(cap=0.4, floor=0.05), distance)
    assert close(result.weights, [1 / 19] * 19 + [0.0])
    assert result.invested == 1.0
    assert Limits().largest_support == 19


@BOTH
@pytest.mark.parametrize("parts", [2, 3, 4, 5, 6, 7, 9, 10, 11, 20, 49, 98])
@pytest.mark.parametrize("ulps", [-1, 0, 1])
def test_as_many_caps_as_the_budget_within_rounding(parts: int, ulps: int, distance: Distance) -> None:
    cap = 1 / parts
    for _ in range(abs(ulps)):
        cap = float(np.nextafter(cap, ulps))
    for floor in (0.0, cap / 2):
        limits = Limits(cap=cap, floor=floor)
        row: FloatArray = np.arange(parts, 0.0, -1.0)
        result = allocate(row, limits, solver=distance)
        assert result.weights.shape == (parts,)
        assert (result.weights <= cap).all()
        assert (result.weights >= cap - 2 * UNIT).all()
        assert 1.0 - parts * UNIT <= result.invested <= 1.0
        assert result.invested == sum(result.weights.tolist())
        outcome = result.status.outcome
        if Fraction(cap) * parts < 1:
            assert outcome is Outcome.CAPPED
        elif result.invested == 1.0:
            assert outcome is Outcome.FULL
        else:
            assert outcome is Outcome.ROUNDED


@BOTH
def test_one_sleeve_more_than_the_caps_need_spends_all(distance: Distance) -> None:
    for parts in (3, 5, 7, 10, 49):
        result = allocate(np.ones(parts + 1), Limits(cap=1 / parts, floor=0.0), solver=distance)
        assert result.invested == 1.0
        assert np.abs(result.weights - 1 / (parts + 1)).max() <= 1e-15
