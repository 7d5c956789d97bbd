"""Which configuration is chosen, what is said of the choice, and what noise looks like."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.accounting import Ledger, account
from allocopt.backtests.metrics import performance
from allocopt.backtests.splitters import CalendarSplits, Expanding, Rolling
from allocopt.backtests.walk_forward import WalkForward, walk_forward
from allocopt.backtests.walk_forward.selection import choose, degradation, rank_correlation, ranks
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

Market = Callable[..., pd.DataFrame]
Parameters = Mapping[str, Any]


def pick(data: pd.DataFrame, parameters: Parameters) -> pd.Series[float]:
    """Returns of one column: the parameter is which."""
    column: Any = data[parameters["column"]]
    found: pd.Series[float] = column
    return found


def years(index: pd.Index[Any]) -> Any:
    return pd.DatetimeIndex(index).year


def figure(found: WalkForward, row: str, name: str) -> Any:
    cell: Any = found.comparison.loc[row, name]
    return cell


def planted(rows: int = 600, good: int = 2, columns: int = 6, edge: float = 0.004) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    values = rng.normal(0.0, 0.01, (rows, columns))
    values[:, good] += edge
    values[0] = 0.0
    return pd.DataFrame(values, index=pd.bdate_range("2018-01-01", periods=rows), columns=range(columns))


def test_a_known_best_parameter_is_found() -> None:
    data = planted()
    found = walk_forward(
        pick, {"column": list(range(6))}, data, Expanding(200, 80, incomplete="keep"), periods_per_year=252
    )
    assert found.chosen["column"].tolist() == [2] * 5
    assert found.stability["share"].xs("column")["2"] == 1.0
    assert found.changes["column"] == found.changes["configuration"] == 0
    assert figure(found, "best in hindsight", "configuration") == "column=2"
    assert figure(found, "walk-forward", "sharpe") == figure(found, "best in hindsight", "sharpe")
    assert found.returns.to_numpy().tolist() == pytest.approx(data[2].iloc[201:].tolist(), abs=1e-15)


@pytest.mark.parametrize(
    "select", ["sharpe", "sortino", "calmar", "cagr", "total_return", "max_drawdown", "volatility"]
)
def test_scores_are_those_of_the_metrics_on_the_same_rows(market: Market, select: str) -> None:
    """A slow twin: cut the windows out of each run's equity, and ask `performance`."""
    prices = market(2, 330)

    def study(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        up = (data > data.rolling(parameters["window"]).mean()).astype(float) / 2
        return account(up, data)

    splitter = Rolling(train=120, test=60, gap=5, warm_up=20)
    found = walk_forward(
        study, {"window": [3, 6, 12]}, prices.iloc[:325], splitter, select=select, periods_per_year=252
    )
    sign = -1.0 if select in ("max_drawdown", "volatility") else 1.0
    for fold, (train, test) in enumerate(splitter.split(prices.iloc[:325])):
        scores = {}
        for window in (3, 6, 12):
            equity = study(prices, {"window": window}).equity
            for part, rows in (("in", train), ("out", test)):
                cut = equity.iloc[rows[0] - 1 : rows[-1] + 1]
                measured = performance(cut, periods_per_year=252, standard_error=False)
                scores[part, window] = getattr(measured, select)
        cells = found.scores[found.scores["fold"] == fold]
        np.testing.assert_allclose(cells["in_sample"], [scores["in", w] for w in (3, 6, 12)], rtol=1e-9)
        np.testing.assert_allclose(cells["out_of_sample"], [scores["out", w] for w in (3, 6, 12)], rtol=1e-9)
        best = max((3, 6, 12), key=lambda w: sign * scores["in", w])
        assert found.chosen["window"].iloc[fold] == best
        order = sorted((3, 6, 12), key=lambda w: -sign * scores["out", w])
        assert found.folds["rank"].iloc[fold] == order.index(best) + 1
        assert found.folds["of"].iloc[fold] == 3


def test_own_score_and_ties_go_to_the_first_in_the_grid() -> None:
    data = planted()
    splitter = Rolling(200, 100, incomplete="drop")
    tied = walk_forward(pick, {"column": [4, 2, 0]}, data, splitter, select=_one, periods_per_year=252)
    assert tied.chosen["column"].tolist() == [4, 4, 4]
    assert tied.score == "_one"
    worst = walk_forward(pick, {"column": [4, 2, 0]}, data, splitter, select=_least, periods_per_year=252)
    rows = [data.iloc[train] for train, _ in splitter.split(data)]
    rows[0] = rows[0].iloc[1:]  # row 0 ends no period
    expected = [min((4, 2, 0), key=lambda c: part[c].mean()) for part in rows]
    assert worst.chosen["column"].tolist() == expected
    with pytest.raises(SpecificationError, match="_words gave no number"):
        walk_forward(pick, {"column": [1]}, data, splitter, select=_words, periods_per_year=252)


def _one(returns: pd.Series[float]) -> float:
    return 1.0


def _least(returns: pd.Series[float]) -> float:
    return -float(returns.mean())


def _words(returns: pd.Series[float]) -> Any:
    return "good"


def test_pure_noise_promises_in_sample_and_gives_nothing_out_of_sample() -> None:
    """Forty configurations without an edge: the best of each train window looks fine, and then is average."""
    rng = np.random.default_rng(77)
    noise = rng.normal(0.0, 0.01, (1800, 40))
    noise[0] = 0.0
    data = pd.DataFrame(noise, index=pd.bdate_range("2010-01-01", periods=1800), columns=range(40))
    splitter = Rolling(250, 120, incomplete="drop")
    grid = {"column": list(range(40))}
    found = walk_forward(pick, grid, data, splitter, periods_per_year=252, check_causality=False)
    lost, folds = found.degradation, len(found.folds)
    assert folds == 12
    # The largest of 40 normal draws is near 2.16 deviations; a Sharpe ratio of one year has a deviation of one.
    assert 1.7 < lost.in_sample < 2.7
    assert abs(lost.out_of_sample) < 3 * math.sqrt(252 / 120 / folds)
    assert lost.worse > 0.75
    assert abs(lost.rank_correlation) < 4 / math.sqrt(40 * folds)
    assert abs(lost.below_median - 0.5) < 3 * 0.5 / math.sqrt(folds)
    assert abs(figure(found, "walk-forward", "sharpe")) < 3 * math.sqrt(252 / 1440)


def test_degradation_against_its_definition() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    before, after = rng.normal(1.0, 1.0, (2, 7, 9))
    before[2, 3] = after[4, 1] = np.nan
    chosen = choose(before, 1.0, ["fold"] * 7, [""] * 7)
    assert chosen == [int(np.nanargmax(row)) for row in before]
    found = degradation("sharpe", 1.0, before, after, chosen)
    each = [
        stats.spearmanr(b[~np.isnan(b + a)], a[~np.isnan(b + a)]).statistic for b, a in zip(before, after, strict=True)
    ]
    assert found.rank_correlation == pytest.approx(np.mean(each), abs=1e-14)
    assert found.rank_correlation_error == pytest.approx(np.std(each, ddof=1) / math.sqrt(7), abs=1e-14)
    one, other = (table[np.arange(7), chosen] for table in (before, after))
    assert found.ratio == pytest.approx(np.nanmean(other) / one[~np.isnan(other)].mean())
    assert found.below_median == np.mean(
        [a < np.nanmedian(row) for a, row in zip(other, after, strict=True) if not np.isnan(a)]
    )
    assert rank_correlation(np.ones(5), np.arange(5.0)) != rank_correlation(np.ones(5), np.arange(5.0))  # NaN
    assert ranks(np.array([[3.0, 1.0, np.nan, 3.0]]), 1.0)[0].tolist()[:2] == [1.0, 3.0]


def short(data: pd.DataFrame, parameters: Parameters) -> Ledger:
    window = parameters["window"]
    if len(data) < window:
        raise ShapeError("the history is too short", value=len(data), remedy=f"give {window} rows")
    up = (data > data.rolling(window).mean()).astype(float)
    return account(up if parameters.get("hold", True) else up * 0.0, data)


def test_what_has_no_score_is_named_and_never_chosen(market: Market) -> None:
    prices = market(3, 400, 1)
    grid = [{"window": 10, "hold": False}, {"window": 250}, {"window": 20}]
    found = walk_forward(short, grid, prices, Rolling(150, 100, gap=0, incomplete="keep"), periods_per_year=252)
    assert found.folds["configuration"].iloc[0] == "window=20"
    failures = found.failures
    flat, long = "window=10, hold=False", "window=250"  # with 250 rows its first weight comes too late to be scored
    assert failures["configuration"].tolist() == [flat, long, flat, long, flat]
    assert failures["fold"].tolist() == [0, 0, 1, 1, 2]
    assert failures["why"].iloc[0] == "its score is NaN"
    assert failures["why"].iloc[1] == "the history is too short: 150. Remedy: give 250 rows."
    assert found.returns_matrix()["window=250"].notna().tolist() == [False] * 100 + [True] * 150
    with pytest.raises(InputError, match=r"none can be chosen at fold 0, trained to 2015-07-29: 'the history is too"):
        walk_forward(
            short, {"window": [250]}, prices, Rolling(150, 100, gap=0, incomplete="keep"), periods_per_year=252
        )


def test_other_errors_come_through(market: Market) -> None:
    def wrong(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        raise SpecificationError("cap is below the floor", remedy="raise it")

    def later(data: pd.DataFrame, parameters: Parameters) -> Ledger:
        if len(data) > 200:
            raise InputError("a price is missing", remedy="mend it")
        return account(data * 0.0, data)

    prices = market(3, 300)
    for study, message in ((wrong, "cap is below the floor"), (later, "a price is missing")):
        for check in (True, False):
            with pytest.raises((SpecificationError, InputError), match=message):
                walk_forward(
                    study, {"a": [1, 2]}, prices, Rolling(150, 100, incomplete="keep"), periods_per_year=252,
                    check_causality=check,
                )  # fmt: skip


def rows_beside(prices: pd.DataFrame, **settings: Any) -> WalkForward:
    splitter = CalendarSplits("YS", "YS")
    return walk_forward(short, {"window": [5, 20]}, prices, splitter, periods_per_year=261, **settings)


def test_rows_beside_the_walk_forward(market: Market) -> None:
    prices = market(12, 261 * 4, 1, 0.0003)
    rows = prices.index[(years(prices.index) >= 2016) & (years(prices.index) < 2019)]
    prices = prices[years(prices.index) < 2019]
    closes = prices["A"]
    found = rows_beside(prices, benchmark=closes, baseline={"window": 10})
    assert found.comparison.index.tolist() == [
        "walk-forward", "benchmark", "baseline", "best in hindsight", "median configuration",
    ]  # fmt: skip
    before = int(closes.index.searchsorted(rows[0])) - 1
    held = performance(closes.iloc[before:], periods_per_year=261, standard_error=False)
    row: Any = found.comparison.loc["benchmark"]
    for name in ("sharpe", "cagr", "max_drawdown", "total_return"):
        assert row[name] == pytest.approx(getattr(held, name), rel=1e-9)
    own = short(prices, {"window": 10})
    base = performance(own.equity.iloc[before:], periods_per_year=261, turnover=own.turnover.iloc[before:],
                       standard_error=False)  # fmt: skip
    row = found.comparison.loc["baseline"]
    assert row["configuration"] == "window=10"
    for name in ("sharpe", "calmar", "turnover_per_year"):
        assert row[name] == pytest.approx(getattr(base, name), rel=1e-9)
    assert "window=10" not in found.returns_matrix().columns
    # Returns in place of closes are the same benchmark, and a baseline in the grid is not run twice.
    again = rows_beside(prices, benchmark=closes.pct_change().fillna(0.0), baseline={"window": 5})
    assert figure(again, "benchmark", "cagr") == pytest.approx(held.cagr, rel=1e-9)
    assert figure(again, "baseline", "configuration") == "window=5"
    with pytest.raises(LabelError, match="the benchmark has no close on a row"):
        rows_beside(prices, benchmark=closes.drop(rows[5]))


def test_cash_rate_lowers_the_sharpe_ratio(market: Market) -> None:
    prices = market(12, 261 * 4, 1, 0.0003)
    prices = prices[years(prices.index) < 2019]
    plain, with_cash = rows_beside(prices), rows_beside(prices, cash_rate=0.03)
    series = rows_beside(prices, cash_rate=pd.Series(0.03, index=prices.index))
    expected = performance(with_cash.equity, periods_per_year=261, cash_rate=0.03, standard_error=False)
    assert figure(with_cash, "walk-forward", "sharpe") == pytest.approx(expected.sharpe, rel=1e-9)
    assert figure(series, "walk-forward", "sharpe") == pytest.approx(expected.sharpe, rel=1e-9)
    assert figure(plain, "walk-forward", "sharpe") > expected.sharpe
    with pytest.raises(LabelError, match="cash_rate has no value on a row that is scored"):
        rows_beside(prices, cash_rate=pd.Series(0.03, index=prices.index[100:]))


def test_matrices_of_returns_are_the_runs_returns(market: Market) -> None:
    prices = market(12, 261 * 4, 1)
    prices = prices[years(prices.index) < 2019]
    found = rows_beside(prices)
    tested, full = found.returns_matrix(), found.returns_matrix("full")
    for window in (5, 20):
        own = short(prices, {"window": window}).returns
        name = f"window={window}"
        np.testing.assert_allclose(tested[name], own[years(own.index) >= 2016], rtol=0.0, atol=1e-15)
        np.testing.assert_allclose(full[name].iloc[1:], own.iloc[1:], rtol=0.0, atol=1e-15)
    assert full.index.equals(prices.index)
    assert full.iloc[0].isna().all()  # row 0 ends no period
    with pytest.raises(SpecificationError, match="unknown rows"):
        found.returns_matrix("train")  # type: ignore[arg-type]


def test_tables_have_a_row_for_everything(market: Market) -> None:
    prices = market(12, 261 * 4, 1)
    found = rows_beside(prices[years(prices.index) < 2019])
    assert set(found.tables) == {
        "comparison", "folds", "chosen", "stability", "changes", "degradation", "scores", "switches", "failures",
    }  # fmt: skip
    assert len(found.scores) == 3 * 2
    assert found.scores.groupby("fold")["chosen"].sum().tolist() == [1, 1, 1]
    assert found.folds["test_rows"].sum() == len(found.returns)
    shares = found.stability["share"].groupby("parameter").sum()
    assert shares.tolist() == pytest.approx([1.0] * len(shares))
    assert repr(found).startswith("WalkForward(3 folds x 2 configurations by sharpe; in sample ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"select": "luck"}, "unknown figure to select by"),
        ({"periods_per_year": 0}, "periods_per_year is not a positive number"),
        ({"cash_rate": 5.0}, "cash_rate is no decimal per year"),
        ({"stitching": "glue"}, "stitching is unknown"),
        ({"splitter": "yearly"}, "not a splitter"),
        ({"splitter": Rolling(100, 50, step=25, incomplete="drop")}, "test windows overlap"),
        ({"splitter": Rolling(100, 50, step=75, incomplete="drop")}, "rows between two test windows are not tested"),
        ({"study": 3}, "not a study"),
        ({"study": WalkForward}, "not a study"),
        ({"baseline": 5}, "the baseline is no mapping"),
        ({"benchmark": pd.Series([1.0, -2.0])}, "the benchmark is not indexed by dates"),
    ],
)
def test_settings_outside_their_range(settings: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "study": pick, "grid": {"column": [0, 1]}, "data": planted(), "splitter": Rolling(100, 50, incomplete="drop"),
        "periods_per_year": 252, **settings,
    }  # fmt: skip
    with pytest.raises((SpecificationError, LabelError), match=message):
        walk_forward(given.pop("study"), given.pop("grid"), given.pop("data"), given.pop("splitter"), **given)


def test_scikit_learns_splitter_is_one_too() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    data = planted()
    found = walk_forward(
        pick, {"column": [1, 2]}, data, selection.TimeSeriesSplit(4, test_size=90, gap=1), periods_per_year=252
    )
    assert found.chosen["column"].tolist() == [2] * 4
