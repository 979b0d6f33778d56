"""What a request shows of itself: all that would run, whatever the agent put in it."""

import json

import pytest

from sessions_app.providers import read_request, requested
from tests.asked import DATABASE, FEATURES, bash, claude, codex, plan, questions
from tests.asking import shell


def read(line, call=None, provider="claude-code"):
    return read_request(provider, line, json.dumps(call) if call else None)


def patch(*changes):
    line = codex("fileChange/requestApproval", itemId="c")
    return read(line, {"type": "fileChange", "id": "c", "changes": list(changes)}, "codex-cli")


def test_a_command_is_shown_as_it_is():
    command = "echo 'a  b' \\\n  && rm -rf \u202ex"
    assert requested.parts(read(bash(command))) == [requested.Part("Command", command)]


def test_what_a_form_does_not_show_stands_below_it():
    line = claude("Bash", {"command": "ls", "dangerouslyDisableSandbox": True})
    command, rest = requested.parts(read(line))
    assert command.text == "ls"
    assert json.loads(rest.text) == {"dangerouslyDisableSandbox": True}


@pytest.mark.parametrize(
    ("tool", "input"),
    [
        ("mcp__db__query", {"sql": "drop table x", "limit": 5}),
        ("Edit", {"file_path": "/x", "old_string": 1, "new_string": "b"}),
        (
            "MultiEdit",
            {"file_path": "/x", "edits": [{"old_string": "a", "new_string": "b", "n": 1}]},
        ),
        ("Write", {"file_path": ["/x"], "content": "b"}),
        ("Bash", {"command": ["ls"]}),
        ("Bash", {}),
        ("WebFetch", {"url": None}),
    ],
)
def test_any_other_input_is_shown_as_json(tool, input):
    (part,) = requested.parts(read(claude(tool, input)))
    assert json.loads(part.text) == input


def test_an_edit_is_shown_as_its_lines():
    input = {"file_path": "/p/a.py", "old_string": "a\nb", "new_string": "a\nc"}
    (part,) = requested.parts(read(claude("Edit", {**input, "replace_all": True})))
    assert part.label == "Edit, in every place, /p/a.py"
    assert [(line.kind, line.text) for line in part.lines] == [
        ("context", "a"),
        ("remove", "b"),
        ("add", "c"),
    ]


def test_a_patch_shows_each_file():
    asked = patch(
        {"path": "/p/new", "kind": {"type": "add"}, "diff": "one\n"},
        {"path": "/p/old", "kind": {"type": "delete"}, "diff": "two\n"},
        {
            "path": "/p/a",
            "kind": {"type": "update", "move_path": "/p/b"},
            "diff": "@@ -1 +1 @@\n-x\n+y\n",
        },
    )
    assert requested.is_whole(asked)
    new, old, moved = requested.parts(asked)
    assert (new.label, new.lines[0].kind, new.lines[0].text) == ("New file /p/new", "add", "one")
    assert (old.label, old.lines[0].kind) == ("Delete /p/old", "remove")
    assert moved.label == "Edit /p/a and move it to /p/b"
    assert [line.kind for line in moved.lines] == ["context", "remove", "add"]


def test_a_patch_of_a_form_that_we_do_not_know_is_shown_as_json():
    change = {"path": "/p", "kind": {"type": "chmod"}, "diff": "", "mode": 777}
    (part,) = requested.parts(patch(change))
    assert json.loads(part.text) == {"changes": [change]}


def test_a_patch_that_names_no_changes_is_not_whole():
    assert not requested.is_whole(patch())


def test_a_request_that_cannot_be_read_is_not_whole():
    assert not requested.is_whole(read("{spoilt"))


@pytest.mark.parametrize(
    ("line", "provider", "gist"),
    [
        (bash("ls -l\nrm x"), "claude-code", "ls -l …"),
        (claude("Write", {"file_path": "/x", "content": ""}), "claude-code", "Write /x"),
        (claude("mcp__x", {"a": "ü"}), "claude-code", 'mcp__x {"a": "ü"}'),
        (claude("Bash", {}), "claude-code", "Bash"),
        (plan("\n## Do it\nnow"), "claude-code", "Do it"),
        (questions(DATABASE, FEATURES), "claude-code", "Which database? / Which features?"),
        (shell("make"), "codex-cli", "make"),
    ],
)
def test_a_request_is_told_in_one_line(line, provider, gist):
    assert requested.gist(read(line, provider=provider)) == gist


def test_requests_of_one_session_are_told_apart():
    calls = [shell("a", itemId="1"), shell("a", itemId="2")]
    assert len({read(line, provider="codex-cli").key for line in calls}) == 2
