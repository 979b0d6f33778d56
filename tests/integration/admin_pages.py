"""What a person does and sees in the admin, for its tests."""

import re
from html import unescape

from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse


def staff(*permissions: str) -> Client:
    """A client logged in as a member of staff with these permissions ("jobs_app.view_job")."""
    user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        found = Permission.objects.get(content_type__app_label=app, codename=codename)
        user.user_permissions.add(found)
    return client_of(user)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def url(model: type[Model], page: str = "changelist", *args: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def act(client: Client, model: type[Model], action: str, rows, query: str = "", **more):
    """Post a bulk action on rows of a list, and follow to what is shown then."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(f"{url(model)}?{query}", data, follow=True)


def confirm(client: Client, model: type[Model], rows):
    """Delete rows of a list and say yes to the question."""
    return act(client, model, "delete_selected", rows, post="yes")


def inputs(response) -> dict[str, str]:
    """What the form of a row's page would send as it stands."""
    form = response.context["adminform"].form
    return {field.html_name: _as_sent(field) for field in form}


def _as_sent(field) -> str:
    value = field.value()
    if field.name == "images":
        return field.field.widget.get_context(field.html_name, value, {})["widget"]["tokens"]
    return "\n".join(value) if isinstance(value, list) else "" if value is None else str(value)


def typed(client: Client, row: Model, **changes: str) -> dict[str, str]:
    """The form of a row's page as it is now, with these changes."""
    return inputs(client.get(url(type(row), "change", row.pk))) | changes


def said(response) -> list[str]:
    """The messages on the page."""
    return [str(message) for message in response.context["messages"]]


def errors(response) -> str:
    """All that a form's page says is wrong."""
    form = response.context["adminform"].form
    return " ".join(text for texts in form.errors.values() for text in texts)


def words(response) -> str:
    """What is to be read on the page: no tags, entities resolved."""
    return unescape(re.sub(r"<[^>]*>", " ", response.content.decode()))


def text(response) -> str:
    """The page as a browser reads it, entities resolved."""
    return unescape(response.content.decode())
