"""Cells small enough to run by the thousand, and a process that starts and loses others quickly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


class Nursery:
    """Starts child processes by forking one that has imported everything already."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / "kept_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started: list[int] = []

    def _say(self, **order: Any) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the server of child processes has died"
        return json.loads(answer)

    def start(self, **job: Any) -> int:
        """Start a child in a process group of its own; give its id."""
        pid = int(self._say(do="start", **job))
        self._started.append(pid)
        return pid

    def wait(self, pid: int) -> int:
        """Wait for a child; give its exit status, negative for a signal."""
        return int(self._say(do="wait", pid=pid))

    def reference(self, **job: Any) -> list[dict[str, Any]]:
        """Results of the cells of a job, computed without a store."""
        answer: list[dict[str, Any]] = self._say(do="reference", **job)
        return answer

    def close(self) -> None:
        for pid in self._started:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(10)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    made = Nursery()
    yield made
    made.close()
