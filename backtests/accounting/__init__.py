"""One accounting engine for every study: decided weights and prices in, a ledger that adds up out.

Everything that a study shifts in time is shifted here: what is decided on row t earns the return from t to t+1.
"""

from allocopt.backtests.accounting.engine import account
from allocopt.backtests.accounting.execution import executed_weights, in_force, simple_returns
from allocopt.backtests.accounting.financing import Financing
from allocopt.backtests.accounting.grid import LedgerGrid, account_grid
from allocopt.backtests.accounting.ledger import Ledger
from allocopt.backtests.accounting.specification import Execution

__all__ = [
    "Execution",
    "Financing",
    "Ledger",
    "LedgerGrid",
    "account",
    "account_grid",
    "executed_weights",
    "in_force",
    "simple_returns",
]
