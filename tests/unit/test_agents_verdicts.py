"""How the end of a run is judged, from recorded and from hostile streams."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jobs_app.agents import AGENTS
from jobs_app.agents.base import Denials, Driver, OneWay, Turn
from jobs_app.agents.claude.talk import ClaudeDriver
from jobs_app.agents.codex.judge import CodexObserver
from jobs_app.outcomes import Outcome, Verdict
from sessions_app.providers import events

DRIVERS: dict[str, Callable[[Turn], Driver]] = {
    "claude-code": ClaudeDriver,
    "codex-cli": lambda turn: OneWay(CodexObserver(turn), turn.prompt),
}

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"

PERMANENT = (Outcome.FAILED, True)
TRANSIENT = (Outcome.FAILED, False)
LIMITED = (Outcome.RATE_LIMITED, False)

# Every recording that is not named here is one of a run that succeeded.
ENDS = {
    "claude/http400": (*PERMANENT, "refused the request"),
    "claude/http401_retries1": (*PERMANENT, "login of Claude Code on this host is not valid"),
    "claude/http500_retries1": (*TRANSIENT, "server failed"),
    "claude/maxturns": (*PERMANENT, "maximum number of turns"),
    "claude/no_api_key": (*PERMANENT, "not logged in on this host: run `claude` there"),
    "claude/noprompt_stdin_empty": (*PERMANENT, "refused to start: Input must be provided"),
    "claude/resume_7_unknown_id": (*PERMANENT, "start a new session"),
    "claude/resume_8_not_uuid": (*PERMANENT, "start a new session"),
    "claude/root_skip_permissions": (*PERMANENT, "POKECODE_CLAUDE_PERMISSION_MODE"),
    "claude/sigint_group_sleepnested": (*TRANSIENT, "interrupted from outside"),
    "claude/sigkill_slow": (*TRANSIENT, "SIGKILL"),
    "claude/sigterm_sleep300": (*TRANSIENT, "SIGTERM"),
    "claude/toolong": (*PERMANENT, "too long"),
    "claude/unknown_model": (*PERMANENT, "the model no-such-model-x"),
    "claude-2.1.197/http400": (*PERMANENT, "refused the request"),
    "claude-2.1.197/res3_unknown": (*PERMANENT, "start a new session"),
    "claude-2.1.197/sigint_slow": (*TRANSIENT, "interrupted from outside"),
    "codex/conn_refused_bounded_retries0": (*TRANSIENT, "could not reach"),
    "codex/cutstream": (*TRANSIENT, "could not reach the model's server or lost the connection"),
    "codex/http400": (*PERMANENT, "refused the request: Mock: bad request of some kind."),
    "codex/http429_retries0": (*LIMITED, "usage limit"),
    "codex/http500_retries0": (*TRANSIENT, "server failed"),
    "codex/maxtokens": (*PERMANENT, "maximum length"),
    "codex/missing_cd": (*PERMANENT, "directory no longer exists"),
    "codex/no_api_key": (*PERMANENT, "no API key"),
    "codex/not_git": (*PERMANENT, "refused to start"),
    "codex/resume_7_unknown_id": (*PERMANENT, "start a new session"),
    "codex/sigkill_slow": (*TRANSIENT, "SIGKILL"),
    "codex/sigterm_slow": (*TRANSIENT, "SIGTERM"),
    "codex/toolong": (*PERMANENT, "too long"),
    "codex/unicode": (*TRANSIENT, "could not reach"),
    "codex/unknown_model": (*PERMANENT, "the model no-such-model-x"),
}

DENIED = {
    "claude/denied_bash_default": "Bash (echo hello > out.txt && echo done-marker)",
    "claude/denied_edit_default": "Write (/home/dev/project/new.txt)",
    "claude/permission_prompts_none": "Bash (echo hello > out.txt && echo done-marker)",
    "claude/settings_deny": "Bash (echo hello > out.txt && echo done-marker)",
    "claude-2.1.197/denied_bash_default": "Bash (echo hello > out.txt && echo done-marker)",
    "codex/readonly_edit": "writing is blocked by read-only sandbox",
}

CASES = sorted(
    str(path.relative_to(RECORDINGS)).removesuffix(".meta.json")
    for path in RECORDINGS.glob("*/*.meta.json")
)


def error(verdict: Verdict) -> str:
    assert verdict.error is not None
    return verdict.error


def judge(provider: str, seen: list[dict], exit_code: int, stderr: str = "", **fields) -> Verdict:
    driver = DRIVERS[provider](Turn("attempt", "Do it", "/project", **fields))
    for data in seen:
        driver.keeps(data)
        driver.observe(data, json.dumps(data))
    return driver.verdict(exit_code, stderr)


def recorded(case: str) -> Verdict:
    meta = json.loads((RECORDINGS / f"{case}.meta.json").read_text())
    errors = RECORDINGS / f"{case}.stderr.txt"
    stderr = errors.read_text() if errors.exists() else ""
    lines = (RECORDINGS / f"{case}.stdout.jsonl").read_bytes().split(b"\n")
    seen = [line.data for line in map(events.read_line, filter(None, lines)) if not line.is_own]
    provider = "codex-cli" if case.startswith("codex/") else "claude-code"
    argv = meta["argv"]
    known = {"model": _after(argv, "--model", "-m"), "resume": _after(argv, "--resume", "resume")}
    return judge(provider, seen, meta["exit_code"], stderr, **known)


def _after(argv: list[str], *flags: str) -> str | None:
    return next((argv[argv.index(flag) + 1] for flag in flags if flag in argv), None)


def test_the_table_names_recordings_that_exist():
    assert CASES
    assert {*ENDS, *DENIED} <= set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_recorded_run_is_judged_by_how_it_ended(case):
    outcome, permanent, words = ENDS.get(case, (Outcome.SUCCEEDED, False, DENIED.get(case, "")))
    verdict = recorded(case)
    assert (verdict.outcome, verdict.permanent) == (outcome, permanent)
    assert words in (verdict.error or "")
    assert verdict.error is None or verdict.error.endswith(".")
    assert bool(verdict.error) == (case in ENDS or case in DENIED)


@pytest.mark.parametrize("provider", AGENTS)
def test_exit_code_0_without_a_result_is_a_failure_that_may_pass(provider):
    verdict = judge(provider, [], 0, "Reading prompt from stdin...")
    assert (verdict.outcome, verdict.permanent) == TRANSIENT
    assert verdict.error == f"{AGENTS[provider].name} ended without a result."


@pytest.mark.parametrize("provider", AGENTS)
def test_a_bad_option_is_permanent_and_quotes_the_tool(provider):
    stderr = "error: unknown option '--frobnicate'\n\nFor more information, try '--help'.\n"
    verdict = judge(provider, [], 2, stderr)
    assert (verdict.outcome, verdict.permanent) == PERMANENT
    assert "unknown option '--frobnicate'" in error(verdict)


def test_a_prompt_beyond_the_limit_of_codex_is_permanent():
    started = {"type": "thread.started", "thread_id": "t"}
    stderr = "Error: turn/start failed: Input exceeds the maximum length of 1048576 characters."
    verdict = judge("codex-cli", [started], 1, stderr)
    assert (verdict.outcome, verdict.permanent) == PERMANENT
    assert "too long" in error(verdict)


def test_codex_in_another_conversation_than_asked_for_is_no_success():
    seen = [{"type": "thread.started", "thread_id": "new"}, {"type": "turn.completed"}]
    assert judge("codex-cli", seen, 0, resume="old").permanent
    assert judge("codex-cli", seen, 0, resume="NEW").outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, PERMANENT),
        (402, PERMANENT),
        (403, PERMANENT),
        (429, LIMITED),
        (500, TRANSIENT),
        (529, TRANSIENT),
    ],
)
def test_both_tools_agree_on_what_an_http_status_means(status, expected):
    result = {"type": "result", "is_error": True, "result": "No.", "api_error_status": status}
    failed = {"type": "turn.failed", "error": {"message": f"unexpected status {status} X: No."}}
    for provider, event in (("claude-code", result), ("codex-cli", failed)):
        verdict = judge(provider, [event], 1)
        assert (verdict.outcome, verdict.permanent) == expected


def test_the_last_of_several_results_counts():
    good = {"type": "result", "is_error": False, "num_turns": 1, "result": "Done"}
    bad = {"type": "result", "is_error": True, "num_turns": 2, "api_error_status": 500}
    empty = {"type": "result", "is_error": False, "num_turns": 0, "result": ""}
    assert judge("claude-code", [bad, good], 0).outcome is Outcome.SUCCEEDED
    assert judge("claude-code", [good, bad], 0).outcome is Outcome.FAILED
    assert judge("claude-code", [empty], 0).outcome is Outcome.FAILED


def test_an_event_that_says_when_the_limit_ends_is_believed():
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    info = {"status": "rejected", "resetsAt": int(ends.timestamp())}
    result: dict = {"type": "result", "is_error": True, "result": "No.", "api_error_status": 429}
    event = {"type": "rate_limit_event", "rate_limit_info": info}
    verdict = judge("claude-code", [event, result], 1)
    assert (verdict.outcome, verdict.retry_at) == (Outcome.RATE_LIMITED, ends)
    assert f"until {ends:%Y-%m-%d %H:%M} UTC" in error(verdict)


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


def window(status: str, name: str | None, ends: datetime | float) -> dict:
    moment = ends.timestamp() if isinstance(ends, datetime) else ends
    info = {"status": status, "resetsAt": moment, **({"rateLimitType": name} if name else {})}
    return {"type": "rate_limit_event", "rate_limit_info": info}


LIMITED_RESULT: dict = {
    "type": "result",
    "is_error": True,
    "result": "API Error: Rate limit reached",
    "api_error_status": 429,
}


@pytest.mark.parametrize("status", ["allowed", "allowed_warning", None, ["rejected"]])
def test_a_window_that_is_not_rejected_says_nothing_about_when_to_go_on(status):
    seen = [window(status, "seven_day", in_seconds(6 * 86400)), LIMITED_RESULT]
    verdict = judge("claude-code", seen, 1)
    assert (verdict.outcome, verdict.retry_at) == (Outcome.RATE_LIMITED, None)


@pytest.mark.parametrize("names", [("five_hour", "seven_day"), (None, None), ("a", None)])
def test_of_the_rejected_windows_the_one_that_ends_last_decides(names):
    soon, late = in_seconds(1800), in_seconds(3 * 86400)
    told = [window("rejected", names[0], late), window("rejected", names[1], soon)]
    after = [window("allowed", "seven_day_opus", in_seconds(60)), LIMITED_RESULT]
    assert judge("claude-code", [*told, *after], 1).retry_at == late
    assert judge("claude-code", [*reversed(told), *after], 1).retry_at == late


def test_a_rejected_window_is_one_no_longer_once_it_allows_again():
    seen = [
        window("rejected", "five_hour", in_seconds(9000)),
        window("rejected", "seven_day", in_seconds(90)),
        window("allowed", "five_hour", in_seconds(9000)),
        LIMITED_RESULT,
    ]
    assert judge("claude-code", seen, 1).retry_at == end_of(seen[1])


def test_a_rejected_window_that_the_account_goes_beyond_does_not_decide():
    event = window("rejected", "seven_day", in_seconds(9000))
    event["rate_limit_info"]["isUsingOverage"] = True
    assert judge("claude-code", [event, LIMITED_RESULT], 1).retry_at is None


def end_of(event: dict) -> datetime:
    return datetime.fromtimestamp(event["rate_limit_info"]["resetsAt"], UTC)


@pytest.mark.parametrize("ends", [253402300799, -5, 10**18, float("inf"), 0])
def test_a_window_without_end_is_not_waited_for(ends):
    verdict = judge("claude-code", [window("rejected", "seven_day", ends), LIMITED_RESULT], 1)
    assert (verdict.outcome, verdict.retry_at) == (Outcome.RATE_LIMITED, None)


@pytest.mark.parametrize("before", ["", "unexpected status 429 Too Many Requests: "])
@pytest.mark.parametrize("field", ["resets_at", "resets_in_seconds"])
def test_the_body_of_a_limit_of_codex_tells_when_it_ends(field, before):
    ends = in_seconds(13872)
    moment = int(ends.timestamp()) if field == "resets_at" else 13872
    error = {"type": "usage_limit_reached", "message": "The limit has been reached", field: moment}
    body = before + json.dumps({"error": error, "status_code": 429})
    verdict = judge("codex-cli", [{"type": "turn.failed", "error": {"message": body}}], 1)
    assert verdict.outcome is Outcome.RATE_LIMITED
    assert verdict.retry_at is not None
    assert abs(verdict.retry_at - ends) < timedelta(seconds=30)


def test_a_limit_is_one_also_where_the_last_line_is_missing():
    words = "You've hit your weekly limit · resets 3pm (UTC)"
    said = {"message": {"content": [{"type": "text", "text": words}]}, "error": "rate_limit"}
    ahead = {"type": "error", "message": "You've hit your usage limit. Try again in 3 hours."}
    for provider, event in (
        ("claude-code", {"type": "assistant", **said}),
        ("codex-cli", ahead),
    ):
        verdict = judge(provider, [event], 1, "Reading prompt from stdin...")
        assert verdict.outcome is Outcome.RATE_LIMITED
        assert verdict.retry_at is not None


@pytest.mark.parametrize("case", ["claude/resume_7_unknown_id", "codex/resume_7_unknown_id"])
def test_a_conversation_that_cannot_be_resumed_is_named(case):
    lost = recorded(case).lost_conversation
    assert lost
    assert lost in error(recorded(case))


CLAUDE_SUCCESS: dict = {"type": "result", "is_error": False, "num_turns": 2, "result": "Done"}
SUCCESSES = [("claude-code", CLAUDE_SUCCESS), ("codex-cli", {"type": "turn.completed"})]


@pytest.mark.parametrize(("code", "words"), [(1, "exit code 1"), (-9, "SIGKILL"), (143, "SIGTERM")])
@pytest.mark.parametrize(("provider", "success"), SUCCESSES)
def test_a_reported_success_is_one_whatever_the_exit_code(provider, success, code, words):
    verdict = judge(provider, [success], code, "error: something at the end")
    assert verdict.outcome is Outcome.SUCCEEDED
    assert verdict.note is not None
    assert "reported success" in verdict.note
    assert words in verdict.note
    assert judge(provider, [success], 0).note is None


@pytest.mark.parametrize(("provider", "success"), SUCCESSES)
def test_a_turn_that_began_after_a_success_and_broke_off_is_none(provider, success):
    begun = {"type": "turn.started"}
    if provider == "claude-code":
        begun = {"type": "assistant", "message": {}}
    verdict = judge(provider, [success, begun], 1)
    assert (verdict.outcome, verdict.permanent) == TRANSIENT


def test_what_a_sub_agent_says_after_a_success_does_not_undo_it():
    said = {"type": "assistant", "message": {}, "parent_tool_use_id": "toolu_1"}
    assert judge("claude-code", [CLAUDE_SUCCESS, said], 1).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("reason", ["aborted_tools", "aborted_streaming"])
def test_a_turn_that_was_broken_off_is_no_success(reason):
    result = {**CLAUDE_SUCCESS, "result": "", "terminal_reason": reason}
    verdict = judge("claude-code", [result], 0)
    assert (verdict.outcome, verdict.permanent) == TRANSIENT
    assert "interrupted from outside" in error(verdict)


def test_a_call_that_a_hook_put_off_is_named_and_no_success():
    reason = {"stop_reason": "tool_deferred", "terminal_reason": "tool_deferred"}
    call = {"id": "toolu_1", "name": "Bash", "input": {"command": "rm -rf build # rate limit"}}
    verdict = judge("claude-code", [{**CLAUDE_SUCCESS, **reason, "deferred_tool_use": call}], 0)
    assert (verdict.outcome, verdict.permanent) == PERMANENT
    assert "Bash (rm -rf build" in error(verdict)
    assert "hook" in error(verdict)


def test_an_agent_is_expected_to_exit_only_once_nothing_of_it_goes_on():
    driver = ClaudeDriver(Turn("attempt", "Do it", "/project"))
    changed = {"type": "system", "subtype": "background_tasks_changed"}
    for data, is_over in (
        ({"type": "system", "subtype": "init"}, False),
        ({**changed, "tasks": [{"task_id": "b1"}]}, False),
        (CLAUDE_SUCCESS, False),  # its task in the background may begin another turn
        ({**changed, "tasks": []}, True),
        ({"type": "system", "subtype": "commands_changed"}, True),
        ({"type": "assistant", "message": {}}, False),
        ({"type": "result", "is_error": True, "result": "No."}, True),
    ):
        driver.observe(data, json.dumps(data))
        assert driver.is_over is is_over, data


def test_many_denials_make_a_short_sentence():
    assert Denials().sentence() is None
    assert Denials(["Bash (ls)"]).sentence() == "One tool call was denied: Bash (ls)."
    many = Denials([f"Read {number}" for number in range(100)]).sentence()
    assert many == "100 tool calls were denied: Read 0, Read 1, Read 2, Read 3, Read 4, …."


def test_the_words_of_a_tool_cannot_disturb_a_page_or_terminal():
    said = "\x1b[31mNo\x07 \u202eoops\nsecond line {model}"
    result = {"type": "result", "is_error": True, "result": said}
    sentence = error(judge("claude-code", [result], 1))
    assert sentence.isprintable()
    assert "second line {model}" in sentence


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KEYS = ("type", "is_error", "result", "errors", "error", "message", "thread_id", "num_turns")
MORE_KEYS = ("permission_denials", "rate_limit_info", "api_error_status", "resetsAt", "subtype")
TALK_KEYS = ("request", "request_id", "event", "state", "command_uuid", "prompt_submit_outcome")
TYPES = ("result", "assistant", "rate_limit_event", "turn.failed", "thread.started", "error")
TALK_TYPES = ("system", "control_request", "command_lifecycle", "stream_event")
event = st.dictionaries(st.sampled_from([*KEYS, *MORE_KEYS, *TALK_KEYS]), anything).flatmap(
    lambda data: st.sampled_from([*TYPES, *TALK_TYPES]).map(lambda kind: {**data, "type": kind})
)


@effort(deadline=None)
@given(seen=st.lists(event, max_size=4), code=st.integers(-70, 255), stderr=st.text())
@pytest.mark.parametrize("provider", AGENTS)
def test_no_stream_can_break_the_judgement(provider, seen, code, stderr):
    verdict = judge(provider, seen, code, stderr)
    assert isinstance(verdict.outcome, Outcome)
    assert verdict.outcome is Outcome.SUCCEEDED or verdict.error


UNDONE = [
    {"subtype": "error_max_turns"},
    {"subtype": "error_during_execution"},
    *({"subtype": "success", "terminal_reason": r} for r in ("max_turns", "model_error")),
    {"subtype": "success", "terminal_reason": "prompt_too_long"},
]


@pytest.mark.parametrize("told", UNDONE)
def test_a_result_that_names_an_error_is_no_success_though_its_flag_says_so(told):
    seen = [{"type": "result", "is_error": False, "num_turns": 1, "result": "done", **told}]
    assert judge("claude-code", seen, 0).outcome is Outcome.FAILED


@pytest.mark.parametrize("flag", [{}, {"is_error": None}])
def test_a_result_without_its_flag_is_judged_by_its_subtype(flag):
    seen = [{"type": "result", "subtype": "success", "num_turns": 1, "result": "done", **flag}]
    assert judge("claude-code", seen, 0).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    "error", ["Try again in 20 minutes.", {"error": {"message": "Try again in 20 minutes."}}]
)
def test_the_error_of_a_failed_turn_is_read_in_any_form(error):
    verdict = judge("codex-cli", [{"type": "turn.failed", "error": error}], 1)
    assert "Try again in 20 minutes" in str(verdict.error)


def test_an_end_of_a_limit_that_a_retry_told_counts_where_the_failure_tells_none():
    seen = [
        {"type": "error", "message": "Reconnecting... 5/5 (Please try again in 20m)"},
        {"type": "turn.failed", "error": {"message": "last status: 429 Too Many Requests"}},
    ]
    verdict = judge("codex-cli", seen, 1)
    assert verdict.outcome is Outcome.RATE_LIMITED and verdict.retry_at is not None
