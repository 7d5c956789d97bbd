"""What goes in comes out: containers, labels, order; status, certificate, repr; stale inputs."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt import Allocation, LabelError, Limits, Outcome, StaleInputError, allocate

ROW = [6.0, 2.5, 1.5]
WEIGHTS = [0.4, 0.35, 0.25]


def test_list_and_tuple() -> None:
    listed, tupled = allocate(ROW).weights, allocate(tuple(ROW)).weights
    assert type(listed) is list
    assert type(tupled) is tuple
    assert listed == list(tupled) == pytest.approx(WEIGHTS)
    assert all(type(w) is float for w in listed)
    assert allocate([6, 2.5, np.float32(1.5)]).weights == listed


def test_dict_keeps_keys_and_order() -> None:
    keys: list[Any] = ["b", 3, ("a", 1)]
    result = allocate(dict(zip(keys, ROW, strict=True)))
    assert list(result.weights) == keys
    assert list(result.weights.values()) == allocate(ROW).weights
    assert list(result.to_frame().columns) == [*keys, "cash", "invested", "outcome"]


def test_series_keeps_index_and_name() -> None:
    series = pd.Series(ROW, index=pd.Index(["z", "a", "m"], name="sleeve"), name="2020-03-16")
    weights = allocate(series).weights
    pd.testing.assert_index_equal(weights.index, series.index)
    assert weights.name == "2020-03-16"
    assert weights.tolist() == allocate(ROW).weights
    nullable = allocate(pd.Series([6, 2, None], dtype="Int64"), missing="exclude")
    assert nullable.weights.tolist() == [0.4, 0.4, 0.0]
    assert nullable.status.excluded == 1


def test_arrays() -> None:
    one = allocate(np.array(ROW))
    assert one.weights.shape == (3,)
    assert type(one.invested) is float
    assert type(one.cash) is float
    many = allocate(np.array([ROW, ROW[::-1]]))
    assert many.weights.shape == (2, 3)
    assert many.weights[1].tolist() == one.weights[::-1].tolist()
    assert many.invested.shape == many.cash.shape == (2,)
    table_of_one = allocate(np.array([ROW]))
    assert table_of_one.weights.shape == (1, 3)
    assert table_of_one.invested.shape == (1,)


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2020-03-30", periods=2, tz="Europe/London"),
        pd.PeriodIndex(["2020-01", "2020-02"], freq="M"),
        pd.Index(["later", "earlier"], name="when"),
        pd.MultiIndex.from_tuples([("a", 2), ("a", 1)], names=["x", "y"]),
        pd.RangeIndex(2),
    ],
)
@pytest.mark.parametrize(
    "columns",
    [
        pd.Index(["b", "a", "c"], name="sleeve"),
        pd.MultiIndex.from_tuples([("opt", 1), ("opt", 0), ("fut", 1)], names=["kind", "leg"]),
        pd.Index([2, 0, 1]),
        pd.Index([1, "a", None], dtype=object),
        pd.CategoricalIndex(["b", "a", "c"]),
    ],
)
def test_frame_keeps_index_and_columns(index: pd.Index, columns: pd.Index) -> None:
    frame = pd.DataFrame([ROW, [0.0, 1.0, 3.0]], index=index, columns=columns)
    before = frame.copy()
    result = allocate(frame)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_index_equal(result.weights.index, index)
    pd.testing.assert_index_equal(result.weights.columns, columns)
    assert result.weights.to_numpy().tolist() == [allocate(ROW).weights, [0.0, 0.4, 0.4]]
    for series in (result.invested, result.cash, result.status.outcome, result.certificate.gap):
        assert isinstance(series, pd.Series)
        pd.testing.assert_index_equal(series.index, index)
    assert result.status.outcome.tolist() == [Outcome.FULL, Outcome.CAPPED]
    assert result.to_frame().shape == (2, 6)
    pd.testing.assert_index_equal(result.to_frame().index, index)


def test_frames_of_other_dtypes() -> None:
    wanted = allocate(np.array([[6.0, 3.0, 1.0], [0.0, 1.0, 3.0]])).weights
    plain = pd.DataFrame([[6, 3, 1], [0, 1, 3]], columns=list("abc"))
    frames = [
        plain,
        plain.astype({"a": float}),
        plain.astype("Float64"),
        plain.astype({"a": "Int64", "b": "float32"}),
        plain.astype(object),
        plain.astype("float32"),
        plain.T.copy().T,
        plain[["c", "b", "a"]].loc[:, ["a", "b", "c"]],
    ]
    for frame in frames:
        weights = allocate(frame).weights
        assert np.array_equal(weights.to_numpy(), wanted)
        assert (weights.dtypes == np.float64).all()


def test_missing_values_are_excluded_and_counted() -> None:
    frame = pd.DataFrame([[6.0, np.nan, 1.0], [np.nan, np.nan, 3.0], [1.0, 1.0, 1.0]], columns=list("abc"))
    for given in (frame, frame.astype("Float64"), frame.astype(object).where(frame.notna(), None)):
        result = allocate(given, missing="exclude")
        assert result.status.excluded.tolist() == [1, 2, 0]
        assert result.status.live.tolist() == [2, 1, 3]
        assert result.weights.to_numpy()[:2].tolist() == [[0.4, 0.0, 0.4], [0.0, 0.0, 0.4]]
        assert "3 missing values on 2 dates" in result.status.message
        assert (result.certificate.kkt_residual < 1e-15).all()
    one = allocate([1.0, float("nan")], missing="exclude")
    assert one.weights == [0.4, 0.0]
    assert one.status.excluded == 1
    assert allocate([1.0, float("nan")], missing="exclude", solver="heuristic").status.excluded == 1
    assert allocate([1.0, float("nan")], missing="exclude", solver="kl").status.excluded == 1


def test_status() -> None:
    status = allocate(pd.DataFrame([ROW, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).status
    assert status.counts() == {Outcome.FULL: 1, Outcome.CAPPED: 1, Outcome.EMPTY: 1}
    assert list(status.to_frame().columns) == ["outcome", "live", "excluded"]
    assert status.live.tolist() == [3, 1, 0]
    for outcome in (Outcome.CAPPED, Outcome.EMPTY):
        assert outcome.message in status.message
        assert outcome.remedy in status.message
        assert repr(outcome) == f"Outcome.{outcome.name}"
    assert "1 of 3 dates" in repr(status)


def test_certificate_shapes() -> None:
    one, many = allocate(ROW).certificate, allocate(np.array([ROW, ROW])).certificate
    for name in ("cap_residual", "floor_residual", "budget_residual", "multiplier", "objective", "gap", "kkt_residual"):
        assert type(getattr(one, name)) is float
        assert getattr(many, name).shape == (2,)
    assert one.support == 3
    assert many.support.tolist() == [3, 3]
    assert one.to_frame().shape == (1, 8)
    assert many.to_frame().shape == (2, 8)
    assert one.multiplier == pytest.approx(-0.1)
    assert one.objective == pytest.approx(0.03)
    assert one.distance == "euclidean"
    assert allocate(ROW, solver="kl").certificate.distance == "kl"
    assert "gap >=" in repr(one)


def test_repr_and_to_frame() -> None:
    result = allocate({"a": 1.0, "b": 3.0})
    assert repr(result) == "Allocation(2 sleeves, euclidean, cap 0.4, floor 0.05, budget 1: capped; mean cash 0.2)"
    assert len(repr(allocate(np.ones((1000, 4))))) < 200
    frame = result.to_frame()
    assert list(frame.columns) == ["a", "b", "cash", "invested", "outcome"]
    assert frame.iloc[0].tolist() == [0.4, 0.4, 1.0 - 0.8, 0.8, "capped"]
    with pytest.raises(LabelError, match="cash"):
        allocate({"cash": 1.0, "b": 3.0}).to_frame()


def test_results_and_limits_are_frozen() -> None:
    result: Any = allocate(ROW)
    for thing, name in [(result, "weights"), (result, "cash"), (result.limits, "cap"), (result.status, "live")]:
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            setattr(thing, name, 0.5)
    assert result.limits == Limits()
    assert hash(result.limits) == hash(Limits())


def test_changing_the_input_or_the_weights_in_place_makes_the_certificate_stale() -> None:
    rows = np.array([ROW, ROW])
    result = allocate(rows)
    rows[1, 0] = 0.0
    with pytest.raises(StaleInputError, match="changed in place"):
        _ = result.certificate
    rows = np.array([ROW, ROW])
    result = allocate(rows)
    rows[0, 0] = np.nan
    with pytest.raises(StaleInputError, match="allocate again"):
        _ = result.certificate
    result = allocate(np.array([ROW, ROW]))
    result.weights[0, 0] = 0.5
    with pytest.raises(StaleInputError):
        _ = result.certificate
    unchanged = allocate(rows, missing="exclude")
    rows += 0.0
    assert (unchanged.certificate.kkt_residual < 1e-15).all()


@pytest.mark.parametrize("given", [ROW, np.array([ROW]), pd.DataFrame([ROW], columns=list("abc")), {"a": 1.0}])
def test_pickled_results_come_back_where_they_can_be_pickled(given: Any) -> None:
    result: Allocation[Any, Any] = allocate(given)
    try:
        data = pickle.dumps(result)
    except (AttributeError, pickle.PicklingError) as error:
        pytest.skip(f"an Allocation cannot be pickled: {error}")
    again = pickle.loads(data)
    assert np.array_equal(np.asarray(again.to_frame()), np.asarray(result.to_frame()))
    assert pickle.loads(pickle.dumps(result.weights)) is not None
