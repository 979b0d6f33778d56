"""A conversation as HTML: what is joined, what is cut, and that hostile text stays text."""

import json
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.utils.html import escape

from sessions_app import transcript
from sessions_app.display import confined, markdown, rendering
from sessions_app.display.confined import Budget
from sessions_app.display.conversation import Conversation, arrange
from sessions_app.providers import PROVIDERS, events
from sessions_app.providers.shapes import (
    DiffLine,
    Error,
    FileChange,
    Image,
    Link,
    Notice,
    Plan,
    PlanStep,
    Prompt,
    Result,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Unknown,
)
from sessions_app.transcript import NewMessage

RECORDINGS = Path(__file__).parents[1] / "recordings"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\u202e"


def html(*shapes):
    """The page of one message a shape."""
    budget = Budget()
    return "".join(rendering.html(entry, budget) for entry in arrange(entries(*shapes)))


def entries(*shapes):
    conversation = Conversation()
    return [
        entry
        for number, shape in enumerate(shapes)
        for entry in conversation.add(f"message-{number}", NOW, [shape])
    ]


def call(tool_id="t1", name="Bash", summary="ls", **options):
    return ToolUse(tool_id, name, summary, {"command": summary}, **options)


def test_a_result_stands_in_its_call_and_nowhere_else():
    page = html(call(), Text("Meanwhile."), ToolResult("t1", "file.txt"))
    assert page.count("file.txt") == 1
    assert page.index("file.txt") < page.index("Meanwhile.")


def test_a_result_joins_the_latest_call_with_its_id_as_codex_counts_anew_in_each_run():
    first, second = call("item_1", summary="first"), call("item_1", summary="second")
    page = html(first, ToolResult("item_1", "one"), Result(""), second, ToolResult("item_1", "two"))
    assert re.findall(r">(first|one|second|two)</pre>", page) == ["first", "one", "second", "two"]


def test_a_file_change_does_not_join_a_command_of_an_earlier_turn():
    before = [call("item_1"), ToolResult("item_1", "x"), Result("")]
    page = html(*before, FileChange("item_1", "a", "add"))
    assert page.index("End of turn") < page.index("<bdi>a</bdi>")


def test_a_result_without_its_call_is_shown_by_itself():
    assert "lonely" in html(ToolResult("unknown", "lonely"))


def test_a_call_of_a_sub_agent_stands_inside_the_call_that_started_it():
    outer, inner = call("a", "Agent", "explore"), call("b", parent_tool_id="a")
    (only,) = arrange(entries(outer, inner))
    assert [child.shape.tool_id for child in only.children] == ["b"]


def test_a_plan_that_comes_again_takes_the_place_of_the_one_before():
    before = Plan("p", (PlanStep("Look", "pending"),))
    after = Plan("p", (PlanStep("Look", "completed"),))
    page = html(before, after)
    assert page.count("Look") == 1
    assert "1 of 1 done" in page


def test_a_failed_call_says_so_without_being_opened():
    page = html(call(), ToolResult("t1", "No such file\nmore", is_error=True, exit_code=2))
    summary = page[: page.index("</summary>")]
    assert "failed · exit 2" in " ".join(summary.split())
    assert "No such file" in summary


def test_a_call_whose_turn_ended_without_a_result_says_so():
    assert "no result" in html(call(), Error("The agent died."))


def test_a_difference_is_shown_with_both_line_numbers():
    lines = (DiffLine("remove", 7, None, "old"), DiffLine("add", None, 8, "new"))
    page = html(FileChange("c", "src/a.py", "update", lines))
    assert "src/a.py" in page
    assert re.search(r'class="line remove".*?>7<.*?>old<', page, re.S)
    assert re.search(r'class="line add".*?>8<.*?>new<', page, re.S)
    assert "+1" in page and "−1" in page


def test_the_end_of_a_turn_tells_tokens_cost_duration_and_denials():
    page = html(Result("", 12345, 0.0264, 61_400, 2, ("Bash(rm x)",)))
    for text in ("12,345 tokens", "$0.0264", "1\u00a0min 1\u00a0s", "2 turns", "Bash(rm x)"):
        assert text in page


def test_an_unknown_event_is_shown_raw():
    assert "{&quot;type&quot;: &quot;new&quot;}" in html(Unknown("new", '{"type": "new"}'))


