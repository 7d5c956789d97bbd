"""One accounting engine for every study: decided weights and prices in, a ledger that adds up out."""

from allocopt.backtests.accounting.execution import executed_weights, in_force, simple_returns

__all__ = ["executed_weights", "in_force", "simple_returns"]
