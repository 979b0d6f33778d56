"""The demo agent: truthful work in a sample project, in all protocols of both tools."""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from jobs_app.demo import project, work
from sessions_app.providers import PROVIDERS
from sessions_app.providers.shapes import Error, Plan, Text, ToolResult, ToolUse, Unknown
from tests.process.site import ROOT

PROGRAM = ROOT / "jobs_app" / "demo" / "agent.py"
ARGUMENTS = {
    "claude": ["-p", "--output-format", "stream-json", "--verbose", "--permission-mode=plan"],
    "codex": ["exec", "--json", "--sandbox", "workspace-write", "--skip-git-repo-check"],
}
NAMES = {"claude": "claude-code", "codex": "codex-cli"}
TOOLS = pytest.mark.parametrize("tool", ["claude", "codex"])


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "sample"
    project.create(path)
    return path


class Demo:
    """Runs of the demo agent that share one memory."""

    def __init__(self, cache: Path, directory: Path) -> None:
        self.environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)}
        self.directory = directory

    def start(self, tool, *arguments):
        """With the standard library alone, as it promises."""
        return subprocess.Popen(
            [sys.executable, "-IS", str(PROGRAM), tool, *ARGUMENTS[tool], *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, tool, prompt, *arguments):
        """Its exit code, its events and its standard error."""
        with self.start(tool, *arguments) as process:
            out, err = process.communicate(prompt, timeout=60)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err


@pytest.fixture
def demo(tmp_path, sample) -> Demo:
    return Demo(tmp_path / "cache", sample)


def shown(tool, events, kind, directory):
    provider = PROVIDERS[NAMES[tool]]
    shapes = [shape for event in events for shape in provider.display(event, str(directory))]
    return [shape for shape in shapes if isinstance(shape, kind)]


def answer_of(tool, events, directory) -> str:
    return shown(tool, events, Text, directory)[-1].markdown


@TOOLS
def test_it_tells_what_is_really_there(demo, sample, tool):
    code, events, err = demo.run(tool, "What is here?")
    assert (code, err) == (0, "")
    answer = answer_of(tool, events, sample)
    lines = sum(len(path.read_text().splitlines()) for path in files_of(sample))
    assert f"{len(files_of(sample))} files with {lines} lines" in answer
    assert "Tea timer" in answer
    assert git(sample, "log", "-1", "--format=%h") in answer
    assert "demo agent" in answer


@TOOLS
def test_every_event_is_understood(demo, sample, tool):
    _, events, _ = demo.run(tool, "Make a plan, then show the diff.")
    assert shown(tool, events, Unknown, sample) == []
    uses = shown(tool, events, ToolUse, sample)
    assert {use.tool_id for use in uses} >= {
        result.tool_id for result in shown(tool, events, ToolResult, sample)
    }
    plan = shown(tool, events, Plan, sample)[-1]
    assert {step.status for step in plan.steps} == {"completed"}
    assert "Look at the last change" in [step.text for step in plan.steps]


@TOOLS
def test_the_last_change_is_the_repository_s_own(demo, sample, tool):
    _, events, _ = demo.run(tool, "Show me the last edit.")
    assert git(sample, "show", "--format=", "HEAD") in json_texts(events)


@TOOLS
def test_it_changes_nothing(demo, sample, tool):
    before = contents(sample)
    demo.run(tool, "plan edit")
    assert contents(sample) == before


@TOOLS
def test_words_are_counted_once_over_a_resumed_conversation(demo, tool):
    provider = PROVIDERS[NAMES[tool]]
    _, first, _ = demo.run(tool, "one two three")
    conversation = next(filter(None, map(provider.conversation_id, first)))
    meter = provider.meter()
    counted = sum(meter.count(event) or 0 for event in first)
    resume = [f"--resume={conversation}"] if tool == "claude" else ["resume", conversation, "-"]
    _, second, _ = demo.run(tool, "one two three", *resume)
    again = provider.meter(meter.raw)
    assert next(filter(None, map(provider.conversation_id, second))) == conversation
    assert sum(again.count(event) or 0 for event in second) == counted > 100
    assert not meter.cost_usd


def test_an_unknown_conversation_is_refused(demo):
    code, events, err = demo.run("claude", "Go on.", f"--resume={uuid.uuid4()}")
    assert (code, events) == (1, [])
    assert "No conversation found" in err


@TOOLS
def test_it_fails_when_asked_to(demo, sample, tool):
    code, events, _ = demo.run(tool, "Please fail.")
    assert code == 1
    assert [error.text for error in shown(tool, events, Error, sample)][-1] == work.FAILURE


@TOOLS
@pytest.mark.parametrize(
    ("number", "codes"),
    [(signal.SIGINT, {"claude": 0, "codex": 1}), (signal.SIGTERM, {"claude": 143, "codex": -15})],
)
def test_slow_work_is_interrupted_as_in_the_real_tools(demo, tool, number, codes):
    with demo.start(tool) as process:
        process.stdin.write("slow")
        process.stdin.close()
        first = process.stdout.readline()
        process.send_signal(number)
        rest = process.stdout.read()
    assert json.loads(first)
    assert process.returncode == codes[tool]
    assert ("error_during_execution" in rest) == (tool == "claude" and number == signal.SIGINT)


@TOOLS
def test_no_prompt_is_an_error(demo, tool):
    code, events, err = demo.run(tool, "  \n")
    assert (code, events) == (1, [])
    assert "no prompt" in err


@TOOLS
def test_its_version_says_that_it_is_a_demo(demo, tool):
    with demo.start(tool, "--version") as process:
        assert "(PokéCode demo)" in process.communicate()[0]


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (
            "config",
            "[core]\n\tbare = false\n[log]\n\tshowSignature = true\n[gpg]\n\tprogram = {}\n",
        ),
        ("config", "[core]\n\tbare = false\n\tfsmonitor = {}\n"),
        ("config", "[include]\n\tpath = other\n"),
        ("commondir", "../elsewhere\n"),
    ],
)
def test_it_leaves_git_alone_where_the_repository_could_name_programs(
    demo, git_project, tmp_path, place, text
):
    (git_project / ".git" / place).write_text(text.format(tmp_path / "canary"))
    demo.directory = git_project
    code, events, _ = demo.run("claude", "Show the diff.")
    assert code == 0
    assert "without risk" in json_texts(events)
    commands = [use.summary for use in shown("claude", events, ToolUse, git_project)]
    assert not any(command.startswith("git") for command in commands)


