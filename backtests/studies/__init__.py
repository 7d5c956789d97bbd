"""Tools for studies: causality, sweeps over a schedule's phase and over costs, parameters without effect."""

from allocopt.backtests.studies.causality import CausalityReport, check_causality
from allocopt.backtests.studies.sweeps import Sweep, cost_sweep, curve_figures, never_binding, phase_sweep

__all__ = [
    "CausalityReport",
    "Sweep",
    "check_causality",
    "cost_sweep",
    "curve_figures",
    "never_binding",
    "phase_sweep",
]
