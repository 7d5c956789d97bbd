"""Many ledgers in one call, compiled. Apart from ``_kernels``, whose one ledger most programs need alone."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from allocopt.backtests.accounting._kernels import COST, FIGURES, TURNOVER, VALUE, run

_table = types.Array(types.float64, 2, "A", readonly=True)
_stack = types.Array(types.float64, 3, "A", readonly=True)
_row = types.Array(types.float64, 1, "A", readonly=True)
_rows = types.Array(types.int64, 1, "C", readonly=True)
_two = types.float64[:, ::1]

_GRID = types.void(
    _table, types.boolean, types.int64, _stack, types.Array(types.int64, 2, "C", readonly=True), types.int64,
    types.float64, _rows, _stack, _stack, _row, _row, _table, _row, types.float64,
    _rows, _rows, _rows, _rows, _two, _two, _two, types.int64[:, ::1], _two,
)  # fmt: skip


@njit(_GRID, cache=True, nogil=True, error_model="numpy")
def run_grid(
    prices,
    relative,
    mode,
    weights,  # (W, M, n)
    decided,  # (W, T)
    gaps,
    lot,
    kinds,
    first,  # (C, K, n)
    second,
    lending,
    borrowing,
    funding,
    charges,
    capital,
    which_weights,  # (B,)
    which_costs,  # (B,)
    lags,  # (B,)
    places,  # (B,), rows of the outputs
    values,  # out (cells, T), NaN after a bankruptcy
    turnovers,  # out (cells, T)
    costs,  # out (cells, T)
    ends,  # out (cells, 3): how, row, column
    residuals,  # out (cells, 3)
):
    """Ledgers of many cells on the same prices; each is what `run` gives for it alone."""
    rows, n = prices.shape
    pnl = np.zeros(n)
    causes = np.zeros((0, len(kinds)))
    record = np.zeros((0, n))
    record_rows = np.zeros(0, dtype=np.int64)
    figures = np.zeros((FIGURES, rows))
    for b in range(len(lags)):
        w, c, o = which_weights[b], which_costs[b], places[b]
        how, row, column, _ = run(
            prices, relative, mode, weights[w], decided[w], lags[b], gaps, lot, kinds, first[c], second[c],
            lending, borrowing, funding, charges, capital, figures, causes, pnl, record, record_rows, residuals[o],
        )  # fmt: skip
        ends[o, 0] = how
        ends[o, 1] = row
        ends[o, 2] = column
        for t in range(rows):
            values[o, t] = figures[VALUE, t] if t <= row else np.nan
            turnovers[o, t] = figures[TURNOVER, t] if t <= row else np.nan
            costs[o, t] = figures[COST, t] if t <= row else np.nan
