"""Work that is kept: the cells of a study run in processes, each finished one on disk at once, none computed twice.

`run_cells` runs independent cells by joblib, on this machine or on a cluster. A `CellStore` keeps what is finished in a
folder that survives kills, damage, a full disk and other processes. A `RunFolder` holds one run of a study: its
configuration, its table and its cells.
"""

from allocopt.backtests.runs._content import content_hash
from allocopt.backtests.runs.cells import CellFunction, CellResult, Parameters, same_result
from allocopt.backtests.runs.folders import DEFAULT_ROOT, RunFolder
from allocopt.backtests.runs.keys import canonical_parameters, cell_keys
from allocopt.backtests.runs.listing import RunList, last_run, list_runs, new_run
from allocopt.backtests.runs.report import Damage, StoreReport
from allocopt.backtests.runs.runner import run_cells
from allocopt.backtests.runs.store import CellStore
from allocopt.backtests.runs.verify import verify_store

__all__ = [
    "DEFAULT_ROOT",
    "CellFunction",
    "CellResult",
    "CellStore",
    "Damage",
    "Parameters",
    "RunFolder",
    "RunList",
    "StoreReport",
    "canonical_parameters",
    "cell_keys",
    "content_hash",
    "last_run",
    "list_runs",
    "new_run",
    "run_cells",
    "same_result",
    "verify_store",
]
