"""All windows, resampled histories, and the ladder as a sleeve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import Limits, allocate
from allocopt.backtests.accounting import Execution, Financing, account
from allocopt.backtests.studies import check_causality
from allocopt.backtests.volatility_alpha import (
    BootstrapStudy,
    LadderSleeve,
    VolatilityAlpha,
    WindowStudy,
    bars_from_closes,
)
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

Bars = Callable[..., pd.DataFrame]
FRACTIONAL = VolatilityAlpha(shares="fractional")
CUTS = (5, 21, 40, 64, 100)


@pytest.fixture
def closes(random_bars: Bars) -> pd.DataFrame:
    table = pd.DataFrame({name: random_bars(seed, 360)["close"] for seed, name in enumerate(("A", "B", "C"))})
    table.iloc[:100, 1] = np.nan
    table.iloc[150:, 2] = np.nan
    return table


@pytest.mark.parametrize(("path", "lots"), [("flat", "fifo"), ("joined", "lifo")])
def test_a_window_is_a_run(closes: pd.DataFrame, path: Any, lots: Any) -> None:
    rates = Financing(lending=0.02, borrowing=0.07, periods_per_year=252)
    ladder = VolatilityAlpha(lots=lots, financing=rates, fee=0.001, shares="integer")
    study = WindowStudy(
        n=(6, 16), profit_sharing=(0.25, 1.0), window=200, step=7, ladder=ladder, shares=1000, path=path,
        allow=("split",),
    )  # fmt: skip
    found = study.run(closes)
    assert found.starts == {"A": 23, "B": 9}, "C is too short"
    for n, sharing in ((6, 1.0), (16, 0.25)):
        table = found.cell(n, sharing)
        assert len(table) == 32
        for row in (0, 22, 31):
            window = table.iloc[row]
            history = bars_from_closes(closes[window["ticker"]].dropna(), path=path)
            one = replace(ladder, n=n, profit_sharing=sharing).compare(
                history, start=window["start"], end=window["end"], shares=1000, allow=("split",)
            )
            figures = one.table.astype({"total_return": float, "max_drawdown": float})
            assert len(one.results["buy_and_hold"].equity) == 200
            assert window["full"] == pytest.approx(figures.loc["full", "total_return"], rel=1e-12)
            assert window["ath_only"] == pytest.approx(figures.loc["ath_only", "total_return"], rel=1e-12)
            assert window["buy_and_hold"] == pytest.approx(figures.loc["buy_and_hold", "total_return"], rel=1e-12)
            assert window["full_drawdown"] == pytest.approx(figures.loc["full", "max_drawdown"], rel=1e-12)
            assert window["max_drawdown"] == pytest.approx(figures.loc["buy_and_hold", "max_drawdown"], rel=1e-12)
            assert window["minimum_bank"] == pytest.approx(figures.loc["full", "minimum_bank"], rel=1e-12)
            assert window["realised"] == pytest.approx(figures.loc["full", "realised_lots"], rel=1e-9, abs=1e-12)
            assert (window["buys"], window["sells"]) == (figures.loc["full", "buys"], figures.loc["full", "sells"])
            held = one.results["buy_and_hold"].equity
            volatility = np.diff(np.log(held)).std(ddof=1) * np.sqrt(252)
            assert window["volatility"] == pytest.approx(volatility, rel=1e-9)
            moved = abs(np.log1p(window["buy_and_hold"])) / (volatility * np.sqrt(199 / 252))
            assert window["displacement"] == pytest.approx(moved, rel=1e-9)
    distribution = found.distribution
    assert distribution.index.tolist() == [(6, 0.25), (6, 1.0), (16, 0.25), (16, 1.0)]
    table = found.cell(6, 1.0)
    chosen = distribution.iloc[1]
    assert chosen["beats"] == (table["full"] > table["buy_and_hold"]).mean()
    assert chosen["q05"] == pytest.approx((table["full"] - table["buy_and_hold"]).quantile(0.05))
    assert chosen["ratio_q50"] == pytest.approx(((1 + table["full"]) / (1 + table["buy_and_hold"])).median())
    assert found.by_ticker(6, 1.0)["windows"].to_dict() == {"A": 23, "B": 9}
    groups = found.by_condition(6, 1.0, "buy_and_hold", (-1.0, 0.0, 10.0))
    assert groups["windows"].sum() == 32
    assert groups["windows"].iloc[0] == (table["buy_and_hold"] < 0.0).sum()
    assert found.by_condition(6, 1.0, "volatility", 4)["windows"].sum() == 32
    assert "4 ladders, 2 tickers, 32 windows" in repr(found)


def test_threads_and_tables_of_bars_change_nothing(random_bars: Bars) -> None:
    data = {"A": random_bars(0), "B": random_bars(1)}
    one = WindowStudy(n=(8,), window=120, allow=("split",)).run(data)
    two = WindowStudy(n=(8,), window=120, allow=("split",), n_jobs=2).run(data)
    pd.testing.assert_frame_equal(one.cell(8, 0.5), two.cell(8, 0.5))


def test_a_ruined_window_is_counted(through: Bars) -> None:
    found = WindowStudy(n=(16,), profit_sharing=(0.5,), window=199).run({"A": through(100.0, 20.0, 100.0)})
    table = found.cell(16, 0.5)
    assert table["ruined"].sum() > 0
    assert (table.loc[table["ruined"], "full"] <= -1.0).all()
    assert found.distribution["ruined"].iloc[0] == table["ruined"].mean()
    cash = WindowStudy(n=(16,), profit_sharing=(0.5,), window=199, ladder=replace(FRACTIONAL, margin=False))
    assert not cash.run({"A": through(100.0, 20.0, 100.0)}).cell(16, 0.5)["ruined"].any()


def test_figure_of_the_windows(closes: pd.DataFrame) -> None:
    found = WindowStudy(n=(8,), profit_sharing=(0.5,), window=120, allow=("split",)).run(closes)
    figure = found.figure(8, 0.5)
    left, right = figure.axes
    assert {label.get_text() for label in left.get_yticklabels()} == {"A", "B", "C"}
    assert "buy-and-hold" in left.get_xlabel()
    assert "%" in right.get_ylabel()
    assert f"{sum(found.starts.values()):,} windows" in figure.get_suptitle()


def test_studies_refuse_what_makes_no_sense(closes: pd.DataFrame, random_bars: Bars) -> None:
    wrongs: list[dict[str, Any]] = [
        {"window": 1}, {"step": 0}, {"n": ()}, {"n": "8"}, {"n": (8, 8)}, {"profit_sharing": (50,)}, {"path": "round"},
        {"ladder": "sd8"}, {"periods_per_year": 0}, {"n_jobs": True}, {"allow": "split"},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(SpecificationError):
            WindowStudy(**wrong)
    study = WindowStudy(n=(8,), profit_sharing=(0.5,), window=100, allow=("split",))
    with pytest.raises(ShapeError, match="no history is as long"):
        replace(study, window=500).run(closes)
    with pytest.raises(ShapeError, match="neither a table"):
        study.run([1.0])  # type: ignore[arg-type]
    holes = closes.copy()
    holes.iloc[50, 0] = np.nan
    with pytest.raises(InputError, match="is missing or infinite at 2001-02-2") as caught:
        study.run(holes)
    assert caught.value.__notes__ == ["in the history of A"]
    with pytest.raises(InputError, match="fewer than one lot") as few:
        replace(study, ladder=VolatilityAlpha(), shares=3).run(closes)
    assert "A, n 8, profit_sharing 0.5, bought 2001-01-01" in few.value.__notes__[0]
    found = study.run(closes)
    with pytest.raises(SpecificationError, match="n is none of the study's"):
        found.cell(6, 0.5)
    with pytest.raises(SpecificationError, match="profit_sharing is none of the study's"):
        found.cell(8, 0.25)
    with pytest.raises(SpecificationError, match="the condition is unknown"):
        found.by_condition(8, 0.5, "luck")  # type: ignore[arg-type]
    edges: Any
    for edges in ((1.0, 0.0), (1.0,), 0, True):
        with pytest.raises(SpecificationError, match="edges"):
            found.by_condition(8, 0.5, "volatility", edges)
    settings: list[dict[str, Any]] = [
        {"window": 2}, {"replications": 0}, {"seed": -1}, {"block": 0}, {"block": 2.5}, {"ladder": None},
    ]  # fmt: skip
    for setting in settings:
        with pytest.raises(SpecificationError):
            BootstrapStudy(**setting)
    rate = pd.Series([0.01], index=pd.DatetimeIndex(["2001-01-01"]))
    with pytest.raises(SpecificationError, match="rates by date"):
        BootstrapStudy(replace(FRACTIONAL, financing=Financing(lending=rate, borrowing=0.0, periods_per_year=252)))
    edges_of_none: Any
    resampled = BootstrapStudy(window=10, replications=2, block=5, allow=("split",)).run(random_bars(0, 60))
    for edges_of_none in ((1.0, 0.5), (90.0, 99.0)):
        with pytest.raises(SpecificationError, match="edges"):
            resampled.by_displacement(edges_of_none)
    with pytest.raises(ShapeError, match="too few bars"):
        BootstrapStudy(window=10).run(random_bars(0, 40), end="2001-02-08")


def test_resampled_histories_are_made_of_the_bars(random_bars: Bars) -> None:
    """Drawn bar by bar and back together, a history of one repeated bar is known in closed form."""
    factors = np.array([1.01, 1.03, 0.99, 1.02])
    closes = 100.0 * 1.02 ** np.arange(80)
    rows = np.vstack(([100.0] * 4, factors * closes[:-1, None]))
    table = pd.DataFrame(rows, columns=["open", "high", "low", "close"], index=pd.date_range("2001-01-01", periods=80))
    found = BootstrapStudy(VolatilityAlpha(8, shares="fractional"), window=120, replications=3, block=5).run(table)
    assert found.outcomes["buy_and_hold"].tolist() == pytest.approx([1.02**119 - 1.0] * 3)
    long = 100.0 * 1.02 ** np.arange(120)
    again = pd.DataFrame(np.vstack(([100.0] * 4, factors * long[:-1, None])), columns=table.columns,
                         index=pd.date_range("2001-01-01", periods=120))  # fmt: skip
    run = VolatilityAlpha(8, shares="fractional").compare(again).table["total_return"]
    for name in ("full", "ath_only", "ath_sell"):
        assert found.outcomes[name].tolist() == pytest.approx([run[name]] * 3)


def test_bootstrap_is_seeded_and_shows_when_the_ladder_wins(random_bars: Bars) -> None:
    table = random_bars(4, 600, 0.02)
    study = BootstrapStudy(VolatilityAlpha(16, shares="fractional"), window=500, replications=100, allow=("split",))
    one, two = study.run(table), study.run(table)
    pd.testing.assert_frame_equal(one.outcomes, two.outcomes)
    assert not replace(study, seed=1).run(table).outcomes.equals(one.outcomes)
    assert one.block >= 1
    assert replace(study, block=20, replications=2).run(table).block == 20
    groups = one.by_displacement()
    assert groups["windows"].sum() == 100
    assert groups["beats"].iloc[0] > 0.9, "the price ends near its start"
    assert groups["beats"].iloc[-1] < 0.1, "it ends far from it"
    assert one.summary["windows"] == 100
    assert "100 histories" in repr(one)


@pytest.mark.parametrize("name", ["sd6-ath-sell-exact-fractional", "sd8-cash"])
def test_orders_do_not_know_the_future(name: str, random_bars: Bars) -> None:
    ladder = VolatilityAlpha.from_name(name)

    def decide(table: pd.DataFrame) -> pd.DataFrame:
        return ladder.run(table, shares=10_000, allow=("split", "gap")).orders

    report = check_causality(decide, random_bars(6, 120, 0.02), cuts=CUTS)
    assert report.passed, report.message
    assert not report.vacuous
    early = check_causality(lambda table: decide(table).shift(-1), random_bars(6, 120, 0.02), cuts=CUTS)
    assert not early.passed, "the check sees a shift"


def test_a_fill_is_from_an_order_of_the_date_before(random_bars: Bars) -> None:
    result = VolatilityAlpha(12, shares="fractional").run(random_bars(7), allow=("split",))
    orders = result.orders.shift(1)
    for _, fill in result.transactions.iloc[1:].iterrows():
        order = orders.loc[fill["date"]]
        assert fill["limit"] == order[f"{fill['kind']}_limit"]
        assert fill["shares"] == order[f"{fill['kind']}_shares"]
        better = fill["price"] <= fill["limit"] if fill["kind"] == "buy" else fill["price"] >= fill["limit"]
        assert better


def test_sleeves_go_through_allocate_and_the_ledger(random_bars: Bars) -> None:
    data = {name: random_bars(seed, 300, 0.015) for seed, name in enumerate(("A", "B", "C"))}
    streams = LadderSleeve(n=10).table(data)
    for name, bars in data.items():
        alone = VolatilityAlpha(10, shares="fractional").run(bars, capital=100_000.0)
        np.testing.assert_allclose(streams[name], alone.returns, atol=1e-12)
    trailing = (1.0 + streams).rolling(60).apply(np.prod, raw=True).fillna(0.0).clip(lower=0.0)
    weights = allocate(trailing, Limits(cap=0.4, floor=0.05)).weights
    assert weights.iloc[60:].sum(axis=1).min() > 0.99
    ledger = account(weights, returns=streams, execution=Execution(mode="constant-mix"))
    expected = (weights.shift(1).fillna(0.0) * streams).sum(axis=1)
    np.testing.assert_allclose(ledger.returns, expected, atol=1e-12)


def test_sleeves_on_different_dates_and_renewed(random_bars: Bars) -> None:
    daily = random_bars(0, 120, 0.01)
    work = random_bars(1, 120, 0.01).loc[lambda table: pd.DatetimeIndex(table.index).day_of_week < 5]
    streams = LadderSleeve().table({"coin": daily, "share": work})
    assert streams.index.equals(work.index)
    coin = VolatilityAlpha(8, shares="fractional").run(daily)
    assert (1.0 + streams["coin"]).prod() == pytest.approx(coin.equity[work.index[-1]] / coin.equity[work.index[0]])
    renewed = LadderSleeve(renew=50).run(daily)
    parts = [VolatilityAlpha(8, shares="fractional").run(daily.iloc[i : i + 51]).returns.iloc[1:] for i in (0, 50, 100)]
    np.testing.assert_allclose(renewed.iloc[1:], pd.concat(parts), atol=1e-12)


def test_sleeves_that_cannot_be(through: Bars, random_bars: Bars) -> None:
    with pytest.raises(InputError, match="nothing is left of the ladder sd16-fractional at"):
        LadderSleeve(n=16).run(through(100.0, 20.0))
    assert LadderSleeve(n=16, ladder=replace(FRACTIONAL, margin=False)).run(through(100.0, 20.0)).min() > -1.0
    table = random_bars(0, 50)
    with pytest.raises(LabelError, match="fewer than two dates in common"):
        LadderSleeve(allow=("split",)).table({"A": table.iloc[:20], "B": table.iloc[25:]})
    wrongs: list[dict[str, Any]] = [
        {"renew": 0}, {"renew": 2.5}, {"capital": -1.0}, {"n": -1}, {"ladder": "sd8"}, {"profit_sharing": 50},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(SpecificationError):
            LadderSleeve(**wrong)
    with pytest.raises(SpecificationError, match="no bars by ticker"):
        LadderSleeve().table({})
