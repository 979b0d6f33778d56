"""One record, one line: nothing in a path, a name or an error can forge another.

Nor does a prompt get into a line: query strings, which may carry a search, and
the rows that PostgreSQL quotes in its errors are left out. And nobody fills the
disk with lines: what strangers can cause is written a number of times a minute.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

QUERY = re.compile(r"\?\S*")
# "DETAIL:  Failing row contains (…)", up to the next exception of a traceback.
QUOTED_ROW = re.compile(
    r"\nDETAIL:.*?(?=\n\n(?:The above exception|During handling)|\Z)", re.DOTALL
)

LINES_A_MINUTE = 100
LONGEST_MESSAGE = 2000
"""Characters: a path that a stranger asks for can be much longer."""


class LineFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, and a traceback if it is a bug's."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(QUOTED_ROW.sub("", record.getMessage())),
        }
        if record.exc_info and not _is_refusal(record):
            entry["traceback"] = QUOTED_ROW.sub("", self.formatException(record.exc_info))
        return json.dumps(entry)


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"


def _is_refusal(record: logging.LogRecord) -> bool:
    """Whether it is about a request that was answered with a 4xx, as Django's records say."""
    return 400 <= getattr(record, "status_code", 500) < 500


class Few(logging.Filter):
    """Lets so many records of one kind pass in a minute; the next one tells how many did not."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[tuple[object, ...], tuple[int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        source = record.name, record.levelno, record.pathname, record.lineno
        minute = int(record.created // 60)
        since, count = self._counts.get(source, (minute, 0))
        if since != minute:
            if count > LINES_A_MINUTE:
                left_out = f"({count - LINES_A_MINUTE} more like it were left out)"
                record.msg, record.args = f"{record.getMessage()} {left_out}", None
            since, count = minute, 0
        self._counts[source] = since, count + 1
        return count < LINES_A_MINUTE


class WithoutQuery(logging.Filter):
    """Removes the query string from the request in a server's access record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                QUERY.sub("", value) if isinstance(value, str) else value for value in record.args
            )
        return True


def _logger(level: str, handler: str = "stderr") -> dict[str, Any]:
    return {"level": level, "handlers": [handler], "propagate": False}


# Applies under any server: uvicorn's own handlers are replaced when the application
# loads (start uvicorn with log_config=None to cover the lines before that).
CONFIGURATION: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_query": {"()": WithoutQuery}, "few": {"()": Few}},
    "formatters": {"lines": {"()": LineFormatter}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "lines"},
        "strangers": {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "filters": ["few"],
        },
        "access": {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "filters": ["without_query"],
        },
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "asyncio": _logger("INFO", "strangers"),
        "axes": _logger("WARNING", "strangers"),
        "django": _logger("INFO"),
        "django.request": _logger("INFO", "strangers"),
        "django.security": _logger("INFO", "strangers"),
        "django.server": _logger("INFO", "access"),
        "uvicorn": _logger("INFO", "strangers"),
        "uvicorn.access": _logger("INFO", "access"),
    },
}
