import pytest
from django.core.exceptions import ImproperlyConfigured

from pokecode_site.conf import env

NAME = "POKECODE_EXAMPLE"


@pytest.fixture
def given(monkeypatch):
    return lambda value: monkeypatch.setenv(NAME, value)


def refusal(read, *args, **kwargs) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        read(NAME, *args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "meant"), [("1", True), ("On", True), ("no", False), ("", False)]
)
def test_a_boolean_is_read_as_people_write_it(given, value, meant):
    given(value)
    assert env.boolean(NAME) is meant


def test_a_wrong_boolean_is_named(given):
    given("maybe")
    assert refusal(env.boolean) == f"{NAME} must be 1 or 0, not 'maybe'."


@pytest.mark.parametrize("value", ["0", "11", "-1", "1.5", "four", "٣"])
def test_a_whole_number_outside_its_range_is_refused(given, value):
    given(value)
    assert NAME in refusal(env.integer, 4, minimum=1, maximum=10)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "soon", "0.5"])
def test_seconds_must_be_a_number_that_can_pass(given, value):
    given(value)
    assert NAME in refusal(env.seconds, 5, minimum=1)


@pytest.mark.parametrize("value", ["*", ".example.com", "https://a.example", "a.example:80", "a b"])
def test_a_host_that_is_not_exact_is_refused(given, value):
    given(f"localhost, {value}")
    assert repr(value) in refusal(env.hosts, [])


def test_hosts_are_names_and_addresses(given):
    given("code.example.com, 10.0.0.1, [::1]")
    assert env.hosts(NAME, []) == ["code.example.com", "10.0.0.1", "[::1]"]


@pytest.mark.parametrize(
    "value", ["code.example.com", "https://*.example.com", "https://a.example/", "ftp://a.example"]
)
def test_an_origin_that_no_browser_sends_is_refused(given, value):
    given(value)
    assert repr(value) in refusal(env.origins)


def test_origins_of_two_schemes_are_refused(given):
    given("https://a.example,http://a.example")
    assert NAME in refusal(env.origins)


def test_origins_are_compared_as_browsers_send_them(given):
    given("HTTPS://Code.Example.com:8443")
    assert env.origins(NAME) == ["https://code.example.com:8443"]


@pytest.mark.parametrize("value", ["short", "x" * 60])
def test_a_key_that_can_be_guessed_is_refused_and_not_shown(given, value):
    given(value)
    assert value not in refusal(env.secret)


def test_a_command_line_is_split_as_a_shell_would(given):
    given("docker run 'my agent'")
    assert env.command_line(NAME, "claude") == ["docker", "run", "my agent"]


def test_a_command_line_with_an_open_quote_is_refused(given):
    given("claude 'oops")
    assert NAME in refusal(env.command_line, "claude")


def test_directories_are_resolved(given, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    given(f"{tmp_path / 'link'}:{tmp_path}")
    assert env.directories(NAME, "~") == [tmp_path / "real", tmp_path]


@pytest.mark.parametrize("value", [".", "/nonexistent", "~nosuchuser/x", __file__])
def test_a_directory_that_cannot_be_a_root_is_refused(given, value):
    given(value)
    assert repr(value) in refusal(env.directories, "~")


def test_a_home_that_does_not_exist_is_refused_in_a_sentence(given):
    given("~nosuchuser/data")
    assert "'~nosuchuser/data'" in refusal(env.path, "/tmp")