def test_thinking_without_words_is_left_out():
    assert html(Thinking(" \n"), Text("Yes.")).count("entry") == html(Text("Yes.")).count("entry")


def test_every_entry_can_be_linked_to():
    page = html(Prompt("Do it."))
    assert 'id="m-message-0"' in page and 'href="#m-message-0"' in page


@pytest.mark.parametrize(
    "shape",
    [
        Prompt(HOSTILE),
        Text(HOSTILE),
        Thinking(HOSTILE),
        ToolUse(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: [HOSTILE]}, HOSTILE),
        Image(claimed=HOSTILE, size=1),
        Image(url=f"https://example.com/{HOSTILE}"),
        ToolResult(HOSTILE, HOSTILE),
        ToolResult(HOSTILE, "", links=(Link(HOSTILE, HOSTILE), Link(f"https://a/{HOSTILE}"))),
        FileChange(HOSTILE, HOSTILE, HOSTILE, (DiffLine("add", None, 1, HOSTILE),), HOSTILE),
        Plan(HOSTILE, (PlanStep(HOSTILE, HOSTILE),)),
        Notice(HOSTILE, HOSTILE, HOSTILE),
        Result(HOSTILE, denials=(HOSTILE,)),
        Error(HOSTILE, HOSTILE),
        Unknown(HOSTILE, HOSTILE),
    ],
    ids=lambda shape: type(shape).__name__,
)
def test_hostile_text_in_any_field_stays_visible_text(shape):
    page = html(shape)
    assert "<img" not in page
    assert "\u202e" not in page
    assert "&lt;img" in page and "&lt;U+202E&gt;" in page


@pytest.mark.parametrize(
    "text",
    [
        "[x](javascript:alert(1))",
        "[x](//evil.example/a)",
        "[x](vscode://file/etc/passwd)",
        "[x](data:text/html,<script>alert(1)</script>)",
        "<javascript:alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
    ],
)
def test_only_web_addresses_become_links(text):
    assert "<a " not in markdown.render(text)


def test_a_link_sends_no_referrer():
    page = markdown.render("[x](https://example.org/a)")
    assert 'href="https://example.org/a"' in page
    assert "noreferrer" in page


def test_an_image_loads_nothing():
    page = markdown.render("![secret](https://evil.example/?k=1)")
    assert "<img" not in page and "src=" not in page


def test_code_is_highlighted_with_classes_and_no_style():
    page = markdown.render("```python\ndef f(): return '<b>'\n```")
    assert '<span class="k">def</span>' in page
    assert "style=" not in page and "<b>" not in page


def test_code_in_an_unknown_language_is_shown_plainly():
    assert "&lt;b&gt; x" in markdown.render('```"onload=1\n<b> x\n```')


def fenced(language: str, code: str) -> str:
    return f"```{language}\n{code}\n```"


FLOODS = ["[", "![", "[x][", "> ", "*a", "**a _b ", "`", "<", "|a", "- ", "[a]: b\n", "(", "\\\\"]
WIDE_TABLE = "|a" * 4000 + "|\n" + "|-" * 4000 + "|\n" + "|\n" * 3000


@pytest.mark.parametrize(
    "text",
    [
        fenced("c", "\n" * 19_000 + "x"),
        fenced("java", "\n" * 19_000 + "x"),
        fenced("csharp", "a\n" * 9_000),
        WIDE_TABLE,
    ],
    ids=["c", "java", "csharp", "table"],
)
def test_a_text_that_takes_minutes_is_shown_as_it_is_and_the_next_one_as_ever(text):
    page = html(Text(text), Text("*Done.*"))
    assert f"<pre>{escape(text[:10])}" in page
    assert "<em>Done.</em>" in page


def test_a_page_of_nothing_else_has_one_budget_and_the_next_one_has_its_own():
    budget = Budget()
    texts = [Text(fenced("c", "\n" * (18_000 + number))) for number in range(100)]
    for entry in arrange(entries(*texts, Text("*Not any more.*"))):
        page = rendering.html(entry, budget)
    assert "*Not any more.*" in page
    assert "<em>Not any more.</em>" in html(Text("*Not any more.*"))


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_markdown_is_shown(flood):
    assert "80,000 more characters" in html(Text((flood * 100_000)[:100_000]))


