"""The trend basket against its rules written out in plain Python, its identities, and what was published."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import InputError, LabelError, Limits, ProportionalCost, ShapeError, SpecificationError
from allocopt.backtests.studies import check_causality
from allocopt.backtests.trend_basket import PUBLISHED, TrendBasket, decide, regular_closes


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _std(values: list[float]) -> float:
    m = _mean(values)
    return math.sqrt(math.fsum((x - m) ** 2 for x in values) / (len(values) - 1))


def plain_run(basket: TrendBasket, closes: pd.DataFrame) -> dict[str, Any]:
    """The rules, row by row, on lists."""
    p = closes.to_numpy().tolist()
    rows, n = closes.shape
    r = [[0.0] * n] + [[p[t][k] / p[t - 1][k] - 1.0 for k in range(n)] for t in range(1, rows)]
    fee, lev = 0.0004, basket.leverage
    controlled = [0.0] * n
    decided: list[list[float]] = []
    scales: list[float] = []
    book: list[float] = []
    for t in range(rows):
        book.append(sum(c * x for c, x in zip(controlled, r[t], strict=True)))
        if t >= basket.warm_up and (t - basket.warm_up - basket.offset) % basket.interval == 0:
            momentum = [p[t][k] / p[t - basket.momentum][k] - 1.0 for k in range(n)]
            calm = _std([r[s][0] for s in range(t - basket.volatility_window + 1, t + 1)]) <= basket.volatility_cap
            above = p[t][0] > _mean([p[s][0] for s in range(t - basket.market_trend + 1, t + 1)])
            chosen: list[int] = []
            if calm and above and momentum[0] > basket.min_market_momentum:
                chosen = [
                    k for k in range(n)
                    if momentum[k] > basket.min_momentum
                    and p[t][k] > _mean([p[s][k] for s in range(t - basket.trend + 1, t + 1)])
                ]  # fmt: skip
                chosen = sorted(chosen, key=lambda k: -momentum[k])[: basket.top]
            controlled = [basket.exposure / len(chosen) if k in chosen else 0.0 for k in range(n)]
        window = book[-basket.volatility_window :] if t >= basket.volatility_window - 1 else []
        realized = _std(window) * math.sqrt(8760.0) if window else 0.0
        scales.append(min(1.0, basket.volatility_target / realized) if realized > 0.0 else 1.0)
        decided.append([c * scales[-1] for c in controlled])
    executed = [[0.0] * n, *decided[:-1]]
    equity = [1.0]
    turnover = [0.0]
    for t in range(1, rows):
        turnover.append(sum(abs(a - b) for a, b in zip(executed[t], executed[t - 1], strict=True)))
        earned = sum(a * x for a, x in zip(executed[t], r[t], strict=True))
        equity.append(equity[-1] * (1.0 + lev * earned - lev * fee * turnover[-1]))
    trades = []
    for k in range(n):
        value = None
        for t in range(1, rows):
            cost = fee * lev * abs(executed[t][k] - executed[t - 1][k])
            if executed[t][k] > 0.0:
                value = (1.0 if value is None else value) * (1.0 + lev * executed[t][k] * r[t][k] - cost)
            elif value is not None:
                trades.append(value * (1.0 - cost))
                value = None
        if value is not None:
            trades.append(value)
    return {"executed": executed, "equity": equity, "turnover": turnover, "trades": trades, "scales": scales}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"offset": 7},
        {"leverage": 1.5, "exposure": 1.0},
        {"top": 1, "min_momentum": 0.02},
        {"volatility_cap": 0.0078, "volatility_target": 0.1},
    ],
)
def test_run_is_the_rules_row_by_row(small: TrendBasket, closes: pd.DataFrame, change: dict[str, Any]) -> None:
    basket = replace(small, **change)
    result, plain = basket.run(closes), plain_run(basket, closes)
    assert len(plain["trades"]) >= 5
    np.testing.assert_allclose(result.executed.to_numpy(), plain["executed"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.equity.to_numpy(), plain["equity"], rtol=1e-10)
    np.testing.assert_allclose(result.turnover.to_numpy(), plain["turnover"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.trades["value"].to_numpy(), plain["trades"], rtol=1e-10)
    metrics = result.metrics
    wins = [v for v in plain["trades"] if v > 1.0]
    assert metrics["trades"] == len(plain["trades"])
    assert metrics["win_rate"] == pytest.approx(len(wins) / len(plain["trades"]))
    losses = sum(1.0 - v for v in plain["trades"] if v < 1.0)
    assert metrics["profit_factor"] == pytest.approx(sum(v - 1.0 for v in wins) / losses, rel=1e-7)
    peak, worst = 1.0, 0.0
    for value in plain["equity"]:
        peak = max(peak, value)
        worst = max(worst, 1.0 - value / peak)
    years = (len(closes) - 1) / 8760.0
    total = plain["equity"][-1] - 1.0
    assert metrics["total_return"] == pytest.approx(total, rel=1e-8)
    assert metrics["annualized_return"] == pytest.approx((1.0 + total) ** (1.0 / years) - 1.0, rel=1e-8)
    assert metrics["max_drawdown"] == pytest.approx(worst, rel=1e-8)
    assert metrics["calmar"] == pytest.approx(metrics["annualized_return"] / metrics["max_drawdown"])
    assert metrics["turnover"] == pytest.approx(sum(plain["turnover"]), rel=1e-8)
    assert metrics["turnover_per_year"] == pytest.approx(sum(plain["turnover"]) / years, rel=1e-8)


def test_every_rule_of_the_small_basket_is_at_work(small: TrendBasket, closes: pd.DataFrame) -> None:
    result = small.run(closes)
    assert not {"top", "volatility_cap", "volatility_target"} & set(result.never_binding)
    for stricter in ("min_momentum", "min_market_momentum"):
        assert stricter not in replace(small, **{stricter: 0.05}).run(closes).never_binding  # type: ignore[arg-type]
    assert (result.decisions.scale < 1.0).any()
    assert result.trades["sleeve"].nunique() == 3


def test_turnover_splits_and_sums_to_the_whole(small: TrendBasket, closes: pd.DataFrame) -> None:
    m = small.run(closes).metrics
    assert min(m["turnover_entry"], m["turnover_inside"], m["turnover_close"]) > 0.0
    parts = m["turnover_entry"] + m["turnover_inside"] + m["turnover_close"]
    assert parts == pytest.approx(m["turnover"], rel=1e-12)


def test_months_chain_to_the_total_and_horizons_slice_the_curve(small: TrendBasket, closes: pd.DataFrame) -> None:
    result = small.run(closes)
    months = result.monthly
    assert months.index.astype(str).tolist() == ["2024-01", "2024-02", "2024-03", "2024-04"]
    assert months["start_equity"].iloc[0] == 1.0
    assert (months["start_equity"].iloc[1:].to_numpy() == months["end_equity"].iloc[:-1].to_numpy()).all()
    assert np.prod(1.0 + months["return"]) == pytest.approx(1.0 + result.metrics["total_return"], rel=1e-12)
    assert months["turnover"].sum() == pytest.approx(result.metrics["turnover"], rel=1e-12)
    assert result.horizons.index.tolist() == ["full"]  # two months of data reach no other horizon
    assert result.horizons.loc["full", "total_return"] == result.metrics["total_return"]


def test_longer_runs_have_more_horizons(small: TrendBasket) -> None:
    hours = pd.date_range("2023-01-01", periods=24 * 400, freq="h")
    t = np.arange(len(hours))
    closes = pd.DataFrame({"BTC": 100.0 * np.exp(0.1 * np.sin(t / 150.0))}, index=hours)
    found = small.run(closes)
    assert found.horizons.index.tolist() == ["full", "1y", "6m", "3m"]
    for name, back in (
        ("1y", pd.DateOffset(years=1)),
        ("6m", pd.DateOffset(months=6)),
        ("3m", pd.DateOffset(months=3)),
    ):
        start = hours[-1] - back
        assert found.horizons.loc[name, "start"] == start
        expected = found.equity.iloc[-1] / found.equity.loc[start] - 1.0
        assert found.horizons.loc[name, "total_return"] == pytest.approx(expected, rel=1e-12)


def test_first_exposure_comes_one_row_after_the_first_signal(small: TrendBasket, closes: pd.DataFrame) -> None:
    result = small.run(closes)
    signal, exposure = result.decisions.first_signal, result.first_exposure
    assert signal is not None
    assert exposure == signal + pd.Timedelta("1h")
    flat = replace(small, min_momentum=1e9).run(closes)
    assert flat.decisions.first_signal is None
    assert flat.first_exposure is None
    assert flat.metrics["trades"] == 0.0
    assert math.isnan(flat.metrics["win_rate"])
    assert flat.equity.eq(1.0).all()


def test_nothing_decided_knows_the_future(small: TrendBasket, closes: pd.DataFrame) -> None:
    report = check_causality(lambda data: decide(small, data).weights, closes, cuts=[300, 700, 1100, 1450])
    assert report.passed, report.message
    planted = check_causality(lambda data: decide(small, data).weights.shift(-1), closes, cuts=[300, 700, 1100, 1450])
    assert not planted.passed


def test_limits_change_with_one_argument(small: TrendBasket, closes: pd.DataFrame) -> None:
    plain = small.run(closes)
    capped = replace(small, limits=Limits(cap=0.40, floor=0.05)).run(closes)
    one = (plain.decisions.composition > 0.0).sum(axis=1)
    assert {1, 2} <= set(one.unique())
    assert plain.decisions.composition.sum(axis=1)[one > 0].eq(1.0).all()
    assert capped.decisions.composition.max().max() == 0.40
    assert capped.decisions.composition.sum(axis=1)[one == 2].eq(0.80).all()
    assert capped.metrics["turnover"] < plain.metrics["turnover"]


def test_weighting_by_momentum_follows_momentum(small: TrendBasket, closes: pd.DataFrame) -> None:
    decisions = replace(small, weighting="momentum").run(closes).decisions
    both = (decisions.composition > 0.0).sum(axis=1) == 2
    first = int((both & decisions.scheduled).to_numpy().argmax())
    weights = decisions.composition.to_numpy()[first]
    momentum = np.where(weights > 0.0, decisions.signals.momentum.to_numpy()[first], 0.0)
    np.testing.assert_allclose(weights, momentum / momentum.sum(), rtol=1e-12)


def test_funding_is_paid_on_positions(small: TrendBasket, closes: pd.DataFrame) -> None:
    rate = pd.DataFrame(1e-5, index=closes.index, columns=closes.columns)
    free, paid = small.run(closes), small.run(closes, funding=rate)
    before = paid.equity.shift(1).iloc[1:]
    expected = -(paid.executed.sum(axis=1) * small.leverage * 1e-5).iloc[1:] * before
    np.testing.assert_allclose(paid.ledger.funding.iloc[1:], expected, rtol=1e-12, atol=1e-18)
    assert paid.metrics["total_return"] < free.metrics["total_return"]
    assert paid.phase_sweep().table.loc[0, "total_return"] == pytest.approx(paid.metrics["total_return"], rel=1e-12)


class TestSweeps:
    def test_each_phase_is_the_run_at_that_offset(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        basket = replace(small, interval=6, offset=2)
        sweep = basket.run(closes).phase_sweep()
        assert sweep.table.index.tolist() == list(range(6))
        for offset in range(6):
            alone = replace(basket, offset=offset).run(closes).metrics
            for name in sweep.table.columns:
                assert sweep.table.loc[offset, name] == pytest.approx(alone[name], rel=1e-12)
        totals = sweep.table["total_return"]
        assert sweep.chosen == 2
        assert sweep.rank == 1 + int((totals > totals.loc[2]).sum())
        assert sweep.summary["values"] == 6
        assert sweep.summary["min"] == totals.min()

    def test_processes_do_not_change_it(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        result = replace(small, interval=4).run(closes)
        pd.testing.assert_frame_equal(result.phase_sweep().table, result.phase_sweep(n_jobs=2).table, check_exact=True)

    def test_costs_times_a_factor_are_another_fee(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        sweep = small.run(closes).cost_sweep((0.0, 2.5))
        assert sweep.table.index.tolist() == [0.0, 1.0, 2.5]
        for factor in (0.0, 1.0, 2.5):
            alone = replace(small, costs=ProportionalCost(0.0004 * factor)).run(closes).metrics
            found = sweep.table[sweep.table.index == factor]
            for name in sweep.table.columns:
                assert found[name].item() == pytest.approx(alone[name], rel=1e-10)

    def test_a_parameter_that_never_binds_is_named(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        idle = replace(small, volatility_cap=0.5, top=3).run(closes)
        assert {"volatility_cap", "top"} <= set(idle.never_binding)
        never = replace(small, volatility_cap=math.inf).run(closes)
        pd.testing.assert_frame_equal(idle.executed, replace(small, top=3, volatility_cap=9.0).run(closes).executed)
        assert "volatility_cap" not in never.never_binding  # it is relaxed already: there is nothing to name

    def test_delivered_volatility_is_that_of_the_returns(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        result = small.run(closes)
        found = result.delivered_volatility
        returns = result.equity.pct_change().iloc[1:]
        assert found["leveraged"] == pytest.approx(returns.std() * math.sqrt(8760.0), rel=1e-9)
        assert found["leveraged"] < small.leverage * found["target"]


class TestNames:
    def test_the_published_name_is_the_default(self) -> None:
        assert TrendBasket().name == PUBLISHED
        assert TrendBasket.from_name(PUBLISHED) == TrendBasket()

    @pytest.mark.parametrize(
        "basket",
        [
            TrendBasket(offset=7, limits=Limits(cap=0.4, floor=0.05), weighting="momentum"),
            TrendBasket(volatility_cap=0.012345678, min_momentum=-0.0125, leverage=1.0, bar="15min"),
            TrendBasket(limits=Limits(cap=1.0, floor=0.0, budget=0.5), min_market_momentum=1e-7),
        ],
    )
    def test_names_hold_every_parameter(self, basket: TrendBasket) -> None:
        again = TrendBasket.from_name(basket.name)
        assert again == basket
        assert again.name == basket.name

    @pytest.mark.parametrize(
        "name",
        ["", "trend_basket-1h", PUBLISHED + "x", PUBLISHED.replace("-lb720", ""), PUBLISHED.replace("top2", "top2.5"),
         PUBLISHED.replace("lb720", "720lb"), PUBLISHED.replace("trend", "mean"), None],
    )  # fmt: skip
    def test_other_names_are_refused(self, name: str) -> None:
        with pytest.raises(SpecificationError, match="not the name of a trend basket"):
            TrendBasket.from_name(name)

    def test_periods_per_year_follow_the_bar(self) -> None:
        assert TrendBasket().periods_per_year == 8760.0
        assert TrendBasket(bar="1D").periods_per_year == 365.0


class TestBadInput:
    @pytest.mark.parametrize(
        "change",
        [
            {"momentum": 0}, {"top": 0}, {"interval": 2.5}, {"offset": 168}, {"volatility_window": 1}, {"bar": "soon"},
            {"volatility_target": 20.0}, {"leverage": -1.0}, {"exposure": math.nan}, {"weighting": "best"},
            {"limits": 0.4}, {"costs": 0.0004}, {"bar": "-1h"},
        ],
    )  # fmt: skip
    def test_parameters(self, change: dict[str, Any]) -> None:
        with pytest.raises((SpecificationError, TypeError)):
            TrendBasket(**change)

    def test_a_missing_hour_is_named(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        with pytest.raises(LabelError, match=r"2024-02-03 03:00:00.*regular_closes"):
            small.run(closes.drop(closes.index[100]))

    def test_a_missing_close_is_named(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        closes.iloc[100, 1] = math.nan
        with pytest.raises(InputError, match=r"2024-02-03 04:00:00.*ETH"):
            small.run(closes)

    def test_too_few_rows(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        with pytest.raises(ShapeError, match="more than 96 rows"):
            small.run(closes.iloc[:96])

    def test_the_market_coin_must_be_clear(self, small: TrendBasket, closes: pd.DataFrame) -> None:
        other = closes.rename(columns={"BTC": "XBT"})
        with pytest.raises(SpecificationError, match="which column is the market coin"):
            small.run(other)
        named = replace(small, market="XBT").run(other)
        assert named.metrics["total_return"] == small.run(closes).metrics["total_return"]
        with pytest.raises(LabelError, match="no column"):
            replace(small, market="DOGE").run(closes)

    def test_gaps_are_filled_and_counted(self, closes: pd.DataFrame) -> None:
        holes = closes.drop(closes.index[[10, 11]])
        holes.iloc[50, 2] = math.nan
        found = regular_closes(holes)
        assert found.counts.tolist() == [2, 2, 3]
        assert found.closes.index.equals(closes.index)
        assert found.closes.iloc[11].equals(closes.iloc[9].rename(closes.index[11]))
        late = closes.index[:-1].append(pd.DatetimeIndex([closes.index[-1] + pd.Timedelta("7min")]))
        with pytest.raises(LabelError, match="not on the grid"):
            regular_closes(closes.set_axis(late))
        with pytest.raises(InputError, match="no close on the first row"):
            regular_closes(holes.assign(ETH=holes["ETH"].where(holes.index > holes.index[3])))


@pytest.mark.market_data
class TestPublished:
    def test_figures_of_the_published_run(self, real_closes: pd.DataFrame) -> None:
        assert len(real_closes) == 55_720
        result = TrendBasket.from_name(PUBLISHED).run(real_closes)
        metrics = result.metrics
        assert metrics["total_return"] == pytest.approx(1.52024, rel=0.01)
        assert metrics["trades"] == 45.0
        assert round(metrics["win_rate"], 5) == 0.57778
        assert result.decisions.first_signal == pd.Timestamp("2020-04-30 00:00", tz="UTC")
        assert result.first_exposure == pd.Timestamp("2020-04-30 01:00", tz="UTC")
        assert result.horizons.index.tolist() == ["full", "3y", "1y", "6m", "3m"]
        assert {"volatility_cap", "top"} == set(result.never_binding)
        # Half of the 20 % that it aims at: the scale is capped at 1, and multiplied by a leverage of 0.75.
        assert 0.09 < result.delivered_volatility["leveraged"] < 0.12

    def test_first_figures_do_not_move(self, real_closes: pd.DataFrame) -> None:
        metrics = TrendBasket().run(real_closes).metrics
        assert metrics["total_return"] == pytest.approx(1.5243109706768916, rel=1e-9)
        assert metrics["turnover"] == pytest.approx(38.31203737535771, rel=1e-9)
        assert metrics["profit_factor"] == pytest.approx(7.396543637, rel=1e-9)
