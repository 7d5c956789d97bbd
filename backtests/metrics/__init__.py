"""Figures of an equity curve: growth, risk, drawdowns, ratios, each with its definition, and all by regime.

`performance` gives them in one call. Every annualised figure takes `periods_per_year`; decimals throughout, drawdowns
positive; a ratio with nothing to divide by is NaN.
"""

from allocopt.backtests.metrics.assessment import Performance, performance
from allocopt.backtests.metrics.drawdown import drawdowns, max_drawdown, underwater
from allocopt.backtests.metrics.growth import (
    annual_return,
    cagr,
    equity_curve,
    mean_annual_return,
    total_return,
    volatility,
)
from allocopt.backtests.metrics.ratios import (
    balanced_performance_score,
    calmar_ratio,
    profit_factor,
    sharpe_ratio,
    sortino_ratio,
    win_rate,
)
from allocopt.backtests.metrics.regimes import by_regime
from allocopt.backtests.metrics.sharpe_error import newey_west_lags, sharpe_standard_error

__all__ = [
    "Performance",
    "annual_return",
    "balanced_performance_score",
    "by_regime",
    "cagr",
    "calmar_ratio",
    "drawdowns",
    "equity_curve",
    "max_drawdown",
    "mean_annual_return",
    "newey_west_lags",
    "performance",
    "profit_factor",
    "sharpe_ratio",
    "sharpe_standard_error",
    "sortino_ratio",
    "total_return",
    "underwater",
    "volatility",
    "win_rate",
]
