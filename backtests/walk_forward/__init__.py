"""Choose parameters on the past, judge them on what followed, and chain what followed to one history that is paid for.

`walk_forward` does it for any study: a function of data and parameters, or a frozen dataclass with ``run(data)``.
"""

from allocopt.backtests.walk_forward.grid import (
    RandomSampler,
    Sampler,
    configuration_name,
    grid_configurations,
)
from allocopt.backtests.walk_forward.result import WalkForward
from allocopt.backtests.walk_forward.run import walk_forward
from allocopt.backtests.walk_forward.selection import Degradation
from allocopt.backtests.walk_forward.testing import evidence
from allocopt.backtests.walk_forward.verdict import Evidence

__all__ = [
    "Degradation",
    "Evidence",
    "RandomSampler",
    "Sampler",
    "WalkForward",
    "configuration_name",
    "evidence",
    "grid_configurations",
    "walk_forward",
]
