"""Tests of whether a difference in performance is more than luck.

`sharpe_difference` tests two streams of returns on the same dates for equal Sharpe ratios (Ledoit and Wolf 2008): by
a robust standard error (`HAC`), by the studentised block bootstrap (`StudentisedBootstrap`), or, for comparison with
older studies, under independent normal returns (`JobsonKorkieMemmel`).

`sharpe_estimate`, `probabilistic_sharpe` and `minimum_track_record` judge one strategy named beforehand;
`deflated_sharpe` the best of many trials, and `backtest_overfitting` the search that picked it.

`reality_check`, `superior_ability`, `stepwise_superiority` and `model_confidence_set` compare many strategies at once.
`performance_intervals` gives every figure of a curve an interval. `regime_permutation` and `regime_separation` test
regime labels, and `phase_luck` says what the day of rebalancing did.
"""

from allocopt.backtests.statistics.calibration import BlockCalibration
from allocopt.backtests.statistics.confidence_set import ModelConfidenceSet, model_confidence_set
from allocopt.backtests.statistics.deflated import DeflatedSharpe, deflated_sharpe, deflated_sharpe_of_best
from allocopt.backtests.statistics.difference import sharpe_difference
from allocopt.backtests.statistics.independent import AllTrials, AverageCorrelation, Clusters
from allocopt.backtests.statistics.intervals import PerformanceIntervals, performance_intervals
from allocopt.backtests.statistics.label_permutations import BlockShuffle, CircularShift, PlainShuffle
from allocopt.backtests.statistics.methods import HAC, CalibratedBlock, JobsonKorkieMemmel, StudentisedBootstrap
from allocopt.backtests.statistics.overfitting import backtest_overfitting
from allocopt.backtests.statistics.overfitting_result import BacktestOverfitting
from allocopt.backtests.statistics.phase_luck import PhaseLuck, expected_largest, phase_luck
from allocopt.backtests.statistics.probabilistic import (
    MinimumTrackRecord,
    ProbabilisticSharpe,
    minimum_track_record,
    probabilistic_sharpe,
)
from allocopt.backtests.statistics.records import TrackRecord, track_record
from allocopt.backtests.statistics.regime_permutation import RegimePermutation, regime_permutation
from allocopt.backtests.statistics.regime_separation import RegimeSeparation, regime_separation
from allocopt.backtests.statistics.result import SharpeDifference
from allocopt.backtests.statistics.sharpe import SharpeEstimate, sharpe_estimate
from allocopt.backtests.statistics.stationary_bootstrap import StationaryBootstrap
from allocopt.backtests.statistics.stepwise import StepwiseSuperiority, stepwise_superiority
from allocopt.backtests.statistics.superior_ability import (
    RealityCheck,
    SuperiorAbility,
    reality_check,
    superior_ability,
)
from allocopt.backtests.statistics.trials import SharpeTrials, expected_maximum_sharpe, sharpe_trials

__all__ = [
    "HAC",
    "AllTrials",
    "AverageCorrelation",
    "BacktestOverfitting",
    "BlockCalibration",
    "BlockShuffle",
    "CalibratedBlock",
    "CircularShift",
    "Clusters",
    "DeflatedSharpe",
    "JobsonKorkieMemmel",
    "MinimumTrackRecord",
    "ModelConfidenceSet",
    "PerformanceIntervals",
    "PhaseLuck",
    "PlainShuffle",
    "ProbabilisticSharpe",
    "RealityCheck",
    "RegimePermutation",
    "RegimeSeparation",
    "SharpeDifference",
    "SharpeEstimate",
    "SharpeTrials",
    "StationaryBootstrap",
    "StepwiseSuperiority",
    "StudentisedBootstrap",
    "SuperiorAbility",
    "TrackRecord",
    "backtest_overfitting",
    "deflated_sharpe",
    "deflated_sharpe_of_best",
    "expected_largest",
    "expected_maximum_sharpe",
    "minimum_track_record",
    "model_confidence_set",
    "performance_intervals",
    "phase_luck",
    "probabilistic_sharpe",
    "reality_check",
    "regime_permutation",
    "regime_separation",
    "sharpe_difference",
    "sharpe_estimate",
    "sharpe_trials",
    "stepwise_superiority",
    "superior_ability",
    "track_record",
]
