"""Objects out of a configuration: a table that names its kind becomes that policy, cost, limit or allocator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from allocopt.errors import AllocoptError, SpecificationError
from allocopt.toml_files import Section

Settings = TypeVar("Settings")


def kinds() -> dict[str, type]:
    """Classes that a table may name under ``kind``."""
    from allocopt.backtests import overlays
    from allocopt.backtests.volatility_alpha import VolatilityAlpha
    from allocopt.costs import ProportionalCost, SpreadCost, SquareRootImpact
    from allocopt.limits import Limits
    from allocopt.solvers import Heuristic, Projection

    named = (
        Limits, Projection, Heuristic, ProportionalCost, SpreadCost, SquareRootImpact, overlays.Fixed,
        overlays.VixSteps, overlays.VixFineSteps, overlays.VixInverse, overlays.RealizedVolHalving,
        overlays.VolatilityTarget, VolatilityAlpha,
    )  # fmt: skip
    return {kind.__name__: kind for kind in named}


def thing_from(value: Any, place: str) -> Any:
    """Turn tables with a ``kind`` into what they name, lists into tuples; leave the rest as it is.

    Parameters
    ----------
    value : object
        As TOML has it.
    place : str
        Where it stands, for messages.

    Raises
    ------
    SpecificationError
        For a kind that is unknown, a key that its class does not have, or a value that it refuses.

    Examples
    --------
    >>> thing_from({"kind": "Limits", "cap": 0.4, "floor": 0.05}, "[settings]")
    Limits(cap=0.4, floor=0.05, budget=1.0)
    """
    if isinstance(value, list):
        return tuple(thing_from(item, place) for item in value)
    if not isinstance(value, Mapping):
        return value
    known = kinds()
    if "kind" not in value:
        raise SpecificationError(
            "a table does not say of what kind it is", where=place, value=dict(value), remedy='begin with kind = "..."'
        )
    name = value["kind"]
    if name not in known:
        raise SpecificationError("an unknown kind", where=place, value=name, remedy=f"one of {sorted(known)}")
    return settings_from(known[name], {key: item for key, item in value.items() if key != "kind"}, f"{place}, {name}")


def settings_from(cls: type[Settings], values: Mapping[str, Any] | Section, place: str | None = None) -> Settings:
    """Build a dataclass from the keys of a table.

    Parameters
    ----------
    cls : dataclass
        Its fields are the keys that are known.
    values : mapping or Section
        As TOML has them.
    place : str, optional
        Where they stand, for messages.

    Raises
    ------
    SpecificationError
        For a key that is no field, or a value that the class refuses.

    Examples
    --------
    >>> from allocopt.backtests.splitters import Rolling
    >>> settings_from(Rolling, {"train": 4, "tset": 2}, "[splitter]")
    Traceback (most recent call last):
        ...
    allocopt.errors.SpecificationError: Rolling has no such setting at [splitter]: 'tset'. Remedy: write 'test'.
    """
    content, where = (values.content, values.place) if isinstance(values, Section) else (values, place or "")
    made = {key: thing_from(item, where) for key, item in content.items()}
    known = [part.name for part in fields(cls) if part.init] if is_dataclass(cls) else []
    for key in made:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            remedy = f"write {near[0]!r}" if near else f"known are {sorted(known)}"
            raise SpecificationError(f"{cls.__name__} has no such setting", where=where, value=key, remedy=remedy)
    try:
        return cls(**made)
    except AllocoptError as error:
        raise SpecificationError(error.what, where=where, value=error.value, remedy=error.remedy) from error
    except TypeError as error:
        raise SpecificationError(
            f"{cls.__name__} cannot be made ({error})", where=where, remedy="see its page"
        ) from error
