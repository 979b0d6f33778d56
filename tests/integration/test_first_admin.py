"""The first superuser is made at the terminal, once."""

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError

from pokecode_site.serve.first_admin import create_first_admin

pytestmark = pytest.mark.django_db


@pytest.fixture
def chosen(monkeypatch):
    monkeypatch.setenv("POKECODE_ADMIN_PASSWORD", "correct horse battery")


def test_a_made_up_password_is_told_once_and_works():
    told = create_first_admin()
    password = told.partition("password ")[2].split()[0]
    assert len(password) >= 16
    assert User.objects.get(username="admin", is_superuser=True).check_password(password)
    assert create_first_admin() is None
    assert User.objects.count() == 1


def test_a_chosen_password_works_and_is_not_told(chosen):
    assert "correct horse battery" not in create_first_admin()
    assert User.objects.get(username="admin").check_password("correct horse battery")


def test_nothing_is_made_or_changed_where_there_is_a_superuser(chosen):
    User.objects.create_superuser("root", password="another long password")
    assert create_first_admin() is None
    assert list(User.objects.values_list("username", flat=True)) == ["root"]


def test_a_user_of_that_name_without_rights_is_not_promoted():
    User.objects.create_user("admin")
    with pytest.raises(CommandError, match="'admin' exists but is not a superuser"):
        create_first_admin()
    assert not User.objects.get().is_superuser
