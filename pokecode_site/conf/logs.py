"""One record, one line: nothing in a path, a name or an error can forge another.

Nor does a prompt get into a line: query strings, which may carry a search, and
the rows that PostgreSQL quotes in its errors are left out.
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


class LineFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, and any traceback."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": QUOTED_ROW.sub("", record.getMessage()),
        }
        if record.exc_info:
            entry["traceback"] = QUOTED_ROW.sub("", self.formatException(record.exc_info))
        return json.dumps(entry)


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
    "filters": {"without_query": {"()": WithoutQuery}},
    "formatters": {"lines": {"()": LineFormatter}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "lines"},
        "access": {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "filters": ["without_query"],
        },
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "axes": _logger("WARNING"),
        "django": _logger("INFO"),
        "django.server": _logger("INFO", "access"),
        "uvicorn": _logger("INFO"),
        "uvicorn.access": _logger("INFO", "access"),
    },
}
