"""Token counts of recorded runs, against what the model server of the recordings served."""

import json
from decimal import Decimal

import pytest

from sessions_app.providers import PROVIDERS, Meter, Usage
from tests import recorded

SINCE = "model_usage_since_last_result"

# Plain input (without the cache) and output, as served, from the table of measured scenarios and
# its like for the other recordings: the sum of all model calls of the run.
SERVED = {
    "claude/agent_bgdisabled": (479, 118),
    "claude/bash": (236, 62),
    "claude/bgtool": (418, 74),
    "claude/maxturns": (886, 94),
    "claude/partial": (879, 109),
    "claude/resume_1_first": (959, 62),
    "claude/resume_2": (481, 10),
    "claude/resume_4_fork": (484, 10),
    "claude/sseerror": (356, 12),
    "claude/text": (102, 10),
    "claude-2.1.197/agent": (476, 118),
    "claude-2.1.197/multi": (215, 109),
    "claude-2.1.197/res3_2": (103, 10),
}


def meter_of(case: str, previous: object = None) -> tuple[Meter, int]:
    """The run's meter and the sum of what it counted on the run's messages."""
    meter = PROVIDERS[recorded.provider_of(case)].meter(previous)
    return meter, sum(meter.count(event) or 0 for event in recorded.events(case))


def plain_input(usage: Usage) -> int:
    return usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens


@pytest.mark.parametrize("case", recorded.CASES)
def test_counts_of_messages_add_up_to_the_usage_of_the_run(case):
    meter, counted = meter_of(case)
    assert counted == meter.usage.total


@pytest.mark.parametrize("case", recorded.CASES)
def test_no_message_counts_less_than_nothing(case):
    meter = PROVIDERS[recorded.provider_of(case)].meter()
    assert all((meter.count(event) or 1) > 0 for event in recorded.events(case))


@pytest.mark.parametrize(("case", "served"), SERVED.items())
def test_a_run_counts_what_was_served(case, served):
    meter, _ = meter_of(case)
    assert (plain_input(meter.usage), meter.usage.output_tokens) == served


def test_cached_input_and_cache_writes_are_part_of_the_input():
    meter, counted = meter_of("claude/resume_2")
    assert meter.usage == Usage(
        input_tokens=481 + 2381 + 10381,
        cached_input_tokens=10381,
        cache_write_tokens=2381,
        output_tokens=10,
    )
    assert counted == 13253


def test_every_finished_claude_run_counts_what_its_models_used_since_the_last_result():
    for case in recorded.CASES:
        results = [e for e in recorded.events(case) if e["type"] == "result"]
        since = [e["model_usage_since_last_result"] for e in results if SINCE in e]
        if since:
            models = [model for usage in since for model in usage.values()]
            keys = ("inputTokens", "outputTokens", "cacheReadInputTokens")
            total = sum(m[key] for m in models for key in (*keys, "cacheCreationInputTokens"))
            assert meter_of(case)[1] == total, case


def test_a_run_that_died_leaves_the_input_of_its_answers():
    meter, counted = meter_of("claude/sigterm_sleep300")
    assert plain_input(meter.usage) == 156
    assert counted == 156 + 2056 + 10056 + 1


def test_an_interrupted_run_whose_result_says_nothing_keeps_what_its_answers_said():
    meter, _ = meter_of("claude-2.1.197/sigint_slow")
    assert plain_input(meter.usage) == 133


def test_live_counts_come_with_the_first_event_of_each_answer():
    meter = PROVIDERS["claude-code"].meter()
    counts = [meter.count(event) for event in recorded.events("claude-2.1.197/multi")]
    kinds = [event["type"] for event in recorded.events("claude-2.1.197/multi")]
    by_answers = [c for c, kind in zip(counts, kinds, strict=True) if kind == "assistant" and c]
    assert len(by_answers) == 2
    assert sum(by_answers) == 215 + 4015 + 20015 + 2
    assert counts[-1] == 109 - 2  # the result adds the output that the snapshots did not have


def test_two_results_of_one_run_count_each_call_once():
    meter = PROVIDERS["claude-code"].meter()
    first = {"model": {"inputTokens": 1700, "outputTokens": 128}}
    counts = [
        meter.count(answer("a", 677)),
        meter.count({"type": "result", SINCE: first, "modelUsage": first}),
        meter.count(answer("b", 342)),
        meter.count({"type": "result", SINCE: {}, "modelUsage": first}),
    ]
    assert counts == [678, 1150, None, None]
    assert meter.usage.total == 1700 + 128


def answer(message_id: str, tokens: int) -> dict[str, object]:
    usage = {"input_tokens": tokens, "output_tokens": 1}
    return {"type": "assistant", "session_id": "s", "message": {"id": message_id, "usage": usage}}


