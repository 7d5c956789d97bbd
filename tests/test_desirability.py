"""Score times compatibility: the published table, labels, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from allocopt import PROFILES, InputError, LabelError, RegimeCompatibility, ShapeError, desirability

DATES = pd.date_range("2020-03-12", periods=4)
SCORES = pd.DataFrame(np.arange(24).reshape(4, 6) / 24, index=DATES, columns=list(PROFILES))


def test_each_row_is_scaled_by_its_regimes_row() -> None:
    regimes = pd.Series([1, 4, 5, 2], index=DATES)
    found = desirability(SCORES, regimes)
    matrix = RegimeCompatibility().matrix
    for row, regime in enumerate([1, 4, 5, 2]):
        for column, profile in enumerate(PROFILES):
            expected = SCORES.to_numpy()[row, column] * matrix[profile].to_dict()[regime]
            assert found.to_numpy()[row, column] == expected


def test_the_published_table_by_row_sums() -> None:
    matrix = RegimeCompatibility.with_event().matrix
    assert matrix.sum(axis=1).round(10).tolist() == [2.5, 2.8, 2.5, 2.4, 2.6, 3.2]
    assert matrix.T[6].tolist() == [0.4, 0.6, 0.2, 0.2, 0.8, 1.0]
    assert RegimeCompatibility().matrix.index.tolist() == [1, 2, 3, 4, 5]


def test_columns_are_matched_by_label_not_by_position() -> None:
    regimes = pd.Series(2, index=DATES)
    backwards = desirability(SCORES[list(PROFILES)[::-1]], regimes)
    pd.testing.assert_frame_equal(backwards[list(PROFILES)], desirability(SCORES, regimes))


def test_undefined_stays_undefined() -> None:
    scores = SCORES.copy()
    scores.iloc[0, 2] = np.nan
    regimes = pd.Series([1, None, 5, 2], index=DATES, dtype="Int64")
    found = desirability(scores, regimes)
    assert np.isnan(found.to_numpy()[0, 2])
    assert found.iloc[0].notna().sum() == 5
    assert found.iloc[1].isna().all()
    assert found.iloc[2:].notna().all(axis=None)


def test_own_matrix_with_own_labels() -> None:
    own = RegimeCompatibility(pd.DataFrame({"BTC": [1, 0], "ETH": [0.5, 1]}, index=["calm", "wild"]))
    scores = pd.DataFrame({"ETH": [2.0, 2.0], "BTC": [3.0, 3.0]}, index=DATES[:2])
    found = desirability(scores, pd.Series(["wild", "calm"], index=DATES[:2]), own)
    assert found.to_dict("list") == {"ETH": [2.0, 1.0], "BTC": [0.0, 3.0]}


def test_the_matrix_is_a_copy() -> None:
    matrix = pd.DataFrame({"a": [1.0]}, index=[1])
    kept = RegimeCompatibility(matrix)
    matrix.loc[1, "a"] = 9.0
    assert kept.matrix.loc[1, "a"] == 1.0


@pytest.mark.parametrize("factor", [-0.1, np.nan, np.inf])
def test_bad_factors_are_named(factor: float) -> None:
    with pytest.raises(InputError, match=r"regime 2, sleeve 'b'"):
        RegimeCompatibility(pd.DataFrame({"a": [1.0, 1.0], "b": [1.0, factor]}, index=[1, 2]))


def test_refusals() -> None:
    regimes = pd.Series(1, index=DATES)
    with pytest.raises(LabelError, match="2020-03-15"):
        desirability(SCORES, regimes.iloc[:-1])
    with pytest.raises(LabelError, match="another order"):
        desirability(SCORES, regimes.iloc[::-1])
    with pytest.raises(InputError, match="date 2020-03-13: 6"):
        desirability(SCORES, pd.Series([1, 6, 1, 1], index=DATES))
    with pytest.raises(LabelError, match="P7"):
        desirability(SCORES.rename(columns={"P1": "P7"}), regimes)
    with pytest.raises(InputError, match=r"date 2020-03-12, sleeve 'P2': -1.0"):
        desirability(SCORES.assign(P2=-1.0), regimes)
    with pytest.raises(ShapeError):
        desirability(SCORES.to_numpy(), regimes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no number"):
        RegimeCompatibility(pd.DataFrame({"a": ["x"]}, index=[1]))
    with pytest.raises(ShapeError):
        RegimeCompatibility(pd.DataFrame())
