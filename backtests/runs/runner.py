"""Run the cells of a study: in processes, each result kept at once, none computed twice."""

from __future__ import annotations

import copy
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

from allocopt.backtests.runs._batches import Batches
from allocopt.backtests.runs._desk import Desk
from allocopt.backtests.runs._rows import Decoder
from allocopt.backtests.runs._sharing import shared
from allocopt.backtests.runs._work import Cell, Done, Failure, Place, SharedData, work
from allocopt.backtests.runs.cells import CellFunction, CellResult, Parameters
from allocopt.backtests.runs.keys import canonical_parameters, cell_keys
from allocopt.backtests.runs.store import CellStore
from allocopt.errors import AllocoptError, SpecificationError

_PACK_CELLS, _PACK_BYTES = 512, 64 * 2**20  # move curves to Parquet when so many have come together


def run_cells(
    function: CellFunction,
    cells: Sequence[Parameters],
    data: Any,
    *,
    store: CellStore | None = None,
    n_jobs: int = 1,
    progress: bool = False,
    what: str = "cells",
) -> list[CellResult]:
    """Run independent cells of a study, in several processes, and keep each result as soon as it is there.

    Results are the same to the bit whatever the number of workers, with a store or without, resumed or not.

    Parameters
    ----------
    function : callable
        ``function(data, parameters)`` gives a `CellResult`. A function of a module, a ``functools.partial`` of one, or
        a frozen dataclass with ``__call__``. If it has ``many(data, list_of_parameters)``, that is called for whole
        batches and returns one result for each.
    cells : sequence of mappings
        Parameters of each cell.
    data : object
        What all cells share; written once and mapped, read-only, into the memory of every worker.
    store : CellStore, optional
        Where finished cells are kept. Those that it holds already are not run; those that another process works on
        are waited for.
    n_jobs : int, default 1
        Number of processes; 1 for this one, -1 for one a core, or all workers of the backend that
        ``joblib.parallel_config`` sets.
    progress : bool, default False
        Show a bar with the remaining time on standard error.
    what : str, default "cells"
        The word on the bar.

    Returns
    -------
    list of CellResult
        In the order of ``cells``.

    Raises
    ------
    SpecificationError
        If a parameter, the data or the function cannot be hashed or handed to another process, or the function returns
        something else than `CellResult`.
    DataFileError
        If the disk is full or the store cannot be written. What was finished is kept.
    Exception
        What a cell raises, with its parameters in the message or a note. The other finished cells are kept.

    Examples
    --------
    >>> from allocopt.backtests.runs import CellResult, run_cells
    >>> def growth(data, parameters):
    ...     return CellResult({"final": data * (1 + parameters["rate"]) ** 2})
    >>> [result.metrics for result in run_cells(growth, [{"rate": 0.5}, {"rate": 1.0}], 100.0)]
    [{'final': 225.0}, {'final': 400.0}]
    """
    _check(function, cells, n_jobs)
    listed = _listed(function, cells, data, store)
    first = {cell.key: cell.number for cell in reversed(listed)} if store is not None else {}
    results: dict[int, CellResult] = {}
    waiting = []
    for cell in listed:
        if store is not None and first[cell.key] != cell.number:
            continue  # the same cell again
        kept = None if store is None else store.get(cell.key)
        if kept is None:
            waiting.append(cell)
        else:
            results[cell.number] = kept
    with _bar(progress, len(first) if store is not None else len(listed), len(results), what) as advance:
        if waiting:
            with shared(data) as reference:
                _Run(function, reference, store, n_jobs, advance, results).all(waiting)
    return [results[first.get(cell.key, cell.number)] for cell in listed]


def _check(function: CellFunction, cells: Sequence[Parameters], n_jobs: int) -> None:
    if not callable(function):
        raise SpecificationError(
            "the cell function cannot be called",
            value=type(function).__name__,
            remedy="pass function(data, parameters)",
        )
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise SpecificationError("n_jobs is no number of processes", value=n_jobs, remedy="give 1, 2, ... or -1")
    for number, cell in enumerate(cells):
        if not isinstance(cell, Mapping):
            raise SpecificationError(
                "the parameters of a cell are not a mapping",
                where=f"cell {number}",
                value=type(cell).__name__,
                remedy="give a dict for each cell",
            )


def _listed(function: CellFunction, cells: Sequence[Parameters], data: Any, store: CellStore | None) -> list[Cell]:
    if store is None:
        return [Cell(number, cell) for number, cell in enumerate(cells)]
    keys = cell_keys(function, cells, data)
    return [
        Cell(number, cell, key, canonical_parameters(cell))
        for number, (cell, key) in enumerate(zip(cells, keys, strict=True))
    ]


