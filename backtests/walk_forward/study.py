"""Run a study with parameters, and read what it gives: accounts, or returns alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_numbers
from allocopt.backtests.accounting import Ledger
from allocopt.backtests.metrics import equity_curve
from allocopt.backtests.walk_forward.grid import Parameters
from allocopt.errors import InputError, LabelError, SpecificationError

FloatArray = npt.NDArray[np.float64]

#: A function of data and parameters, or a frozen dataclass with ``run(data)`` whose fields are the parameters.
Study: TypeAlias = "Callable[[Any, Parameters], Any] | Any"


def require_study(study: object) -> None:
    """Raise a `SpecificationError` for what is no study."""
    if isinstance(study, type) or not (_has_run(study) or callable(study)):
        raise SpecificationError(
            "not a study",
            value=getattr(study, "__name__", type(study).__name__),
            remedy="give a function of data and parameters, or an instance of a frozen dataclass with run(data)",
        )


def run_study(study: Study, data: Any, parameters: Parameters) -> Any:
    """Run it with these parameters."""
    return configured(study, parameters).run(data) if _has_run(study) else study(data, dict(parameters))


def configured(specification: Any, parameters: Parameters) -> Any:
    """Set fields of a frozen dataclass; a name with dots, such as ``limits.cap``, sets a field of a field."""
    names = [field.name for field in fields(specification) if field.init]
    changes = {name: value for name, value in parameters.items() if "." not in name}
    inside: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        if "." in name:
            head, rest = name.split(".", 1)
            inside.setdefault(head, {})[rest] = value
    for name in (*changes, *inside):
        if name not in names:
            raise SpecificationError(
                f"not a parameter of {type(specification).__name__}", value=name, remedy=f"one of {names}"
            )
    for head, values in inside.items():
        part = changes.get(head, getattr(specification, head))
        if not is_dataclass(part) or isinstance(part, type):
            raise SpecificationError(
                f"{head!r} has no fields to set",
                value=next(f"{head}.{rest}" for rest in values),
                remedy=f"set {head!r} as a whole, or make it a frozen dataclass",
            )
        changes[head] = configured(part, values)
    return replace(specification, **changes)


@dataclass(frozen=True, eq=False)
class Run:
    """What a study gave, on positions of the data's rows.

    ``equity[i]`` is the value at the close of row ``first + i``; ``first`` ends no period. Where the account was lost
    the equity ends before that row.
    """

    first: int
    equity: FloatArray
    turnover: FloatArray | None = None
    ledger: Ledger | None = None

    @property
    def last(self) -> int:
        """Position of the last row."""
        return self.first + len(self.equity) - 1

    def returns(self, low: int, high: int) -> FloatArray:
        """Return of each row from ``low`` to ``high`` inclusive; NaN where there is none."""
        found = np.full(high - low + 1, np.nan)
        begin, end = max(low, self.first + 1), min(high, self.last)
        if begin <= end:
            value = self.equity[begin - 1 - self.first : end + 1 - self.first]
            found[begin - low : end + 1 - low] = value[1:] / value[:-1] - 1.0
        return found


def read_result(result: object, dates: pd.DatetimeIndex) -> Run:
    """Read the result of a study that saw the rows ``dates``: a ledger, something with one, or returns."""
    found = result if isinstance(result, Ledger) else getattr(result, "ledger", None)
    if isinstance(found, Ledger):
        # All rows that it saw: its own dates end where the account was lost.
        return run_of_ledger(found, _first(found._market.dates, dates, "the ledger"))
    if isinstance(result, pd.Series):
        return _read_returns(result, dates)
    raise SpecificationError(
        "the study gave neither accounts nor returns",
        value=type(result).__name__,
        remedy="return a Ledger, something with .ledger, or a Series of returns by date",
    )


def run_of_ledger(ledger: Ledger, first: int) -> Run:
    """Read accounts that begin on row ``first``; a last row on which all is lost is left out."""
    end = len(ledger.dates) - (ledger.bankrupt is not None)
    return Run(first, _floats(ledger.equity)[:end], _floats(ledger.turnover)[:end], ledger)


def _floats(series: pd.Series[float]) -> FloatArray:
    found: FloatArray = np.asarray(series, dtype=np.float64)
    return found


def _read_returns(returns: pd.Series[Any], dates: pd.DatetimeIndex) -> Run:
    require_dates(returns.index, "the study's returns")
    values = require_numbers(returns, "the study's return")
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        raise InputError("the study gave no return at all", remedy="give it a longer history")
    first = _first(returns.index, dates, "the study's returns")
    cut = returns.iloc[int(known[0]) :].astype(float)
    first += int(known[0])
    if float(cut.iloc[0]) == 0.0:  # as in a ledger, where row 0 ends no period
        return Run(first, _floats(equity_curve(cut)))
    if first == 0:
        raise SpecificationError(
            "the study's returns begin with a period that has no row before it",
            where=day(dates[0]),
            value=float(cut.iloc[0]),
            remedy="give 0.0 or NaN on the first row of the data",
        )
    return Run(first - 1, _floats(equity_curve(cut, start=dates[first - 1])))


def _first(index: pd.Index[Any], dates: pd.DatetimeIndex, what: str) -> int:
    """Position of the first row of a result, which must have every row from there to the last one that it saw."""
    first = len(dates) - len(index)
    if first >= 0 and index.equals(dates[first:]):
        return first
    apart = index.symmetric_difference(dates[max(first, 0) :])
    raise LabelError(
        f"{what} has other rows than the data that the study was given",
        where=day(plain(apart[0])) if len(apart) else None,
        remedy="give a row for each from its first to the last of the data; if those are no rows of the study, pass "
        "dates= to walk_forward",
    )


def _has_run(study: object) -> bool:
    return is_dataclass(study) and not isinstance(study, type) and callable(getattr(study, "run", None))


def is_batched(study: object) -> bool:
    """Whether a study runs many configurations in one call, ``many(data, list_of_parameters)``."""
    return callable(getattr(study, "many", None))


def run_many(study: Any, data: Any, several: list[Parameters]) -> list[Any]:
    """Run a batched study; a result for each configuration, in their order."""
    results = list(study.many(data, [dict(parameters) for parameters in several]))
    if len(results) != len(several):
        raise SpecificationError(
            "the study's many gave another number of results",
            value=len(results),
            remedy=f"return one for each of the {len(several)} configurations",
        )
    return results


def require_mapping(parameters: object, what: str) -> dict[str, Any]:
    """Return parameters as a dict."""
    if not isinstance(parameters, Mapping):
        raise SpecificationError(f"{what} is no mapping of parameters", value=parameters, remedy="give a dict")
    return dict(parameters)
