"""What is refused, and how it is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.options import FlatSurface
from allocopt.backtests.profiles import (
    AT_THE_MONEY,
    ExecutionCosts,
    FractionOfSpot,
    GreekLimits,
    Leg,
    ProfileResult,
    ProfileSpecification,
    TargetDelta,
    published_profiles,
    run_profile,
    run_profiles,
    unit_capital,
)
from allocopt.backtests.rotation import OHLCV
from allocopt.errors import AllocoptError, InputError, LabelError, ShapeError, SpecificationError

Run = Callable[..., ProfileResult]
P6 = published_profiles()["P6"]
CALL = Leg(1, "call", AT_THE_MONEY, 45)
INDEX = pd.bdate_range("2024-03-04", periods=6)


def call(**changes: Any) -> ProfileResult:
    close = pd.Series(400.0, index=INDEX)
    given: dict[str, Any] = {
        "specification": P6,
        "market": OHLCV(pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close))),
        "scores": pd.Series(0.9, index=INDEX),
        "regimes": pd.Series(4, index=INDEX),
        "surface": FlatSurface(pd.Series(0.2, index=INDEX), "flat"),
    }
    return run_profile(**{**given, **changes})


def test_the_plain_call_runs() -> None:
    assert len(call().trades) == 1


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"specification": "P6"}, ShapeError, "ProfileSpecification"),
        ({"market": pd.DataFrame()}, ShapeError, "OHLCV"),
        ({"surface": 0.2}, ShapeError, "implied_volatility"),
        ({"scores": pd.Series(0.9, index=INDEX[:-1])}, LabelError, "scores and market differ"),
        ({"scores": [0.9] * 6}, ShapeError, "scores"),
        ({"scores": pd.Series([0.9, np.nan, 0.9, 0.9, 0.9, 0.9], index=INDEX)}, InputError, "2024-03-05"),
        ({"scores": pd.Series([0.9, np.inf, 0.9, 0.9, 0.9, 0.9], index=INDEX)}, InputError, "infinite"),
        ({"regimes": pd.Series(4, index=INDEX[::-1])}, LabelError, "not sorted"),
        ({"regimes": pd.Series([4, 4, 7, 4, 4, 4], index=INDEX)}, InputError, "2024-03-06"),
        ({"regimes": pd.Series([4, 4, pd.NA, 4, 4, 4], index=INDEX, dtype="Int64")}, InputError, "missing"),
        ({"rate": math.nan}, SpecificationError, "rate"),
        ({"rate": pd.Series(0.02, index=INDEX[1:])}, LabelError, "rate"),
        ({"dividend": pd.Series([np.nan] + [0.02] * 5, index=INDEX)}, InputError, "2024-03-04"),
        ({"fill_lag": 0}, SpecificationError, "fill_lag"),
        ({"hedge_lag": 1.0}, SpecificationError, "hedge_lag"),
        ({"costs": 0.1}, ShapeError, "ExecutionCosts"),
        ({"holidays": ["no day"]}, InputError, "holiday"),
        ({"holidays": [None]}, InputError, "holiday"),
        ({"surface": FlatSurface(pd.Series(0.2, index=INDEX[:3]), "flat")}, LabelError, "2024-03-07"),
    ],
)
def test_bad_input(changes: dict[str, Any], error: type[AllocoptError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call(**changes)
    assert caught.value.remedy


def test_two_bars_on_one_day() -> None:
    index = INDEX.append(pd.DatetimeIndex([INDEX[-1] + pd.Timedelta(hours=12)]))
    close = pd.Series(400.0, index=index)
    market = OHLCV(pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close)))
    with pytest.raises(LabelError, match="two bars on one day"):
        call(market=market, scores=close * 0 + 0.9, regimes=pd.Series(4, index=index))


def test_a_missing_volatility_is_refused_where_it_is_needed(run: Run) -> None:
    level = [0.2, 0.2, np.nan, 0.2, 0.2, 0.2]
    with pytest.raises(InputError, match="2024-03-06, \\+1 call at the money 45 DTE"):
        run(P6, [400.0] * 6, volatility=level)
    # Where nothing is held on that row, nobody asks.
    assert len(run(P6, [400.0] * 6, volatility=level, regime=[4, 1, 1, 1, 4, 4]).trades) == 2
    with pytest.raises(InputError, match="2024-03-04"):
        run(published_profiles()["P3"], [400.0] * 3, volatility=[np.nan, 0.2, 0.2], regime=3)


def test_a_surface_that_answers_in_another_shape() -> None:
    class Scalar:
        def implied_volatility(self, dates: Any, days: Any, log_moneyness: Any) -> float:
            return 0.2

    with pytest.raises(ShapeError, match="elementwise"):
        call(surface=Scalar())


def test_scores_of_an_unknown_profile() -> None:
    market = OHLCV(pd.DataFrame(400.0, index=INDEX, columns=["open", "high", "low", "close"]))
    scores = pd.DataFrame(0.9, index=INDEX, columns=["P1"])
    with pytest.raises(LabelError, match="P6"):
        run_profiles({"P6": P6}, market, scores, pd.Series(4, index=INDEX), FlatSurface(scores["P1"] / 4, "flat"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Leg(0, "call", AT_THE_MONEY, 45), "quantity"),
        (lambda: Leg(1, "straddle", AT_THE_MONEY, 45), "kind"),  # type: ignore[arg-type]
        (lambda: Leg(1, "call", 1.05, 45), "strike"),  # type: ignore[arg-type]
        (lambda: Leg(1, "call", AT_THE_MONEY, 0), "days"),
        (lambda: FractionOfSpot(5.0 * 100), "strike over spot"),
        (lambda: TargetDelta(25.0), "target delta"),
        (lambda: GreekLimits(vega=0.0), "vega"),
        (lambda: ProfileSpecification("", 0.5, (1,), (CALL,)), "name"),
        (lambda: ProfileSpecification("x", 60, (1,), (CALL,)), "threshold"),
        (lambda: ProfileSpecification("x", 0.5, (7,), (CALL,)), "regimes"),
        (lambda: ProfileSpecification("x", 0.5, (1,), (CALL,), short_in=(2,)), "short_in"),
        (lambda: ProfileSpecification("x", 0.5, (1,), ()), "legs"),
        (lambda: ProfileSpecification("x", 0.5, (1,), (CALL,), roll_at_days=45), "roll_at_days"),
        (lambda: ProfileSpecification("x", 0.5, (1,), (CALL,), max_days=0), "max_days"),
        (lambda: ProfileSpecification("x", 0.5, (1,), (CALL,), stop=-0.5), "stop"),
        (lambda: ProfileSpecification("x", 0.5, (1,), (CALL,), stop_action="sell"), "stop_action"),  # type: ignore[arg-type]
        (lambda: ProfileSpecification("x", 0.5, (1,), (CALL,), delta_hedge="weekly"), "delta_hedge"),  # type: ignore[arg-type]
        (lambda: ProfileSpecification("x", 0.5, (1,), (CALL,), greek_limits=30.0), "greek_limits"),  # type: ignore[arg-type]
        (
            lambda: ProfileSpecification("x", 0.5, (1,), (Leg(1, "call", AT_THE_MONEY, 45, rolled_alone=True),)),
            "every leg",
        ),
        (
            lambda: ProfileSpecification("x", 0.5, (1,), (CALL, Leg(-1, "call", AT_THE_MONEY, 7, rolled_alone=True))),
            "nothing says when",
        ),
        (lambda: ExecutionCosts(commission=-0.65), "commission"),
        (lambda: ExecutionCosts(hedge_size=0.0), "hedge_size"),
        (lambda: ExecutionCosts(reference_spot=0.0), "reference_spot"),
        (lambda: ExecutionCosts(most_volatile=0.5), "volatility factor"),
        (lambda: ExecutionCosts(slippage_tiers=((10.0, 0.1),)), "slippage tier"),
        (lambda: ExecutionCosts(slippage_tiers=()), "slippage_tiers"),
        (lambda: ExecutionCosts(short_dated=((14.0, 1.1), (7.0, 1.3))), "short_dated"),
        (lambda: ExecutionCosts().scaled(costs=-1.0), "cost_factor"),
    ],
)
def test_bad_specifications(make: Callable[[], object], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        make()


def test_capital_wants_one_of_each() -> None:
    with pytest.raises(ShapeError, match="differ in length"):
        unit_capital([1, 1], ["call"], [100.0], [0], [1.0], 100.0)


def test_specifications_are_values() -> None:
    assert published_profiles()["P6"] == P6
    assert hash(P6) == hash(published_profiles()["P6"])
    with pytest.raises(AttributeError):
        P6.threshold = 0.1  # type: ignore[misc]
