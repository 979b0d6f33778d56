"""Pictures in messages: shown from their stored bytes, and nothing that could run."""

import base64
import json
import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from sessions_app import transcript
from sessions_app.display import long_messages, rendering
from sessions_app.transcript import NewMessage
from tests.integration.admin_pages import staff
from tests.pictures import GIF, HTML, JPEG, PNG, SVG, WEBP

pytestmark = pytest.mark.django_db

DAMAGED = b"\xfe\x92\xe2" + b"\0" * 60
CLAUDE, CODEX = "claude-code", "codex-cli"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def block(content: bytes, claimed: str = "image/png") -> dict:
    source = {"type": "base64", "media_type": claimed, "data": encoded(content)}
    return {"type": "image", "source": source}


def prompt(*blocks) -> dict:
    said = {"type": "text", "text": "What is wrong here?"}
    return {"type": "user", "message": {"content": [said, *blocks]}}


def result(content) -> dict:
    found = {"type": "tool_result", "tool_use_id": "t", "content": content}
    return {"type": "user", "message": {"content": [found]}}


def mcp_result(*content) -> dict:
    item = {"id": "item_1", "type": "mcp_tool_call", "result": {"content": [*content]}}
    return {"type": "item.completed", "item": item}


def store(session, event: dict, provider: str = CLAUDE) -> None:
    transcript.append([NewMessage(session.pk, provider, "user", json.dumps(event))])


def page(session) -> str:
    return "".join(rendering.html(entry) for entry in rendering.page(session).entries)


def addresses(session) -> list[str]:
    return re.findall(r'<img src="([^"]*)"', page(session))


@pytest.mark.parametrize(
    ("event", "provider"),
    [
        (prompt(block(PNG)), CLAUDE),
        (result([block(PNG)]), CLAUDE),
        (mcp_result({"type": "image", "data": encoded(PNG), "mimeType": "image/png"}), CODEX),
        (
            mcp_result(
                {
                    "type": "resource",
                    "resource": {"uri": "u", "mimeType": "image/png", "blob": encoded(PNG)},
                }
            ),
            CODEX,
        ),
    ],
    ids=["prompt", "result", "mcp", "embedded resource"],
)
def test_a_picture_is_shown_from_its_stored_bytes(admin_client, session, event, provider):
    store(session, event, provider)
    (address,) = addresses(session)
    answer = admin_client.get(address)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert encoded(PNG) not in page(session)
    assert f'alt="image/png, {len(PNG)} bytes" loading="lazy"' in page(session)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(PNG, "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp")],
)
def test_its_type_is_what_its_bytes_say(admin_client, session, content, kind):
    store(session, prompt(block(content, "text/html")))
    (address,) = addresses(session)
    assert admin_client.get(address)["Content-Type"] == kind


def test_without_a_known_start_it_is_of_the_type_that_it_claims(admin_client, session):
    store(session, prompt(block(DAMAGED, "image/webp")))
    (address,) = addresses(session)
    answer = admin_client.get(address)
    assert (answer["Content-Type"], answer.content) == ("image/webp", DAMAGED)


@pytest.mark.parametrize("content", [SVG, HTML, b"", b"\x89PNG", "\u00e9".encode() * 40])
@pytest.mark.parametrize("claimed", ["image/png", "image/svg+xml"])
def test_a_text_is_never_a_picture(admin_client, session, content, claimed):
    store(session, prompt(block(content, claimed)))
    assert addresses(session) == []
    assert "image" in page(session) and "script" not in page(session)


@pytest.mark.parametrize("claimed", ["image/svg+xml", "text/html", ""])
def test_another_type_is_told_in_words(admin_client, session, claimed):
    store(session, prompt(block(DAMAGED, claimed)))
    assert addresses(session) == []
    assert "of a type or size that is not shown" in page(session)


def test_an_answer_can_be_nothing_but_a_picture(admin_client, session):
    store(session, prompt(block(PNG)))
    answer = admin_client.get(addresses(session)[0])
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("inline; filename=")
    assert "private" in answer["Cache-Control"]


def test_only_those_who_may_see_the_session_see_its_pictures(session, client):
    store(session, prompt(block(PNG)))
    (address,) = addresses(session)
    reader = staff("sessions_app.view_session", "sessions_app.view_sessionmessage")
    assert reader.get(address).status_code == 200
    assert staff("sessions_app.view_session").get(address).status_code == 403
    assert staff("jobs_app.view_job").get(address).status_code == 403
    assert client.get(address).status_code == 302


def test_an_address_that_names_no_picture_is_not_found(admin_client, session):
    store(session, prompt(block(PNG), block(SVG)))
    (address,) = addresses(session)
    key = address.split("/")[-2]
    for other in ("0" * 32, "0", "%00"):
        assert admin_client.get(address.replace(key, other)).status_code == 404
    foreign = reverse("admin:sessions_app_session_image", args=["nobody", key])
    assert admin_client.get(foreign).status_code == 404


def test_a_picture_that_lies_elsewhere_is_a_link_and_is_not_loaded(session):
    source = {"type": "url", "url": "https://example.com/a.png"}
    store(session, prompt({"type": "image", "source": source}))
    assert '<a href="https://example.com/a.png" rel="noopener noreferrer">' in page(session)
    assert "<img" not in page(session)


def test_no_other_address_than_one_of_the_web_becomes_a_link(session):
    source = {"type": "url", "url": "javascript:alert(1)"}
    store(session, prompt({"type": "image", "source": source}))
    links = [{"type": "resource_link", "uri": "data:text/html,x", "name": "<b>"}]
    store(session, mcp_result(*links), CODEX)
    assert 'href="javascript' not in page(session) and 'href="data:' not in page(session)


def test_a_large_picture_is_shown_and_costs_the_page_nothing(admin_client, session):
    large = PNG + b"\0" * 2_000_000
    store(session, prompt(block(large)))
    assert "What is wrong here?" in page(session)
    assert len(page(session)) < 5000
    assert admin_client.get(addresses(session)[0]).content == large


def test_the_terminal_tells_type_and_size(session):
    store(session, prompt(block(PNG), block(SVG, "image/svg+xml")))
    out = StringIO()
    call_command("show_transcript", session.pk, stdout=out)
    assert f"  [image/png, {len(PNG)} bytes]\n" in out.getvalue()
    assert "it claims to be image/svg+xml" in out.getvalue()


def test_a_page_reads_no_more_long_messages_than_it_has_room_for(session, monkeypatch):
    monkeypatch.setattr(long_messages, "READ_FOR_A_PAGE", 3_000_000)
    for _ in range(3):
        store(session, prompt(block(PNG + b"\0" * 1_500_000)))
    assert len(addresses(session)) == 2
    assert "over 1,000,000 characters" in page(session)
    assert len(page(session)) < 10_000


def test_a_long_message_of_words_is_not_parsed_for_the_picture_in_it(session):
    words = {"type": "text", "text": "x " * 600_000}
    store(session, prompt(block(PNG + b"\0" * 900_000), words))
    assert "over 1,000,000 characters" in page(session)


def test_a_message_of_many_parts_shows_the_first_ones(session):
    store(session, prompt(*[{"type": "text", "text": "part"}] * 5000))
    assert "4,701 more parts are not shown here." in page(session)
