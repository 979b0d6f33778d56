"""The same as `dump_json` with a line for each row."""

from typing import Any

from django.core.serializers import jsonl

from pokecode_site.conf.dump_json import ExactEncoder

Deserializer = jsonl.Deserializer


class Serializer(jsonl.Serializer):
    def serialize(self, queryset: Any, **options: Any) -> Any:
        return super().serialize(queryset, **{"cls": ExactEncoder, **options})
