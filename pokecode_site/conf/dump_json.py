"""`dumpdata` and `loaddata` in JSON without loss: Django's own cuts times to the millisecond."""

from datetime import datetime
from typing import Any

from django.core.serializers import json

Deserializer = json.Deserializer


class ExactEncoder(json.DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class Serializer(json.Serializer):
    def serialize(self, queryset: Any, **options: Any) -> Any:
        return super().serialize(queryset, **{"cls": ExactEncoder, **options})
