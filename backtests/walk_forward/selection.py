"""Which configuration each fold chooses, and what is said of the choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests.walk_forward.grid import Parameters, value_name
from allocopt.backtests.walk_forward.study import FloatArray
from allocopt.errors import InputError


def choose(in_sample: FloatArray, sign: float, where: Sequence[str], why: Sequence[str]) -> list[int]:
    """Best configuration of each fold; the first of equals. One without a score is never chosen.

    ``in_sample`` has shape (folds, configurations); ``why`` says of each fold what its configurations lack.
    """
    found = []
    for number, scores in enumerate(in_sample):
        if np.isnan(scores).all():
            raise InputError(
                "no configuration has a score, so none can be chosen",
                where=where[number],
                value=why[number] or None,
                remedy="begin the first train window later, so that the look-backs are filled, or select by a figure "
                "that exists",
            )
        found.append(int(np.argmax(np.where(np.isnan(scores), -math.inf, sign * scores))))
    return found


def ranks(scores: FloatArray, sign: float) -> FloatArray:
    """Rank of each configuration within its fold, 1.0 for the best; equal ones share it, NaN without a score."""
    table = pd.DataFrame(sign * scores)
    return table.rank(axis=1, ascending=False, method="min", na_option="keep").to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class Degradation:
    """How much of the score in sample is left out of sample.

    Attributes
    ----------
    score : str
        What is compared.
    in_sample, out_of_sample : float
        Mean over the folds of the chosen configurations' scores.
    ratio : float
        Out of sample over in sample; NaN unless the mean in sample is above 0.
    worse : float
        Share of the folds in which the chosen configuration scored worse out of sample than in sample.
    below_median : float
        Share of the folds in which it was worse out of sample than the median configuration. Half, for a choice that
        means nothing.
    rank_correlation : float
        Mean over the folds of Spearman's rank correlation, over configurations, between the two scores.
    rank_correlation_error : float
        Its standard error: the deviation over the folds by the root of their number. NaN for a single fold. Test
        windows do not overlap and train windows do, so it is rather too small.
    folds : int
        Folds that have a rank correlation: at least three configurations with scores that differ.
    """

    score: str
    in_sample: float
    out_of_sample: float
    ratio: float
    worse: float
    below_median: float
    rank_correlation: float
    rank_correlation_error: float
    folds: int

    def table(self) -> pd.Series[Any]:
        """Every figure under its name."""
        return pd.Series({name: getattr(self, name) for name in self.__dataclass_fields__}, dtype=object, name="value")


def degradation(name: str, sign: float, before: FloatArray, after: FloatArray, chosen: Sequence[int]) -> Degradation:
    """Compare scores in and out of sample; both of shape (folds, configurations)."""
    folds = np.arange(len(chosen))
    one, other = before[folds, list(chosen)], after[folds, list(chosen)]
    known = ~np.isnan(other)
    correlations = np.array([rank_correlation(a, b) for a, b in zip(before, after, strict=True)])
    correlations = correlations[~np.isnan(correlations)]
    medians = np.array([float(np.median(row[~np.isnan(row)])) if (~np.isnan(row)).any() else math.nan for row in after])
    first, second = _mean(one[known]), _mean(other[known])
    count = len(correlations)
    return Degradation(
        score=name,
        in_sample=first,
        out_of_sample=second,
        ratio=second / first if first > 0.0 else math.nan,
        worse=_mean((sign * other < sign * one)[known]),
        below_median=_mean((sign * other < sign * medians)[known]),
        rank_correlation=_mean(correlations),
        rank_correlation_error=float(correlations.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan,
        folds=count,
    )


def rank_correlation(one: FloatArray, other: FloatArray) -> float:
    """Spearman's correlation of two scores over the configurations that have both; NaN for fewer than three."""
    both = ~np.isnan(one) & ~np.isnan(other)
    if both.sum() < 3:
        return math.nan
    a, b = (pd.Series(scores[both]).rank().to_numpy() for scores in (one, other))
    if a.std() == 0.0 or b.std() == 0.0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def stability(configurations: Sequence[Parameters], chosen: Sequence[int]) -> tuple[pd.DataFrame, pd.Series[int]]:
    """Share of the folds that chose each value of each parameter, and how often a parameter changed at a border."""
    names = list(dict.fromkeys(name for parameters in configurations for name in parameters))
    rows, changes = [], {}
    for name in names:
        values = [_value(configurations[number], name) for number in chosen]
        for value in dict.fromkeys(_value(parameters, name) for parameters in configurations):
            count = values.count(value)
            rows.append((name, value, count, count / len(chosen)))
        changes[name] = sum(a != b for a, b in pairwise(values))
    changes["configuration"] = sum(a != b for a, b in pairwise(chosen))
    table = pd.DataFrame(rows, columns=["parameter", "value", "folds", "share"]).set_index(["parameter", "value"])
    return table, pd.Series(changes, name="changes", dtype="int64")


def _value(parameters: Parameters, name: str) -> str:
    return value_name(parameters[name]) if name in parameters else "as it is"


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else math.nan
