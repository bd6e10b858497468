from pathlib import Path

import pytest

from wattline_collector.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The directory of an empty store."""
    path = tmp_path / "store"
    Store.open(path, write=True).close()
    return path
