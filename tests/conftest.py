"""What every test gets: real data where it is set, and no telemetry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from susx.flows.settings import prepare_environment

prepare_environment()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real features and photographs, or skip."""
    folder = os.environ.get("SUSX_REAL_DATA")
    if not folder:
        pytest.skip("SUSX_REAL_DATA is not set: no real CLIP features or photographs to test on")
    return Path(folder)
