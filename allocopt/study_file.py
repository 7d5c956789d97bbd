"""A walk-forward study in one TOML file: what is run, on which data, over which grid, split how, judged by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from allocopt.backtests.splitters import CalendarSplits, CombinatorialPurged, Expanding, Rolling, Splitter
from allocopt.backtests.statistics import StationaryBootstrap
from allocopt.backtests.walk_forward import RandomSampler, grid_configurations
from allocopt.backtests.walk_forward.scoring import Scoring
from allocopt.backtests.walk_forward.testing import require_blocks
from allocopt.errors import SpecificationError
from allocopt.study_kinds import Prepared, prepare, require_kind
from allocopt.study_objects import settings_from, thing_from
from allocopt.toml_files import Section, located, read_toml

SPLITTERS: dict[str, type[Any]] = {
    "rolling": Rolling,
    "expanding": Expanding,
    "calendar": CalendarSplits,
    "combinatorial": CombinatorialPurged,
}


@dataclass(frozen=True, eq=False)
class StudyFile:
    """A study as its file describes it. Made by `read_study`.

    Attributes
    ----------
    title, kind : str
    grid : mapping, list of mappings, or sampler
    baseline : dict or None
        Parameters that are run beside the grid.
    splitter : Splitter
    metric : str
        Figure to choose by.
    periods_per_year : float or None
        None: the system's own.
    cash_rate : float
        Decimal per year, of the Sharpe and Sortino ratios.
    stitching : {"auto", "account", "returns"}
        How test windows become one history, as for `walk_forward`.
    blocks, replications, seed : int
        Of the tests of luck.
    check_causality : bool
    text : str
        The file as it stands.
    load : callable
        Reads the data and makes the study, which can take a while.
    """

    title: str
    kind: str
    grid: Any
    baseline: dict[str, Any] | None
    splitter: Splitter
    metric: str
    periods_per_year: float | None
    cash_rate: float
    stitching: Literal["auto", "account", "returns"]
    blocks: int
    replications: int
    seed: int
    check_causality: bool
    text: str = field(repr=False)
    load: Callable[[], Prepared] = field(repr=False)


def read_study(path: Path) -> StudyFile:
    """Read a study file and check everything in it that can be checked before its data is read.

    Raises
    ------
    DataFileError
        If there is no such file, or it is no TOML.
    SpecificationError
        For a key that is missing, unknown, or of the wrong type, a splitter that refuses its settings, an empty grid.
    """
    top, text = read_toml(path)
    title, kind = top.text("title", path.stem), top.text("kind")
    settings, data = top.section("settings", needed=False), top.section("data", needed=False)
    selection = top.section("selection", needed=False)
    luck = top.section("evidence", needed=False)
    periods = selection.number("periods_per_year", None)
    found = StudyFile(
        title=title,
        kind=kind,
        grid=_grid(top),
        baseline=_baseline(top),
        splitter=_splitter(top.section("splitter")),
        metric=selection.text("metric", "sharpe"),
        periods_per_year=periods,
        cash_rate=selection.number("cash_rate", 0.0),
        stitching=cast("Any", selection.choice("stitching", ("auto", "account", "returns"), "auto")),
        blocks=luck.whole("blocks", 16),
        replications=luck.whole("replications", 1000),
        seed=luck.whole("seed", 0),
        check_causality=selection.flag("check_causality", default=True),
        text=text,
        load=lambda: prepare(kind, settings, data, path.resolve().parent, periods),
    )
    for section in (top, selection, luck):
        section.done()
    require_kind(kind, top.place)
    with located(selection.place):
        Scoring(found.metric, 252.0 if periods is None else periods, found.cash_rate)
    with located(luck.place):
        require_blocks(found.blocks)
        StationaryBootstrap(seed=found.seed, replications=found.replications)
    return found


def _grid(top: Section) -> Any:
    given, sample = top.value("grid"), top.section("sample", needed=False)
    place = f"[grid] of {top.place}"
    if isinstance(given, list):
        if not all(isinstance(one, dict) for one in given):
            raise SpecificationError(
                "the grid holds something else than tables", where=top.place, value=given, remedy="write [[grid]]"
            )
        grid: Any = [_parameters(one, place) for one in given]
    elif isinstance(given, dict):
        for name, values in given.items():
            if not isinstance(values, list):
                raise SpecificationError(
                    f"parameter {name!r} of the grid has no list of values",
                    where=place,
                    value=values,
                    remedy=f"write {name} = [...], with one value perhaps",
                )
        grid = {name: [_parameter(value, place) for value in values] for name, values in given.items()}
    else:
        raise SpecificationError("the grid is no table", where=top.place, value=given, remedy="write [grid]")
    if "sample" in top:
        if not isinstance(grid, dict):
            raise SpecificationError(
                "only a [grid] of lists can be sampled", where=top.place, remedy="leave out [sample]"
            )
        with located(sample.place):
            grid = RandomSampler(grid, sample.whole("n"), sample.whole("seed", 0))
        sample.done()
    with located(place):
        grid_configurations(grid)
    return grid


def _baseline(top: Section) -> dict[str, Any] | None:
    section = top.section("baseline", needed=False)
    return _parameters(section.content, section.place) if "baseline" in top else None


def _parameters(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    return {name: _parameter(value, place) for name, value in given.items()}


def _parameter(value: Any, place: str) -> Any:
    """Make what a table with a kind names, a tuple of a list; other tables are the system's own to read."""
    if isinstance(value, list):
        return tuple(_parameter(item, place) for item in value)
    return thing_from(value, place) if isinstance(value, dict) and "kind" in value else value


def _splitter(section: Section) -> Splitter:
    name = section.choice("kind", list(SPLITTERS))
    rest = {key: value for key, value in section.content.items() if key != "kind"}
    made: Splitter = settings_from(SPLITTERS[name], rest, section.place)
    return made
