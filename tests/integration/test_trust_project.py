"""`trust_project`: who may say so, what is written down, what is refused."""

import os
import pwd

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from jobs_app.models import ProjectTrust
from jobs_app.trusts import is_trusted

pytestmark = pytest.mark.django_db

ME = f"{pwd.getpwuid(os.getuid()).pw_name} (shell)"


def run(capsys, *arguments) -> str:
    call_command("trust_project", *arguments)
    return capsys.readouterr().out.strip()


def test_a_project_is_trusted_and_it_is_written_down_by_whom(project, capsys):
    assert run(capsys, str(project)) == f"Trusted: {project}"
    assert is_trusted(str(project))
    assert ProjectTrust.objects.get().trusted_by == ME
    entry = LogEntry.objects.get()
    assert entry.get_change_message() == f"Trusted by {ME}."
    assert entry.object_id == str(project)


def test_the_environment_cannot_say_who_it_was(project, capsys, monkeypatch):
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "somebody-else")
    run(capsys, str(project))
    assert ProjectTrust.objects.get().trusted_by == ME


def test_trusting_twice_is_written_down_once(project, capsys):
    run(capsys, str(project))
    assert run(capsys, str(project)) == f"Already trusted: {project}"
    assert LogEntry.objects.count() == 1


def test_trust_is_revoked_also_for_a_directory_that_is_gone(project, capsys):
    run(capsys, str(project))
    project.rmdir()
    assert run(capsys, str(project), "--revoke") == f"No longer trusted: {project}"
    assert not is_trusted(str(project))
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == [
        f"Trusted by {ME}.",
        f"No longer trusted by {ME}.",
    ]


def test_revoking_what_was_not_trusted_says_so(project, capsys):
    assert run(capsys, str(project), "--revoke") == f"Was not trusted: {project}"
    assert not LogEntry.objects.exists()


def test_the_trusted_projects_are_listed_with_hiding_characters_shown(project, capsys):
    hostile = project / "\x1b[2J\u202e\n"
    hostile.mkdir()
    run(capsys, str(hostile))
    [line] = run(capsys, "--list").splitlines()
    assert line.startswith(f"{project}/<U+001B>[2J<U+202E><U+000A>  trusted by {ME}")


def test_a_symlink_counts_as_what_it_leads_to(project, capsys):
    (project.parent / "link").symlink_to(project)
    run(capsys, str(project.parent / "link"))
    assert is_trusted(str(project))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Give the project's directory"),
        (["/"], "outside the project roots"),
        (["/nonexistent"], "There is no directory"),
    ],
)
def test_what_cannot_be_trusted_is_refused_in_a_sentence(arguments, reason):
    with pytest.raises(CommandError, match=reason):
        call_command("trust_project", *arguments)
    assert not ProjectTrust.objects.exists()


def test_the_account_that_owns_the_entries_cannot_log_in(project, capsys, client):
    run(capsys, str(project))
    account = get_user_model().objects.get(username="shell")
    assert not account.is_active
    assert not account.is_staff
    assert not account.has_usable_password()
