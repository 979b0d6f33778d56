"""Users and groups in the admin: who manages accounts cannot give or take more than they have."""

from typing import Any

from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Permission, User
from django.db.models import Q
from django.http import HttpRequest

POWERS = ["is_superuser", "is_staff", "groups", "user_permissions"]


class CarefulUserAdmin(UserAdmin):
    """What an account may do is set by superusers; the others change and delete, and give a new
    password, only to those who may do no more than they themselves."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *_fixed(request, POWERS)]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _is_no_mightier(obj, request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_no_mightier(obj, request)


class CarefulGroupAdmin(GroupAdmin):
    """What a group's members may do is set by superusers."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *_fixed(request, ["permissions"])]


def _fixed(request: HttpRequest, names: list[str]) -> list[str]:
    return [] if request.user.is_superuser else names


def _is_no_mightier(user: User | None, request: HttpRequest) -> bool:
    if user is None or request.user.is_superuser:
        return True
    granted = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    names = granted.values_list("content_type__app_label", "codename")
    return not user.is_superuser and request.user.has_perms([f"{a}.{name}" for a, name in names])