@TOOLS
def test_an_empty_directory_is_no_trouble(demo, project, tool):
    demo.directory = project
    code, events, _ = demo.run(tool, "plan diff slow")
    assert code == 0
    assert "0 files with 0 lines" in answer_of(tool, events, project)


def test_the_sample_project_is_the_same_everywhere(tmp_path, sample):
    project.create(tmp_path / "again")
    assert git(tmp_path / "again", "rev-parse", "HEAD") == git(sample, "rev-parse", "HEAD")
    assert git(sample, "status", "--porcelain") == ""
    assert 4 <= int(git(sample, "rev-list", "--count", "HEAD")) <= 6


def test_the_sample_project_is_made_once(tmp_path):
    path = tmp_path / "sample"
    project.create(path)
    (path / "mine.txt").write_text("kept")
    project.create(path)
    assert (path / "mine.txt").read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_the_sample_project_needs_no_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    project.create(tmp_path / "sample")
    assert (tmp_path / "sample" / "tea.py").is_file()
    assert not (tmp_path / "sample" / ".git").exists()


@TOOLS
def test_nobody_is_asked_where_that_is_refused(demo, sample, tool):
    before = contents(sample)
    prompt = "Write notes."
    if tool == "claude":
        said = {"type": "user", "message": {"role": "user", "content": prompt}}
        _, events, _ = demo.run(tool, json.dumps(said) + "\n", "--input-format=stream-json")
    else:
        events = run_server(demo, prompt, "never")
    assert not [event for event in events if event.get("type") == "control_request"]
    assert not [event for event in events if "method" in event and "id" in event]
    assert "nobody can be asked" in json_texts(events)
    assert contents(sample) == before


def run_server(demo, prompt: str, policy: str) -> list[dict]:
    """One turn of the app-server, to its end."""
    calls = [
        {"id": 1, "method": "initialize"},
        {"method": "initialized"},
        {"id": 2, "method": "thread/start", "params": {"approvalPolicy": policy}},
        {"id": 3, "method": "turn/start", "params": {"input": [{"type": "text", "text": prompt}]}},
    ]
    events: list[dict] = []
    with demo.start("codex", "app-server") as process:
        process.stdin.write("".join(json.dumps(call) + "\n" for call in calls))
        process.stdin.flush()
        while not events or events[-1].get("method") != "turn/completed":
            events.append(json.loads(process.stdout.readline()))
        process.stdin.close()
    assert process.returncode == 0
    return events


def files_of(directory) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and ".git" not in path.parts]


def contents(directory) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def git(directory, *arguments) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def json_texts(events) -> str:
    """All texts of the events, as they read."""
    match events:
        case str():
            return events
        case dict():
            return "\n".join(map(json_texts, events.values()))
        case list():
            return "\n".join(map(json_texts, events))
        case _:
            return ""
