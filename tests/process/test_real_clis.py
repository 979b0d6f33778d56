"""The real Claude Code and Codex as a user runs them: submit_prompt and process_jobs.

They talk to a scripted model server on loopback (tests/fakes/model_server.py).
"""

import base64
import json
import signal

import pytest

from tests.fakes import real_clis
from tests.pictures import png
from tests.process.site import Site, processes_of_run, stop, wait_for

PROVIDERS = ("claude-code", "codex-cli")


@pytest.fixture(params=PROVIDERS)
def provider(request) -> str:
    return request.param


@pytest.fixture
def real(site: Site, model, provider) -> Site:
    """The site with the real tool of `provider`, its HOME and the model server's address."""
    tool = real_clis.claude() if provider == "claude-code" else real_clis.codex()
    name = "CLAUDE" if provider == "claude-code" else "CODEX"
    home = site.directory / "home"
    site.environment |= real_clis.environment(home, model.url)
    site.environment[f"POKECODE_{name}_COMMAND"] = tool
    site.environment["POKECODE_CANCEL_GRACE"] = "5"
    site.environment["POKECODE_JOB_MAX_ATTEMPTS"] = "1"
    return site


def texts(site: Site, session: str) -> str:
    return site.manage("show_transcript", session).stdout


def counted(site: Site, session: str) -> int:
    row = site.session_row(session)
    assert row["token_count"] == sum(m["token_count"] or 0 for m in site.messages(session))
    return row["token_count"]


def run(site: Site, session: str, prompt: str, *options: str) -> dict:
    job = site.submit(session, prompt, *options)
    site.drain()
    return site.job(job)


def test_a_text_answer_is_stored_and_its_tokens_are_counted_once(real, model, provider):
    session = real.session("one", "--provider", provider)
    assert run(real, session, "SAY the moon is full")["status"] == "completed"
    assert "the moon is full" in texts(real, session)
    assert counted(real, session) == model.served.input_tokens + model.served.output_tokens


def test_a_tool_is_used_and_its_result_told(real, model, provider):
    options = ("--allowed-tool", "Bash") if provider == "claude-code" else ()
    session = real.session("one", "--provider", provider, *options)
    job = run(real, session, "RUN echo a-word-from-the-shell")
    assert (job["status"], job["error"]) == ("completed", None)
    shown = texts(real, session)
    assert "echo a-word-from-the-shell" in shown
    assert "Done: " in shown
    kinds = [row["type"] for row in real.messages(session)]
    assert kinds.count("result") == 1
    assert counted(real, session) == model.served.input_tokens + model.served.output_tokens


def test_an_image_reaches_the_model_byte_for_byte(real, model, provider, tmp_path):
    content = png(64, 48)
    (tmp_path / "picture.png").write_bytes(content)
    session = real.session("one", "--provider", provider)
    job = run(real, session, "SAY seen", "--image", str(tmp_path / "picture.png"))
    assert (job["status"], job["error"]) == ("completed", None)
    assert base64.b64encode(content).decode() in model.prompts[0].text
    assert f"[image/png, {len(content)} bytes]" in texts(real, session)


def test_a_second_prompt_resumes_and_is_counted_by_itself(real, model, provider):
    session = real.session("one", "--provider", provider)
    run(real, session, "SAY first answer")
    first = counted(real, session)
    job = run(real, session, "SAY second answer")
    assert job["status"] == "completed"
    assert "first answer" in model.prompts[-1].text
    assert counted(real, session) == model.served.input_tokens + model.served.output_tokens
    (attempt,) = real.attempts(job["id"])
    own = attempt["input_tokens"] + attempt["output_tokens"]
    assert own == counted(real, session) - first


@pytest.mark.parametrize(
    ("status", "words"), [("401", "log"), ("404", "model"), ("400", "refused")], ids=str
)
def test_a_refusal_of_the_model_server_fails_at_once_in_plain_words(real, provider, status, words):
    session = real.session("one", "--provider", provider)
    job = run(real, session, f"FAIL {status}")
    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert words in job["error"]
    errors = [row for row in real.messages(session) if row["type"] == "error"]
    assert job["error"] in [json.loads(row["content_data"]).get("message") for row in errors]
    assert not real.session_row(session)["is_working"]


def test_a_running_prompt_is_cancelled(real, provider):
    session = real.session("one", "--provider", provider)
    job = real.submit(session, "SLOW")
    with real.worker() as worker:
        (attempt,) = wait_for(lambda: [run for run in real.attempts(job) if run["pid"]])
        wait_for(lambda: len(real.messages(session)) >= 2)
        real.manage("cancel_jobs", job)
        real.wait_for_status(job, "cancelled")
        assert processes_of_run(attempt["id"]) == []
        assert stop(worker, signal.SIGTERM) == 0
    assert real.attempts(job)[0]["outcome"] == "cancelled"


def test_the_context_of_the_session_reaches_the_model(real, model, provider):
    session = real.session("one", "--provider", provider, "--context", "Speak like a pirate.")
    run(real, session, "SAY aye")
    assert "Speak like a pirate." in model.prompts[0].text
