"""An experiment in one readable file: profiles, phases that vary them, and the runs that follow."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any, Final

from allocopt.backtests.sector_rotation._settings import (
    SETTINGS,
    located,
    require_keys,
    rotation_from_settings,
    short,
)
from allocopt.backtests.sector_rotation.data import SectorData
from allocopt.backtests.sector_rotation.published import DEFAULT_EXPERIMENT
from allocopt.backtests.sector_rotation.result import METRICS
from allocopt.backtests.sector_rotation.specification import SectorRotation
from allocopt.errors import SpecificationError

#: Clocks of the bars: dates as they are, or the original's.
CLOCKS: Final = ("sessions", "new-york")

_TOP = ("title", "start", "end", "clock", "shared", "profiles", "phases")
_PHASE = ("name", "profiles", "grid")


@dataclass(frozen=True, eq=False)
class Cell:
    """One run of an experiment.

    Attributes
    ----------
    phase, label : str
        Where it belongs, and what sets it apart there.
    settings : dict
        Plain settings, as `rotation_from_settings` reads them.
    published : dict of str to float
        Published figures of this very configuration; empty where there are none.
    """

    phase: str
    label: str
    settings: dict[str, Any]
    published: dict[str, float]

    @property
    def rotation(self) -> SectorRotation:
        """The rotation itself."""
        return rotation_from_settings(self.settings)


@dataclass(frozen=True, eq=False)
class Experiment:
    """Profiles (named sets of parameters) and phases that run them as they are or over a grid.

    Attributes
    ----------
    title : str
    start, end : str or None
        First and last date, both included.
    clock : {"sessions", "new-york"}
        ``"new-york"`` dates each session at its midnight in New York, written in UTC, as the original's bars.
    profiles : dict of str to dict
        Settings of each profile, the shared ones included.
    cells : tuple of Cell
        All runs, in the order of the phases.
    text : str
        The configuration as it was read.

    Examples
    --------
    >>> experiment = Experiment.default()
    >>> experiment.phases
    ('published', 'momentum', 'leverage', 'filter', 'combined', 'vix')
    >>> experiment.cells[0].label, experiment.cells[0].rotation.momentum
    ('base', 126)
    """

    title: str
    start: str | None
    end: str | None
    clock: str
    profiles: dict[str, dict[str, Any]]
    cells: tuple[Cell, ...]
    text: str = field(repr=False)

    @classmethod
    def default(cls) -> Experiment:
        """Read the published experiment, which comes with the package."""
        return cls.from_text(DEFAULT_EXPERIMENT)

    @classmethod
    def from_text(cls, text: str) -> Experiment:
        """Read a configuration in TOML; every cell is checked.

        Raises
        ------
        SpecificationError
            For text that is no TOML, a key that is unknown (the allowed ones are listed), a profile that does not
            exist, or settings that make no rotation: the phase and the cell are named.
        """
        try:
            given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SpecificationError(f"the configuration is no TOML ({error})", remedy="mend the line named") from error
        require_keys(given, _TOP, "key of the configuration")
        shared = _table(given.get("shared", {}), "shared")
        require_keys(shared, SETTINGS, "setting of a rotation", "table 'shared'")
        profiles, published = _profiles(given, shared)
        phases = given.get("phases", [{"name": name, "profiles": [name]} for name in profiles])
        if not isinstance(phases, list) or not phases:
            raise SpecificationError("phases are no list of tables", value=phases, remedy="write [[phases]] for each")
        names = [phase.get("name") if isinstance(phase, Mapping) else None for phase in phases]
        if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
            raise SpecificationError(
                "phases are not named apart", value=names, remedy='give each a name = "..." of its own'
            )
        cells = tuple(cell for phase in phases for cell in _cells(phase, profiles, published))
        places = [(cell.phase, cell.label) for cell in cells]
        for place in places:
            if places.count(place) > 1:
                raise SpecificationError(
                    "a run is there twice", where=f"phase {place[0]!r}, {place[1]}", remedy="write each value once"
                )
        clock = given.get("clock", "sessions")
        if clock not in CLOCKS:
            raise SpecificationError("the clock is unknown", value=clock, remedy=f"use {' or '.join(CLOCKS)}")
        return cls(
            str(given.get("title", "Sector rotation")), _date(given, "start"), _date(given, "end"), clock, profiles,
            cells, text,
        )  # fmt: skip

    @property
    def phases(self) -> tuple[str, ...]:
        """Names of the phases."""
        return tuple(dict.fromkeys(cell.phase for cell in self.cells))

    def only(self, *phases: str) -> Experiment:
        """Keep only these phases.

        Raises
        ------
        SpecificationError
            For a name that is no phase.
        """
        for name in phases:
            if name not in self.phases:
                raise SpecificationError("not a phase", value=name, remedy=f"use one of {', '.join(self.phases)}")
        cells = tuple(cell for cell in self.cells if cell.phase in phases)
        return Experiment(self.title, self.start, self.end, self.clock, self.profiles, cells, self.text)

    def profile(self, name: str) -> dict[str, Any]:
        """Give the settings of a profile.

        Raises
        ------
        SpecificationError
            For a name that is no profile.
        """
        if name not in self.profiles:
            raise SpecificationError("not a profile", value=name, remedy=f"use one of {', '.join(self.profiles)}")
        return dict(self.profiles[name])

    @property
    def needs_volatility_index(self) -> tuple[str, ...]:
        """Phases with a run that looks at a volatility index."""
        return tuple(dict.fromkeys(cell.phase for cell in self.cells if cell.rotation.needs_volatility_index))

    def check(self, data: SectorData) -> None:
        """Raise if the data lacks what the phases need.

        Raises
        ------
        SpecificationError
            For phases that look at a volatility index where there is none: their names, and how to do without.
        """
        phases = self.needs_volatility_index
        if phases and data.volatility_index is None:
            others = " ".join(f"--phase {name}" for name in self.phases if name not in phases)
            raise SpecificationError(
                f"phases need a volatility index, which is not given: {', '.join(phases)}",
                remedy="give one (--volatility-index FILE)"
                + (f", or run the others only ({others})" if others else ""),
            )


def _profiles(
    given: Mapping[str, Any], shared: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, float]]]:
    tables = _table(given.get("profiles", {}), "profiles")
    if not tables:
        raise SpecificationError("the configuration has no profile", remedy="write [profiles.base] and its parameters")
    profiles, published = {}, {}
    for name, table in tables.items():
        own = dict(_table(table, f"profiles.{name}"))
        figures = _table(own.pop("published", {}), f"profiles.{name}.published")
        require_keys(own, (*SETTINGS, "published"), "setting of a rotation", f"profile {name!r}")
        require_keys(figures, METRICS, "figure", f"published figures of profile {name!r}")
        profiles[name] = {**shared, **own}
        published[name] = {key: float(value) for key, value in figures.items()}
    return profiles, published


def _cells(
    phase: Mapping[str, Any], profiles: Mapping[str, dict[str, Any]], published: Mapping[str, dict[str, float]]
) -> Iterator[Cell]:
    name = str(phase["name"])
    require_keys(phase, _PHASE, "key of a phase", f"phase {name!r}")
    wanted = phase.get("profiles", list(profiles))
    grid = _table(phase.get("grid", {}), f"grid of phase {name!r}")
    require_keys(grid, SETTINGS, "setting of a rotation", f"grid of phase {name!r}")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise SpecificationError(
                f"the values of {key} are no list",
                where=f"phase {name!r}",
                value=values,
                remedy="write [118, 120, 122]",
            )
    for profile in wanted if isinstance(wanted, list) else [wanted]:
        if profile not in profiles:
            raise SpecificationError(
                "not a profile", where=f"phase {name!r}", value=profile, remedy=f"use one of {', '.join(profiles)}"
            )
        for values in product(*grid.values()):
            changes = dict(zip(grid, values, strict=True))
            words = [_words(name, key, value) for key, value in changes.items()]
            label = ", ".join([profile, *words] if not words or len(wanted) > 1 else words)
            settings = {**profiles[profile], **changes}
            located(f"phase {name!r}, {label}", partial(rotation_from_settings, settings))
            yield Cell(name, label, settings, {} if changes else published[profile])


def _words(phase: str, key: str, value: object) -> str:
    """Write a change for a label: without the key where the phase or the value says it."""
    return short(value) if key == phase or isinstance(value, Mapping) else f"{key} {short(value)}"


def _table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SpecificationError(f"{name} is no table", value=value, remedy=f"write [{name}] and keys below it")
    return value


def _date(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    raise SpecificationError(f"{name} is no date", value=value, remedy="write it as 2020-01-01")
