"""Lines that are typed while a command waits for something else."""

import asyncio
import os

import pytest
from django.db import OperationalError

from jobs_app.management.typed_lines import TypedLines


def test_what_goes_wrong_with_a_line_ends_the_wait():
    """Otherwise the next answers would be typed to nobody."""
    reader, writer = os.pipe()
    os.write(writer, b"a\n")

    def take(line: str) -> None:
        raise OperationalError("database is locked")

    async def wait() -> None:
        async with asyncio.timeout(20), TypedLines(reader).taken_by(take):
            await asyncio.Event().wait()

    try:
        with pytest.raises(OperationalError, match="is locked"):
            asyncio.run(wait())
    finally:
        os.close(reader)
        os.close(writer)
