"""Volatility target: closed answers, pandas' own formula, slow twins, choices by name, target against delivered."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocopt.backtests.accounting import account, executed_weights, simple_returns
from allocopt.backtests.overlays import VolatilityScaling, VolatilityTarget
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

HOURS = 8760.0


def book(values: list[float] | np.ndarray, weight: float = 1.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One sleeve, always held, whose returns are given from row 1 on."""
    days = pd.date_range("2024-01-01", periods=len(values) + 1, freq="h")
    weights = pd.DataFrame({"A": np.full(len(days), weight)}, index=days)
    return weights, pd.DataFrame({"A": [0.0, *values]}, index=days)


def random_book(rng: np.random.Generator, rows: int, n: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weights that are flat for a while, then change."""
    days = pd.date_range("2024-01-01", periods=rows, freq="h")
    names = [f"S{i}" for i in range(n)]
    held = rng.random((rows, n)).round(2) * (np.arange(rows) // 37 % 3 > 0)[:, None]
    returns = rng.normal(0.0, 0.01, (rows, n)) * np.exp(0.5 * np.sin(np.arange(rows) / 40))[:, None]
    returns[0] = 0.0
    return pd.DataFrame(held / n, days, names), pd.DataFrame(returns, days, names)


def built(weights: pd.DataFrame, returns: pd.DataFrame, target: float, window: int) -> tuple[pd.Series, pd.Series]:
    """The rule as the published trend basket wrote it, with a return that is missing on row 0."""
    r = returns.copy()
    r.iloc[0] = np.nan
    pr = (weights.shift(1) * r).sum(axis=1)
    real = pr.rolling(window).std() * np.sqrt(HOURS)
    return real, (target / real).clip(upper=1).where(real > 0, 1.0)


def test_alternating_returns_have_a_closed_answer() -> None:
    # plus and minus x: sample deviation over two rows is x sqrt(2), over four x sqrt(4/3).
    weights, returns = book([0.01, -0.01] * 6, weight=0.5)
    for window, factor in ((2, math.sqrt(2.0)), (4, math.sqrt(4.0 / 3.0))):
        scaling = VolatilityTarget(0.05, window, periods_per_year=100.0, undefined="full").scale(weights, returns)
        expected = 0.005 * factor * 10
        np.testing.assert_allclose(scaling.realized.iloc[window:], expected, rtol=1e-12)
        np.testing.assert_allclose(scaling.scale.iloc[window:], 0.05 / expected, rtol=1e-12)
        np.testing.assert_allclose(scaling.weights["A"].iloc[window:], 0.5 * 0.05 / expected, rtol=1e-12)


def test_constant_size_of_returns_under_exponential_weights() -> None:
    # The mean square about zero of plus and minus x is x squared whatever the weights.
    weights, returns = book([0.01, -0.01] * 20)
    weights.iloc[0] = 1.0
    target = VolatilityTarget(
        0.05, 2, periods_per_year=100.0, estimator="ewma", halflife=3.0, include_current=True, undefined="full"
    )
    scaling = target.scale(weights, returns)
    # Row 0 counts as zero, and fades by a half every three rows.
    decay = 0.5 ** (1.0 / 3.0)
    rows = np.arange(1, 41)
    share = 1.0 - decay**rows * (1 - decay) / (1 - decay ** (rows + 1))
    np.testing.assert_allclose(scaling.realized.iloc[1:], 0.1 * np.sqrt(share), rtol=1e-12)
    assert scaling.warm_up_rows == 1


@pytest.mark.parametrize("window", [2, 24, 336])
def test_the_published_formula_exactly(window: int, rng: np.random.Generator) -> None:
    weights, returns = random_book(rng, 1200)
    real, scale = built(weights, returns, 0.20, window)
    scaling = VolatilityTarget(0.20, window, periods_per_year=HOURS, undefined="full").scale(weights, returns)
    assert scaling.realized.equals(real.rename("realized_volatility"))
    assert scaling.scale.equals(scale.rename("scale"))
    assert scaling.weights.equals(weights.mul(scale, axis=0))
    assert scaling.warm_up_rows == window - 1
    assert scaling.zero_rows == int((real == 0).sum())
    assert 0 < (scaling.scale < 1).sum() < 1200


def twin(
    weights: pd.DataFrame, returns: pd.DataFrame, target: VolatilityTarget, lag: int
) -> tuple[list[float], list[float]]:
    """Row by row, with sums over what lies behind."""
    held, earned = weights.to_numpy().tolist(), returns.to_numpy().tolist()
    past: list[float] = []
    realized, scale = [], []
    for t in range(len(held)):
        past.append(sum(w * r for w, r in zip(held[t - lag], earned[t], strict=True)) if t >= lag else 0.0)
        seen = past if target.include_current else past[:-1]
        if len(seen) < target.window:
            found = math.nan
        elif target.halflife is None:
            found = statistics.stdev(seen[-target.window :])
        else:
            sizes = [0.5 ** (age / target.halflife) for age in range(len(seen))]
            squares = [x * x for x in reversed(seen)]
            found = math.sqrt(math.fsum(map(float.__mul__, sizes, squares)) / math.fsum(sizes))
        realized.append(found * math.sqrt(target.periods_per_year))
        scale.append(min(target.cap, target.target / realized[-1]) if realized[-1] > 0 else min(1.0, target.cap))
    return realized, scale


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("current", [True, False])
@pytest.mark.parametrize("halflife", [None, 11.2])
@pytest.mark.parametrize("cap", [0.8, 1.0, 2.5])
def test_against_the_twin(
    lag: int, current: bool, halflife: float | None, cap: float, rng: np.random.Generator
) -> None:
    weights, returns = random_book(rng, 160, 3)
    target = VolatilityTarget(
        0.45, 12, periods_per_year=HOURS, estimator="rolling" if halflife is None else "ewma", halflife=halflife,
        cap=cap, include_current=current, undefined="full",
    )  # fmt: skip
    scaling = target.scale(weights, returns, lag)
    realized, scale = twin(weights, returns, target, lag)
    assert len(realized) == len(scaling.realized) == 160
    np.testing.assert_allclose(scaling.realized, realized, rtol=1e-9, atol=1e-12)
    # A window of zeros is a zero to pandas and to the twin alike.
    assert (scaling.realized == 0).tolist() == [x == 0 for x in realized]
    np.testing.assert_allclose(scaling.scale, scale, rtol=1e-9)
    assert scaling.scale.max() == max(cap, min(1.0, cap))
    assert scaling.lag == lag


def test_exponential_weights_against_riskmetrics() -> None:
    univariate = pytest.importorskip("arch.univariate")
    decay = 0.94
    rng = np.random.default_rng(7)
    weights, returns = book(rng.normal(0, 0.01, 1500))
    target = VolatilityTarget(
        0.1, 20, periods_per_year=252, estimator="ewma", halflife=math.log(0.5) / math.log(decay), undefined="full"
    )
    realized = target.scale(weights, returns).realized.to_numpy()
    path = returns["A"].to_numpy()
    sigma2 = np.empty(len(path))
    wide = np.tile([0.0, 1e6], (len(path), 1))
    univariate.EWMAVariance(decay).compute_variance(np.empty(0), path, sigma2, 1e-4, wide)
    # Its row t is a forecast made on row t-1; the starts have faded after a thousand rows.
    np.testing.assert_allclose(realized[1000:-1] ** 2 / 252, sigma2[1001:], rtol=1e-9)


@given(
    values=st.lists(st.floats(-0.05, 0.05), min_size=12, max_size=40),
    cut=st.integers(1, 39),
    current=st.booleans(),
    exponential=st.booleans(),
)
def test_the_future_changes_nothing(values: list[float], cut: int, current: bool, exponential: bool) -> None:
    cut = min(cut, len(values) - 1)
    target = VolatilityTarget(
        0.2, 5, periods_per_year=252, estimator="ewma" if exponential else "rolling",
        halflife=4.0 if exponential else None, include_current=current, undefined="flat",
    )  # fmt: skip
    weights, returns = book(values)
    other_weights, other_returns = weights.copy(), returns.copy()
    other_weights.iloc[cut + 1 :] = 0.3
    other_returns.iloc[cut + 1 :] *= -3.0
    whole, other = target.scale(weights, returns), target.scale(other_weights, other_returns)
    short = target.scale(weights.iloc[: cut + 1], returns.iloc[: cut + 1])
    for name in ("scale", "realized", "weights"):
        left, right = getattr(whole, name).iloc[: cut + 1], getattr(other, name).iloc[: cut + 1]
        assert left.equals(right)
        assert left.equals(getattr(short, name))


def test_without_the_current_row_the_estimate_is_the_one_before(rng: np.random.Generator) -> None:
    weights, returns = random_book(rng, 300)
    now, before = (
        VolatilityTarget(0.2, 20, periods_per_year=HOURS, include_current=current, undefined="full")
        .scale(weights, returns)
        .realized.to_numpy()
        for current in (True, False)
    )
    assert np.array_equal(before[1:], now[:-1], equal_nan=True)
    assert np.isnan(before[:20]).all()
    assert not np.isnan(before[20])


def scaled(undefined: str = "raise", zero: str = "full", cap: float = 1.0, flat: int = 0) -> VolatilityScaling:
    """Ten rows, flat for the first ones, then fully invested; window of three."""
    weights, returns = book([0.01, -0.02, 0.015] * 3)
    weights.iloc[:flat] = 0.0
    target = VolatilityTarget(0.3, 3, periods_per_year=HOURS, undefined=undefined, zero=zero, cap=cap)  # type: ignore[arg-type]
    return target.scale(weights, returns)


def test_rows_without_an_estimate_follow_the_choice_by_name() -> None:
    assert scaled("full").scale.iloc[:2].tolist() == [1.0, 1.0]
    assert scaled("full", cap=0.4).scale.iloc[:2].tolist() == [0.4, 0.4]
    assert scaled("full", cap=3.0).scale.iloc[:2].tolist() == [1.0, 1.0]
    assert scaled("flat").weights["A"].iloc[:2].tolist() == [0.0, 0.0]
    with pytest.raises(InputError, match=r"undefined in its warm-up on 2 rows with a weight, the first at 2024-01-01"):
        scaled()
    assert scaled(flat=2).scale.iloc[:2].tolist() == [1.0, 1.0]
    assert scaled(flat=2).warm_up_rows == 2


def test_a_zero_estimate_follows_the_choice_by_name() -> None:
    # Flat to row 5: rows 2 to 5 see nothing but zeros, and row 5 decides the first weight.
    assert scaled(flat=5).zero_rows == 4
    assert scaled(flat=5).scale.iloc[5] == 1.0
    assert scaled(flat=5, cap=3.0).scale.iloc[5] == 1.0
    assert scaled(flat=5, cap=0.4).scale.iloc[5] == 0.4
    assert scaled(flat=5, zero="flat").weights["A"].iloc[5] == 0.0
    assert scaled(flat=5, zero="flat").weights["A"].iloc[6] > 0.0
    with pytest.raises(
        InputError, match="volatility is zero on 1 rows with a weight, the first at 2024-01-01 05:00:00"
    ):
        scaled(flat=5, zero="raise")


def test_a_capped_target_with_leverage_below_one_delivers_less() -> None:
    # Volatility of 10 % against a target of 20 %: the cap of 1 binds on every row, and 0.75 of it is left.
    weights, returns = book([0.01, -0.01] * 500)
    target = VolatilityTarget(0.20, 10, periods_per_year=100.0, undefined="full")
    scaling = target.scale(weights, returns)
    report = scaling.delivered(0.75 * returns["A"], leverage=0.75)
    assert report.delivered == pytest.approx(0.075, rel=1e-3)
    assert report.ratio == pytest.approx(0.375, rel=1e-3)
    assert report.aim == pytest.approx(0.15)
    assert report.delivered_in_position == report.delivered
    assert report.rows == report.rows_in_position == 1000
    assert (report.decisions, report.invested_decisions, report.warm_up_rows, report.zero_rows) == (1001, 1001, 9, 0)
    # Two rows have an estimate that still counts row 0; they are capped too.
    assert report.capped_decisions == 992
    assert report.capped_share == 992 / 1001
    for words in (
        "target 20.0 % a year, times leverage 0.75: 15.0 %",
        "delivered 7.5 %",
        ": 992 of 1001",
        "estimate: 9;",
    ):
        assert words in str(report)


def test_an_uncapped_target_is_delivered_on_the_rows_in_position(rng: np.random.Generator) -> None:
    rows = 20_000
    level = 0.01 * np.exp(0.6 * np.sin(np.arange(rows) / 900))
    weights, returns = book(level * rng.normal(size=rows))
    weights.iloc[10_000:] = 0.0
    target = VolatilityTarget(0.20, 120, periods_per_year=252.0, cap=10.0, undefined="flat")
    scaling = target.scale(weights, returns)
    earned = (executed_weights(scaling.weights) * returns).sum(axis=1)
    report = scaling.delivered(earned)
    assert report.delivered_in_position == pytest.approx(0.20, rel=0.05)
    assert report.delivered == pytest.approx(0.20 / math.sqrt(2.0), rel=0.05)
    assert report.capped_decisions == 0
    assert report.rows_in_position == 10_000 - 119
    earned.iloc[0] = 1.0  # row 0 ends no period
    assert scaling.delivered(earned) == report


def test_delivered_without_a_position() -> None:
    weights, returns = book([0.01, -0.01] * 5, weight=0.0)
    report = VolatilityTarget(0.2, 3, periods_per_year=252).scale(weights, returns).delivered(0.0 * returns["A"])
    assert report.delivered == report.ratio == report.capped_share == 0.0
    assert math.isnan(report.delivered_in_position)


def test_tables_that_do_not_belong_together_are_refused() -> None:
    weights, returns = book([0.01, -0.01] * 5)
    target = VolatilityTarget(0.2, 3, periods_per_year=252, undefined="full")
    with pytest.raises(LabelError, match="differ in their dates or sleeves"):
        target.scale(weights, returns.iloc[1:])
    with pytest.raises(LabelError, match="differ in their dates or sleeves"):
        target.scale(weights, returns.rename(columns={"A": "B"}))
    with pytest.raises(InputError, match="return is missing or infinite at 2024-01-01, sleeve 'A'"):
        target.scale(weights, returns.assign(A=[math.nan, *returns["A"].iloc[1:]]))
    with pytest.raises(InputError, match="decided weight is missing"):
        target.scale(weights * math.nan, returns)
    with pytest.raises(ShapeError, match="not of type DataFrame"):
        target.scale(weights, returns["A"])  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="lag"):
        target.scale(weights, returns, lag=0)
    scaling = target.scale(weights, returns)
    with pytest.raises(LabelError, match="not on the dates of the scaled weights"):
        scaling.delivered(returns["A"].iloc[1:])
    with pytest.raises(InputError, match="return is missing or infinite at 2024-01-01 03:00:00"):
        scaling.delivered(returns["A"].where(returns.index != returns.index[3]))
    with pytest.raises(SpecificationError, match="leverage is not a number above 0"):
        scaling.delivered(returns["A"], leverage=0.0)
    with pytest.raises(ShapeError, match="too few returns"):
        target.scale(weights.iloc[:2], returns.iloc[:2]).delivered(returns["A"].iloc[:2])


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"target": 20.0}, "target is not a number above 0 and at most 5"),
        ({"target": 0.0}, "target"),
        ({"window": 1}, "window is not a whole number of rows of at least 2"),
        ({"window": 10.0}, "window"),
        ({"window": True}, "window"),
        ({"periods_per_year": 0}, "periods_per_year"),
        ({"periods_per_year": math.inf}, "periods_per_year"),
        ({"cap": 0.0}, "cap"),
        ({"estimator": "garch"}, "estimator is unknown"),
        ({"estimator": "ewma"}, "halflife does not go with the estimator 'ewma'"),
        ({"halflife": 11.2}, "halflife does not go with the estimator 'rolling'"),
        ({"estimator": "ewma", "halflife": -1.0}, "halflife is not a number above 0"),
        ({"undefined": "zero"}, "undefined is unknown"),
        ({"zero": "cap"}, "zero is unknown"),
        ({"include_current": "yes"}, "include_current"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], what: str) -> None:
    with pytest.raises(SpecificationError, match=what):
        VolatilityTarget(**{"target": 0.2, "window": 20, "periods_per_year": 252, **settings})  # type: ignore[arg-type]


def test_the_ledger_holds_what_was_scaled(rng: np.random.Generator) -> None:
    weights, returns = random_book(rng, 400)
    prices = 100.0 * (1.0 + returns).cumprod()
    scaling = VolatilityTarget(0.20, 24, periods_per_year=HOURS, undefined="full").scale(
        weights, simple_returns(prices)
    )
    ledger = account(weights, prices, exposure=scaling.scale)
    np.testing.assert_allclose(ledger.executed, executed_weights(scaling.weights), atol=1e-12)
    assert scaling.delivered(ledger.returns).rows_in_position == int((ledger.executed != 0).any(axis=1).sum())


@pytest.mark.market_data
def test_the_published_basket_delivers_half_of_its_target(market_data: Path) -> None:
    """Rules 1 to 6 of the published basket in plain pandas, its sizing and its report by the library."""
    files = {name: market_data / "crypto" / f"{name.lower()}usdt_1h.parquet" for name in ("BTC", "ETH")}
    closes = pd.DataFrame({name: pd.read_parquet(file).set_index("date")["close"] for name, file in files.items()})
    stamps = pd.to_datetime(closes.index, utc=True).tz_convert(None)
    hours = pd.date_range("2019-12-25 00:00", "2026-05-03 15:00", freq="h")
    closes = closes.set_axis(stamps, axis=0).astype(float).reindex(hours).ffill()
    assert closes.shape == (55_720, 2)
    returns = simple_returns(closes)
    momentum = closes / closes.shift(720) - 1
    btc = closes["BTC"]
    gate = (btc > btc.rolling(2880).mean()) & (momentum["BTC"] > 0) & (returns["BTC"].rolling(336).std() <= 0.03)
    eligible = ((closes > closes.rolling(1440).mean()) & (momentum > 0)).mul(gate, axis=0)
    chosen = eligible.astype(float).div(eligible.sum(axis=1).clip(lower=1), axis=0)
    rows = np.arange(len(closes))
    chosen[(rows < 2880) | ((rows - 2880) % 168 != 0)] = np.nan
    controlled = 0.5 * chosen.ffill().fillna(0.0)
    scaling = VolatilityTarget(0.20, 336, periods_per_year=HOURS).scale(controlled, returns)
    real, scale = built(controlled, returns, 0.20, 336)
    assert scaling.realized.equals(real.rename("realized_volatility"))
    assert scaling.scale.equals(scale.rename("scale"))
    executed = executed_weights(scaling.weights)
    growth = 0.75 * (executed * returns).sum(axis=1) - 0.75 * 0.0004 * executed.diff().abs().sum(axis=1)
    assert np.prod(1.0 + growth.to_numpy()) - 1.0 == pytest.approx(1.52024, rel=0.01)
    report = scaling.delivered(growth, leverage=0.75)
    assert report.ratio == pytest.approx(0.5, abs=0.1)
    # In position two fifths of the time, and then above the aim: entries are made at full size, while the window still
    # counts the flat rows before them.
    assert report.rows_in_position / report.rows == pytest.approx(0.4, abs=0.01)
    assert report.delivered_in_position > report.aim
    assert 0.2 < report.capped_share < 0.35
