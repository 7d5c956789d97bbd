"""`account`: decided weights and prices in, a ledger that adds up out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.accounting._inputs import Decisions, Market, gather, read_charges, read_funding
from allocopt.backtests.accounting._python import run_rows
from allocopt.backtests.accounting._raw import COST, ENDED, GAPS, IDENTITIES, MODES, TOLERANCE, FloatArray, Inputs, Raw
from allocopt.backtests.accounting.ledger import Ledger
from allocopt.backtests.accounting.specification import Execution
from allocopt.charging import KernelCosts, cost_labels, kernel_costs
from allocopt.costs import MarketCost
from allocopt.errors import InputError, LedgerError, SpecificationError

#: Column of the charges among the costs by cause.
CHARGES = "charges"


def account(
    weights: pd.DataFrame,
    prices: pd.DataFrame | None = None,
    execution: Execution | None = None,
    *,
    returns: pd.DataFrame | None = None,
    exposure: float | pd.Series = 1.0,
    funding: pd.DataFrame | None = None,
    charges: pd.DataFrame | None = None,
    capital: float = 1.0,
) -> Ledger:
    """Carry out decided weights on prices, and book every cent: trades, costs, interest, funding, profit and loss.

    Row t of the ledger is the period from the close of row t-1 to the close of row t. At its start, at the prices of
    row t-1, the weights that were decided on row ``t - lag`` are bought and paid for out of cash; then the period's
    returns, interest and funding are booked. So what is decided from information up to row t earns the return from t
    to t+1, and this is the one place where anything is shifted. Row 0 ends no period: all is cash.

    Parameters
    ----------
    weights : DataFrame, shape (M, n)
        Decided weights by date and sleeve, decimal fractions of the value before costs; negative for short. The dates
        are rows of ``prices``: all of them, or only those on which something is decided. Every cell finite; 0.0 where
        nothing is to be held.
    prices : DataFrame, shape (T, n), optional
        Prices by date and sleeve, positive, in any currency; rows ascending. NaN where there is none.
    execution : Execution, optional
        Mode, lag, schedule, costs, financing, gap policy, lots. Default: `Execution()`, holdings without costs.
    returns : DataFrame, shape (T, n), optional
        Decimal returns over each row, in place of prices; row 0 is not used.
    exposure : float or Series by deciding date, default 1.0
        Factor on each date's weights: leverage or volatility-target sizing. The ledger shows composition and exposure
        apart.
    funding : DataFrame, shape (T, n), optional
        Perpetual funding: decimal rate over each row that longs pay (and shorts receive) on their position at the
        row's start.
    charges : DataFrame, shape (T, n), optional
        Costs that do not follow from the trades: paid out of cash at the start of each row, as decimal fractions of the
        value then, before any cost of the row; 0.0 where nothing is due, never negative. They need no position in the
        sleeve. Row 0, which ends no period, is not used.
    capital : float, default 1.0
        Money at the close of row 0.

    Returns
    -------
    Ledger
        Ends at the row on which the value is no longer positive, if there is one.

    Raises
    ------
    InputError
        For a price, weight, exposure, rate or charge that is missing where it is needed, infinite, or of a wrong sign.
    LabelError, ShapeError
        For tables that do not belong together.
    SpecificationError
        For settings outside their range, or weights over 1 without a financing rate.
    LedgerError
        If the ledger's identities do not hold, which would be a fault of the program or of absurd magnitudes.

    References
    ----------
    S. Boyd et al., "Multi-Period Trading via Convex Optimization", Foundations and Trends in Optimization 3 (2017),
    sections 2.2 to 2.5: dynamics of holdings, transaction and holding costs.

    Examples
    --------
    >>> import pandas as pd
    >>> import allocopt
    >>> dates = pd.date_range("2024-01-01", periods=3)
    >>> prices = pd.DataFrame({"A": [10.0, 11.0, 11.0], "B": [20.0, 20.0, 25.0]}, index=dates)
    >>> weights = pd.DataFrame({"A": [0.5, 0.0, 0.0], "B": [0.0, 0.4, 0.4]}, index=dates)
    >>> ledger = account(weights, prices, Execution(costs=allocopt.ProportionalCost(0.001)), capital=1000.0)
    >>> ledger.equity.round(4).tolist()
    [1000.0, 1049.5, 1153.4802]
    >>> ledger.executed.round(3).to_numpy().tolist()
    [[0.0, 0.0], [0.5, 0.0], [0.0, 0.4]]
    """
    how = require_execution(Execution() if execution is None else execution)
    market = Market.read(prices, returns).for_mode(how.mode)
    require_shares(how, relative=returns is not None)
    decisions = Decisions.read(weights, exposure, how, market)
    inputs = gather(decisions, market, how, read_funding(funding, market), read_charges(charges, market), capital)
    compiled = kernel_costs(how.causes, len(market.sleeves), market.sleeves)
    if compiled is None:
        raw, labels = run_rows(inputs, how.causes, market.sleeves), cost_labels(how.causes)
    else:
        raw, labels = run_compiled(inputs, compiled), compiled.labels
    check_end(raw.how, raw.row, raw.column, market)
    check_residuals(raw.residuals)
    if len(inputs.charges):
        labels = with_charges(labels)
    return Ledger(market, decisions, how, inputs, labels, raw, "python" if compiled is None else "compiled")


def with_charges(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels of the causes and of the charges, which come last."""
    if CHARGES in labels:
        raise SpecificationError(
            "a cost has the name of the charges", value=CHARGES, remedy="give its class another label"
        )
    return (*labels, CHARGES)


