"""Tests of whether a difference in performance is more than luck.

`sharpe_difference` tests two streams of returns on the same dates for equal Sharpe ratios (Ledoit and Wolf 2008): by
a robust standard error (`HAC`), by the studentised block bootstrap (`StudentisedBootstrap`), or, for comparison with
older studies, under independent normal returns (`JobsonKorkieMemmel`).
"""

from allocopt.backtests.statistics.calibration import BlockCalibration
from allocopt.backtests.statistics.difference import sharpe_difference
from allocopt.backtests.statistics.methods import HAC, CalibratedBlock, JobsonKorkieMemmel, StudentisedBootstrap
from allocopt.backtests.statistics.result import SharpeDifference

__all__ = [
    "HAC",
    "BlockCalibration",
    "CalibratedBlock",
    "JobsonKorkieMemmel",
    "SharpeDifference",
    "StudentisedBootstrap",
    "sharpe_difference",
]
