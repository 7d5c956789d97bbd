"""Dates without a solution: what is said, what is done, and that it is true."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from allocopt import Limits, Outcome, SolveError, SpecificationError, allocate
from allocopt.solvers import (
    ConvexProgram,
    Custom,
    ExposureLimits,
    Failure,
    GroupLimits,
    PreviousWeights,
    SleeveLimits,
    Term,
    TurnoverLimit,
    VolatilityLimit,
    _backends,
)

SLEEVES = ["a", "b", "c", "d"]
DATES = pd.date_range("2020-03-12", periods=3)
#: On the second date "a" and "b" are not live, and no weights keep their group's lower limit.
SCORES = pd.DataFrame([[4.0, 3.0, 2.0, 1.0], [0.0, 0.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]], index=DATES, columns=SLEEVES)
GROUP = GroupLimits({"front": ["a", "b"]}, lower=0.3)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_raise(n_jobs: int) -> None:
    frame = pd.concat([SCORES.set_axis(DATES + pd.Timedelta(days=3 * k)) for k in range(2)])
    with pytest.raises(SolveError, match="date 2020-03-13") as caught:
        allocate(frame, solver=ConvexProgram(terms=(GROUP,), n_jobs=n_jobs))
    error = caught.value
    assert isinstance(error.failure, Failure)
    assert (error.failure.row, error.failure.where, error.failure.action) == (1, "date 2020-03-13", "raise")
    assert error.where == "date 2020-03-13"
    for words in ("'a' is not live", "'b' is not live", "group 'front' at least 0.3", "Remedy:", "on_failure"):
        assert words in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is SolveError
    assert str(again) == str(error)
    assert again.failure == error.failure
    assert isinstance(error, RuntimeError)


def test_cash() -> None:
    result = allocate(SCORES, solver=ConvexProgram(terms=(GROUP,), on_failure="cash"))
    assert result.status.outcome.iloc[1] is Outcome.INFEASIBLE
    assert (result.weights.iloc[1] == 0.0).all()
    assert result.cash.iloc[1] == 1.0
    assert [failure.row for failure in result.failures] == [1]
    assert str(result.failures[0]).endswith("; all is cash")
    certificate = result.certificate.to_frame()
    numbers = ["objective", "bound", "gap", "cap_residual", "limit_residual"]
    assert certificate[numbers].isna().all(axis=1).tolist()[:2] == [False, True]
    assert certificate[numbers].notna().all(axis=1).tolist()[:2] == [True, False]
    alone = allocate(SCORES.iloc[[0, 2]], solver=ConvexProgram(terms=(GROUP,)))
    assert np.array_equal(result.weights.iloc[[0, 2]], alone.weights)
    assert alone.failures == ()


def test_previous() -> None:
    result = allocate(SCORES, solver=ConvexProgram(terms=(GROUP,), on_failure="previous"))
    assert np.array_equal(result.weights.iloc[1], result.weights.iloc[0])
    assert str(result.failures[0]).endswith("; the previous weights are kept")
    # On the first date there is nothing before it.
    first = allocate(SCORES.iloc[1:], solver=ConvexProgram(terms=(GROUP,), on_failure="previous"))
    assert (first.weights.iloc[0] == 0.0).all()
    # With returns what is kept has drifted.
    returns = pd.DataFrame(0.0, index=DATES, columns=SLEEVES)
    returns.loc[DATES[1]] = [0.1, -0.05, 0.02, 0.0]
    program = ConvexProgram(terms=(GROUP,), on_failure="previous", previous=PreviousWeights(0.25, returns))
    drifted = allocate(SCORES, solver=program)
    w, r = drifted.weights.iloc[0].to_numpy(), returns.iloc[1].to_numpy()
    assert np.abs(drifted.weights.iloc[1].to_numpy() - w * (1 + r) / (1 + w @ r)).max() <= 1e-16
    assert abs(drifted.invested.iloc[1] - drifted.weights.iloc[1].sum()) <= 1e-15


@pytest.mark.parametrize("action", ["cash", "previous"])
def test_the_kernels_have_the_same_policies(action: Any) -> None:
    rows = np.array([[3.0, 2.0, 1.0], [3.0, 0.0, 1.0], [1.0, 2.0, 3.0]])
    term = SleeveLimits(floor=pd.DataFrame([[0.1] * 3, [0.6, 0.1, 0.6], [0.1] * 3]), cap=0.8, always=True)
    frame = pd.DataFrame(rows)
    found = [
        allocate(frame, solver=ConvexProgram(terms=(term,), on_failure=action, route=route))
        for route in ("auto", "cvxpy")
    ]
    for result in found:
        assert [failure.row for failure in result.failures] == [1]
        assert result.status.outcome.iloc[1] is Outcome.INFEASIBLE
        assert result.failures[0].action == action
    assert np.abs(found[0].weights - found[1].weights).max(axis=None) <= 1e-13
    assert found[0].failures[0].conflict == found[1].failures[0].conflict
    assert found[0].failures[0].relaxation == pytest.approx(found[1].failures[0].relaxation, abs=1e-7)


#: A program by its limits: name as it is called in a conflict, and how much looser it is made.
Loosen = dict[str, float]


def few(loosen: Loosen) -> tuple[tuple[Term, ...], Limits]:
    """A lower group limit against a cap on one of its two sleeves and an upper exposure limit."""
    groups = GroupLimits({"front": [0, 1]}, lower=0.6 - loosen.get("group 'front' at least 0.6", 0.0))
    beta = np.array([[1.0], [2.0], [0.5], [0.5]])
    exposure = ExposureLimits(beta, upper=0.9 + loosen.get("exposure 0 at most 0.9", 0.0))
    cap = SleeveLimits(cap={0: 0.2 + loosen.get("cap 0.2 of column 0", 0.0)})
    return (groups, exposure, cap), Limits(cap=0.5, floor=0.0)


def floors(loosen: Loosen) -> tuple[tuple[Term, ...], Limits]:
    """Two sleeves that are always held against a group limit on both; a third group limit that has no part in it."""
    names = [0.3 - loosen.get(f"column {i} always held at 0.3 or more", 0.0) for i in (0, 1)]
    held = SleeveLimits(floor=[*names, 0.0, 0.0], always=[0, 1])
    both = GroupLimits({"both": [0, 1]}, upper=0.5 + loosen.get("group 'both' at most 0.5", 0.0))
    other = GroupLimits({"other": [2, 3]}, upper=0.9)
    return (held, both, other), Limits(cap=0.6, floor=0.0)


def risk(loosen: Loosen) -> tuple[tuple[Term, ...], Limits]:
    """A lower limit on a risky group against a volatility limit; units of the limit are the volatility's own."""
    group = GroupLimits({"risky": [0, 1]}, lower=0.8 - loosen.get("group 'risky' at least 0.8", 0.0))
    most = 0.1 + loosen.get("volatility at most 0.1", 0.0)
    return (group, VolatilityLimit(np.diag([0.09, 0.09, 0.01, 0.01]), most)), Limits(cap=1.0, floor=0.0)