def test_answers_without_an_id_count_each():
    meter = PROVIDERS["claude-code"].meter()
    anonymous = {"type": "assistant", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
    assert [meter.count(anonymous), meter.count(anonymous)] == [10, 10]


def test_an_answer_counts_by_the_largest_usage_that_its_events_gave():
    meter = PROVIDERS["claude-code"].meter()
    counts = [meter.count(answer("a", tokens)) for tokens in (500, 500, 700, 600)]
    assert counts == [501, None, 200, None]
    assert meter.usage == Usage(input_tokens=700, output_tokens=1)


@pytest.mark.parametrize("nothing", [None, 0, {}, [], {"input_tokens": 0, "output_tokens": None}])
@pytest.mark.parametrize("key", ["usage", "modelUsage", SINCE])
def test_a_result_that_tells_no_usage_wipes_nothing(key, nothing):
    meter = PROVIDERS["claude-code"].meter()
    meter.count(answer("a", 40))
    told = {"usage": {"input_tokens": 50, "output_tokens": 9}} if key != "usage" else {}
    counted = meter.count({"type": "result", **told, key: nothing})
    assert counted == (18 if told else None)
    assert meter.usage.total == (59 if told else 41)


def test_old_results_without_usage_by_model_count_their_turns():
    meter = PROVIDERS["claude-code"].meter()
    usage = {"input_tokens": 3, "output_tokens": 7}
    assert meter.count({"type": "result", "usage": usage}) == 10
    assert meter.count({"type": "result", "usage": usage}) == 10


@pytest.mark.parametrize(
    ("case", "dollars"),
    [
        ("claude/bgtool", "0.039766"),  # two results
        ("claude/resume_2", "0.016105"),  # its total_cost_usd is the whole conversation's
        ("claude-2.1.197/agent", "0.075843"),
        ("claude/sigterm_sleep300", None),
        ("codex/bash", None),
    ],
)
def test_the_cost_is_what_the_tool_says_of_this_run(case, dollars):
    meter, _ = meter_of(case)
    assert meter.cost_usd == (None if dollars is None else Decimal(dollars))


@pytest.mark.parametrize("figures", [{"total_cost_usd": 10**6}, {SINCE: {}, "total_cost_usd": 1}])
def test_a_cost_that_does_not_fit_its_column_is_not_believed(figures):
    """Also where each single figure would fit."""
    meter = PROVIDERS["claude-code"].meter()
    if SINCE in figures:
        figures = {SINCE: {str(number): {"costUSD": 999_999} for number in range(200)}}
    meter.count({"type": "result", **figures})
    assert meter.cost_usd is None


def test_a_resumed_codex_thread_counts_its_own_turn_only():
    first, counted = meter_of("codex/resume_1_first")
    assert counted == 21932
    stored = json.loads(json.dumps(first.raw))
    second, counted = meter_of("codex/resume_2", stored)
    assert counted == (32808 + 72) - 21932
    assert second.usage.output_tokens == 72 - 62


def test_codex_input_includes_the_cached_and_output_the_reasoning():
    usage = {
        "input_tokens": 100,
        "cached_input_tokens": 90,
        "output_tokens": 20,
        "reasoning_output_tokens": 15,
    }
    meter = PROVIDERS["codex-cli"].meter()
    assert meter.count({"type": "turn.completed", "usage": usage}) == 120
    assert meter.usage == Usage(100, 90, 0, 20, 15)


def test_a_failed_codex_run_hands_the_total_on_to_the_next():
    thread = {"type": "thread.started", "thread_id": "t"}
    previous = {"thread_id": "t", "total": {"input_tokens": 50, "output_tokens": 5}}
    failed = PROVIDERS["codex-cli"].meter(previous)
    assert failed.count(thread) is None
    assert failed.count({"type": "turn.failed", "error": {"message": "no"}}) is None
    assert failed.raw == previous

    retried = PROVIDERS["codex-cli"].meter(failed.raw)
    retried.count(thread)
    usage = {"input_tokens": 80, "output_tokens": 9}  # with what the failed turn used
    assert retried.count({"type": "turn.completed", "usage": usage}) == 34


def test_a_codex_run_that_never_began_leaves_the_total_to_the_run_before():
    meter = PROVIDERS["codex-cli"].meter({"thread_id": "t", "total": {"input_tokens": 50}})
    assert meter.raw is None


@pytest.mark.parametrize("nothing", [None, 0, {}, {"input_tokens": 0, "output_tokens": None}])
def test_a_codex_turn_that_tells_no_usage_wipes_nothing(nothing):
    meter = PROVIDERS["codex-cli"].meter()
    meter.count({"type": "thread.started", "thread_id": "t"})
    meter.count({"type": "turn.completed", "usage": {"input_tokens": 80, "output_tokens": 9}})
    assert meter.count({"type": "turn.completed", "usage": nothing}) is None
    assert meter.usage.total == 89
    assert meter.raw["total"] == {"input_tokens": 80, "output_tokens": 9}


def test_another_codex_thread_starts_from_nothing():
    previous = {"thread_id": "old", "total": {"input_tokens": 50, "output_tokens": 5}}
    meter = PROVIDERS["codex-cli"].meter(previous)
    meter.count({"type": "thread.started", "thread_id": "new"})
    usage = {"input_tokens": 30, "output_tokens": 3}
    assert meter.count({"type": "turn.completed", "usage": usage}) == 33


@pytest.mark.parametrize("number", [-5, 10**30, True, 1.5, float("nan"), "12", None, [], {}])
def test_figures_that_cannot_be_are_not_counted(number):
    claude = PROVIDERS["claude-code"].meter()
    models = {"m": {"inputTokens": number, "costUSD": number}, "n": number}
    assert claude.count({"type": "result", SINCE: models, "total_cost_usd": number}) is None
    assert claude.usage == Usage()
    codex = PROVIDERS["codex-cli"].meter({"thread_id": number, "total": number})
    assert codex.count({"type": "turn.completed", "usage": {"input_tokens": number}}) is None


def test_answers_of_a_helper_with_the_same_id_count_for_themselves():
    meter = PROVIDERS["claude-code"].meter()
    message = {"id": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}
    for parent in (None, "t", "t"):
        meter.count({"type": "assistant", "message": message, "parent_tool_use_id": parent})
    assert meter.usage.total == 12
