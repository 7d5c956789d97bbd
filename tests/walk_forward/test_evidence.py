"""Whether a walk-forward result could be the best of many tries: noise does not survive, skill does."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.accounting import Execution, Financing, Ledger, account
from allocopt.backtests.splitters import CombinatorialPurged, Rolling
from allocopt.backtests.statistics import (
    StationaryBootstrap,
    backtest_overfitting,
    deflated_sharpe,
    sharpe_difference,
    sharpe_trials,
    superior_ability,
    track_record,
)
from allocopt.backtests.walk_forward import Evidence, WalkForward, evidence, walk_forward
from allocopt.errors import InputError, SpecificationError

FREE = Execution(financing=Financing(lending=0.0, borrowing=0.0, periods_per_year=252))
SPLITTER = Rolling(train=504, test=504, incomplete="drop")
QUICK: dict[str, Any] = {"replications": 99, "blocks": 8}


def streams(seed: int, columns: int = 8, sharpe: float = 0.0, rows: int = 2521) -> pd.DataFrame:
    """Noise of 1 % a day, two years to train and eight to test; the first column has the Sharpe ratio of its own."""
    returns = np.random.default_rng(seed).normal(0.0, 0.01, (rows, columns))
    returns[:, 0] += 0.01 * sharpe / np.sqrt(252)
    returns[0] = 0.0
    return pd.DataFrame(returns, index=pd.bdate_range("2010-01-04", periods=rows))


def pick(data: pd.DataFrame, parameters: Any) -> pd.Series[float]:
    found: pd.Series[float] = data[parameters["column"]]
    return found


def late(data: pd.DataFrame, parameters: Any) -> pd.Series[float]:
    """The last column needs more rows than the first train window has."""
    if parameters["column"] == data.columns[-1] and len(data) < 1100:
        raise InputError("the history is too short", remedy="give more rows")
    return pick(data, parameters)


def levered(closes: pd.DataFrame, parameters: Any) -> Ledger:
    return account(pd.DataFrame(parameters["size"], closes.index, closes.columns), closes, FREE)


def study(data: pd.DataFrame, run: Any = pick, **options: Any) -> WalkForward:
    grid = options.pop("grid", {"column": list(data.columns)})
    return walk_forward(
        run, grid, data, options.pop("splitter", SPLITTER), periods_per_year=252, check_causality=False, **options
    )


def market(data: pd.DataFrame) -> pd.Series[float]:
    return pd.Series(np.random.default_rng(99).normal(0.0, 0.01, len(data)), index=data.index)


@pytest.fixture(scope="module")
def skilled() -> tuple[WalkForward, Evidence]:
    data = streams(1, sharpe=3.0)
    found = study(data, benchmark=market(data), baseline={"column": 3})
    return found, evidence(found, **QUICK)


@pytest.mark.parametrize("seed", range(3))
def test_noise_does_not_survive(seed: int) -> None:
    data = streams(seed)
    proof = evidence(study(data, benchmark=market(data)), **QUICK)
    assert proof.survives is False
    assert proof.table().loc["Deflated Sharpe ratio", "passed"] == "no"
    assert proof.sentences("It")[0].startswith("It does not survive: it fails the deflated Sharpe ratio")


def test_planted_skill_survives(skilled: tuple[WalkForward, Evidence]) -> None:
    found, proof = skilled
    assert set(found.chosen["column"]) == {0}
    assert proof.survives is True
    assert set(proof.table()["passed"]) == {"yes"}
    assert proof.stepwise is not None
    assert list(proof.stepwise.superior) == ["column=0"]


def test_a_single_stroke_of_skill_in_a_short_history_does_not_survive() -> None:
    """The same true ratio of 3 for half a year out of sample is no proof."""
    data = streams(1, sharpe=3.0, rows=504 + 126)
    proof = evidence(
        study(data, benchmark=market(data), splitter=Rolling(train=504, test=126, incomplete="keep")), **QUICK
    )
    assert proof.survives is False


def test_every_number_is_that_of_its_test(skilled: tuple[WalkForward, Evidence]) -> None:
    found, proof = skilled
    test, full = found.returns_matrix("test"), found.returns_matrix("full")
    assert found.benchmark is not None
    assert found.baseline is not None
    record = track_record(found.returns, periods_per_year=252)
    deflated = deflated_sharpe(record, sharpe_trials(test, periods_per_year=252))
    assert proof.deflated is not None
    assert (proof.deflated.probability, proof.deflated.hurdle) == (deflated.probability, deflated.hurdle)
    assert proof.overfitting is not None
    assert proof.overfitting.probability == backtest_overfitting(full[1:], periods_per_year=252, blocks=8).probability
    spa = superior_ability(test, found.benchmark, StationaryBootstrap(seed=0, replications=99))
    assert proof.superior is not None
    assert proof.superior.consistent == spa.consistent
    assert proof.against_baseline is not None
    other = sharpe_difference(found.returns, found.baseline, periods_per_year=252)
    assert (proof.against_baseline.difference, proof.against_baseline.p_value) == (other.difference, other.p_value)
    ratio = float(found.returns.mean() / found.returns.std() * np.sqrt(252))
    assert proof.sharpe.ratio == pytest.approx(ratio, rel=1e-12)
    assert proof.figures().loc["sharpe", "estimate"] == pytest.approx(ratio, rel=1e-12)
    assert proof.figures()["lower"].lt(proof.figures()["upper"]).all()
    again = evidence(found, **QUICK)
    assert again.table().equals(proof.table())
    other_seed = evidence(found, **{**QUICK, "seed": 1})
    assert not other_seed.figures()["lower"].equals(proof.figures()["lower"])


def test_rows_on_which_overfitting_is_tested(skilled: tuple[WalkForward, Evidence]) -> None:
    found, _ = skilled
    proof = evidence(found, **QUICK, rows="test")
    assert proof.overfitting is not None
    expected = backtest_overfitting(found.returns_matrix("test"), periods_per_year=252, blocks=8)
    assert proof.overfitting.blocks.equals(expected.blocks)


def test_sentences_and_table_have_the_numbers(skilled: tuple[WalkForward, Evidence]) -> None:
    _, proof = skilled
    said, table = " ".join(proof.sentences()), proof.table()
    assert proof.deflated is not None
    assert proof.overfitting is not None
    assert proof.superior is not None
    assert proof.against_baseline is not None
    low, high = proof.sharpe.interval
    for text in (
        "The strategy survives: it passes the deflated Sharpe ratio, the test of backtest overfitting and the test of "
        "superior ability.",
        f"Sharpe ratio is {proof.sharpe.ratio:.2f} a year (95% interval {low:.2f} to {high:.2f})",
        f"best of 8 trials without skill is expected to show {proof.deflated.hurdle:.2f}",
        f"confidence that the true ratio is above that is {proof.deflated.probability:.2f}",
        f"In {proof.overfitting.probability:.0%} of the ways",
        f"p = {proof.superior.consistent:.3f}",
        f"less that of the baseline is {proof.against_baseline.difference:+.3f} (p = "
        f"{proof.against_baseline.p_value:.2f})",
    ):
        assert text in said
    assert list(table.columns) == ["question", "value", "passes_if", "passed"]
    assert table.loc["Deflated Sharpe ratio", "value"] == f"{proof.deflated.probability:.3f}"
    assert table.loc["Sharpe ratio", "value"] == f"{proof.sharpe.ratio:.2f} ± {proof.sharpe.standard_error:.2f}"
    assert table.loc["Track record", "passes_if"] == "at most 8.0 years"
    assert table.loc["Stepwise", "value"] == "1 of 8"
    assert repr(proof) == "\n".join(proof.sentences())
    assert not re.search("nan|None", said + table.to_string())


def test_tests_that_the_study_does_not_allow_are_named() -> None:
    data = streams(2, columns=3)
    proof = evidence(study(data), **QUICK)
    assert proof.left_out == {
        "Reality check": "no benchmark",
        "Superior ability": "no benchmark",
        "Stepwise": "no benchmark",
        "Against the benchmark": "none given",
        "Against the baseline": "none given",
    }
    assert proof.table().loc["Superior ability"].to_dict() == {
        "question": "The same, not weakened by poor configurations.",
        "value": "no benchmark",
        "passes_if": "p < 0.05",
        "passed": "not tested",
    }
    assert "The test of superior ability could not be made: no benchmark." in proof.sentences()[0]
    short = evidence(study(data[:580], splitter=Rolling(train=40, test=30, incomplete="drop")), **QUICK)
    assert short.overfitting is not None
    few = evidence(study(data[:75], splitter=Rolling(train=30, test=40, incomplete="drop")), **QUICK)
    assert few.left_out["Backtest overfitting"] == "70 rows are too few: 80 are needed"


def test_one_configuration_is_judged_by_its_own_sharpe_ratio() -> None:
    data = streams(1, sharpe=3.0)
    proof = evidence(study(data, grid={"column": [0]}, benchmark=market(data)), **QUICK)
    assert proof.left_out["Deflated Sharpe ratio"] == "one configuration: nothing was chosen"
    assert proof.left_out["Backtest overfitting"] == "one configuration: nothing was chosen"
    assert proof.survives is True
    first = proof.sentences()[0]
    assert first.startswith("The strategy survives: it passes the test of its Sharpe ratio and the test of superior")
    assert "The test of backtest overfitting could not be made: one configuration" in first
    noise = evidence(study(data, grid={"column": [5]}, benchmark=market(data)), **QUICK)
    assert noise.survives is False


def test_the_verdict_never_claims_a_test_that_was_not_made(skilled: tuple[WalkForward, Evidence]) -> None:
    _, proof = skilled
    assert proof.deflated is not None
    assert proof.overfitting is not None
    unsearched = replace(proof, overfitting=None, left_out={"Backtest overfitting": "a trial does not vary"})
    assert unsearched.survives is True
    assert unsearched.sentences()[0] == (
        "The strategy survives: it passes the deflated Sharpe ratio and the test of superior ability. The test of "
        "backtest overfitting could not be made: a trial does not vary."
    )
    blind = replace(proof, deflated=None, left_out={"Deflated Sharpe ratio": "1 of 8"})
    assert blind.survives is None
    assert blind.sentences()[0] == "The strategy cannot be judged. The deflated Sharpe ratio could not be made: 1 of 8."
    poor = replace(blind, deflated=replace(proof.deflated, probability=0.95))
    assert poor.survives is False  # above, not at
    assert poor.sentences()[0] == "The strategy does not survive: it fails the deflated Sharpe ratio."


def test_an_incomplete_configuration_is_a_trial_all_the_same() -> None:
    """Of eight trials one has no returns in the first fold: the hurdle is that of eight."""
    data = streams(1, sharpe=3.0)
    found = study(data, late, benchmark=market(data))
    proof = evidence(found, **QUICK)
    assert proof.incomplete == ("column=7",)
    whole = found.returns_matrix().drop(columns="column=7")
    assert proof.deflated is not None
    seven = sharpe_trials(whole, periods_per_year=252)
    assert proof.deflated.trials == replace(seven, number=8, independent=8.0)
    assert proof.deflated.hurdle > seven.hurdle
    assert proof.stepwise is not None
    assert len(proof.stepwise.table) == 7
    assert "1 of 8 configurations have no return on some test row" in proof.sentences()[-1]


def test_cash_and_the_benchmark_itself_may_be_in_the_grid() -> None:
    data = streams(1, sharpe=3.0)
    data[6] = 0.0
    data[7] = market(data)
    data.loc[data.index[0], 7] = 0.0
    proof = evidence(study(data, benchmark=market(data), baseline={"column": 0}), **QUICK)
    assert proof.deflated is not None
    assert proof.deflated.trials.number == 8
    assert proof.stepwise is not None
    assert len(proof.stepwise.table) == 7  # not the benchmark against itself
    assert "trial 'column=6' has no volatility" in proof.left_out["Backtest overfitting"]
    assert proof.left_out["Against the baseline"] == "the same returns"
    held = evidence(study(data, grid={"column": [7]}, benchmark=market(data)), **QUICK)
    assert held.left_out["Superior ability"].startswith("no configuration has other returns than the benchmark")


def test_what_has_no_single_history_is_refused() -> None:
    data = streams(3, columns=3)
    paths = study(data, splitter=CombinatorialPurged(groups=4, test_groups=2))
    with pytest.raises(SpecificationError, match="several histories"):
        evidence(paths)
    falls = pd.DataFrame({"A": np.ones(1300)}, index=data.index[:1300])
    falls.iloc[1::2] *= 1.01
    falls.iloc[1200:] *= 0.4
    lost = study(falls, levered, grid={"size": [2.0]}, splitter=Rolling(504, 252, incomplete="drop"))
    assert lost.bankrupt == falls.index[1200]
    with pytest.raises(InputError, match=r"the account was lost.* at 2014-08-11"):
        evidence(lost)
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"blocks": 15}, "blocks is not an even number from 4 to 24"),
        ({"blocks": 2}, "blocks is not an even number"),
        ({"blocks": True}, "blocks is not an even number"),
        ({"replications": 50}, "replications"),
        ({"seed": -1}, "seed"),
        ({"rows": "all"}, "unknown rows"),
    )
    for settings, text in refused:
        with pytest.raises(SpecificationError, match=text):
            evidence(study(data[:1100]), **settings)
