"""What a run says of itself (run.json), and whether its name says the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from allocopt.errors import DataFileError

KIND = "trend-basket-run"
FORMAT = 1

_NUMBER = r"(-?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|inf))"
_NAME = re.compile(
    r"trend_basket-(\d*[A-Za-z]+)-lb(\d+)-tr(\d+)-bt(\d+)-rb(\d+)-top(\d+)"
    rf"-mm{_NUMBER}-bm{_NUMBER}-vw(\d+)-vc{_NUMBER}-lev{_NUMBER}-exp{_NUMBER}-vt{_NUMBER}"
    rf"(?:-ph(\d+))?(?:-cap{_NUMBER})?(?:-floor{_NUMBER})?(?:-budget{_NUMBER})?(?:-w(equal|momentum))?"
)

#: Parameters in the order of the name; a piece that is left out has the value given here.
NAMED: dict[str, float | str | None] = {
    "bar": None, "momentum": None, "trend": None, "market_trend": None, "interval": None, "top": None,
    "min_momentum": None, "min_market_momentum": None, "volatility_window": None, "volatility_cap": None,
    "leverage": None, "exposure": None, "volatility_target": None, "offset": 0, "cap": 1.0, "floor": 0.0,
    "budget": 1.0, "weighting": "equal",
}  # fmt: skip

WHOLE = ("momentum", "trend", "market_trend", "interval", "top", "volatility_window", "offset")
_SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "t": 60, "h": 3600, "hr": 3600, "hour": 3600, "d": 86400, "w": 604800}
_YEAR = 365 * 86400


@dataclass(frozen=True)
class Parameters:
    """Parameters of a basket's run. Windows and the interval in rows, the rest decimals."""

    momentum: int
    trend: int
    market_trend: int
    interval: int
    top: int
    min_momentum: float
    min_market_momentum: float
    volatility_window: int
    volatility_cap: float
    leverage: float
    exposure: float
    volatility_target: float
    offset: int
    cap: float
    floor: float
    budget: float
    weighting: str
    solver: str
    max_passes: int
    fee: float
    capital: float
    bar_seconds: float
    periods_per_year: float
    market: int  # column of the market coin

    @property
    def warm_up(self) -> int:
        """Rows before the first selection."""
        return max(self.momentum, self.trend, self.market_trend, self.volatility_window)


def parse_name(name: str) -> dict[str, float | int | str] | None:
    """Parameters that a name holds; None for one that is not the name of a trend basket.

    Examples
    --------
    >>> parse_name("trend_basket-1h-lb720-tr1440-bt2880-rb168-top2-mm0.000-bm0.000-vw336-vc0.0300-lev0.75-exp0.50"
    ...            "-vt0.2000-cap0.40")["cap"]
    0.4
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    values: dict[str, float | int | str] = {}
    for (field, default), text in zip(NAMED.items(), found.groups(), strict=True):
        if text is None:
            assert default is not None
            values[field] = default
        elif field in ("bar", "weighting"):
            values[field] = text
        else:
            values[field] = int(text) if field in WHOLE else float(text)
    return values


def bar_seconds(bar: str) -> int | None:
    """Seconds of a bar such as "1h"; None for a unit that the audit does not know."""
    found = re.fullmatch(r"(\d*)([A-Za-z]+)", bar)
    unit = _SECONDS.get(found[2].lower()) if found else None
    return None if unit is None or found is None else int(found[1] or 1) * unit


def read_parameters(run: Mapping[str, object], coins: list[str]) -> Parameters:
    """Parameters of a run.json; a `DataFileError` that names what is missing or no number."""
    stated = run.get("parameters")
    if not isinstance(stated, Mapping):
        raise DataFileError("run.json has no parameters", remedy="write the report again")
    market = run.get("market")
    if market not in coins:
        raise DataFileError(
            "run.json: the market coin is not in the ledger", value=market, remedy="write the report again"
        )
    numbers: dict[str, float] = {}
    for field in NAMED:
        if field not in ("bar", "weighting"):
            numbers[field] = number(stated, field)
    whole = {field: int(numbers[field]) for field in WHOLE}
    for field, value in whole.items():
        if value != numbers[field] or value < (0 if field == "offset" else 1):
            raise DataFileError(f"run.json: {field} is no number of rows", value=numbers[field], remedy="mend it")
    if whole["offset"] >= whole["interval"]:
        raise DataFileError("run.json: offset is not below interval", value=whole["offset"], remedy="mend it")
    seconds = number(run, "bar_seconds")
    if not seconds > 0.0:
        raise DataFileError("run.json: bar_seconds is not above 0", value=seconds, remedy="mend it")
    solver = str(stated.get("solver"))
    if solver not in ("euclidean", "kl", "heuristic"):
        raise DataFileError("run.json names a solver that the audit does not know", value=solver, remedy="mend it")
    return Parameters(
        **whole,
        **{field: value for field, value in numbers.items() if field not in WHOLE},  # type: ignore[arg-type]
        weighting=str(stated.get("weighting")),
        solver=solver,
        max_passes=int(number(stated, "max_passes")) if solver == "heuristic" else 0,
        fee=number(run, "fee"),
        capital=number(run, "capital"),
        bar_seconds=seconds,
        periods_per_year=_YEAR / seconds,
        market=coins.index(str(market)),
    )


def number(stated: Mapping[str, object], field: str) -> float:
    """Read a number of a run.json; infinity is written as a word there."""
    value = stated.get(field)
    try:
        if value is None or isinstance(value, (bool, list, dict)):
            raise ValueError
        return float(str(value))
    except ValueError:
        raise DataFileError(f"run.json: {field} is no number", value=value, remedy="write the report again") from None
