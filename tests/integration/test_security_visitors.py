"""Who is believed to be whom: host names, addresses, logins, redirects."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import get_resolver

from pokecode_site.pages.middleware import client_address

PASSWORD = "correct horse battery"
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def owner(db):
    return get_user_model().objects.create_superuser("owner", password=PASSWORD)


def log_in(password=PASSWORD, *, address="192.0.2.1", forwarded=None, then="/admin/"):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    data = {"username": "owner", "password": password, "next": then}
    return Client().post("/admin/login/", data, headers=headers, REMOTE_ADDR=address)


def guess_until_locked(**visitor) -> None:
    for _ in range(5):
        response = log_in("wrong", **visitor)
    assert response.status_code == 429


def test_a_guesser_is_locked_out_and_the_owner_elsewhere_gets_in(owner):
    guess_until_locked(address="192.0.2.1")
    assert log_in(address="192.0.2.1").status_code == 429
    assert log_in(address="198.51.100.7").status_code == 302


def test_a_forged_forwarding_header_does_not_unlock(owner):
    guess_until_locked(address="192.0.2.1")
    assert log_in(address="192.0.2.1", forwarded="198.51.100.7").status_code == 429


def test_rotating_forged_addresses_does_not_keep_a_guesser_unlocked(owner):
    statuses = [
        log_in("wrong", forwarded=f"198.51.100.{number}").status_code for number in range(6)
    ]
    assert statuses[-1] == 429


def test_behind_a_trusted_proxy_each_visitor_has_an_address_of_their_own(owner, settings):
    settings.POKECODE_TRUSTED_PROXIES = 1
    for number in range(6):
        log_in("wrong", address="10.0.0.1", forwarded=f"203.0.113.{number}, 192.0.2.1")
    assert log_in(address="10.0.0.1", forwarded="192.0.2.1").status_code == 429
    assert log_in(address="10.0.0.1", forwarded="198.51.100.7").status_code == 302


@pytest.mark.parametrize(
    ("proxies", "forwarded", "believed"),
    [
        (0, "198.51.100.7", "192.0.2.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (2, "198.51.100.7", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "<script>", "192.0.2.1"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(rf, settings, proxies, forwarded, believed):
    settings.POKECODE_TRUSTED_PROXIES = proxies
    request = rf.get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="192.0.2.1")
    assert client_address(request) == believed


def test_there_is_no_login_before_one_is_made_and_no_page_to_make_one(db):
    assert not get_user_model().objects.exists()
    for password in ("admin", "password", "pokecode"):
        response = Client().post("/admin/login/", {"username": "admin", "password": password})
        assert response.status_code == 200  # the form again
    names = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    assert not names & {"signup", "register", "setup", "password_reset"}


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_login_leads_nowhere_else(owner, target):
    assert log_in(then=target).url == "/admin/"


@pytest.mark.parametrize("path", ["/", "/admin/", "/admin/login/", "/health/", "/nowhere"])
def test_a_host_name_that_is_not_ours_is_refused(client, db, path):
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost"):
        assert client.get(path, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:8000"]
)
def test_a_browser_on_a_shared_name_is_moved_to_our_own(client, db, host):
    response = client.get("/admin/login/?next=/x", headers={"Host": host, **PAGE})
    assert response.status_code == 302
    assert response.url == "http://pokecode.localhost:8000/admin/login/?next=/x"
    assert not response.cookies


def test_the_move_leads_to_no_other_site(client, db):
    response = client.get("/", PATH_INFO="//evil.example/", headers={"Host": "localhost", **PAGE})
    assert response.url.startswith("http://pokecode.localhost//evil.example")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "10.0.0.7", "[::1]:8000", "any_name", ""])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""])
def test_a_probe_on_this_machine_is_answered_by_any_name(client, db, settings, host, peer):
    settings.ALLOWED_HOSTS = ["code.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/health/live", "/health/ready"):
        answer = client.get(path, headers={"Host": host}, REMOTE_ADDR=peer)
        assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("peer", ["192.0.2.1", "::ffff:192.0.2.1", "127.0.0.1, 192.0.2.1"])
def test_a_probe_from_elsewhere_needs_the_sites_name(client, db, settings, peer):
    settings.ALLOWED_HOSTS = ["code.example.com"]
    forwarded = {"X-Forwarded-For": "127.0.0.1"}
    wrong = client.get("/health/live", headers={"Host": "10.0.0.7", **forwarded}, REMOTE_ADDR=peer)
    assert wrong.status_code == 400
    right = client.get("/health/live", headers={"Host": "code.example.com"}, REMOTE_ADDR=peer)
    assert right.content == b"ok\n"


def test_only_health_is_known_by_any_name(client, db):
    for path in ("/", "/health/../admin/login/", "/admin/login/health/live", "/static/health/live"):
        assert client.get(path, headers={"Host": "10.0.0.7"}).status_code == 400


def test_a_site_with_a_name_of_its_own_moves_nobody(client, db, settings):
    settings.ALLOWED_HOSTS = ["code.example.com", "localhost"]
    response = client.get("/admin/login/", headers={"Host": "localhost", **PAGE})
    assert response.status_code == 200


def test_a_private_name_is_told_to_nobody_who_does_not_know_it(client, db, settings):
    settings.ALLOWED_HOSTS = ["pokecode-4f0c.localhost"]
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000", "pokecode.localhost:8000"):
        for path in ("/", "/admin", "/admin/login/", "/static/admin/css/base.css", "/nowhere"):
            response = client.get(path, headers={"Host": host, **PAGE})
            assert response.status_code == 400
            assert "4f0c" not in f"{response.content!r} {response.headers}"
    known = client.get("/admin/login/", headers={"Host": "pokecode-4f0c.localhost:8000", **PAGE})
    assert known.status_code == 200


def test_the_login_cookie_is_for_this_host_and_for_no_script(owner):
    cookie = log_in().cookies["sessionid"]
    assert cookie["domain"] == ""
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 12 * 60 * 60
