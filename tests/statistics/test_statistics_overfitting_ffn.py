"""Deflated Sharpe ratio and probability of backtest overfitting against ffn, which runs in a process of its own.

ffn patches pandas when it is imported, so that it must not be imported into the test run.
"""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.statistics import (
    SharpeTrials,
    TrackRecord,
    backtest_overfitting,
    deflated_sharpe,
    deflated_sharpe_of_best,
    expected_maximum_sharpe,
    sharpe_trials,
)

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ffn") is None, reason="ffn is not installed")

CODE = """
import json, sys
import numpy as np, pandas as pd
from ffn.core import calc_deflated_sharpe_ratio, calc_expected_max_sharpe, calc_prob_backtest_overfitting
found = {"maximum": [calc_expected_max_sharpe(n, 0.3) for n in (1, 2, 10, 1000)]}
for name, values in np.load(sys.argv[1]).items():
    trials = pd.DataFrame(values, pd.bdate_range("2015-01-01", periods=len(values)))
    ratios = trials.mean() / trials.std() * np.sqrt(252)
    pbo = calc_prob_backtest_overfitting(trials, n_blocks=8, full_output=True)
    total = calc_prob_backtest_overfitting(trials, n_blocks=4, metric=lambda x: x.sum(), full_output=True)
    deflated = calc_deflated_sharpe_ratio(trials[ratios.idxmax()], ratios, rf=0.0, nperiods=252)
    found[name] = {
        "pbo": pbo["pbo"], "logits": pbo["logits"].tolist(), "rank": pbo["mean_oos_rank"], "deflated": deflated,
        "total": total["logits"].tolist(),
    }
print(json.dumps(found))
"""


def searches() -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    rng = np.random.default_rng(17)
    skilled = rng.normal(0.0, 0.01, (403, 25))
    skilled[:, 3] += 0.002
    base = rng.normal(0.0, 0.01, (160, 3))
    return {
        "noise": rng.normal(0.0, 0.01, (400, 25)),
        "remainder and skill": skilled,
        "fat tails, common factor": 0.01 * rng.standard_t(3, (300, 10)) + 0.01 * rng.standard_t(3, (300, 1)),
        "same columns": base[:, [0, 0, 1, 1, 1, 2]],
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path: Path = tmp_path_factory.mktemp("ffn") / "searches.npz"
    np.savez(path, **searches())  # type: ignore[arg-type]
    done = subprocess.run([sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert len(found) == 5
    return found


@pytest.mark.parametrize("name", list(searches()))
def test_every_logit_is_that_of_ffn(name: str, theirs: dict[str, Any]) -> None:
    values = searches()[name]
    trials = pd.DataFrame(values, pd.bdate_range("2015-01-01", periods=len(values)))
    found = backtest_overfitting(trials, periods_per_year=252, blocks=8)
    assert len(found.splits) == 70
    assert found.splits["logit"].tolist() == pytest.approx(theirs[name]["logits"], abs=1e-12)
    assert found.probability == pytest.approx(theirs[name]["pbo"], abs=1e-12)
    assert found.splits["rank"].mean() / (values.shape[1] + 1) == pytest.approx(theirs[name]["rank"], abs=1e-12)
    total = backtest_overfitting(trials, periods_per_year=252, blocks=4, metric=lambda x: x.sum(axis=0))
    assert total.splits["logit"].tolist() == pytest.approx(theirs[name]["total"], abs=1e-12)


@pytest.mark.parametrize("name", list(searches()))
def test_deflated_ratio_is_that_of_ffn(name: str, theirs: dict[str, Any]) -> None:
    values = searches()[name]
    trials = pd.DataFrame(values, pd.bdate_range("2015-01-01", periods=len(values)))
    best = deflated_sharpe_of_best(trials, periods_per_year=252)
    # ffn corrects skewness and kurtosis for the size of the sample; with its moments the answer is the same.
    returns = trials[best.chosen]
    record = TrackRecord(
        sharpe=float(returns.mean() / returns.std() * math.sqrt(252)),
        rows=len(returns),
        skewness=float(returns.skew()),  # type: ignore[arg-type]
        kurtosis=float(returns.kurt()) + 3.0,  # type: ignore[arg-type]
        periods_per_year=252,
    )
    counted = sharpe_trials(trials, periods_per_year=252)
    assert deflated_sharpe(record, counted).probability == pytest.approx(theirs[name]["deflated"], rel=1e-9)
    assert best.probability == pytest.approx(theirs[name]["deflated"], abs=0.005)


def test_expected_maximum_is_that_of_ffn(theirs: dict[str, Any]) -> None:
    ours = [expected_maximum_sharpe(n, 0.09) for n in (1, 2, 10, 1000)]
    assert ours == pytest.approx(theirs["maximum"], rel=1e-12)
    assert SharpeTrials(number=10, independent=10, variance=0.09).hurdle == ours[2]
