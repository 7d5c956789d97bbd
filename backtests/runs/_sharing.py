"""Data of a run, written once and mapped into the memory of every worker."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from allocopt.backtests.runs._work import SharedData
from allocopt.errors import DataFileError, SpecificationError


@contextmanager
def shared(data: Any) -> Iterator[SharedData | None]:
    """Write the data to a temporary file for the time of a run.

    A run in this process reads the file too: arrays have one memory layout and are read-only everywhere, so that sums
    round alike and no cell can change the data of the next.
    """
    if data is None:
        yield None
        return
    import joblib

    with tempfile.TemporaryDirectory(prefix="allocopt-", dir=os.environ.get("JOBLIB_TEMP_FOLDER")) as folder:
        path = Path(folder) / "data.joblib"
        try:
            joblib.dump(data, path, protocol=pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise SpecificationError(
                f"the data cannot be handed to worker processes ({error})",
                value=type(data).__name__,
                remedy="pass arrays, frames and objects of importable classes; no lambdas, files or connections",
            ) from error
        except OSError as error:
            raise DataFileError(
                f"the data cannot be written for the workers ({error.strerror})",
                where=folder,
                remedy="make room there, or set JOBLIB_TEMP_FOLDER to another folder",
            ) from error
        yield SharedData(str(path))
