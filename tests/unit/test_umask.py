"""The umask that we were started with is read without being changed, and is kept."""

import os

import pytest

from pokecode_site.conf import umask


@pytest.fixture(autouse=True)
def nothing_read_yet():
    """What this process itself was started with is forgotten only for the test."""
    kept = umask.inherited()
    umask.inherited.cache_clear()
    yield
    umask.inherited.cache_clear()
    before = os.umask(kept)
    assert umask.inherited() == kept
    os.umask(before)


@pytest.mark.parametrize("told", [True, False], ids=["the system tells it", "it does not"])
@pytest.mark.parametrize("value", [0o000, 0o027])
def test_reading_the_umask_leaves_it(monkeypatch, tmp_path, value, told):
    if not told:
        monkeypatch.setattr(umask, "STATUS", tmp_path / "missing")
    os.umask(value)
    assert umask.inherited() == value
    assert os.umask(0o077) == value


def test_the_umask_that_we_came_with_outlives_ours_however_often_ours_is_set():
    os.umask(0o027)
    umask.make_private()
    umask.make_private()
    assert umask.inherited() == 0o027
    assert os.umask(0o077) == umask.PRIVATE
