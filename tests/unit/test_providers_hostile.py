"""Events that are not what they should be: shown raw, never an exception, never dropped."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.providers import PROVIDERS, display_message, events, state_directory
from sessions_app.providers.shapes import Error, FileChange, Notice, Prompt, ToolUse, Unknown
from tests import recorded

EVENTS = {
    case: [event for event in recorded.events(case) if len(json.dumps(event)) < 20_000]
    for case in recorded.CASES
}
CASES = [case for case, found in EVENTS.items() if found]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Any]:
    """A recorded event with one field, anywhere in it, missing or holding anything."""
    case = draw(st.sampled_from(CASES))
    event = json.loads(json.dumps(draw(st.sampled_from(EVENTS[case]))))
    holder, key = draw(st.sampled_from(list(_places(event))))
    if isinstance(holder, dict) and draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = draw(anything)
    return recorded.provider_of(case), event


def _places(value: Any):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_no_mutation_of_an_event_breaks_anything(mutation):
    provider, event = mutation
    module = PROVIDERS[provider]
    meter = module.meter(event)
    assert module.classify(event) in {"user", "assistant", "system", "result", "error"}
    assert (meter.count(event) or 1) > 0
    json.dumps(meter.raw)
    session_id = module.conversation_id(event)
    assert session_id is None or session_id.isascii()
    for shape in display_message(provider, "assistant", json.dumps(event), recorded.PROJECT):
        assert type(shape).__module__ == "sessions_app.providers.shapes"


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["claude-code", "codex-cli", "other"]), st.text(), st.text())
def test_no_text_breaks_the_display(provider, message_type, content):
    assert display_message(provider, message_type, content, recorded.PROJECT)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["claude-code", "codex-cli"]), st.dictionaries(st.text(), anything))
def test_an_object_without_a_known_type_is_shown_raw(provider, data):
    raw = json.dumps({**data, "type": "brand_new"})
    (shape,) = display_message(provider, "system", raw, recorded.PROJECT)
    assert isinstance(shape, Unknown)
    assert shape.type == "brand_new"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json",
        "[1, 2]",
        "null",
        "{}",
        '"text"',
        "[" * 100_000,
        '{"a":' * 600 + "1" + "}" * 600,
        '{"type": "assistant"}',
        '{"type": ["list"]}',
    ],
)
def test_what_is_no_event_is_shown_as_it_is(content):
    (shape,) = display_message("claude-code", "assistant", content, recorded.PROJECT)
    assert isinstance(shape, Unknown)
    assert json_or_text(shape.raw) == json_or_text(content)


def json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def show_blocks(*content: dict[str, Any]) -> list[Any]:
    line = json.dumps({"type": "assistant", "message": {"content": content}})
    return list(display_message("claude-code", "assistant", line, recorded.PROJECT))


def test_an_unknown_block_is_shown_beside_the_known_ones():
    hologram = {"type": "hologram", "beam": 1}
    _, unknown = show_blocks({"type": "text", "text": "Hello."}, hologram)
    assert isinstance(unknown, Unknown)
    assert (unknown.type, json.loads(unknown.raw)) == ("hologram", hologram)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("disguise", [{}, {"type": "user"}, {"type": "result"}])
@pytest.mark.parametrize(
    "own", [events.prompt("delete it", "id"), events.error("no"), events.notice("yes")]
)
def test_an_agent_cannot_pass_its_line_off_as_ours(provider, disguise, own):
    imitation = {**own.data, **disguise}
    message_type = PROVIDERS[provider].classify(imitation)
    (shape,) = display_message(provider, message_type, json.dumps(imitation), recorded.PROJECT)
    assert not isinstance(shape, Prompt | Error | Notice)


def test_our_own_events_are_shown_in_words():
    error = events.error("Codex is not installed.", "exec failed").raw
    assert display_message("codex-cli", "error", error, "/p") == [
        Error("Codex is not installed.", "exec failed")
    ]
    notice = events.notice("The attempt was cancelled.").raw
    assert display_message("claude-code", "system", notice, "/p") == [
        Notice("The attempt was cancelled.", level="warning")
    ]
    unreadable = events.read_line(b"half {").raw
    assert display_message("claude-code", "error", unreadable, "/p") == [
        Error("A line of the agent's output is not JSON: it is kept as it came.", "half {")
    ]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/dev/project/src/a.py", "src/a.py"),
        ("/home/dev/project/../other/a.py", "/home/dev/project/../other/a.py"),
        ("/home/dev/project-two/a.py", "/home/dev/project-two/a.py"),
        ("/etc/passwd", "/etc/passwd"),
        ("src/a.py", "src/a.py"),
    ],
)
def test_only_paths_inside_the_project_are_shortened(path, shown):
    block = {"type": "tool_use", "id": "t", "name": "Read", "input": {"file_path": path}}
    (call,) = show_blocks(block)
    assert call.summary == shown


def test_a_call_with_wrong_arguments_is_still_a_call():
    block = {"type": "tool_use", "id": "t", "name": "Edit", "input": {"file_path": 3}}
    (call,) = show_blocks(block)
    assert isinstance(call, ToolUse)


def test_an_edit_in_a_sub_agent_shows_its_change_without_line_numbers():
    edit = {"file_path": "a.py", "old_string": "one\ntwo", "new_string": "one\n2"}
    block = {"type": "tool_use", "id": "t", "name": "Edit", "input": edit}
    _, change = show_blocks(block)
    assert isinstance(change, FileChange)
    assert [(line.kind, line.text) for line in change.lines] == [
        ("context", "one"),
        ("remove", "two"),
        ("add", "2"),
    ]


def test_a_huge_replacement_is_shown_without_comparing_it():
    old, new = "\n".join(map(str, range(20_000))), "\n".join(map(str, range(1, 20_001)))
    edit = {"file_path": "a.py", "old_string": old, "new_string": new}
    block = {"type": "tool_use", "id": "t", "name": "Edit", "input": edit}
    _, change = show_blocks(block)
    assert (change.removed, change.added) == (20_000, 20_000)


def test_the_tools_keep_their_files_where_their_settings_say(monkeypatch):
    monkeypatch.setenv("HOME", "/home/dev")
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    monkeypatch.delenv("CODEX_HOME", raising=False)
    path = "/home/dev/my_project.v2"
    assert state_directory("claude-code", path) == (
        "/home/dev/.claude/projects/-home-dev-my-project-v2"
    )
    assert state_directory("codex-cli", path) == "/home/dev/.codex/sessions"
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", "/srv/claude")
    monkeypatch.setenv("CODEX_HOME", "/srv/codex")
    assert state_directory("claude-code", "/p") == "/srv/claude/projects/-p"
    assert state_directory("codex-cli", "/p") == "/srv/codex/sessions"


@pytest.mark.parametrize("given_id", ["--help", "", "a\x00b", "x" * 500, 7, None, "$(id)", "a b"])
def test_what_cannot_be_a_conversation_id_is_none(given_id):
    assert PROVIDERS["claude-code"].conversation_id({"session_id": given_id}) is None
    started = {"type": "thread.started", "thread_id": given_id}
    assert PROVIDERS["codex-cli"].conversation_id(started) is None
