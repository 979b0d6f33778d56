"""Model fields that put into the DDL what `schema.md` asks for and stock fields do not."""

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class LongNameIndex(models.Index):
    """An index whose name is the schema's, even where that is longer than Oracle would allow."""

    max_name_length = 63


class CounterField(models.BigIntegerField):
    """An integer as wide as SQLite's: a busy session passes two billion tokens."""

    def db_type(self, connection: Any) -> str | None:
        return "integer" if connection.vendor == "sqlite" else super().db_type(connection)


INTEGER_LIMITS = (-(2**31), 2**31 - 1)
"""What PostgreSQL's integer holds. SQLite's holds more, and what it takes could not be moved."""


class IntegerField(models.IntegerField):
    """An integer that either database can hold: others are refused by forms and when a row is
    saved. In the database it is the stock one."""

    default_validators = [
        MinValueValidator(INTEGER_LIMITS[0]),
        MaxValueValidator(INTEGER_LIMITS[1]),
    ]

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.IntegerField", args, kwargs

    def formfield(self, **kwargs: Any) -> Any:
        least, most = INTEGER_LIMITS
        return super().formfield(**{"min_value": least, "max_value": most, **kwargs})

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        least, most = INTEGER_LIMITS
        if isinstance(value, int) and not least <= value <= most:
            raise ValidationError(f"The {self.verbose_name} must be from {least} to {most}.")
        return value


class _Cascade:
    """A foreign key whose ON DELETE CASCADE is the database's own.

    Django's cascade loads and deletes the children itself; this one leaves it
    to the constraint, so that deleting a parent is one statement however many
    children it has.
    """

    def __init__(self, to: Any, **kwargs: Any) -> None:
        kwargs["on_delete"] = models.DO_NOTHING
        kwargs["db_constraint"] = False
        super().__init__(to, **kwargs)  # type: ignore[call-arg]

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()  # type: ignore[misc]
        del kwargs["on_delete"], kwargs["db_constraint"]
        return name, path, args, kwargs

    def db_type_suffix(self, connection: Any) -> str:
        quote = connection.ops.quote_name
        target = self.target_field  # type: ignore[attr-defined]
        return (
            f"REFERENCES {quote(target.model._meta.db_table)} ({quote(target.column)}) "
            "ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"
        )


class CascadeForeignKey(_Cascade, models.ForeignKey):
    """Many rows to one; see _Cascade."""


class CascadeOneToOneField(_Cascade, models.OneToOneField):
    """One row to one; see _Cascade."""


class JSONTextField(models.TextField):
    """JSON in a text column, checked by `shape` whenever it is saved.

    `shape` takes the value and raises ValidationError; it runs for every way
    into the database (save, bulk_create, update), so a wrong shape is never stored.
    """

    # What mypy's Django plugin takes as the types of the attribute.
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def __init__(
        self, *args: Any, shape: Callable[[Any], object] | None = None, **kwargs: Any
    ) -> None:
        self.shape = shape
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        if value is None:
            return None
        try:
            return json.loads(value)
        except ValueError:  # edited behind our back: show it as it is
            return value

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            return value
        self._check_shape(value)
        return self.get_prep_value(value)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(value, model_instance)
        self._check_shape(value)

    def value_to_string(self, obj: models.Model) -> Any:
        return self.value_from_object(obj)

    def formfield(self, **kwargs: Any) -> Any:
        return models.Field.formfield(self, **{"form_class": forms.JSONField, **kwargs})

    def _check_shape(self, value: Any) -> None:
        if value is not None and self.shape is not None:
            self.shape(value)