class _Run:
    """One call: hands out cells until all are done, here or by another process on the same store."""

    def __init__(
        self,
        function: CellFunction,
        data: SharedData | None,
        store: CellStore | None,
        n_jobs: int,
        advance: Callable[[int], object],
        results: dict[int, CellResult],
    ) -> None:
        import joblib

        self._function, self._data, self._store = function, data, store
        self._place = None if store is None else Place.of(store.folder)
        self._asked = n_jobs
        self._workers = 1 if n_jobs == 1 else int(joblib.effective_n_jobs(n_jobs))
        self._advance, self._results = advance, results
        self._decoder = Decoder()
        self._cells: dict[int, Cell] = {}
        self._unpacked, self._bytes = 0, 0

    def all(self, cells: Sequence[Cell]) -> None:
        """Run cells; those that another process has claimed are waited for, and run here if it ends without them."""
        waiting = list(cells)
        self._cells = {cell.number: cell for cell in cells}
        while waiting:
            left: list[Cell] = []
            batches = Batches(waiting, self._workers, many=hasattr(self._function, "many"))
            with closing(self._passes(batches)) as outcomes:
                for done in outcomes:
                    batches.learn(done)
                    self._take(done)
                    left += [self._cells[number] for number in done.left]
            waiting = self._wait(left)
        if self._store is not None:
            self._store.pack()

    def _passes(self, batches: Batches) -> Generator[Done, None, None]:
        if self._workers == 1:
            for batch in batches:
                yield work(self._function, self._data, batch, self._place)
            return
        import joblib

        def tasks() -> Iterator[Any]:
            return (joblib.delayed(work)(self._function, self._data, batch, self._place) for batch in batches)

        options: dict[str, Any] = {"n_jobs": self._asked, "batch_size": 1}
        try:
            parallel = joblib.Parallel(return_as="generator_unordered", **options)
        except ValueError:
            parallel = None
        if parallel is None:  # a backend of pools, as Ray's, gives no stream: rounds of some batches, in one pool
            with joblib.Parallel(**options) as pool:
                ahead = tasks()
                while round_ := list(islice(ahead, 4 * self._workers)):
                    finished: Any = pool(round_)
                    yield from finished
            return
        outcomes: Any = parallel(tasks())
        try:
            for done in outcomes:  # noqa: UP028 - `yield from` would close it before the warning is held back
                yield done
        finally:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*tasks", category=UserWarning)
                outcomes.close()  # after an error or Ctrl-C: what has not begun never does, and joblib need not say so

    def _take(self, done: Done) -> None:
        rows = [row for _, row in done.rows]
        if self._store is not None:
            if not done.kept and rows:  # computed where the store cannot be written
                with Desk(self._store.folder) as desk:
                    for row in rows:
                        desk.keep(row)
            self._store.count_kept([row.parameters for row in rows], [row.key for row in rows])
            self._unpacked += len(rows)
            self._bytes += sum(len(row.values) + len(row.index) for row in rows)
            if self._unpacked >= _PACK_CELLS or self._bytes >= _PACK_BYTES:
                self._unpacked, self._bytes = 0, 0
                self._store.pack()
        for number, row in done.rows:
            self._results[number] = self._decoder.decode(row)
        self._advance(len(rows))
        if done.failure is not None:
            _raise(done.failure, self._cells[done.failure.number], remote=self._workers > 1)

    def _wait(self, left: list[Cell]) -> list[Cell]:
        """Wait for other processes until one of the cells is free again, or all are there."""
        free: list[Cell] = []
        pause = 0.002
        while left and not free and self._store is not None:
            claimed = self._store.claimed([cell.key for cell in left])
            ready, left = [c for c in left if c.key not in claimed], [c for c in left if c.key in claimed]
            for cell in ready:
                result = self._store.get(cell.key)
                if result is None:
                    free.append(cell)
                else:
                    self._results[cell.number] = result
                    self._advance(1)
            if left and not free:
                time.sleep(pause)
                pause = min(2 * pause, 0.1)
        return free + left


@contextmanager
def _bar(wanted: bool, total: int, done: int, what: str) -> Iterator[Callable[[int], object]]:
    if not wanted:
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, desc=what, unit="cell", file=sys.stderr) as bar:
        yield lambda number: bool(bar.update(number))


def _raise(failure: Failure, cell: Cell, *, remote: bool) -> None:
    where = f"cell {cell.text or _shown(cell.parameters)}"
    error = failure.error
    if isinstance(error, AllocoptError):
        located = copy.copy(error)  # of the same class, with what else it carries
        place = where if error.where is None else f"{error.where}, {where}"
        AllocoptError.__init__(located, error.what, remedy=error.remedy, where=place, value=error.value)
        raise located from error
    error.add_note(f"in {where}")
    if remote:
        error.add_note(f"in a worker process:\n{failure.trace}")
    raise error


def _shown(parameters: Parameters) -> str:
    try:
        return canonical_parameters(parameters)
    except SpecificationError:
        return repr(dict(parameters))