def held_turnover(loosen: Loosen) -> tuple[tuple[Term, ...], Limits]:
    """From all in the first sleeve, a turnover of .2 cannot reach a group limit of .5 on the others."""
    turnover = TurnoverLimit(0.2 + loosen.get("turnover at most 0.2", 0.0))
    group = GroupLimits({"rest": [1, 2, 3]}, lower=0.5 - loosen.get("group 'rest' at least 0.5", 0.0))
    return (turnover, group), Limits(cap=1.0, floor=0.0)


#: How much each limit is loosened by to count as taken away.
AWAY = {
    "group 'front' at least 0.6": 0.6,
    "exposure 0 at most 0.9": 9.0,
    "cap 0.2 of column 0": 0.8,
    "column 0 always held at 0.3 or more": 0.3,
    "column 1 always held at 0.3 or more": 0.3,
    "group 'both' at most 0.5": 0.5,
    "group 'risky' at least 0.8": 0.8,
    "volatility at most 0.1": 0.9,
    "turnover at most 0.2": 1.8,
    "group 'rest' at least 0.5": 0.5,
}

PROGRAMS: list[Callable[[Loosen], tuple[tuple[Term, ...], Limits]]] = [few, floors, risk, held_turnover]


@pytest.mark.parametrize("make", PROGRAMS, ids=lambda make: make.__name__)
def test_the_conflict_is_irreducible_and_the_relaxations_are_what_is_needed(make: Any) -> None:
    def feasible(loosen: Loosen) -> Failure | None:
        terms, limits = make(loosen)
        previous = PreviousWeights([1.0, 0.0, 0.0, 0.0]) if make is held_turnover else None
        program = ConvexProgram(terms=terms, previous=previous, on_failure="cash")
        failures = allocate([4.0, 3.0, 2.0, 1.0], limits, solver=program).failures
        return failures[0] if failures else None

    failure = feasible({})
    assert failure is not None
    assert len(failure.conflict) >= 2
    # The budget is part of no conflict here, and every name is one that can be loosened.
    for name in failure.conflict:
        assert feasible({name: AWAY[name]}) is None, name
        assert name in failure.reason
    # Limits that are no part of it cannot mend it.
    assert failure.relaxation
    for name, amount in failure.relaxation.items():
        assert name in failure.conflict
        # On the boundary of a cone no solver ends well: a percent of room.
        assert feasible({name: amount * (1.01 if make is risk else 1.0 + 1e-6) + 1e-8}) is None, (name, amount)
        short = feasible({name: 0.99 * amount})
        assert short is not None, (name, amount)


