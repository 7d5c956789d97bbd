"""Programs whose answers are worked by hand; the arithmetic is in the comments."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from allocopt import Limits, Outcome, ProportionalCost, SquareRootImpact, allocate
from allocopt.solvers import (
    ConvexProgram,
    CostPenalty,
    Custom,
    Distance,
    ExposureLimits,
    FactorCovariance,
    GroupLimits,
    PreviousWeights,
    RiskPenalty,
    SleeveLimits,
    Term,
    TurnoverLimit,
    VolatilityLimit,
)

FREE = Limits(cap=1.0, floor=0.0)
BOTH = pytest.mark.parametrize("distance", ["euclidean", "kl"])


def solve(
    row: list[float], *terms: Term, limits: Limits = FREE, previous: Any = None, **settings: Any
) -> Any:  # fmt: skip
    held = None if previous is None else PreviousWeights(previous)
    return allocate(row, limits, solver=ConvexProgram(terms=terms, previous=held, **settings))


def close(found: list[float], wanted: list[float], tolerance: float = 1e-14) -> bool:
    assert len(found) == len(wanted)
    return max(abs(x - y) for x, y in zip(found, wanted, strict=True)) <= tolerance


@pytest.mark.parametrize(
    ("distance", "limits", "upper", "weights"),
    [
        # Target (.4, .3, .15, .15). The pair gives .2 of its .7 to the others: .1 each, equally; each of it gives .1.
        ("euclidean", FREE, 0.5, [0.3, 0.2, 0.25, 0.25]),
        # KL scales each side: the pair by .5 / .7, the others by .5 / .3.
        ("kl", FREE, 0.5, [2 / 7, 3 / 14, 0.25, 0.25]),
        # The cap does not bind where the group does.
        ("euclidean", Limits(cap=0.4, floor=0.0), 0.5, [0.3, 0.2, 0.25, 0.25]),
        # Four floors of .25 leave no choice.
        ("euclidean", Limits(cap=1.0, floor=0.25), 0.5, [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_group_limit(distance: Distance, limits: Limits, upper: float, weights: list[float]) -> None:
    result = solve(
        [8.0, 6.0, 3.0, 3.0], GroupLimits({"pair": [0, 1]}, upper=upper), limits=limits, distance=distance
    )  # fmt: skip
    assert close(result.weights, weights)
    assert result.invested == 1.0
    assert result.status.outcome is Outcome.FULL


def test_a_group_limit_that_forces_cash() -> None:
    # Caps of .2 let the others hold .4, the group limit the pair .3.
    result = solve([8.0, 6.0, 3.0, 3.0], GroupLimits({"pair": [0, 1]}, upper=0.3), limits=Limits(cap=0.2, floor=0.0))
    # b* = .7, target .7 (.4, .3, .15, .15) = (.28, .21, .105, .105): the pair gives (.49 - .3) / 2 = .095 each.
    assert close(result.weights, [0.185, 0.115, 0.2, 0.2])
    assert abs(result.invested - 0.7) <= 1e-15
    assert result.status.outcome is Outcome.LIMITED
    assert abs(result.certificate.budget_residual) <= 1e-15


def test_overlapping_groups() -> None:
    # Target (.5, .3, .2). {0, 1} <= .6 asks for x = w2 >= .4, {1, 2} >= .6 for y = w0 <= .4. Without them x = .2 and
    # y = .5, so x = .4; then y minimises (y - .5)^2 + (.6 - y - .3)^2, which is .4 too. w = (.4, .2, .4).
    groups = GroupLimits({"a": [0, 1], "b": [1, 2]}, lower={"b": 0.6}, upper={"a": 0.6})
    assert close(solve([5.0, 3.0, 2.0], groups).weights, [0.4, 0.2, 0.4])


def test_exposure_bound() -> None:
    # Target (.5, .3, .2), beta 1.4 .5 + .3 + .6 .2 = 1.12; at most 1.04. Move along beta - mean(beta) = (.4, 0, -.4):
    # its square is .32, so w = t - .08 / .32 (.4, 0, -.4) = (.4, .3, .3).
    beta = ExposureLimits(np.array([[1.4], [1.0], [0.6]]), upper=1.04)
    assert close(solve([5.0, 3.0, 2.0], beta).weights, [0.4, 0.3, 0.3])
    # At least 1.2: the other way, w = t + .08 / .32 (.4, 0, -.4).
    low = ExposureLimits(np.array([[1.4], [1.0], [0.6]]), lower=1.2)
    assert close(solve([5.0, 3.0, 2.0], low).weights, [0.6, 0.3, 0.1])
    # KL tilts exponentially: w = t z**beta / sum, z**.4 = q solves 1.4 (.5 q) + .3 + .6 (.2 / q) = 1.04 (.5 q + .3 +
    # .2 / q), that is .18 q - .012 - .088 / q = 0: q = (.012 + sqrt(.000144 + .06336)) / .36 = (.012 + .252) / .36.
    q = (0.012 + 0.06350400000000001**0.5) / 0.36
    total = 0.5 * q + 0.3 + 0.2 / q
    tilted = [0.5 * q / total, 0.3 / total, 0.2 / q / total]
    assert close(solve([5.0, 3.0, 2.0], beta, distance="kl").weights, tilted, 1e-13)


def test_turnover_limit() -> None:
    # From (.4, .4, .2) to (.1, .4, .5) is .6. A limit of .2 lets .1 move from the first sleeve to the last.
    assert close(solve([1.0, 4.0, 5.0], TurnoverLimit(0.2), previous=[0.4, 0.4, 0.2]).weights, [0.3, 0.4, 0.3])
    # From all cash a turnover of .5 buys .5: target .5 (.1, .4, .5).
    result = solve([1.0, 4.0, 5.0], TurnoverLimit(0.5), previous=0.0)
    assert close(result.weights, [0.05, 0.2, 0.25])
    assert result.status.outcome is Outcome.LIMITED
    # No turnover at all: what was held is held.
    assert close(solve([1.0, 4.0, 5.0], TurnoverLimit(0.0), previous=[0.5, 0.25, 0.25]).weights, [0.5, 0.25, 0.25])


@pytest.mark.parametrize("route", ["auto", "cvxpy"])
def test_no_trade_band_of_a_proportional_cost(route: str) -> None:
    # .002 times 25 is .05, the half width of the band. Target (.5, .3, .2).
    def held(previous: list[float]) -> list[float]:
        penalty = CostPenalty(ProportionalCost(0.002), aversion=25.0)
        weights: list[float] = solve([5.0, 3.0, 2.0], penalty, previous=previous, route=route).weights
        return weights

    # Each sleeve is within .05 of the target: nothing is traded.
    assert close(held([0.46, 0.32, 0.22]), [0.46, 0.32, 0.22])
    # (.4, .3, .3): the first wants .5 - .05 = .45, the last .2 + .05 = .25, the second stays.
    assert close(held([0.4, 0.3, 0.3]), [0.45, 0.3, 0.25])
    # All cash: every sleeve buys, the sum is given, so the cost is the same for all and nothing changes.
    assert close(held([0.0, 0.0, 0.0]), [0.5, 0.3, 0.2])


def test_square_root_impact_in_one_dimension() -> None:
    # Two sleeves, w = (x, 1 - x), p = (.5, .5), t = (.9, .1). x - .5 = y > 0 minimises (y - .4)^2 + 2 a c y^1.5 with
    # a c = 1/5: 2 (y - .4) + 3/5 sqrt(y) = 0, sqrt(y) = (-.3 + sqrt(.09 + 1.6)) / 2 = (1.3 - .3) / 2 = .5. x = .75.
    impact = CostPenalty(SquareRootImpact(0.02), aversion=10.0)
    result = solve([9.0, 1.0], impact, previous=[0.5, 0.5])
    assert close(result.weights, [0.75, 0.25], 1e-6)
    # Distance 1/2 (.15^2 + .15^2) = .0225, cost 10 x .02 x 2 x .25^1.5 = .05.
    assert abs(result.certificate.objective - 0.0725) <= 1e-9


def test_diagonal_risk_penalty() -> None:
    # w_i = (t_i - m) / (1 + a s_i), here 1 + a s = (2, 1, 1): (.5 - m) / 2 + .3 - m + .2 - m = 1, m = -.1.
    risk = RiskPenalty(np.diag([0.1, 0.0, 0.0]), aversion=10.0)
    assert close(solve([5.0, 3.0, 2.0], risk).weights, [0.3, 0.4, 0.3])
    # Factor model: one factor on the first sleeve, the same matrix.
    parts = FactorCovariance(np.array([[1.0], [0.0], [0.0]]), np.array([[0.1]]), 0.0)
    assert close(solve([5.0, 3.0, 2.0], RiskPenalty(parts, aversion=10.0)).weights, [0.3, 0.4, 0.3])
    # No aversion, no change.
    assert close(solve([5.0, 3.0, 2.0], RiskPenalty(np.eye(3), aversion=0.0)).weights, [0.5, 0.3, 0.2])


#: Variances .04, .01, .0225 with a correlation of one half between the first two.
C = np.array([[0.04, 0.01, 0.0], [0.01, 0.01, 0.0], [0.0, 0.0, 0.0225]])


def test_huge_aversion_gives_the_minimum_variance_portfolio() -> None:
    # The first two: C^-1 1 solves .04 x + .01 y = 1, .01 x + .01 y = 1: x = 0, y = 100. The third: 1 / .0225 = 400/9.
    # 1'C^-1 1 = 1300/9, weights (0, 9/13, 4/13).
    result = solve([5.0, 3.0, 2.0], RiskPenalty(C, aversion=1e9))
    assert close(result.weights, [0.0, 9 / 13, 4 / 13], 1e-7)  # the distance moves them by 1 / (a C)
    # Of covariance alone, without the distance: half w'Cw for the least variance 1 / 1'C^-1 1 = 9/1300.
    w = np.array(result.weights)
    assert abs(w @ C @ w - 9 / 1300) <= 1e-12


def test_the_efficient_frontier_by_hand() -> None:
    # minimise 1/2 ||w - t||^2 + a/2 w'Cw, sum 1: (I + a C) w = t - m 1. With a = 100:
    # I + a C = [[5, 1, 0], [1, 2, 0], [0, 0, 3.25]], t = (.5, .3, .2).
    # Inverse of the block: [[2, -1], [-1, 5]] / 9. A t = (.7/9, 1/9, .2/3.25); A 1 = (1/9, 4/9, 4/13).
    # m = (sum(A t) - 1) / sum(A 1), w = A t - m A 1.
    at = np.array([0.7 / 9, 1 / 9, 0.8 / 13])
    a1 = np.array([1 / 9, 4 / 9, 4 / 13])
    w = at - (at.sum() - 1.0) / a1.sum() * a1
    assert close(solve([5.0, 3.0, 2.0], RiskPenalty(C, aversion=100.0)).weights, w.tolist())


def test_the_tangency_portfolio_under_a_full_budget() -> None:
    # Expected returns mu = (.07, .02, .0225) in an own objective, -mu'w, next to a risk aversion of a: the distance is
    # made negligible by scaling both by 1e6. a C w = mu - m 1; mu with m = 0 is proportional to C^-1 mu:
    # .04 x + .01 y = .07, .01 x + .01 y = .02: x = 5/3, y = 1/3; z = 1. The sum is 3, so a = 3 makes the tangency
    # portfolio (5/9, 1/9, 1/3) the one with m = 0.
    scale = 1e6
    mu = np.array([0.07, 0.02, 0.0225])
    own = Custom("expected return", objective=lambda w: -scale * (mu @ w))
    result = solve([1.0, 1.0, 1.0], RiskPenalty(C, aversion=3.0 * scale), own)
    assert close(result.weights, [5 / 9, 1 / 9, 1 / 3], 1e-4)


def test_volatility_limit() -> None:
    # Variances (.04, .04), target (.9, .1): w = (x, 1 - x), x^2 + (1 - x)^2 = v^2 / .04. v^2 = .04 x .625:
    # 2 x^2 - 2 x + .375 = 0: x = (2 + sqrt(4 - 3)) / 4 = .75.
    limit = VolatilityLimit(np.diag([0.04, 0.04]), limit=(0.04 * 0.625) ** 0.5)
    assert close(solve([9.0, 1.0], limit).weights, [0.75, 0.25], 1e-7)
    # A limit below the least volatility with all invested, .2 / sqrt(2): b sqrt(2) / 2 x .2 = .1, b* = .5 sqrt(2).
    # Only equal weights hold that much, and it is known to 1e-6 in the sum, 1e-3 in the weights.
    tight = solve([9.0, 1.0], VolatilityLimit(np.diag([0.04, 0.04]), limit=0.1))
    assert abs(tight.invested - 0.5**0.5) <= 2e-6
    assert tight.status.outcome is Outcome.LIMITED
    assert close(tight.weights, [0.5**0.5 / 2] * 2, 2e-3)


def test_spend_free_against_most() -> None:
    # Target (.9, .1) and a volatility of at most .09 out of .2 a sleeve: norm(w) <= .45. Freely, w is the target
    # scaled to that norm; the most that can be invested is .45 sqrt(2).
    limit = VolatilityLimit(np.diag([0.04, 0.04]), limit=0.09)
    free = solve([9.0, 1.0], limit, spend="free")
    length = (0.81 + 0.01) ** 0.5
    assert close(free.weights, [0.45 * 0.9 / length, 0.45 * 0.1 / length], 1e-6)
    most = solve([9.0, 1.0], limit)
    assert abs(most.invested - 0.45 * 2**0.5) <= 2e-6
    assert most.invested > free.invested
    # Without a reason to hold cash both spend all.
    assert close(solve([5.0, 3.0, 2.0], spend="free").weights, [0.5, 0.3, 0.2])
    # A cost of .1 a unit in units of the objective keeps each bought weight .1 below its target, and the rest in cash.
    cost = CostPenalty(ProportionalCost(0.01), aversion=10.0)
    bought = solve([5.0, 3.0, 2.0], cost, previous=0.0, spend="free")
    assert close(bought.weights, [0.4, 0.2, 0.1])
    # KL: log(w / t) + .1 = 0.
    entropic = solve([5.0, 3.0, 2.0], cost, previous=0.0, spend="free", distance="kl")
    assert close(entropic.weights, [x * float(np.exp(-0.1)) for x in (0.5, 0.3, 0.2)], 1e-12)


def test_own_objective() -> None:
    # 3/2 w_0^2 more: derivative 4 w_0 = t_0 - m, others w_i = t_i - m. (.5 - m) / 4 + .5 - 2 m = 1: m = -1/6.
    own = Custom("first is dear", objective=lambda w: 1.5 * cp.square(w[0]))
    assert close(solve([5.0, 3.0, 2.0], own).weights, [1 / 6, 0.3 + 1 / 6, 0.2 + 1 / 6])


@BOTH
@pytest.mark.parametrize("route", ["auto", "cvxpy"])
def test_two_cases_in_which_the_best_support_is_no_prefix(route: str, distance: Distance) -> None:
    # The first sleeve has the largest target, .40, but a floor of .90: the others share 1 in proportion, or equally.
    first = SleeveLimits(cap=1.0, floor=[0.90, 0.05, 0.05])
    wanted = [0.0, 0.55, 0.45] if distance == "euclidean" else [0.0, 7 / 12, 5 / 12]
    assert close(solve([40.0, 35.0, 25.0], first, route=route, distance=distance).weights, wanted, 1e-13)
    # Floors of .2 let two sleeves out of .59 be held. The first is capped at .2, so with it b* = .59 asks the other to
    # hold .39, far from its target of .195; without it both others hold .295.
    second = SleeveLimits(cap=[0.2, 1.0, 1.0], floor=0.2)
    result = solve(
        [34.0, 33.0, 33.0], second, limits=Limits(budget=0.59), route=route, distance=distance
    )  # fmt: skip
    assert close(result.weights, [0.0, 0.295, 0.295], 1e-13)


@BOTH
@pytest.mark.parametrize("route", ["auto", "cvxpy"])
def test_a_sleeve_whose_cap_is_its_floor_off_the_grid_leaves_the_others_alone(route: str, distance: Distance) -> None:
    # .3 is no multiple of 2**-53: it is held as it is, and the others land on the grid with what it leaves.
    term = SleeveLimits(cap=[0.3, 1.0, 1.0], floor=[0.3, 0.05, 0.05])
    result = solve([4.0, 4.0, 2.0], term, route=route, distance=distance)
    assert result.weights[0] == 0.3
    # .7 for targets of .4 and .2: .05 more each, or by a factor of 7/6.
    wanted = [0.3, 0.45, 0.25] if distance == "euclidean" else [0.3, 2.8 / 6, 1.4 / 6]
    assert close(result.weights, wanted)
    assert 1.0 - 3 * 2.0**-53 <= sum(result.weights) <= 1.0


def test_all_limits_active_at_once() -> None:
    # Target (.5, .3, .1, .08, .02) from (.3, .2, .25, .1, .15).
    # - cap .3 on the first, which wants more than the second: w0 = .3;  - group {0, 1} <= .5: w1 = .2;
    # - the last is always held at .15 or more, and is worth less than any other: w4 = .15;
    # - the rest of .35 wants to be (.185, .165), a turnover of .13, and may move .1: (.2, .15).
    result = solve(
        [50.0, 30.0, 10.0, 8.0, 2.0],
        SleeveLimits(cap={0: 0.3}, floor={4: 0.15}, always=[4]),
        GroupLimits({"front": [0, 1]}, upper=0.5),
        TurnoverLimit(0.1),
        previous=[0.3, 0.2, 0.25, 0.1, 0.15],
    )
    assert close(result.weights, [0.3, 0.2, 0.2, 0.15, 0.15])
    assert result.certificate.limit_residual <= 1e-15
    assert result.certificate.gap <= 1e-8


@BOTH
def test_always_holds_what_is_not_live_only_where_the_distance_is_finite(distance: Distance) -> None:
    for route in ("auto", "cvxpy"):
        # Without a floor it may be zero: KL holds nothing of it; the Euclidean target of .6, .4 and 0 is held as it is.
        result = solve(
            [3.0, 2.0, 0.0], SleeveLimits(always=True), limits=Limits(cap=0.6, floor=0.0),
            distance=distance, route=route,
        )  # fmt: skip
        assert close(result.weights, [0.6, 0.4, 0.0], 1e-13)
    if distance == "euclidean":
        # .1 at least: the live ones give .05 each.
        held = solve([3.0, 2.0, 0.0], SleeveLimits(floor={2: 0.1}, always=[2]))
        assert close(held.weights, [0.55, 0.35, 0.1])
