"""A site for each test of real processes; the database is migrated once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.model_server import ModelServer
from tests.process.site import ROOT, Database, Site


@pytest.fixture(scope="session")
def migrated_data_directory(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("template") / "data"
    directory.mkdir(mode=0o700)
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"],
        env={
            "PATH": os.environ["PATH"],
            "POKECODE_DATA_DIR": str(directory),
            "POKECODE_PROJECT_ROOTS": str(directory),
        },
        check=True,
    )
    return directory


@pytest.fixture
def site(tmp_path, migrated_data_directory) -> Site:
    return Site(tmp_path, Database(tmp_path, migrated_data_directory))


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """For the real tools."""
    with ModelServer() as server:
        yield server
