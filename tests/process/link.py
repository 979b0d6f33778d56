"""A way to a PostgreSQL server that can be cut, as a network is."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Link:
    """A TCP relay on this machine; `url` is the database's, by way of the relay."""

    def __init__(self, url: str) -> None:
        self._server = _address(url)
        self._passing = threading.Event()
        self._passing.set()
        self._is_refusing = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        parts = urlsplit(url)
        self.url = parts._replace(netloc=f"{parts.username or 'postgres'}@{host}").geturl()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, silently: bool) -> None:
        """Silently: nothing passes, and neither side is told; else connections are refused."""
        self._passing.clear()
        if not silently:
            self._is_refusing = True
            self._end_connections()

    def restore(self) -> None:
        """What was connected is told that it no longer is; new connections pass."""
        self._is_refusing = False
        self._end_connections()
        self._passing.set()

    def close(self) -> None:
        self._is_refusing = True
        self._listener.close()
        self._end_connections()
        self._passing.set()

    def _end_connections(self) -> None:
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                if self._is_refusing:
                    client.close()
                else:
                    self._relay(client)

    def _relay(self, client: socket.socket) -> None:
        server = _connect(self._server)
        if server is None:
            client.close()
            return
        self._sockets += [client, server]
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._passing.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        source.close()


def _address(url: str) -> tuple[str, int] | str:
    """Where the server listens: host and port, or the path of its socket."""
    netloc = urlsplit(url).netloc.rpartition("@")[2]
    host, _, port = netloc.partition(":")
    if unquote(host).startswith("/"):
        return str(Path(unquote(host)) / f".s.PGSQL.{port or 5432}")
    return host or "localhost", int(port or 5432)


def _connect(address: tuple[str, int] | str) -> socket.socket | None:
    try:
        if isinstance(address, tuple):
            return socket.create_connection(address)
        link = socket.socket(socket.AF_UNIX)
        link.connect(address)
    except OSError:
        return None
    return link
