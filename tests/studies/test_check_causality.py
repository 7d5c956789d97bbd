"""The check finds decisions that know the future, leaves honest ones in peace, and says what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocopt import InputError, LabelError, Limits, ShapeError, SpecificationError, allocate
from allocopt.backtests.rotation import OHLCV, classify_regimes, compute_features
from allocopt.backtests.schedules import Calendar, EveryRows, MinimumGap, Schedule
from allocopt.backtests.studies.causality import check_causality

ROWS = 300
Frame = pd.DataFrame
Decide = Callable[[Any], object]


@pytest.fixture(scope="module")
def closes() -> Frame:
    rng = np.random.default_rng(11)
    walk = 100 * np.exp(rng.normal(0.0003, 0.012, (ROWS, 3)).cumsum(axis=0))
    return pd.DataFrame(walk, index=pd.bdate_range("2022-01-03", periods=ROWS), columns=["A", "B", "C"])


def momentum(prices: Frame) -> Frame:
    return prices / prices.shift(20) - 1.0


def top_two(prices: Frame) -> Frame:
    return (momentum(prices).rank(axis=1, ascending=False) <= 2).astype(float) / 2


def allocated(prices: Frame) -> Frame:
    scores = momentum(prices).clip(lower=0.0).fillna(0.0)
    weights: Frame = allocate(scores, Limits(cap=0.5, floor=0.1)).weights
    return weights


def expanding_score(prices: Frame) -> Frame:
    returns = prices.pct_change()
    return (returns - returns.expanding(10).mean()) / returns.expanding(10).std()


HONEST: dict[str, Decide] = {
    "rolling mean": lambda prices: prices.rolling(20).mean() < prices,
    "exponential mean": lambda prices: prices.ewm(span=10).mean(),
    "expanding z-score": expanding_score,
    "expanding rank": lambda prices: prices.expanding().rank(pct=True),
    "best two": top_two,
    "allocated": allocated,
    "array": lambda prices: prices.pct_change().fillna(0.0).to_numpy(),
    "inverse volatility": lambda prices: 1.0 / prices.pct_change().rolling(30).std(),
    "forward fill": lambda prices: prices.where(prices.pct_change() > 0.0).ffill(),
    "this month so far": lambda prices: prices.groupby(prices.index.to_period("M")).cummax(),
}


@pytest.mark.parametrize("decide", HONEST.values(), ids=HONEST)
def test_honest_strategies_pass(decide: Decide, closes: Frame) -> None:
    report = check_causality(decide, closes, 12)
    assert report.passed, report.message
    assert report.require() is report
    assert not report.vacuous
    assert len(report.checked) == 12 * 4
    assert (report.checked["compared"] > 0).all()
    assert (report.checked["changed"] == 0).all()
    assert report.violations.empty
    assert "48 other futures after 12 cuts" in report.message


def zscore(prices: Frame) -> Frame:
    returns = prices.pct_change()
    return ((returns - returns.mean()) / returns.std()).clip(lower=0.0)


def fitted(prices: Frame) -> Frame:
    returns = prices.pct_change().fillna(0.0)
    slopes = {name: np.polyfit(returns[name][:-1], returns[name][1:], 1)[0] for name in returns}
    return returns * pd.Series(slopes) > 0.0


PLANTED: dict[str, Decide] = {
    "one bar ahead": lambda prices: prices.pct_change().shift(-1),
    "one bar ahead, by sign": lambda prices: (prices.shift(-1) > prices).astype(float),
    "one bar ahead, best two": lambda prices: top_two(prices.shift(-1).ffill()),
    "one bar ahead, allocated": lambda prices: allocated(prices.shift(-1).ffill()),
    "centred window": lambda prices: prices.rolling(5, center=True).mean(),
    "centred window, by sign": lambda prices: prices.rolling(5, center=True, min_periods=1).mean() < prices,
    "full-sample z-score": zscore,
    "full-sample z-score, allocated": lambda prices: allocate(zscore(prices).fillna(0.0), Limits(1.0, 0.0)).weights,
    "full-sample rank": lambda prices: prices.rank(pct=True),
    "full-sample quantile": lambda prices: prices > prices.quantile(0.8),
    "fit on the whole sample": fitted,
    "backward fill of a warm-up": lambda prices: momentum(prices).bfill(),
    "the month's last close": lambda prices: prices.resample("MS").last().reindex(prices.index, method="ffill"),
    "rows without an answer dropped": lambda prices: prices.where(prices.shift(-1) > prices).dropna(how="any"),
    "ends on the last row": lambda prices: prices / prices.iloc[-1],
    "a column that comes later": lambda prices: prices.loc[:, prices.iloc[-1] > 100.0],
}


@pytest.mark.parametrize("decide", PLANTED.values(), ids=PLANTED)
def test_planted_look_aheads_are_found(decide: Decide, closes: Frame) -> None:
    report = check_causality(decide, closes, 12)
    assert not report.passed, report.message
    assert len(report.violations) >= 3
    assert (report.violations["row"] <= report.violations["cut"]).all()
    with pytest.raises(SpecificationError, match="knew the future") as caught:
        report.require()
    first = report.violations["row"].min()
    assert caught.value.where is not None
    assert caught.value.where.startswith(str(first.date()))


@pytest.mark.parametrize("way", ["scaled", "jump", "reversed", "truncated"])
def test_each_perturbation_finds_a_look_ahead_alone(way: str, closes: Frame) -> None:
    cuts = [0, 50, 100, 150, 200, 250]
    report = check_causality(lambda prices: prices.pct_change().shift(-1), closes, cuts, perturbations=[way])
    assert len(report.violations) == 6
    assert set(report.violations["perturbation"]) == {way}
    assert (report.violations["row"] == report.violations["cut"]).all()
    # One decision a column knows one bar ahead: that of the cut itself.
    assert (report.checked["changed"] == 3).all()


def test_the_first_decision_that_changes_is_named_with_its_values(closes: Frame) -> None:
    # Three bars ahead: decisions of the cut and of the two rows before it change, A only.
    def decide(prices: Frame) -> Frame:
        return prices.assign(A=prices["A"].shift(-3), B=1.0)

    cut = closes.index[100]
    report = check_causality(decide, closes, [cut], perturbations=["truncated", "jump"])
    assert report.violations["row"].tolist() == [closes.index[98]] * 2
    assert report.violations["column"].tolist() == ["A", "A"]
    assert report.violations["before"].tolist() == [closes["A"].iloc[101]] * 2
    assert np.isnan(report.violations["after"].iloc[0])
    assert report.checked["compared"].tolist() == [303, 303]
    assert report.checked["changed"].tolist() == [3, 3]
    assert report.checked["responded"].isna().tolist() == [True, False]
    assert f"{closes.index[98].date()}, column 'A' was" in report.message
    assert "is cut off" in report.message
    assert repr(report).startswith("CausalityReport(failed: ")


def test_every_row_as_a_cut_agrees_with_cutting_row_by_row(closes: Frame) -> None:
    # The obvious twin: decide on the first k rows alone, for each k.
    def sometimes(prices: Frame) -> Frame:
        late = np.arange(len(prices)) % 7 == 0
        return prices.mask(np.repeat(late[:, None], 3, axis=1), prices.shift(-1))

    short = closes.iloc[:60]
    whole = sometimes(short)
    wanted = []
    for k in range(59):
        alone = sometimes(short.iloc[: k + 1])
        if not alone.equals(whole.iloc[: k + 1]):
            wanted.append(short.index[k])
    found = check_causality(sometimes, short, range(59), perturbations=["truncated"])
    assert found.violations["cut"].tolist() == wanted
    assert wanted == list(short.index[:59:7])


def test_a_backward_fill_inside_is_found_where_a_value_is_missing(closes: Frame) -> None:
    holes = closes.copy()
    holes.iloc[133, 1] = np.nan
    holes.iloc[200:203, 2] = np.nan
    for filled in (lambda prices: prices.bfill(), lambda prices: prices.interpolate()):
        report = check_causality(filled, holes, 4)
        assert set(report.violations["row"]) == {holes.index[133], holes.index[200]}
        assert {holes.index[133], *holes.index[200:203]} < set(report.checked["cut"])
    assert check_causality(lambda prices: prices.ffill(), holes, 4).passed


def _late(decide: Callable[[Any], Any]) -> Decide:
    return lambda data: decide(data).shift(-1)


def test_decisions_of_any_kind_are_compared(closes: Frame) -> None:
    kinds: dict[str, Callable[[Any], Any]] = {
        "bool": lambda price: price.pct_change() > 0.0,
        "str": lambda price: (price.pct_change() > 0.0).map({True: "in", False: "out"}),
        "category": lambda price: (price.pct_change() > 0.0).map({True: "in", False: "out"}).astype("category"),
        "Int64": lambda price: (price.pct_change() > 0.0).astype("Int64").where(price.notna().cumsum() > 5),
        "complex": lambda price: price.pct_change().fillna(0.0) * 1j,
        "date": lambda price: pd.Series(price.index, price.index).where(price.pct_change() > 0.0),
    }
    for kind, decide in kinds.items():
        assert check_causality(decide, closes["A"], 10).passed, kind
        late = check_causality(_late(decide), closes["A"], 10)
        assert not late.passed, kind
    late = check_causality(lambda price: price.shift(-1) > price, closes["A"], 20)
    assert {type(value) for value in late.violations["before"]} <= {bool, np.bool_}


def test_a_series_and_a_series_of_decisions(closes: Frame) -> None:
    series = closes["A"].rename("A")
    good = check_causality(lambda price: price.rolling(10).mean() < price, series)
    bad = check_causality(lambda price: price.shift(-1) > price, series)
    assert good.passed
    assert not bad.passed
    assert bad.violations["column"].tolist() == [None] * len(bad.violations)
    assert "column" not in str(bad.violations["row"].iloc[0])
    assert ", column" not in bad.message
    assert check_causality(lambda price: price.to_numpy(), series).passed
    assert not check_causality(lambda price: np.roll(price.to_numpy(), -1), series).passed


def test_tables_with_dates_of_their_own(closes: Frame) -> None:
    rng = np.random.default_rng(1)
    index = pd.Series(20 * np.exp(rng.normal(0.0, 0.1, 100)), index=closes.index[50:250:2], name="VIX")

    def exposure(data: dict[str, Any], fill: str = "ffill") -> Frame:
        level = data["vix"].reindex(data["closes"].index)
        level = level.ffill() if fill == "ffill" else level.bfill()
        held: Frame = top_two(data["closes"]).mul((20.0 / level).clip(upper=1.0), axis=0)
        return held

    data: dict[str, pd.DataFrame | pd.Series] = {"closes": closes, "vix": index}
    report = check_causality(exposure, data, 9)
    assert report.passed, report.message
    assert not report.vacuous
    assert not check_causality(lambda given: exposure(given, "bfill"), data, 9).passed
    with pytest.raises(ShapeError, match="different dates"):
        check_causality(lambda given: given["closes"].to_numpy(), data)


def test_bars_stay_bars(random_bars: Frame) -> None:
    def decide(bars: Frame) -> pd.Series:
        market = OHLCV(bars)  # refuses a high below the close
        return (market.frame["close"] > market.frame["open"]).astype(float)

    report = check_causality(decide, random_bars, 6)
    assert report.passed
    assert not report.vacuous
    panel = pd.concat({"X": random_bars, "Y": random_bars * 2.0}, axis=1)
    found = check_causality(
        lambda both: pd.DataFrame({name: decide(both[name]) for name in ("X", "Y")}), panel, 6, perturbations=["scaled"]
    )
    assert found.passed
    with pytest.raises(InputError) as caught:
        check_causality(decide, random_bars.assign(volume=random_bars["close"]), 3, perturbations=[_broken])
    assert any("changed by _broken after" in note for note in caught.value.__notes__)


def test_a_whole_chain_of_features_and_regimes(random_bars: Frame) -> None:
    def regimes(bars: Frame) -> pd.Series:
        return classify_regimes(compute_features(OHLCV(bars)))

    report = check_causality(regimes, random_bars, 6)
    assert report.passed, report.message
    assert not report.vacuous
    late = check_causality(lambda bars: regimes(bars).shift(-1), random_bars, 6)
    assert not late.passed


def _broken(future: Frame, generator: np.random.Generator) -> Frame:
    return future.assign(high=future["low"] * 0.5)


@pytest.fixture(scope="module")
def random_bars() -> Frame:
    rng = np.random.default_rng(4)
    close = 50 * np.exp(rng.normal(0.0, 0.01, 120).cumsum())
    start = close * np.exp(rng.normal(0.0, 0.005, 120))
    return pd.DataFrame(
        {
            "open": start,
            "high": np.maximum(start, close) * 1.002,
            "low": np.minimum(start, close) * 0.998,
            "close": close,
            "volume": rng.integers(1000, 9000, 120).astype(float),
        },
        index=pd.bdate_range("2023-01-02", periods=120),
    )


def test_labels_flags_and_counts_stay_valid() -> None:
    rng = np.random.default_rng(2)
    names = np.array(["calm", "stress"])
    data = pd.DataFrame(
        {
            "regime": rng.integers(1, 6, 200),
            "open": rng.random(200) < 0.5,
            "mood": pd.Categorical(names[rng.integers(0, 2, 200)]),
            "word": names[rng.integers(0, 2, 200)],
            "counts": pd.array(rng.integers(1, 9, 200), dtype="Int64"),
        },
        index=pd.date_range("2024-01-01", periods=200),
    )

    def decide(table: Frame) -> Frame:
        assert table["regime"].isin(range(1, 6)).all()
        assert table["open"].dtype == bool
        assert set(table["mood"]) <= set(names)
        assert table["counts"].dtype == "Int64"
        return table

    assert check_causality(decide, data, 5).passed
    for column in data.columns:
        late = check_causality(lambda table: table.shift(-1), data[[column]], 10)
        assert not late.passed, column
        assert set(late.violations["column"]) == {column}
    counts = data[["regime"]]
    assert not check_causality(lambda table: table / table.mean(), counts, 5, perturbations=["scaled"]).passed


def test_returns_change_their_signs(closes: Frame) -> None:
    returns = closes.pct_change().fillna(0.0)
    report = check_causality(lambda table: np.sign(table.shift(-1)), returns, 20, perturbations=["scaled", "jump"])
    assert len(report.violations) >= 30  # of 40; three columns keep all their signs one time in eight


def test_decisions_that_ignore_the_data_are_called_vacuous(closes: Frame) -> None:
    report = check_causality(lambda prices: closes.shift(-1).reindex(prices.index), closes, 5)
    assert report.vacuous
    assert "depend on the data passed" in report.message
    seasonal = check_causality(lambda prices: pd.Series(prices.index.month == 1, index=prices.index), closes, 5)
    assert seasonal.passed
    assert seasonal.vacuous
    cut_off = check_causality(lambda prices: prices.rolling(3).mean(), closes, 5, perturbations=["truncated"])
    assert not cut_off.vacuous


def test_what_decide_does_to_its_data_harms_nobody(closes: Frame) -> None:
    before = closes.copy()

    def decide(prices: Frame) -> Frame:
        prices.iloc[:, 0] = 1.0
        prices["D"] = 2.0
        return prices

    assert check_causality(decide, closes, 3).passed
    pd.testing.assert_frame_equal(closes, before)


def test_decisions_that_cannot_be_repeated(closes: Frame) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(SpecificationError, match="differ between two runs"):
        check_causality(lambda prices: prices * rng.random(), closes)
    seeded = check_causality(lambda prices: prices * np.random.default_rng(0).random(), closes)
    assert seeded.passed


def test_rounding_is_forgiven_when_asked_for(closes: Frame) -> None:
    def decide(prices: Frame) -> Frame:
        return prices * (1.0 + 1e-14 * len(prices))

    strict = check_causality(decide, closes, 4)
    assert set(strict.violations["perturbation"]) == {"truncated"}
    assert check_causality(decide, closes, 4, rtol=1e-11).passed
    assert check_causality(decide, closes, 4, atol=1e-8).passed
    assert not check_causality(decide, closes, 4, rtol=1e-13).passed


def test_an_infinite_decision_is_not_near_a_finite_one(closes: Frame) -> None:
    def decide(prices: Frame) -> Frame:
        return prices if len(prices) == ROWS else prices * np.inf

    assert not check_causality(decide, closes, 4, rtol=0.1).passed
    assert check_causality(lambda prices: prices * np.inf, closes, 4, rtol=0.1).passed


def test_what_decide_raises_comes_through_with_the_cut(closes: Frame) -> None:
    def decide(prices: Frame) -> Frame:
        if len(prices) < 250:
            raise ZeroDivisionError("too short")
        return prices.rolling(250).mean()

    with pytest.raises(ZeroDivisionError, match="too short") as caught:
        check_causality(decide, closes, [50], perturbations=["jump", "truncated"])
    assert caught.value.__notes__ == [f"check_causality: decide was given data cut off after {closes.index[50].date()}"]
    # The cuts of a number lie where there are decisions, so that the history is long enough.
    assert check_causality(decide, closes, 8).passed
    assert check_causality(decide, closes, 8).checked["cut"].min() >= closes.index[249]


def test_cuts_may_be_numbers_rows_or_dates(closes: Frame) -> None:
    def cuts(given: Any, data: Frame = closes) -> list[pd.Timestamp]:
        report = check_causality(lambda prices: prices, data, given, perturbations=["truncated"])
        assert report.checked["cut"].is_monotonic_increasing
        return report.checked["cut"].tolist()

    days = closes.index
    assert cuts([10, 5]) == [days[5], days[10]]
    assert cuts(np.array([0, 298])) == [days[0], days[298]]
    assert cuts([str(days[7].date())]) == [days[7]]
    assert cuts(days[[3, 9]]) == [days[3], days[9]]
    saturday = pd.Timestamp("2022-01-08")
    assert saturday not in days
    assert cuts([saturday]) == [saturday]
    assert len(cuts(8)) == 8
    assert cuts(1000) == list(days[:-2])
    assert cuts(5, closes.iloc[:2]) == [days[0]]
    hours = closes.set_axis(pd.date_range("2024-01-01", periods=ROWS, freq="h", tz="UTC"))
    assert cuts(["2024-01-02 00:00+00:00"], hours) == [pd.Timestamp("2024-01-02", tz="UTC")]


@pytest.mark.parametrize(
    "cuts",
    [0, -1, [], [299], [-1], ["2021-12-31"], ["2030-01-01"], ["soon"], [None], "2022-02-01", True, [True], [1.5], 2.0],
    ids=repr,
)
def test_bad_cuts(cuts: Any, closes: Frame) -> None:
    with pytest.raises(SpecificationError, match="cut"):
        check_causality(lambda prices: prices, closes, cuts)


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": -1},
        {"seed": 0.5},
        {"rtol": -1e-9},
        {"atol": float("nan")},
        {"perturbations": ()},
        {"perturbations": "jump"},
        {"perturbations": ["leap"]},
    ],
    ids=repr,
)
def test_bad_settings(settings: dict[str, Any], closes: Frame) -> None:
    with pytest.raises(SpecificationError):
        check_causality(lambda prices: prices, closes, **settings)


def test_data_and_decisions_that_cannot_be_used(closes: Frame) -> None:
    same: Decide = lambda prices: prices  # noqa: E731
    for data in ({}, [1.0, 2.0], closes.to_numpy(), {"a": 1.0}):
        with pytest.raises(ShapeError):
            check_causality(same, data)  # type: ignore[arg-type]
    for table in (closes.iloc[::-1], closes.reset_index(drop=True), closes[["A", "A"]]):
        with pytest.raises(LabelError):
            check_causality(same, table)
    with pytest.raises(SpecificationError, match="no row that could be the future"):
        check_causality(same, closes.iloc[:1])
    with pytest.raises(LabelError, match="time zone"):
        check_causality(same, {"a": closes, "b": closes.tz_localize("UTC")})
    with pytest.raises(LabelError, match="time zone"):
        check_causality(lambda prices: prices.tz_localize("UTC"), closes)
    with pytest.raises(LabelError, match="time zone"):
        check_causality(same, closes, ["2022-03-01 00:00+00:00"])
    for decide in (
        lambda prices: prices.to_numpy()[5:],
        lambda prices: prices.to_numpy()[:, :, None],
        lambda prices: allocate(prices),
        lambda prices: pd.concat([prices, prices], axis=1),
    ):
        with pytest.raises(ShapeError, match="decisions"):
            check_causality(decide, closes)
    with pytest.raises(LabelError, match="table of decisions"):
        check_causality(lambda prices: prices.reset_index(drop=True), closes)


def test_an_own_perturbation(closes: Frame) -> None:
    def doubled(future: Frame, generator: np.random.Generator) -> Frame:
        assert isinstance(generator, np.random.Generator)
        return future * 2.0

    report = check_causality(lambda prices: prices.shift(-1), closes, 3, perturbations=[doubled, "jump"])
    assert set(report.violations["perturbation"]) == {"doubled", "jump"}
    single = check_causality(lambda price: price.shift(-1), closes["A"], 3, perturbations=[doubled])
    assert len(single.violations) == 3
    for wrong in (lambda future, generator: future.iloc[1:], lambda future, generator: future.to_numpy()):
        with pytest.raises(ShapeError, match="own perturbation"):
            check_causality(lambda prices: prices, closes, 3, perturbations=[wrong])


def test_the_same_seed_gives_the_same_futures(closes: Frame) -> None:
    def seen(seed: int) -> list[float]:
        given: list[float] = []

        def decide(prices: Frame) -> Frame:
            given.append(prices["A"].to_numpy()[-1])
            return prices

        check_causality(decide, closes, 3, seed=seed, perturbations=["scaled", "jump"])
        return given

    assert seen(1) == seen(1)
    assert seen(1) != seen(2)


@settings(max_examples=40)
@given(cut=st.integers(0, 58), seed=st.integers(0, 99), missing=st.booleans())
def test_the_past_is_left_alone_and_prices_stay_prices(cut: int, seed: int, missing: bool) -> None:
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2024-01-01", periods=60)
    prices = pd.DataFrame(np.exp(rng.normal(size=(60, 2))), index=days, columns=["A", "B"])
    if missing:
        prices.iloc[rng.integers(60, size=5), 0] = np.nan
    given: list[Frame] = []

    def decide(table: Frame) -> Frame:
        given.append(table)
        return table

    check_causality(decide, prices, [cut], seed=seed)
    assert len(given) == 6
    for table in given[2:5]:
        assert table.index.equals(days)
        assert table.columns.equals(prices.columns)
        pd.testing.assert_frame_equal(table.iloc[: cut + 1], prices.iloc[: cut + 1], check_freq=False)
        assert ((table > 0.0) | table.isna()).all(axis=None)
        assert table.isna().sum().equals(prices.isna().sum())
        if prices.iloc[cut + 1 :].nunique().min() > 1:
            assert not table.equals(prices)
    pd.testing.assert_frame_equal(given[5], prices.iloc[: cut + 1], check_freq=False)


SCHEDULES: list[Schedule] = [EveryRows(10, start=30), Calendar("MS", row=4), MinimumGap("7D", start=3)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.label)
def test_schedules_are_causal(schedule: Schedule, closes: Frame) -> None:
    def decide(prices: Frame) -> Frame:
        held = top_two(prices)
        rows = schedule.rows(pd.DatetimeIndex(prices.index))
        return held.where(np.repeat(rows[:, None], 3, axis=1)).ffill()

    report = check_causality(decide, closes, 20)
    assert report.passed, report.message
    assert not report.vacuous
