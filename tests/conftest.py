"""Shared fixtures: fixed seeds, and the optional folder of real market files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("allocopt", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("allocopt")

MARKET_DATA = "ALLOCOPT_MARKET_DATA"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20201102)


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Folder of real market files, or a skip that says how to provide it."""
    root = Path(os.environ.get(MARKET_DATA, Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"no market files at {root}; set {MARKET_DATA} to their folder")
    return root
