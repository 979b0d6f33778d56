"""Who manages accounts gives nobody, themselves included, more than they have."""

import pytest
from django.contrib.auth.models import Group, Permission, User

from tests.integration.admin_pages import client_of, confirm, text, url

MANAGER = [f"{verb}_{model}" for verb in ("add", "change", "delete", "view") for model in ("user",)]
MANAGER += ["add_group", "change_group", "view_group"]


@pytest.fixture
def manager(db) -> User:
    user = User.objects.create_user("manager", is_staff=True)
    allowed = Permission.objects.filter(content_type__app_label="auth", codename__in=MANAGER)
    user.user_permissions.set(allowed)
    return user


@pytest.fixture
def client(manager):
    return client_of(manager)


@pytest.fixture
def run_job(db) -> Permission:
    return Permission.objects.get(codename="run_job")


@pytest.fixture
def runners(run_job) -> Group:
    group = Group.objects.create(name="Runners")
    group.permissions.add(run_job)
    return group


def forged(user, run_job, runners) -> dict:
    powers = {"is_superuser": "on", "is_staff": "on", "is_active": "on"}
    lists = {"groups": [str(runners.pk)], "user_permissions": [str(run_job.pk)]}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    return {"username": user.username, "first_name": "Changed", **powers, **lists, **dates}


def powers(user) -> tuple:
    user = User.objects.get(pk=user.pk)
    names = sorted(user.user_permissions.values_list("codename", flat=True))
    return user.is_superuser, user.is_staff, names, list(user.groups.all())


@pytest.mark.parametrize("who", ["themselves", "another"])
def test_a_manager_of_accounts_gives_no_powers(client, manager, run_job, runners, who):
    user = manager if who == "themselves" else User.objects.create_user("plain")
    before = powers(user)
    client.post(url(User, "change", str(user.pk)), forged(user, run_job, runners))
    assert User.objects.get(pk=user.pk).first_name == "Changed"
    assert powers(user) == before
    new = {"username": "new", "password1": "long enough 7", "password2": "long enough 7"}
    client.post(url(User, "add"), {**forged(user, run_job, runners), **new})
    assert powers(User.objects.get(username="new")) == (False, False, [], [])


def test_a_superuser_gives_them(admin_client, run_job, runners):
    user = User.objects.create_user("plain")
    admin_client.post(url(User, "change", str(user.pk)), forged(user, run_job, runners))
    assert powers(user) == (True, True, ["run_job"], [runners])
    fields = {"name": "Runners", "permissions": []}
    admin_client.post(url(Group, "change", str(runners.pk)), fields)
    assert not runners.permissions.exists()


@pytest.mark.parametrize("kind", ["superuser", "member", "permitted", "disabled"])
def test_whoever_may_do_more_is_not_touched(client, run_job, runners, kind):
    user = User.objects.create_user("mighty", password="before", is_staff=True)
    if kind == "superuser":
        User.objects.filter(pk=user.pk).update(is_superuser=True)
    elif kind == "member":
        user.groups.add(runners)
    else:
        user.user_permissions.add(run_job)
    User.objects.filter(pk=user.pk).update(is_active=kind != "disabled")
    new = {"password1": "long enough 7", "password2": "long enough 7", "usable_password": "true"}
    password = f"/admin/auth/user/{user.pk}/password/"
    assert client.get(password).status_code == 403
    assert client.post(password, new).status_code == 403
    page = url(User, "change", str(user.pk))
    assert client.post(page, forged(user, run_job, runners)).status_code == 403
    assert client.post(url(User, "delete", str(user.pk)), {"post": "yes"}).status_code == 403
    confirm(client, User, [user])
    user.refresh_from_db()
    assert (user.check_password("before"), user.first_name) == (True, "")


def test_an_equal_is_given_a_new_password_and_deleted(client):
    user = User.objects.create_user("plain", password="before")
    new = {"password1": "long enough 7", "password2": "long enough 7", "usable_password": "true"}
    assert client.post(f"/admin/auth/user/{user.pk}/password/", new).status_code == 302
    user.refresh_from_db()
    assert user.check_password("long enough 7")
    client.post(url(User, "delete", str(user.pk)), {"post": "yes"})
    assert not User.objects.filter(pk=user.pk).exists()


def test_a_manager_of_groups_gives_them_no_permissions(client, manager, run_job):
    group = Group.objects.create(name="Own")
    manager.groups.add(group)
    fields = {"name": "Renamed", "permissions": [str(run_job.pk)]}
    page = url(Group, "change", str(group.pk))
    assert 'name="permissions"' not in text(client.get(page))
    client.post(page, fields)
    client.post(url(Group, "add"), {**fields, "name": "New"})
    assert sorted(Group.objects.values_list("name", "permissions")) == [
        ("New", None),
        ("Renamed", None),
    ]
