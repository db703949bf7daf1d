"""What all tests share: the reference data beside the project, and small batches of events."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("smartbkg", deadline=None)
settings.load_profile("smartbkg")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of real Belle II and FCC files beside the project; skips where it is absent."""
    folder = Path(os.environ.get("SMARTBKG_REFERENCE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"reference data not found beside the project ({folder.name})")
    return folder
