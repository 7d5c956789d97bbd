"""What the commands share: errors as sentences, a clean stop, and one bar for the steps of a job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from allocopt.errors import AllocoptError

#: Exit status after Ctrl-C, as shells have it.
INTERRUPTED = 130


@contextmanager
def sentences() -> Iterator[None]:
    """Turn an error that the user can mend into a sentence on standard error and exit status 2; stop on Ctrl-C."""
    try:
        yield
    except AllocoptError as error:
        typer.echo(f"allocopt: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("\nallocopt: stopped before it was done; no file was left half-written", err=True)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None] | None]:
    """Give a function that is told each step of a job and shows it on a bar; None where nobody is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=total, bar_format="{desc:<38} {bar:24} {n_fmt}/{total_fmt}", leave=False) as bar:
        begun = False

        def tell(what: str) -> None:
            nonlocal begun
            bar.update(int(begun))
            begun = True
            bar.set_description_str(what)
            bar.refresh()

        yield tell
