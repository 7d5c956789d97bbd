"""No decision knows the future."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from allocopt.backtests.overlays import RealizedVolHalving, VixInverse, VolatilityTarget
from allocopt.backtests.sector_rotation import SectorData, SectorRotation, decide
from allocopt.backtests.studies import check_causality

pytestmark = pytest.mark.slow

VARIANTS: dict[str, dict[str, Any]] = {
    "original": {},
    "weekly, filter": {"schedule": "7D", "trend_filter": 30},
    "inverse volatility": {"weighting": "inverse_volatility", "schedule": "every 3"},
    "inverse correlation": {"weighting": "inverse_correlation", "schedule": "W-WED"},
    "vix": {"leverage": VixInverse(base=1.25), "schedule": "every 2"},
    "halving": {"leverage": RealizedVolHalving(base=1.25, threshold=0.12), "schedule": "every 2"},
    "target": {
        "leverage": VolatilityTarget(0.15, 20, periods_per_year=252, cap=1.5, undefined="full"), "schedule": "every 2"
    },
}  # fmt: skip


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_decisions_are_causal(
    changes: dict[str, Any], complete: pd.DataFrame, vix: pd.Series[float], small: SectorRotation
) -> None:
    rotation = replace(small, **changes)

    def weights(data: dict[str, Any]) -> pd.DataFrame:
        return decide(rotation, SectorData(data["closes"], data["vix"]), start="2019-07-01").weights

    ways: tuple[str, ...] = ("scaled", "jump", "reversed", "truncated")
    # Closes scaled day by day move by 500 % a year, which the realised volatility's own check takes for percent.
    ways = ways[1:] if isinstance(changes.get("leverage"), RealizedVolHalving) else ways
    report = check_causality(weights, {"closes": complete, "vix": vix}, cuts=3, perturbations=ways)
    assert report.passed, report.message
    assert not report.vacuous


def test_a_late_sector_is_causal(closes: pd.DataFrame, small: SectorRotation) -> None:
    # Not "reversed": it would end the late sector before it begins, which is an error.
    ways = ("scaled", "jump", "truncated")
    daily = replace(small, schedule="every 1", leverage=1.0)
    report = check_causality(lambda table: decide(daily, table).weights, closes, cuts=6, perturbations=ways)
    assert report.passed, report.message
    assert not report.vacuous


def test_run_up_to_a_date_is_the_run_cut_off(
    closes: pd.DataFrame, vix: pd.Series[float], small: SectorRotation
) -> None:
    rotation = replace(small, leverage=VixInverse(base=1.25))
    data = SectorData(closes, vix)
    whole = rotation.run(data)
    for cut in ("2019-12-02", "2020-03-17", "2020-07-01"):
        part = rotation.run(data.until(cut))
        assert part.dates[-1] == pd.Timestamp(cut)
        pd.testing.assert_series_equal(part.equity, whole.equity.loc[:cut], check_freq=False)
        pd.testing.assert_series_equal(rotation.run(data, end=cut).equity, part.equity, check_freq=False)
