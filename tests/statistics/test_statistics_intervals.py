"""Bootstrap intervals of the figures of a curve: paths as measured by hand, and coverage in simulated markets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import StationaryBootstrap as Sampler
from arch.bootstrap import optimal_block_length
from numpy.typing import NDArray

from allocopt.backtests.metrics import Performance, equity_curve, performance, sharpe_ratio
from allocopt.backtests.statistics import PerformanceIntervals, StationaryBootstrap, performance_intervals
from allocopt.backtests.statistics._pair import FloatArray
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

YEAR = 252.0


def dependent(rng: np.random.Generator, rows: int, mean: float = 0.0005, slope: float = 0.15) -> FloatArray:
    """AR(1) returns with the variance of a GARCH(1, 1): persistence 0.95, annual volatility about 16 percent."""
    shocks = rng.standard_normal(rows + 200)
    returns = np.zeros(rows + 200)
    variance, before = 1e-4, 0.0
    for t in range(rows + 200):
        noise = math.sqrt(variance) * shocks[t]
        returns[t] = before = slope * before + noise
        variance = 5e-6 + 0.08 * noise * noise + 0.87 * variance
    found: FloatArray = returns[200:] + mean
    return found


def curve(returns: FloatArray, capital: float = 1000.0) -> pd.Series[float]:
    days = pd.bdate_range("2012-01-02", periods=len(returns) + 1)
    return equity_curve(pd.Series(returns, days[1:]), capital=capital, start=days[0])


def numbers(measured: Performance) -> dict[str, float]:
    """Every number of `performance` that is not shared by all paths on the same dates."""
    shared = {"bars", "periods_per_year", "bars_per_calendar_year", "starting_capital", "hac_lags", "active_bars"}
    found = {}
    for name, value in measured.table().items():
        if isinstance(value, (int, float)) and name not in shared:
            found[str(name)] = float(value)
    found["longest_drawdown"] = measured.longest_drawdown / pd.Timedelta(days=1)
    return found


@pytest.fixture
def given(rng: np.random.Generator) -> dict[str, Any]:
    equity = curve(dependent(rng, 120))
    return {
        "equity": equity,
        "active": pd.Series(rng.random(121) < 0.7, equity.index),
        "turnover": pd.Series(rng.random(121), equity.index),
        "cash_rate": pd.Series(rng.uniform(0.0, 0.05, 121), equity.index),
        "periods_per_year": YEAR,
    }


def test_every_sample_is_measured_as_a_curve_of_its_own(given: dict[str, Any]) -> None:
    found = performance_intervals(bootstrap=StationaryBootstrap(seed=3, block=4.0, replications=99), **given)
    equity = given["equity"]
    returns = equity.pct_change().to_numpy()[1:]
    sampler = Sampler(4, np.arange(120), seed=3)
    assert len(found.draws) == 99
    for draw, ((rows,), _) in zip(found.draws.to_dict("records"), sampler.bootstrap(99), strict=True):
        path = [float(equity.iloc[0])]
        for row in rows:
            path.append(path[-1] * (1.0 + returns[row]))
        moved: dict[str, Any] = {
            name: pd.Series([given[name].iloc[0], *given[name].to_numpy()[1 + rows]], equity.index)
            for name in ("active", "turnover", "cash_rate")
        }
        measured = performance(pd.Series(path, equity.index), periods_per_year=YEAR, **moved)
        expected = numbers(measured)
        assert set(draw) == set(expected)
        assert draw == {name: pytest.approx(value, rel=1e-7, abs=1e-12) for name, value in expected.items()}


def test_every_number_of_performance_has_its_interval(given: dict[str, Any]) -> None:
    found = performance_intervals(bootstrap=StationaryBootstrap(seed=3, block=4.0, replications=99), **given)
    estimates = numbers(performance(**given))
    assert found.table["estimate"].to_dict() == pytest.approx(estimates, rel=1e-12)
    assert len(found.table) == 20
    assert found.table.columns.tolist() == ["estimate", "lower", "upper", "standard_error", "bias", "undefined"]
    plain = performance_intervals(
        given["equity"], StationaryBootstrap(seed=3, block=4.0, replications=99), periods_per_year=YEAR,
        standard_error=False,
    )  # fmt: skip
    assert set(estimates) - set(plain.table.index) == {"sharpe_standard_error", "win_rate_active", "turnover_per_year"}


def test_intervals_are_quantiles_and_their_mirror_images(rng: np.random.Generator) -> None:
    equity = curve(dependent(rng, 150))
    bootstrap = StationaryBootstrap(seed=5, block=3.0, replications=200)
    tables: dict[str, PerformanceIntervals] = {
        kind: performance_intervals(equity, bootstrap, periods_per_year=YEAR, confidence=0.9, interval=kind)
        for kind in ("percentile", "basic")
    }
    table, mirrored = tables["percentile"].table, tables["basic"].table
    for name in ("sharpe", "cagr", "max_drawdown", "bps"):
        drawn = np.sort(tables["percentile"].draws[name].to_numpy())
        low, high = (drawn[int(p)] + (p - int(p)) * (drawn[int(p) + 1] - drawn[int(p)]) for p in (9.95, 189.05))
        estimate = table["estimate"][name]
        assert [table[side][name] for side in ("lower", "upper")] == pytest.approx([low, high], rel=1e-12)
        assert [mirrored[side][name] for side in ("lower", "upper")] == pytest.approx(
            [2 * estimate - high, 2 * estimate - low], rel=1e-12
        )
        assert table["standard_error"][name] == pytest.approx(np.std(drawn, ddof=1))
        assert table["bias"][name] == pytest.approx(np.mean(drawn) - estimate)
    assert ((table["lower"] <= table["upper"]) & (mirrored["lower"] <= mirrored["upper"])).all()
    assert table["lower"]["max_drawdown"] >= 0.0


def test_standard_errors_are_the_known_ones(rng: np.random.Generator) -> None:
    """Independent normal returns: Lo's error of the Sharpe ratio, the binomial one of the win rate."""
    returns = rng.normal(0.0005, 0.01, 1000)
    found = performance_intervals(
        curve(returns), StationaryBootstrap(seed=5, block=1.0, replications=600), periods_per_year=YEAR
    ).table
    ratio = found["estimate"]["sharpe"] / math.sqrt(YEAR)
    share = found["estimate"]["win_rate_all"]
    expected = {
        "sharpe": math.sqrt(YEAR * (1.0 + ratio**2 / 2.0) / 1000),
        "mean_annual_return": YEAR * returns.std() / math.sqrt(1000),
        "volatility": math.sqrt(YEAR) * returns.std() / math.sqrt(2000),
        "win_rate_all": math.sqrt(share * (1.0 - share) / 1000),
    }
    for name, error in expected.items():
        assert found["standard_error"][name] == pytest.approx(error, rel=0.1), name  # 3 percent is one deviation
    assert found["standard_error"]["sharpe"] == pytest.approx(found["estimate"]["sharpe_standard_error"], rel=0.12)


