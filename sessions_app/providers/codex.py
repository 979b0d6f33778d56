"""Codex's events, as `codex exec --json` prints them and its app-server sends them; measured with
codex 0.169.0.

The ids of items begin at item_0 again in every run of a thread, so they name a call only
within its run: a result belongs to the latest open call before it that has its id.
"""

import os
from typing import Any

from sessions_app.providers import codex_app_server, codex_requests
from sessions_app.providers.asked import Asked
from sessions_app.providers.base import Meter, Usage, believable, tokens
from sessions_app.providers.codex_calls import CALLS, kind_of
from sessions_app.providers.codex_display import EVENTS
from sessions_app.providers.own import is_imitation
from sessions_app.providers.reading import optional, session_id, show, snake, string, type_of
from sessions_app.providers.shapes import Shape


class CodexEvents:
    """See `base.ProviderEvents`."""

    label = "Codex"

    def classify(self, data: dict[str, Any]) -> str:
        if is_imitation(data):
            return "assistant"
        if codex_app_server.is_message(data):
            data = codex_app_server.as_exec(data)
        match type_of(data):
            case "turn.completed":
                return "result"
            case "turn.failed":
                return "error"
            case "item.started" | "item.updated" | "item.completed" as event:
                return _classify_item(event, data.get("item"))
            case _:  # `error` too: it tells of a retry, or says ahead what turn.failed says
                return "system"

    def conversation_id(self, data: dict[str, Any]) -> str | None:
        if codex_app_server.is_message(data):
            return codex_app_server.opened_thread(data) or None
        return session_id(data.get("thread_id")) if type_of(data) == "thread.started" else None

    def meter(self, previous_raw: Any = None) -> Meter:
        return CodexMeter(previous_raw)

    def display(self, data: dict[str, Any], project_path: str) -> list[Shape]:
        if codex_app_server.is_message(data):
            event = codex_app_server.as_exec(data)
            return self.display(event, project_path) if event else codex_app_server.show_other(data)
        return show(data, project_path, type_of(data), EVENTS)

    def read_request(self, data: dict[str, Any], call: dict[str, Any]) -> Asked | None:
        return codex_requests.read_request(data, call)

    def state_directory(self, project_path: str) -> str:
        """Codex keeps the conversations of all projects together."""
        home = os.environ.get("CODEX_HOME") or os.path.expanduser("~/.codex")
        return os.path.join(home, "sessions")


def _classify_item(event: str, item: Any) -> str:
    kind = kind_of(item) if isinstance(item, dict) else ""
    if kind == "error":  # a warning; the run goes on
        return "system"
    return "user" if event == "item.completed" and kind in CALLS else "assistant"


class CodexMeter:
    """See `base.Meter`. `turn.completed` gives the total of the whole thread, all runs before
    included; a failed turn gives none, and its tokens are in the next turn's total. The app-server
    tells the total after each call of the model, and once before the turn in a resumed thread.
    `raw` is `{"thread_id": …, "total": …}`, the thread's last total as it came; a run that never
    came to its thread leaves it to the run before."""

    def __init__(self, previous_raw: Any) -> None:
        previous = previous_raw if isinstance(previous_raw, dict) else {}
        self._thread = session_id(previous.get("thread_id"))
        self._totals: dict[str | None, Any] = {self._thread: previous.get("total")}
        self._usage = Usage()
        self._has_started = False
        self._has_begun = False

    def count(self, data: dict[str, Any]) -> int | None:
        if codex_app_server.is_message(data):
            return self._count_message(data)
        match type_of(data):
            case "thread.started":
                self._start(session_id(data.get("thread_id")))
            case "turn.completed":
                return self._add(self._thread, data.get("usage"))
        return None

    def _count_message(self, data: dict[str, Any]) -> int | None:
        params: dict[str, Any] = optional(data, "params", dict, {})
        if thread := codex_app_server.opened_thread(data):
            self._start(thread)
        elif string(data, "method") == codex_app_server.USED_TOKENS:
            used: dict[str, Any] = optional(params, "tokenUsage", dict, {})
            return self._add_call(session_id(params.get("threadId")), used)
        elif string(data, "method") == "turn/started":
            self._has_begun = True
        return None

    def _start(self, thread: str | None) -> None:
        self._has_started = True
        self._thread = thread

    def _add_call(self, thread: str | None, used: dict[str, Any]) -> int | None:
        """What is told before the turn was used, and counted, before."""
        if not self._has_begun:
            self._totals[thread] = used.get("total")
            return None
        return self._add(thread, used.get("total"))

    def _add(self, thread: str | None, total: Any) -> int | None:
        turn = thread_usage(total) - thread_usage(self._totals.get(thread))
        if turn.total:
            self._totals[thread] = total
            self._usage += turn
        return turn.total or None

    @property
    def usage(self) -> Usage:
        return self._usage

    cost_usd = None

    @property
    def raw(self) -> Any:
        if not self._has_started:
            return None
        return {"thread_id": self._thread, "total": self._totals.get(self._thread)}


def thread_usage(usage: Any) -> Usage:
    """A usage object of `turn.completed`, or of the app-server, which names the same otherwise:
    its input includes the cached, its output the reasoning."""
    if not isinstance(usage, dict):
        return Usage()
    told = {snake(key): value for key, value in usage.items()}
    keys = (
        "input_tokens",
        "cached_input_tokens",
        "cache_write_input_tokens",
        "output_tokens",
        "reasoning_output_tokens",
    )
    return believable(Usage(*(tokens(told.get(key)) for key in keys)))
