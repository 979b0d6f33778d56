"""A model server on loopback for the real command-line tools: scripted, and it counts.

The last line of the prompt that begins with a word of the script says what happens:

    SAY hello          the model answers "hello"
    RUN echo hi        it runs a shell command, then answers "Done: " and the command's output
    TOOL Write {…}     it calls this tool with this input, then answers as after RUN
    FAIL 429           every request gets this HTTP error
    SLOW 40            it streams 40 words, one every 50 ms; without a number, for two minutes

Lines with RUN and TOOL one after another are calls of one answer. What a person tells it beside
a tool's result is heeded alike; a call that it is told to make again, it makes. Anything else is
answered with "Understood."
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.fakes import messages_api, responses_api
from tests.fakes.model_script import Reply, reply_to

SLOW_PAUSE = 0.05

APIS = {"/v1/messages": messages_api, "/v1/responses": responses_api}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came. `text` is its whole body: prompts, system prompt and history."""

    method: str
    path: str
    headers: Mapping[str, str]
    text: str = ""

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.text)


@dataclass(slots=True)
class Served:
    """Tokens of the answers that were sent to their end: the truth to compare counts with."""

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(slots=True)
class ModelServer:
    """Use as a context manager; `url` is its address while it runs."""

    requests: list[Request] = field(default_factory=list)
    served: Served = field(default_factory=Served)
    _closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _http: "_QuietServer" = field(init=False)

    def __enter__(self) -> Self:
        self._http = _QuietServer(("127.0.0.1", 0), _Handler)
        self._http.model = self
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def prompts(self) -> list[Request]:
        """The requests that ask the model something."""
        return [request for request in list(self.requests) if request.method == "POST"]

    def record(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def count(self, reply: Reply) -> None:
        with self._lock:
            self.served.input_tokens += reply.input_tokens
            self.served.output_tokens += reply.output_tokens

    def words(self, reply: Reply) -> Iterator[str]:
        """The pieces to stream, slowly if the script says so, until the server closes."""
        if not reply.slow_words:
            yield reply.text
            return
        for number in range(reply.slow_words):
            yield f"word {number} "
            if self._closing.wait(SLOW_PAUSE):
                return


class _QuietServer(ThreadingHTTPServer):
    model: ModelServer
    daemon_threads = True
    # Closing must not wait for an agent that keeps its connection.
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent that was stopped drops its connection: that is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: _QuietServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._record("HEAD")
        self._answer(200, b"")

    def do_GET(self) -> None:
        self._record("GET")
        self._answer(404, b"{}")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        request = self._record("POST", text)
        api = APIS.get(re.sub(r"\?.*", "", self.path))
        if api is None:
            self._answer(404, b"{}")
            return
        reply = reply_to(*api.conversation(request.body))
        if reply.status != 200:
            self._answer(reply.status, json.dumps(api.error(reply.status)).encode())
        elif request.body.get("stream"):
            self._stream(api.stream(reply, self.server.model.words(reply)))
            self.server.model.count(reply)
        else:
            self.server.model.count(reply)
            self._answer(200, json.dumps(api.whole(reply)).encode())

    def _record(self, method: str, text: str = "") -> Request:
        request = Request(method, self.path, dict(self.headers.items()), text)
        self.server.model.record(request)
        return request

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, events: Iterator[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests are in `ModelServer.requests`."""
