"""A wrong setting ends every command with exit code 2 and one line that names it."""

import re

import pytest

from jobs_app.models import MOST_ATTEMPTS
from tests.process.site import Site

SHORT_KEY = "hunter2"
WRONG = [
    ("DATABASE_URL", "mysql://user:hunter2@host/name"),
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", "postgres://user:hunter2@host:99999999/name"),
    ("DATABASE_URL", "sqlite://:memory:"),
    ("DATABASE_URL", "sqlite:////nonexistent/db.sqlite3"),
    ("POKECODE_DATA_DIR", "relative"),
    ("POKECODE_DATA_DIR", "/proc/pokecode"),
    ("POKECODE_DATA_DIR", "~nosuchuser/data"),
    ("POKECODE_SECRET_KEY", SHORT_KEY),
    ("POKECODE_DEBUG", "maybe"),
    ("POKECODE_ALLOWED_HOSTS", "*"),
    ("POKECODE_ALLOWED_HOSTS", ".example.com"),
    ("POKECODE_CSRF_TRUSTED_ORIGINS", "code.example.com"),
    ("POKECODE_PROJECT_ROOTS", "/nonexistent"),
    ("POKECODE_PROJECT_ROOTS", "relative"),
    ("POKECODE_CLAUDE_COMMAND", "claude 'oops"),
    ("POKECODE_CODEX_COMMAND", '"'),
    ("POKECODE_CLAUDE_PERMISSION_MODE", "yolo"),
    ("POKECODE_CODEX_SANDBOX", "none"),
    ("POKECODE_WORKER_CONCURRENCY", "0"),
    ("POKECODE_JOB_TIMEOUT", "an hour"),
    ("POKECODE_CANCEL_GRACE", "-1"),
    ("POKECODE_JOB_MAX_ATTEMPTS", "many"),
    ("POKECODE_JOB_RETENTION_DAYS", "1.5"),
    ("POKECODE_HEARTBEAT_INTERVAL", "nan"),
    ("POKECODE_WORKER_TIMEOUT", "0"),
    ("POKECODE_TRUSTED_PROXIES", "all"),
    ("POKECODE_PRIVATE_NAME", "perhaps"),
    ("POKECODE_HSTS", "always"),
    ("POKECODE_MAX_CONNECTIONS", "9"),
    ("POKECODE_DEMO", "\udcff\n\x1b[2J"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_named_in_one_line(site: Site, name: str, value: str):
    site.environment[name] = value
    done = site.manage("check", check=False)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"pokecode: {name}")
    assert line.isprintable()
    assert "hunter2" not in line
    assert done.stdout == ""


def test_a_psycopg_without_its_library_is_one_line(site: Site):
    url = "postgres://user:hunter2@host/name"
    done = site.manage("check", check=False, DATABASE_URL=url, PSYCOPG_IMPL="none")
    assert done.returncode == 2
    assert done.stderr == (
        "pokecode: DATABASE_URL names PostgreSQL, but psycopg does not find its library libpq: "
        "pip install 'pokecode[postgres]'.\n"
    )


def test_the_setting_takes_as_many_attempts_as_a_job_does(site: Site):
    site.environment["POKECODE_JOB_MAX_ATTEMPTS"] = str(MOST_ATTEMPTS + 1)
    done = site.manage("check", check=False)
    assert done.returncode == 2
    assert f"a whole number from 1 to {MOST_ATTEMPTS}, not" in done.stderr


def test_a_wrong_combination_is_a_failed_check(site: Site):
    done = site.manage(
        "check", check=False, POKECODE_WORKER_TIMEOUT="6", POKECODE_HEARTBEAT_INTERVAL="5"
    )
    assert done.returncode == 1
    assert "POKECODE_WORKER_TIMEOUT is less than three times" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_permission_bypass_is_warned_of(site: Site):
    done = site.manage("check", POKECODE_CLAUDE_PERMISSION_MODE="bypassPermissions")
    assert "POKECODE_CLAUDE_PERMISSION_MODE is bypassPermissions" in done.stderr


def test_the_deployment_check_is_silent_with_https_and_without_debug(site: Site):
    site.environment |= {
        "POKECODE_ALLOWED_HOSTS": "code.example.com",
        "POKECODE_CSRF_TRUSTED_ORIGINS": "https://code.example.com",
        "POKECODE_TRUSTED_PROXIES": "1",
    }
    done = site.manage("check", "--deploy", "--fail-level=DEBUG")
    assert re.fullmatch(r"System check identified no issues \(\d silenced\)\.\n", done.stdout)
    assert done.stderr == ""
    unsafe = site.manage("check", "--deploy", POKECODE_DEBUG="1")
    assert "DEBUG" in unsafe.stderr


SHOW_NAMES = "from django.conf import settings; print(*settings.ALLOWED_HOSTS)"


def test_a_private_name_is_one_that_only_the_key_tells(site: Site):
    def names(**environment):
        show = ["shell", "--verbosity=0", "-c", SHOW_NAMES]
        return site.manage(*show, POKECODE_PRIVATE_NAME="1", **environment).stdout

    assert re.fullmatch(r"pokecode-[0-9a-f]{20}\.localhost\n", names())
    assert names() == names()
    assert names(POKECODE_SECRET_KEY="".join(map(chr, range(40, 110)))) != names()
    both = site.manage(
        "check", check=False, POKECODE_PRIVATE_NAME="1", POKECODE_ALLOWED_HOSTS="code.example.com"
    )
    assert both.returncode == 2
    assert both.stderr.startswith("pokecode: POKECODE_PRIVATE_NAME and POKECODE_ALLOWED_HOSTS")
    assert len(both.stderr.splitlines()) == 1


SHOW_HSTS = """
from django.test import RequestFactory
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
request = RequestFactory().get("/", secure=True)
print(SecurityMiddleware(lambda request: HttpResponse())(request).get("Strict-Transport-Security"))
"""


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "max-age=31536000"),
        ({"POKECODE_HSTS": "off"}, "None"),
        ({"POKECODE_HSTS": "subdomains"}, "max-age=31536000; includeSubDomains"),
        ({"POKECODE_HSTS": "preload"}, "max-age=31536000; includeSubDomains; preload"),
    ],
    ids=["by itself", "off", "subdomains", "preload"],
)
def test_only_what_was_asked_for_is_bound_to_https(site: Site, asked, told):
    site.environment["POKECODE_CSRF_TRUSTED_ORIGINS"] = "https://code.example.com"
    done = site.manage("shell", "--verbosity=0", "-c", SHOW_HSTS, **asked)
    assert done.stdout.strip() == told


def test_a_data_directory_with_odd_characters_in_its_name_is_used(site: Site, tmp_path):
    directory = tmp_path / "a%20b ?c#d"
    site.manage("migrate", "--verbosity=0", POKECODE_DATA_DIR=str(directory))
    assert (directory / "pokecode.sqlite3").is_file()