def test_clustering_of_volatility_widens_the_interval_of_volatility(rng: np.random.Generator) -> None:
    equity = curve(dependent(rng, 1500))
    chosen = performance_intervals(equity, StationaryBootstrap(seed=5, replications=99), periods_per_year=YEAR)
    returns = equity.pct_change().dropna()
    squares = (returns - returns.mean()) ** 2
    lengths = [float(optimal_block_length(x)["stationary"].iloc[0]) for x in (returns, squares)]
    assert chosen.block == pytest.approx(max(lengths), rel=1e-6)
    single = performance_intervals(
        equity, StationaryBootstrap(seed=5, block=1.0, replications=99), periods_per_year=YEAR
    )
    assert chosen.table["standard_error"]["volatility"] > 1.3 * single.table["standard_error"]["volatility"]


def test_interval_covers_the_sharpe_ratio_of_dependent_returns() -> None:
    mean, slope = 0.0005, 0.15
    variance = 5e-6 / (1.0 - 0.95) / (1.0 - slope**2)
    truth = mean / math.sqrt(variance) * math.sqrt(YEAR)
    runs, covered = 40, 0
    for run in range(runs):
        equity = curve(dependent(np.random.default_rng(run), 300, mean, slope))
        found = performance_intervals(
            equity, StationaryBootstrap(seed=run, replications=100), periods_per_year=YEAR, standard_error=False
        )
        covered += bool(found.table["lower"]["sharpe"] <= truth <= found.table["upper"]["sharpe"])
    # 95 percent of 40 is 38 with a deviation of 1.4; short dependent samples are covered a little less often.
    assert covered >= 33