def test_known_amounts() -> None:
    def fail(*terms: Term, limits: Limits, previous: Any = None) -> Failure:
        program = ConvexProgram(terms=terms, on_failure="cash", previous=previous)
        return allocate([4.0, 3.0, 2.0, 1.0], limits, solver=program).failures[0]

    # Two sleeves hold .5 at most against .6.
    found = fail(GroupLimits({"g": [0, 1]}, lower=0.6), limits=Limits(cap=0.25, floor=0.0))
    assert set(found.conflict) == {"cap 0.25 of column 0", "cap 0.25 of column 1", "group 'g' at least 0.6"}
    assert found.relaxation == pytest.approx(dict.fromkeys(found.conflict, 0.1), abs=1e-8)
    # More than the budget: a lower limit of .7 and one of .6 on other sleeves.
    groups = GroupLimits({"g": [0, 1], "h": [2, 3]}, lower={"g": 0.7, "h": 0.6})
    found = fail(groups, limits=Limits(cap=1.0, floor=0.0))
    assert set(found.conflict) == {"budget 1", "group 'g' at least 0.7", "group 'h' at least 0.6"}
    assert found.relaxation == pytest.approx(dict.fromkeys(found.conflict, 0.3), abs=1e-8)
    # The floor-or-zero rule: each group wants something but less than a floor.
    small = GroupLimits({"g": [0]}, lower=0.05, upper=0.1)
    found = fail(small, limits=Limits(cap=0.5, floor=0.2))
    assert "every sleeve is zero or at least its floor" in found.conflict
    assert {"group 'g' at most 0.1", "group 'g' at least 0.05"} <= set(found.conflict)
    assert found.relaxation["group 'g' at most 0.1"] == pytest.approx(0.1, abs=1e-6)
    assert found.relaxation["group 'g' at least 0.05"] == pytest.approx(0.05, abs=1e-6)


def test_own_constraints_are_named() -> None:
    own = Custom("pair", constraints=lambda w: [w[0] == w[1] + 0.2, w[1] >= 0.3])
    with pytest.raises(SolveError) as caught:
        allocate([1.0, 1.0, 1.0], Limits(cap=0.4, floor=0.0), solver=ConvexProgram(terms=(own,)))
    failure: Any = caught.value.failure
    assert set(failure.conflict) == {"cap 0.4 of column 0", "pair", "pair (2)"}


