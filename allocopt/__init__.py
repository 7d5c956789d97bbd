"""Capital weights that meet a cap and a floor exactly.

The three uses: `allocate` turns desirability into weights, `compare` sets the clip-and-renormalise loop beside the
projections on the same dates, and `allocopt.backtests` holds the studies built on them.
"""

from allocopt.allocation import Allocation, allocate
from allocopt.certificate import Certificate, ProgramCertificate
from allocopt.comparison import Comparison, compare
from allocopt.compatibility import RegimeCompatibility, desirability
from allocopt.costs import Cost, MarketCost, PerShareCost, ProportionalCost, SpreadCost, SquareRootImpact
from allocopt.errors import (
    AllocoptError,
    DataFileError,
    InputError,
    LabelError,
    LedgerError,
    ShapeError,
    SolveError,
    SpecificationError,
    StaleInputError,
)
from allocopt.limits import Limits
from allocopt.regimes import PROFILES, Regime
from allocopt.status import Outcome, Status

__version__ = "0.1.0"

__all__ = [
    "PROFILES",
    "Allocation",
    "AllocoptError",
    "Certificate",
    "Comparison",
    "Cost",
    "DataFileError",
    "InputError",
    "LabelError",
    "LedgerError",
    "Limits",
    "MarketCost",
    "Outcome",
    "PerShareCost",
    "ProgramCertificate",
    "ProportionalCost",
    "Regime",
    "RegimeCompatibility",
    "ShapeError",
    "SolveError",
    "SpecificationError",
    "SpreadCost",
    "SquareRootImpact",
    "StaleInputError",
    "Status",
    "__version__",
    "allocate",
    "compare",
    "desirability",
]