def test_the_slope_of_the_simulated_market_matters(rng: np.random.Generator) -> None:
    """Sampling single rows would understate the error of an autocorrelated stream: by the root of (1 + a) / (1 - a)."""
    equity = curve(dependent(rng, 2000, slope=0.4))
    errors = [
        performance_intervals(
            equity, StationaryBootstrap(seed=1, block=block, replications=150), periods_per_year=YEAR,
            standard_error=False,
        ).table["standard_error"]["sharpe"]
        for block in (1.0, 40.0)
    ]  # fmt: skip
    assert errors[1] / errors[0] == pytest.approx(math.sqrt(1.4 / 0.6), rel=0.2)


def test_a_figure_that_some_samples_lack_has_no_interval() -> None:
    returns = np.full(40, 0.01) + np.linspace(0.0, 0.001, 40)
    returns[[7, 23]] = -0.02
    found = performance_intervals(
        curve(returns), StationaryBootstrap(seed=5, block=1.0, replications=200), periods_per_year=YEAR
    ).table
    missing = int(found["undefined"]["calmar"])
    assert 10 < missing < 60  # about exp(-2) of 200 samples have neither loss
    for name in ("calmar", "sortino", "profit_factor", "mean_drawdown"):
        assert found["undefined"][name] == missing
        assert all(math.isnan(found[column][name]) for column in ("lower", "upper", "standard_error", "bias"))
        assert math.isfinite(found["estimate"][name])
    assert found["undefined"]["max_drawdown"] == 0
    assert found["lower"]["max_drawdown"] == 0.0


def test_same_seed_same_answer(rng: np.random.Generator) -> None:
    equity = curve(dependent(rng, 100))
    one, same, other = (
        performance_intervals(equity, StationaryBootstrap(seed=s, block=2.0, replications=99), periods_per_year=YEAR)
        for s in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one.table, same.table)
    assert str(one) == str(same) != str(other)
    assert "99 samples, mean block 2.0 rows (given), seed 1" in str(one)
    assert one.table["estimate"]["sharpe"] == sharpe_ratio(equity, periods_per_year=YEAR)


def test_what_is_refused(given: dict[str, Any]) -> None:
    equity, wrong = given["equity"], NDArray
    bootstrap = StationaryBootstrap(seed=1, block=2.0, replications=99)
    with pytest.raises(ShapeError, match="too short"):
        performance_intervals(equity.iloc[:30], bootstrap, periods_per_year=YEAR)
    with pytest.raises(InputError, match="not positive"):
        performance_intervals(equity - 2000.0, bootstrap, periods_per_year=YEAR)
    with pytest.raises(LabelError, match="active"):
        performance_intervals(equity, bootstrap, periods_per_year=YEAR, active=given["active"].iloc[1:])
    with pytest.raises(SpecificationError, match="interval"):
        performance_intervals(equity, bootstrap, periods_per_year=YEAR, interval="bca")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="blocks"):
        performance_intervals(equity, StationaryBootstrap(seed=1, block=13.0), periods_per_year=YEAR)
    with pytest.raises(SpecificationError, match="at least 1000 replications"):
        performance_intervals(equity, bootstrap, periods_per_year=YEAR, confidence=0.999)
    with pytest.raises(SpecificationError, match="periods_per_year"):
        performance_intervals(equity, bootstrap, periods_per_year=0.0)
    with pytest.raises(ShapeError, match="bootstrap"):
        performance_intervals(equity, wrong, periods_per_year=YEAR)  # type: ignore[arg-type]


def test_a_path_that_leaves_the_floats_is_an_error() -> None:
    returns = np.tile([1e12, 1e-12 - 1.0], 40)
    with pytest.raises(InputError, match="leaves the range of floats"):
        performance_intervals(
            curve(returns), StationaryBootstrap(seed=1, block=1.0, replications=99), periods_per_year=YEAR
        )
