"""From "Queue prompt" to the first words on the page, and where the time goes.

The site as `up` runs it, an open page's stream, the real Claude Code and Codex and the tests'
model server, which answers at once. Beside it the bare `claude -p`: from its start to the first
words that it prints. Needs both real tools (see tests.fakes.real_clis).
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request

from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Reference, Rounds
from tests.benchmarks.places import Place
from tests.fakes import real_clis
from tests.fakes.model_server import ModelServer
from tests.process.running import Up
from tests.process.site import wait_for

AGENTS = {"claude": "claude-code", "codex": "codex-cli"}
"""Each with its provider."""

PROMPTS = 3
"""In a round, in one conversation, after one that is not counted."""

PROMPT = "SLOW"
FIRST_WORDS = "word 0"

PARTS = (
    "claimed",
    "process started",
    "model asked",
    "first words stored",
    "first words on the page",
)
"""Each from the one before, the first from the moment of the prompt; and then the whole."""

BARE = (
    "-p",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--setting-sources=user",
    PROMPT,
)


@dataclass(slots=True)
class TimedModel(ModelServer):
    """Notes when it is asked for an answer that it streams."""

    asked_at: list[float] = field(default_factory=list)

    def words(self, reply: Any) -> Iterator[str]:
        self.asked_at.append(time.time())
        return ModelServer.words(self, reply)


class Page:
    """A session's page as a browser has it: its stream is open, and its form can be sent."""

    def __init__(self, up: Up, session: str) -> None:
        self._up = up
        self._browser = up.log_in()
        self._path = f"/admin/sessions_app/session/{session}/"
        page = up.get(f"{self._path}change/", self._browser)
        (self._token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page))
        events = self._browser.open(up.url(f"{self._path}events/"), timeout=60)
        self._events: HTTPResponse = events

    def post(self, path: str, **fields: str) -> None:
        data = {"csrfmiddlewaretoken": self._token, **fields}
        url = self._up.url(f"{self._path}{path}")
        request = Request(url, urlencode(data).encode())  # noqa: S310 - our own server
        request.add_header("X-Requested-With", "fetch")
        self._browser.open(request, timeout=60).close()

    def wait_for_draft(self, words: str) -> float:
        """When these words of a draft came."""
        for line in self._events:
            if line.startswith(b"data: ") and words in str(json.loads(line[6:])["draft"]):
                return time.time()
        raise EOFError("the stream has ended")


def measure(bench: Bench) -> Iterator[Figure]:
    rounds = Rounds()
    for server in bench.turns():
        with bench.place(server) as place, TimedModel() as model:
            home = Path(place.environment["HOME"])
            place.environment.update(real_clis.environment(home, model.url))
            place.use_agent("claude", real_clis.claude())
            place.use_agent("codex", real_clis.codex())
            _ours(place, model, rounds, server.name)
            for _ in range(PROMPTS):
                rounds.add("bare", _bare(place))
    for server in bench.servers:
        for agent in AGENTS:
            bare = rounds.reference("bare", "bare claude -p") if agent == "claude" else None
            yield from _figures(rounds, f"{server.name}, {agent}", bare)
    yield Figure("bare claude -p: start to first words", "ms", rounds["bare"])


def _figures(rounds: Rounds, name: str, bare: Reference | None) -> Iterator[Figure]:
    whole = rounds[f"{name} whole"]
    yield Figure(f"{name}: prompt to first words on the page", "ms", whole, reference=bare)
    for part in PARTS:
        yield Figure(f"{name}: … {part}", "ms", rounds[f"{name} {part}"])
    yield Figure(f"{name}: prompt to its answer", "ms", rounds[f"{name} POST"])


def _ours(place: Place, model: TimedModel, rounds: Rounds, name: str) -> None:
    sessions = {
        agent: place.session(agent, "--provider", provider) for agent, provider in AGENTS.items()
    }
    with Up(Path(place.environment["HOME"]), environment=place.environment) as up:
        up.wait_until_ready()
        for agent, session in sessions.items():
            page = Page(up, session)
            _ask(place, model, page)  # the first one loads what all need
            for _ in range(PROMPTS):
                for part, milliseconds in _ask(place, model, page).items():
                    rounds.add(f"{name}, {agent} {part}", milliseconds)


def _ask(place: Place, model: TimedModel, page: Page) -> dict[str, float]:
    """Milliseconds of each part."""
    began = time.time()
    page.post("prompt/", prompt=PROMPT)
    posted = time.time()
    seen = page.wait_for_draft(FIRST_WORDS)
    moments = [began, *_moments(place, model), seen]
    _stop(place, page)
    spans = zip(PARTS, moments, moments[1:], strict=False)
    parts = {part: 1000 * (end - start) for part, start, end in spans}
    return {**parts, "POST": 1000 * (posted - began), "whole": 1000 * (seen - began)}


def _moments(place: Place, model: TimedModel) -> list[float]:
    (run,) = place.rows("SELECT * FROM job_attempts WHERE finished_at IS NULL")
    (draft,) = place.rows("SELECT updated_at FROM job_drafts")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    started = booted + run["process_started"] / os.sysconf("SC_CLK_TCK")
    return [_seconds(run["started_at"]), started, model.asked_at[-1], _seconds(draft["updated_at"])]


def _seconds(moment: Any) -> float:
    """SQLite has it as text."""
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()


def _stop(place: Place, page: Page) -> None:
    (run,) = place.rows("SELECT job_id FROM job_attempts WHERE finished_at IS NULL")
    page.post(f"jobs/{run['job_id']}/cancel/")
    open_runs = "SELECT id FROM job_attempts WHERE finished_at IS NULL"
    wait_for(lambda: not place.rows(open_runs), what="the run has ended")


def _bare(place: Place) -> float:
    """Milliseconds from the start of the command line to its first words."""
    began = time.time()
    with subprocess.Popen(
        [real_clis.claude(), *BARE],
        cwd=place.projects,
        env=place.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        for line in process.stdout or ():
            if b"text_delta" in line:
                break
        seen = time.time()
        process.kill()
    return 1000 * (seen - began)