def run_compiled(inputs: Inputs, costs: KernelCosts) -> Raw:
    """One ledger through the kernel."""
    from allocopt.backtests.accounting import _kernels as kernels

    rows, n = inputs.prices.shape
    decisions = int((inputs.decided >= 0).sum())
    # Trades that wait for a price are carried out on rows of their own.
    records = rows if inputs.gaps == "hold" else min(rows, decisions)
    causes = len(costs.kind) + (len(inputs.charges) > 0)
    raw = Raw.empty(rows, n, causes if causes > 1 else 0, records)
    how, row, column, count = kernels.run(
        inputs.prices,
        inputs.relative,
        MODES[inputs.mode],
        inputs.weights,
        inputs.decided,
        inputs.lag,
        GAPS[inputs.gaps],
        inputs.lot,
        costs.kind,
        costs.first,
        costs.second,
        inputs.lending,
        inputs.borrowing,
        inputs.funding,
        inputs.charges.sum(axis=1),
        inputs.capital,
        raw.figures.T,
        raw.causes if causes > 1 else np.zeros((0, 1)),  # the one cause has the costs themselves
        raw.pnl,
        raw.record,
        raw.record_rows,
        raw.residuals,
    )
    if causes == 1:
        raw = replace(raw, causes=raw.figures[:, COST : COST + 1])
    return raw.ended(ENDED[how], row, column, count)


def check_end(how: str, row: int, column: int, market: Market) -> None:
    """Raise where a run ended at a price that is missing or no price."""
    if how == "no price" and not market.relative and np.isnan(market.values[: row + 1, column]).all():
        raise InputError(
            "a sleeve is to be traded before its first price",
            where=market.where(row, column),
            remedy="decide 0.0 until it has a price",
        )
    if how == "no price":
        raise InputError(
            f"a {'return' if market.relative else 'price'} is missing while its sleeve is held or traded",
            where=market.where(row, column),
            remedy='mend it, decide 0.0 there, or choose a gap policy: Execution(gaps="hold") or "fill"',
        )
    if how == "bad price":
        raise InputError(
            "a return is infinite" if market.relative else "a price is infinite or not positive",
            where=market.where(row, column),
            value=float(market.values[row, column]),
            remedy="mend it, or make it NaN where there is none",
        )
    if how == "no financing":
        raise SpecificationError(
            "cash is owed beyond what trading has cost, and nothing says what it costs",
            where=day(market.dates[row]),
            remedy="give Execution(financing=Financing(...)), with borrowing=0.0 if it is meant to be free",
        )


def check_residuals(residuals: FloatArray) -> None:
    """Raise where an identity does not hold."""
    if not (residuals <= TOLERANCE).all():
        worst = int(np.nanargmax(np.where(np.isnan(residuals), np.inf, residuals)))
        raise LedgerError(
            f"the ledger does not add up: {IDENTITIES[worst]}",
            value=float(residuals[worst]),
            remedy="look for prices or weights of absurd size; if there are none, report this as a fault of allocopt",
        )


def require_execution(execution: object) -> Execution:
    """Return the execution; a `SpecificationError` for anything else."""
    if not isinstance(execution, Execution):
        raise SpecificationError("not an execution", value=execution, remedy="give Execution(...)")
    return execution


def require_shares(execution: Execution, relative: bool) -> None:
    """Raise where something is counted in shares and there are only returns."""
    for what, wanted in (
        ("lots", execution.lot > 0.0),
        ("a cost by price", any(isinstance(cost, MarketCost) for cost in execution.causes)),
    ):
        if relative and wanted:
            raise SpecificationError(f"returns say nothing of shares, and {what} need them", remedy="give prices")
