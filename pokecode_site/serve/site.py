"""The site: a web server in a process of its own, which ends whatever a request does to it."""

import asyncio
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess

import uvicorn

from pokecode_site.serve import connections

PATIENCE = 5.0
"""Seconds to end in. One request can hold up the whole process, signal handlers included."""


class Site(uvicorn.Server):
    """The web server on an open socket; it stops at SIGTERM and when its parent is gone."""

    def __init__(
        self, listener: socket.socket, root_path: str, on_ready: Callable[[], None]
    ) -> None:
        # Loading it sets up logging; after that, the server logs warnings and errors only.
        from pokecode_site.asgi import application

        super().__init__(
            uvicorn.Config(
                application,
                http=connections.Connection,
                backlog=connections.BACKLOG,
                root_path=root_path,
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._listener = listener
        self._on_ready = on_ready

    async def run_until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        if parent := multiprocessing.parent_process():
            loop.add_reader(parent.sentinel, self._stop)
        await self.serve(sockets=[self._listener])

    def _stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from pokecode_site.pages import live

        live.end_streams()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class SiteProcess:
    """The site as a forked child: it runs while the block does, and is killed after it.

    Forked from a process that has neither a thread nor an event loop yet.
    """

    def __init__(
        self, listener: socket.socket, root_path: str, on_ready: Callable[[], None]
    ) -> None:
        self._listener = listener
        self._process: ForkProcess = multiprocessing.get_context("fork").Process(
            target=_serve, args=(listener, root_path, on_ready), name="site"
        )
        self.was_killed = False

    def __enter__(self) -> "SiteProcess":
        self._process.start()
        self._listener.close()  # the child has it
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.join()

    async def wait(self) -> int:
        """Its exit code, once it has ended; minus the signal that killed it."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        return self._process.exitcode or 0

    async def stop(self) -> None:
        """End it; kill it if it does not."""
        self._process.terminate()
        try:
            await asyncio.wait_for(self.wait(), PATIENCE)
        except TimeoutError:
            self.was_killed = True
            self._process.kill()
            await self.wait()


def _serve(listener: socket.socket, root_path: str, on_ready: Callable[[], None]) -> None:
    os.setsid()  # a terminal's Ctrl-C reaches the parent alone, which then stops us
    asyncio.run(Site(listener, root_path, on_ready).run_until_stopped())
