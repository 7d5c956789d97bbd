"""What a store has to say: damages that it found, and how much work it kept and reused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Damage:
    """One damage of kept files: which file, what is wrong with it, which cells it takes with it.

    Attributes
    ----------
    file : str
        The file concerned, relative to the folder of the store.
    what : str
        What is wrong.
    cells : tuple of str
        Parameters (JSON) of the cells that are lost and have to be computed again. Where the row itself is damaged,
        with its key: either may be what is wrong.
    keys : tuple of str
        Keys of these cells.
    unreadable : int
        Number of lost cells of which not even the key can be read.
    set_aside : str, optional
        Name under which the damaged file is kept; the store does not use it any more.

    Examples
    --------
    >>> from allocopt.backtests.runs import Damage
    >>> print(Damage("cells.sqlite", "contents differ from their checksum", ('{"top":3}',)))
    cells.sqlite: contents differ from their checksum; to be computed again: {"top":3}
    """

    file: str
    what: str
    cells: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    unreadable: int = 0
    set_aside: str | None = None

    def took(self, key: str, parameters: str) -> bool:
        """Tell whether a cell is among those that are lost.

        Parameters
        ----------
        key, parameters : str
            The cell's key and its parameters as JSON.
        """
        return key in self.keys or any(cell.rsplit(" (key ", 1)[0] == parameters for cell in self.cells)

    def __str__(self) -> str:
        shown = [*self.cells[:5]]
        more = len(self.cells) - len(shown) + self.unreadable
        if more:
            shown.append(f"{more} more" if shown else f"{more} cells")
        lost = f"; to be computed again: {', '.join(shown)}" if shown else "; no cell is lost"
        aside = f"; kept as {self.set_aside}" if self.set_aside else ""
        return f"{self.file}: {self.what}{lost}{aside}"


@dataclass(frozen=True)
class StoreReport:
    """What happened in a store since it was opened.

    Attributes
    ----------
    damages : tuple of Damage
        Damages found; the cells they took are not in the store until they are computed again.
    kept : int
        Cells written since it was opened, by this process and its workers.
    reused : int
        Cells that were read in place of being computed.
    recomputed : int
        Cells written among those that a damage had taken.

    Examples
    --------
    >>> from allocopt.backtests.runs import StoreReport
    >>> StoreReport(kept=3, reused=9)
    StoreReport(damages=(), kept=3, reused=9, recomputed=0)
    """

    damages: tuple[Damage, ...] = ()
    kept: int = 0
    reused: int = 0
    recomputed: int = 0
