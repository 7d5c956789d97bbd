"""A rotation from plain settings, as a TOML file or a command line writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from allocopt.backtests.overlays import (
    Fixed,
    LeveragePolicy,
    RealizedVolHalving,
    VixFineSteps,
    VixInverse,
    VixSteps,
    VolatilityTarget,
)
from allocopt.backtests.schedules import Calendar, EveryRows, Schedule
from allocopt.backtests.sector_rotation.specification import SESSIONS, SectorRotation
from allocopt.backtests.sector_rotation.weighting import InverseCorrelation, InverseVolatility
from allocopt.costs import ProportionalCost, SpreadCost
from allocopt.errors import AllocoptError, SpecificationError
from allocopt.limits import Limits

#: Leverage policies by the name they have in a configuration.
POLICIES: Final[dict[str, type[Any]]] = {
    "fixed": Fixed,
    "vix-steps": VixSteps,
    "vix-fine-steps": VixFineSteps,
    "vix-inverse": VixInverse,
    "realized-vol-halving": RealizedVolHalving,
    "volatility-target": VolatilityTarget,
}

#: Settings of a rotation, by the names of its parameters.
SETTINGS: Final = tuple(field.name for field in fields(SectorRotation))


def rotation_from_settings(settings: Mapping[str, Any]) -> SectorRotation:
    """Make a rotation of plain settings: numbers, words, lists and tables.

    Parameters
    ----------
    settings : mapping
        Parameters of `SectorRotation` by name. ``leverage`` is a number, or a table with a ``policy`` (``fixed``,
        ``vix-steps``, ``vix-fine-steps``, ``vix-inverse``, ``realized-vol-halving``, ``volatility-target``) and its
        parameters; the word alone stands for the policy with its defaults. ``trend_filter`` may be ``False``.
        ``schedule`` is a word, or ``{rows, offset}`` for every so many sessions, or ``{calendar, row}``. ``costs`` is a
        decimal a side, or ``{slippage, commission}``. ``weighting`` is a word, or ``{inverse_volatility = window}``.
        ``limits`` is ``{cap, floor, budget}``. ``momentum`` may be a table by sector.

    Returns
    -------
    SectorRotation

    Raises
    ------
    SpecificationError
        For a name that is no setting (the allowed ones are listed), or a value outside its range.

    Examples
    --------
    >>> rotation = rotation_from_settings({"leverage": {"policy": "vix-steps", "base": 1.25}, "financing_rate": 0.05})
    >>> rotation.leverage.label
    'VIX steps 15/20/30, base 1.25'
    >>> rotation_from_settings({"lookback": 126})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    allocopt.errors.SpecificationError: 'lookback' is no setting of a rotation. Remedy: use momentum, top_n, ...
    """
    require_keys(settings, SETTINGS, "setting of a rotation")
    return SectorRotation(**{name: _READERS.get(name, _as_is)(value) for name, value in settings.items()})


def require_keys(given: Mapping[str, Any], allowed: Iterable[str], what: str, where: str | None = None) -> None:
    """Raise a `SpecificationError` that names the first key that is not allowed, and those that are."""
    names = tuple(allowed)
    for key in given:
        if key not in names:
            raise SpecificationError(f"{key!r} is no {what}", where=where, remedy=f"use {', '.join(names)}")


def located(where: str, make: Callable[[], Any]) -> Any:
    """Call ``make``; an error that says nothing of its place is told it."""
    try:
        return make()
    except SpecificationError as error:
        place = where if error.where is None else f"{where}, {error.where}"
        raise SpecificationError(error.what, where=place, value=error.value, remedy=error.remedy) from error


def short(value: object) -> str:
    """Write a setting for a label: a policy or weighting in its own words."""
    if isinstance(value, Mapping):
        try:
            if "policy" in value:
                read: Any = _leverage(value)
                return str(read.label) if isinstance(read, LeveragePolicy) else _target(read)
        except AllocoptError:
            pass
        return " ".join(f"{name} {short(cell)}" for name, cell in value.items())
    return f"{value:g}" if isinstance(value, float) else "none" if value is False else str(value)


def _target(target: VolatilityTarget) -> str:
    return f"volatility target {target.target:g} over {target.window}, cap {target.cap:g}"


def _as_is(value: Any) -> Any:
    return value


def _leverage(value: Any) -> Any:
    if isinstance(value, str):
        value = {"policy": value}
    if not isinstance(value, Mapping):
        return value
    rest = dict(value)
    name = rest.pop("policy", None)
    if name not in POLICIES:
        raise SpecificationError("not a leverage policy", value=name, remedy=f"give policy as {', '.join(POLICIES)}")
    kind = POLICIES[str(name)]
    own = [field.name for field in fields(kind) if field.name not in ("_", "periods_per_year")]
    require_keys(rest, own, f"parameter of the policy {name}")
    given: dict[str, Any] = {key: tuple(cell) if isinstance(cell, list) else cell for key, cell in rest.items()}
    if kind is VolatilityTarget:
        given["periods_per_year"] = SESSIONS
    try:
        return kind(**given)
    except TypeError as error:  # a parameter without a default
        raise SpecificationError(
            f"the policy {name} lacks a parameter", value=sorted(rest), remedy=f"its parameters are {', '.join(own)}"
        ) from error


def _filter(value: Any) -> Any:
    return None if value is False else value


def _schedule(value: Any) -> str | int | Schedule:
    if not isinstance(value, Mapping):
        return value  # type: ignore[no-any-return]
    if "rows" in value:
        require_keys(value, ("rows", "offset"), "part of a schedule by rows")
        return EveryRows(value["rows"], offset=value.get("offset", 0))
    require_keys(value, ("calendar", "row"), "part of a schedule by the calendar")
    if "calendar" not in value:
        raise SpecificationError(
            "a schedule has neither rows nor a calendar", value=dict(value), remedy='give {calendar = "MS", row = 5}'
        )
    return Calendar(value["calendar"], row=value.get("row", 0), first_row=True)


def _costs(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return ProportionalCost(value)
    require_keys(value, ("slippage", "commission"), "cost")
    return SpreadCost(0.0, slippage=value.get("slippage", 0.0)), ProportionalCost(value.get("commission", 0.0))


def _weighting(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    kinds: dict[str, type[InverseVolatility] | type[InverseCorrelation]] = {
        "inverse_volatility": InverseVolatility,
        "inverse_correlation": InverseCorrelation,
    }
    require_keys(value, kinds, "weighting with a window")
    if len(value) != 1:
        raise SpecificationError(
            "not one weighting", value=dict(value), remedy="give such as {inverse_volatility = 63}"
        )
    name, window = next(iter(value.items()))
    return kinds[name](window)


def _limits(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    require_keys(value, ("cap", "floor", "budget"), "limit")
    return Limits(**{"cap": 1.0, "floor": 0.0, **value})


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "leverage": _leverage,
    "trend_filter": _filter,
    "schedule": _schedule,
    "costs": _costs,
    "weighting": _weighting,
    "limits": _limits,
}
