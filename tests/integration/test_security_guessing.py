"""Passwords that are guessed: counted before they are looked at, by name and by address."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.integration.test_security_visitors import PASSWORD

pytestmark = [pytest.mark.queue, pytest.mark.django_db(transaction=True)]

GUESSES = 24
WRONG = "wrong"


@pytest.fixture(autouse=True)
def owner():
    return get_user_model().objects.create_superuser("owner", password=PASSWORD)


def log_in(name="owner", password=WRONG, address="192.0.2.1", **headers):
    data = {"username": name, "password": password, "next": "/admin/"}
    return Client().post("/admin/login/", data, headers=headers, REMOTE_ADDR=address).status_code


class SlowLook:
    """Stands for the look at a password: it takes until no other guess is under way."""

    def __init__(self) -> None:
        self.passwords: list[str] = []
        self._ended = 0
        self._news = threading.Condition()

    def authenticate(self, backend, request, username=None, password=None, **kwargs) -> None:
        with self._news:
            self.passwords.append(password)
            self._news.notify_all()
            self._news.wait_for(self._all_are_here, timeout=30)

    def end(self) -> None:
        with self._news:
            self._ended += 1
            self._news.notify_all()

    def _all_are_here(self) -> bool:
        return len(self.passwords) + self._ended >= GUESSES


def guess_at_once(look, name_of) -> Counter:
    statuses: list[int] = []

    def guess(number):
        try:
            statuses.append(log_in(name_of(number), f"guess {number}"))
        finally:
            look.end()
            connection.close()

    threads = [threading.Thread(target=guess, args=[number]) for number in range(GUESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(statuses)


@pytest.mark.parametrize(
    ("name_of", "limit"),
    [(lambda number: "owner", 5), (lambda number: f"name {number}", 20)],
    ids=["one name", "a name each"],
)
def test_of_many_guesses_at_once_only_a_few_are_looked_at(monkeypatch, name_of, limit):
    look = SlowLook()
    monkeypatch.setattr(
        ModelBackend, "authenticate", lambda *args, **kwargs: look.authenticate(*args, **kwargs)
    )
    statuses = guess_at_once(look, name_of)
    assert len(look.passwords) == limit
    assert statuses == {200: limit - 1, 429: GUESSES - limit + 1}
    assert AccessAttempt.objects.order_by("-failures_since_start")[0].failures_since_start == limit


def test_an_address_has_a_limit_whatever_the_names_and_the_program(settings):
    settings.LOGIN_ADDRESS_LIMIT = 7
    answers = [log_in(f"name {number}", **{"User-Agent": str(number)}) for number in range(8)]
    assert answers == [200] * 6 + [429] * 2
    assert log_in(password=PASSWORD) == 429
    assert log_in(password=PASSWORD, address="198.51.100.7") == 302


def test_a_login_gives_back_what_it_counted_and_no_more(settings):
    settings.LOGIN_ADDRESS_LIMIT = 7
    for _ in range(3):
        assert log_in() == 200
        assert log_in(password=PASSWORD) == 302
        assert log_in("other") == 200
    assert log_in(password=PASSWORD) == 302  # six were wrong, and the one in hand is the seventh
    assert log_in() == 429
    assert log_in(password=PASSWORD) == 429


def test_a_network_of_ipv6_is_one_visitor():
    for number in range(5):
        status = log_in(address=f"2001:db8:1:2::{number + 1:x}")
    assert status == 429
    assert log_in(password=PASSWORD, address="2001:db8:1:2:ffff::1") == 429
    assert log_in(password=PASSWORD, address="2001:db8:1:3::1") == 302


def test_ipv4_written_as_ipv6_stays_one_visitor_each():
    for _ in range(5):
        log_in(address="::ffff:192.0.2.1")
    assert log_in(password=PASSWORD, address="192.0.2.1") == 429
    assert log_in(password=PASSWORD, address="::ffff:198.51.100.7") == 302


def test_visitors_without_an_address_are_counted_together():
    for _ in range(5):
        status = log_in(address="")
    assert status == 429


def test_a_lock_ends_after_a_quarter_of_an_hour():
    for _ in range(5):
        log_in()
    assert log_in(password=PASSWORD) == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in(password=PASSWORD) == 302
