import json
import logging
import logging.config
import sys

import pytest

from pokecode_site.conf import logs


def render(message, *args, exc_info=None) -> str:
    record = logging.LogRecord("test", logging.INFO, __file__, 1, message, args, exc_info)
    return logs.LineFormatter().format(record)


@pytest.mark.parametrize(
    "hostile", ["a\nb", "a\r\nb", "\x1b[2J", "\x9b31m", "\u2028", "\u202e", "\ud800", "\x00"]
)
def test_a_record_is_one_printable_line_whatever_it_holds(hostile):
    line = render("path %s", hostile)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"path {hostile}"


def test_a_long_path_does_not_make_a_long_line():
    line = render("Not found: %s", "/" * 70_000)
    assert len(line) < 3000
    assert json.loads(line)["message"].startswith("Not found: ////")


def test_a_traceback_stays_within_its_line():
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        line = render("failed", exc_info=sys.exc_info())
    assert "\n" not in line
    assert "first\nsecond" in json.loads(line)["traceback"]


def test_a_row_that_postgresql_quotes_is_left_out():
    row = "\nDETAIL:  Failing row contains (sec" + "ret\n\nprompt)."
    try:
        try:
            raise ValueError(f"bad value{row}")
        except ValueError as cause:
            raise RuntimeError(f"worse value{row}") from cause
    except RuntimeError as error:
        line = render(str(error), exc_info=sys.exc_info())
    assert "secret" not in line
    assert "prompt)" not in line
    assert "ValueError: bad value" in line
    assert "RuntimeError: worse value" in line


@pytest.mark.parametrize(
    ("logger", "message", "args"),
    [
        (
            "uvicorn.access",
            '%s - "%s %s HTTP/%s" %d',
            ("127.0.0.1:1", "GET", "/admin/?q=my+prompt", "1.1", 200),
        ),
        ("django.server", '"%s" %s %s', ("GET /admin/?q=my+prompt HTTP/1.1", "200", "15")),
    ],
)
def test_an_access_line_holds_no_query(logger, message, args, capsys, restored_loggers):
    logging.config.dictConfig(logs.CONFIGURATION)
    logging.getLogger(logger).info(message, *args)
    line = json.loads(capsys.readouterr().err)
    assert "prompt" not in line["message"]
    assert "GET /admin/ HTTP/1.1" in line["message"]


@pytest.mark.parametrize("logger", ["asyncio", "django.request", "django.security.csrf", "uvicorn"])
def test_strangers_cannot_fill_the_disk_with_lines(logger, capsys, restored_loggers):
    logging.config.dictConfig(logs.CONFIGURATION)
    for number in range(5000):
        logging.getLogger(logger).error("socket.accept() out of system resource %s", number)
    logging.getLogger(logger).error("something else")
    lines = capsys.readouterr().err.splitlines()
    assert logs.LINES_A_MINUTE < len(lines) <= 2 * logs.LINES_A_MINUTE + 1
    assert "something else" in lines[-1]


def test_the_next_minute_says_how_many_lines_were_left_out():
    few = logs.Few()
    records = [logging.makeLogRecord({"msg": "no %s", "args": ("way",)}) for _ in range(151)]
    for record in records:
        record.created = 1000.0
    assert sum(map(few.filter, records[:-1])) == logs.LINES_A_MINUTE
    records[-1].created = 1060.0
    assert few.filter(records[-1])
    assert records[-1].getMessage() == "no way (50 more like it were left out)"


@pytest.fixture
def restored_loggers():
    names = [None, *logs.CONFIGURATION["loggers"]]
    loggers = [logging.getLogger(name) for name in names]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
