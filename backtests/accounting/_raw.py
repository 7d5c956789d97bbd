"""What goes into the rows of a ledger and what comes out of them, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Mode = Literal["holdings", "constant-mix"]
Gaps = Literal["raise", "hold", "fill"]

#: Codes of the compiled rows.
MODES: dict[Mode, int] = {"holdings": 0, "constant-mix": 1}
GAPS: dict[Gaps, int] = {"raise": 0, "hold": 1, "fill": 2}
#: Column of the figures with the costs.
COST = 3
ENDED = ("done", "bankrupt", "no price", "bad price", "no financing")

#: What is checked on every run, in the order of the residuals.
IDENTITIES = (
    "cash + positions = value before + P&L - costs + interest + funding, on every row",
    "P&L of the sleeves - costs + interest + funding = change of the value",
    "costs by cause sum to the costs paid",
)
#: Largest residual of an identity, relative to the largest value of the run.
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Inputs:
    """One ledger's inputs, read and checked, but for the prices: the rows themselves check those."""

    prices: FloatArray  # (T, n), or returns over the rows where `relative`
    relative: bool
    mode: Mode
    weights: FloatArray  # (M, n), composition times exposure
    decided: IntArray  # (T,), row of `weights` that is decided on each row, or -1
    lag: int
    gaps: Gaps
    lot: float
    lending: FloatArray  # (T,) per row, or empty
    borrowing: FloatArray
    funding: FloatArray  # (T, n), or no rows
    charges: FloatArray  # (T, n), or no rows
    capital: float


@dataclass(frozen=True, eq=False)
class Raw:
    """One ledger's rows.

    ``figures`` are value, cash, turnover, cost, interest and funding; ``record`` holds the shares (holdings) or weights
    (constant mix) from the row ``record_rows`` on; ``residuals`` are those of `Ledger.identities`.
    """

    figures: FloatArray  # (T, 6)
    causes: FloatArray  # (T, K), the charges last
    pnl: FloatArray  # (n,)
    record: FloatArray  # (R, n)
    record_rows: IntArray  # (R,)
    residuals: FloatArray  # (3,)
    how: str = ""
    row: int = 0
    column: int = 0
    records: int = 0

    @classmethod
    def empty(cls, rows: int, n: int, causes: int, records: int) -> Raw:
        """Room for a ledger, a figure after the other in memory: what is never written takes no memory."""
        return cls(
            np.zeros((6, rows)).T, np.zeros((rows, causes)), np.zeros(n), np.empty((records, n)),
            np.empty(records, np.int64), np.zeros(3),
        )  # fmt: skip

    def ended(self, how: str, row: int, column: int, records: int) -> Raw:
        """Give the same arrays with how, and on which row, the ledger ended."""
        return replace(self, how=how, row=row, column=column, records=records)

    def with_sums(self, capital: float, cost: float, other: float) -> Raw:
        """Fill in the residuals of the sums over all rows."""
        value = self.figures[: self.row + 1, 0]
        largest = float(np.abs(value).max())
        self.residuals[1] = abs(self.pnl.sum() - (value[-1] - capital + cost - other)) / largest
        self.residuals[2] = abs(self.causes[: self.row + 1].sum() - cost) / largest
        return self