def test_what_an_own_term_may_not_be() -> None:
    # Weights are bounded, so no objective is unbounded below: only one that is not convex has no minimum to be proved.
    def refused(**parts: Any) -> str:
        with pytest.raises(SpecificationError) as caught:
            allocate([1.0, 2.0], solver=ConvexProgram(terms=(Custom("mine", **parts),)))
        return str(caught.value)

    assert "not a convex scalar" in refused(objective=lambda w: -cp.sum_squares(w))
    assert "not a convex scalar" in refused(objective=lambda w: w)
    assert "not a convex scalar" in refused(objective=lambda w: 1.0)
    assert "'mine'" in refused(constraints=lambda w: [cp.sum_squares(w) >= 0.5])
    assert "neither" in refused(constraints=lambda w: [cp.SOC(w[0], w)])
    # Linear and steep is fine: the weights end at their limits.
    steep = Custom("steep", objective=lambda w: -1e6 * w[0])
    result = allocate([1.0, 2.0, 3.0], Limits(cap=0.5, floor=0.0), solver=ConvexProgram(terms=(steep,)))
    assert abs(result.weights[0] - 0.5) <= 1e-12


@pytest.mark.parametrize("action", ["raise", "cash", "previous"])
def test_an_inaccurate_answer_is_refused(action: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    solve = _backends.solve

    def inaccurate(*arguments: Any) -> Any:
        return replace(solve(*arguments), ended=_backends.Ended.INACCURATE, message="Clarabel: AlmostSolved")

    monkeypatch.setattr(_backends, "solve", inaccurate)
    program = ConvexProgram(route="cvxpy", on_failure=action, previous=PreviousWeights([0.2, 0.3, 0.1]))
    if action == "raise":
        with pytest.raises(SolveError, match="AlmostSolved"):
            allocate([3.0, 2.0, 1.0], solver=program)
        return
    result: Any = allocate([3.0, 2.0, 1.0], solver=program)
    assert result.status.outcome is Outcome.UNSOLVED
    assert "AlmostSolved" in result.failures[0].reason
    assert result.weights == ([0.2, 0.3, 0.1] if action == "previous" else [0.0, 0.0, 0.0])
    assert np.isnan(result.certificate.gap)


def test_statuses_of_the_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    # One iteration is never enough.
    clarabel = pytest.importorskip("clarabel")
    default = clarabel.DefaultSettings

    def impatient() -> Any:
        settings = default()
        settings.max_iter = 1
        return settings

    monkeypatch.setattr(clarabel, "DefaultSettings", impatient)
    result = allocate([3.0, 2.0, 1.0], solver=ConvexProgram(route="cvxpy", backend="clarabel", on_failure="cash"))
    assert "MaxIterations" in result.failures[0].reason
    assert result.status.outcome is Outcome.UNSOLVED
    # The other one takes over where it may.
    mended = allocate([3.0, 2.0, 1.0], solver=ConvexProgram(route="cvxpy"))
    assert np.abs(np.array(mended.weights) - allocate([3.0, 2.0, 1.0]).weights).max() <= 1e-14


@pytest.mark.parametrize("distance", ["euclidean", "kl"])
def test_odd_dates_are_no_failures(distance: Any) -> None:
    program = ConvexProgram(distance=distance, route="cvxpy")
    empty = allocate([0.0, 0.0, 0.0], solver=program)
    assert empty.weights == [0.0, 0.0, 0.0]
    assert empty.status.outcome is Outcome.EMPTY
    assert empty.failures == ()
    one = allocate([3.0], solver=program)
    assert one.weights == [0.4]
    assert one.status.outcome is Outcome.CAPPED
    unaffordable = allocate([2.0, 1.0], Limits(floor=0.3, budget=0.2), solver=program)
    assert unaffordable.weights == [0.0, 0.0]
    nothing = allocate([2.0, 1.0], Limits(cap=0.0, floor=0.0), solver=program)
    assert nothing.weights == [0.0, 0.0]
    equal = allocate([1.0] * 5, Limits(cap=0.25, floor=0.25), solver=program)
    assert sorted(equal.weights) == [0.0, 0.25, 0.25, 0.25, 0.25]
    fixed = allocate([3.0, 2.0, 1.0], Limits(cap=0.2, floor=0.2), solver=program)
    assert fixed.weights == [0.2, 0.2, 0.2]