@pytest.mark.long
@pytest.mark.parametrize("language", sorted(markdown.LANGUAGES))
def test_no_language_holds_a_page_up_and_all_are_coloured(language):
    floods = ["\n", "a\n", "a.", '"\\']
    for flood in floods:
        assert "<pre" in html(Text(fenced(language, flood * (19_000 // len(flood)))))
    assert "<span class=" in html(Text(fenced(language, ORDINARY * 60))), "not coloured"


ORDINARY = """\
# comment <p class="a">text</p>
static int total = count(items, "text") + 42; // more
if (total > 10) { return total; } else { x: 1 }
- key: [1, 2.5, true]
+ FROM image AS name
"""


def test_a_file_of_300_lines_keeps_its_colours():
    source = Path(markdown.__file__).parent.joinpath("conversation.py").read_text()
    lines = (source.splitlines() * 2)[:300]
    assert len(lines) == 300
    page = html(Text(fenced("python", "\n".join(lines))))
    assert page.count('<span class="k">') > 50


def test_a_process_that_renders_and_dies_is_replaced():
    html(Text("*before*"))
    os.killpg(confined._renderer._process.pid, signal.SIGKILL)
    assert "*meanwhile*" in html(Text("*meanwhile*"))
    assert "<em>after</em>" in html(Text("*after*"))


def test_a_long_output_is_cut_with_a_link_to_all_of_it():
    page = html(call(), ToolResult("t1", "x" * 20_000))
    assert "8,000 more characters" in page
    assert "/admin/sessions_app/sessionmessage/message-1/change/" in page
    assert len(page) < 16_000


def test_a_long_difference_is_cut():
    lines = tuple(DiffLine("add", None, n, f"line {n}") for n in range(1, 701))
    page = html(FileChange("c", "a", "add", lines))
    assert "200 more lines" in page and "line 501" not in page


def append(session, *texts):
    lines = [events.prompt(text, "") for text in texts]
    return transcript.append(
        [NewMessage(session.pk, session.provider, "user", line.raw) for line in lines]
    )


def test_a_page_holds_the_last_messages_and_a_cursor_to_the_ones_before(session):
    rows = append(session, *(f"prompt {number}." for number in range(250)))
    last = rendering.page(session)
    assert (last.entries[0].shape.text, last.last) == ("prompt 150.", rows[-1].pk)
    middle = rendering.page(session, last.earlier)
    assert [middle.entries[0].shape.text, middle.entries[-1].shape.text] == [
        "prompt 50.",
        "prompt 149.",
    ]
    first = rendering.page(session, middle.earlier)
    assert (len(first.entries), first.earlier) == (50, None)


def test_messages_after_those_that_took_too_long_are_mentioned_and_not_read(session, monkeypatch):
    append(session, "first", "second")
    monkeypatch.setattr(rendering, "READING_SECONDS", -1)
    shown = "".join(rendering.html(entry) for entry in rendering.page(session).entries)
    assert shown.count("took too long") == 2 and "second" not in shown


def test_messages_after_thousands_of_parts_are_mentioned_and_not_shown(session):
    blocks = json.dumps([{"type": "text", "text": "a"}] * 3000)
    event = f'{{"type": "assistant", "message": {{"content": {blocks}}}}}'
    transcript.append([NewMessage(session.pk, session.provider, "assistant", event)] * 40)
    page = rendering.page(session)
    assert len(page.entries) < 2500
    assert "too many parts" in rendering.html(page.entries[-1])


def test_a_giant_message_is_mentioned_and_not_parsed(session):
    append(session, "x" * (rendering.LARGEST + 1))
    (entry,) = rendering.page(session).entries
    assert "over 1,000,000 characters" in rendering.html(entry)


@pytest.mark.parametrize(
    "recording", sorted(RECORDINGS.rglob("*.stdout.jsonl")), ids=lambda path: path.stem
)
def test_every_recording_is_shown(session, recording):
    provider = PROVIDERS["codex-cli" if recording.parent.name == "codex" else "claude-code"]
    session.provider = "codex-cli" if recording.parent.name == "codex" else "claude-code"
    session.save()
    lines = [events.read_line(line) for line in recording.read_bytes().split(b"\n") if line]
    transcript.append(
        [NewMessage(session.pk, session.provider, provider.classify(x.data), x.raw) for x in lines]
    )
    found = rendering.page(session).entries
    assert found or not lines
    assert "Unknown event" not in "".join(rendering.html(entry) for entry in found)
