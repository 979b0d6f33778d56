"""The README says what the program does: commands, settings, pictures and links."""

import argparse
import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

ROOT = Path(__file__).resolve().parents[2]
OURS = {"pokecode_site", "jobs_app", "sessions_app"}
# Defaults that depend on the system and are told in words.
IN_WORDS = {"DATABASE_URL", "POKECODE_DATA_DIR", "POKECODE_SECRET_KEY"}


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text()


def _section(readme: str, title: str) -> str:
    _, found, rest = readme.partition(f"\n## {title}\n")
    assert found, f"README.md has no section {title!r}"
    return rest.partition("\n## ")[0]


def _rows(readme: str, title: str) -> list[list[str]]:
    """The cells of a section's tables, without their headings."""
    lines = [line for line in _section(readme, title).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def _commands() -> dict[str, BaseCommand]:
    return {
        name: load_command_class(app, name)
        for name, app in sorted(get_commands().items())
        if app in OURS and name != "shell"  # Django's, with our models in it
    }


def _own_actions(command: BaseCommand) -> Iterator[argparse.Action]:
    """The arguments that are not every Django command's."""
    standard = {action.dest for action in BaseCommand().create_parser("", "")._actions}
    for action in command.create_parser("manage.py", "command")._actions:
        if action.dest not in standard and action.help != argparse.SUPPRESS:
            yield action


def _usage(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return {"*": f"[{name}]…", "?": f"[{name}]"}.get(str(action.nargs), name)
    if action.choices:
        name = "{" + ",".join(map(str, action.choices)) + "}"
    value = "" if action.nargs == 0 else f" {name}"
    repeated = "…" if isinstance(action, argparse._AppendAction) else ""
    return f"[{action.option_strings[-1]}{value}]{repeated}"


def _row(name: str, command: BaseCommand) -> list[str]:
    return [f"`{' '.join([name, *map(_usage, _own_actions(command))])}`", str(command.help)]


def test_the_command_table_is_what_the_commands_take_and_say(readme):
    expected = [_row(name, command) for name, command in _commands().items()]
    assert sorted(_rows(readme, "Commands")) == sorted(expected)


def _settings() -> dict[str, str]:
    """Each variable that the settings read, and its default where that is a constant."""
    site = ROOT / "pokecode_site"
    files = [site / "settings.py", *site.glob("conf/*.py")]
    trees = [ast.parse(file.read_text()) for file in files]
    nodes = itertools.chain.from_iterable(map(ast.walk, trees))
    return dict(_read(node) for node in nodes if _reads_environment(node))


def _reads_environment(node: ast.AST) -> bool:
    match node:
        case ast.Call(ast.Attribute(ast.Name("env")), [ast.Constant(), *_]):
            return True
    return False


def _read(call: Any) -> tuple[str, str]:
    """(name, default) of a call such as `env.integer("NAME", 3, …)`."""
    name = call.args[0].value
    if len(call.args) < 2:
        return name, "off" if call.func.attr == "boolean" else "none"
    try:
        value = ast.literal_eval(call.args[1])
    except ValueError:
        return name, "in words"
    return name, f"`{','.join(value) if isinstance(value, list) else value}`"


def test_the_settings_table_is_what_the_settings_read(readme):
    documented = {row[0].strip("`"): row[1] for row in _rows(readme, "Settings")}
    expected = {**_settings(), "POKECODE_ADMIN_PASSWORD": "generated"}
    assert documented.keys() == expected.keys()
    for name in expected.keys() - IN_WORDS:
        assert documented[name] == expected[name], name


def test_pictures_and_links_lead_somewhere(readme):
    targets = re.findall(r"\]\(([^)]+)\)", readme)
    assert targets
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in readme.splitlines()
        if line.startswith("#")
    }
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("https://"):
            assert (ROOT / target).is_file(), target


def test_shell_examples_name_existing_commands(readme):
    named = set(re.findall(r"^(?:\$ )?(?:pokecode|\S*manage\.py) ([a-z_]+)", readme, re.MULTILINE))
    assert named - get_commands().keys() == set()
    assert named


def test_the_version_is_the_same_everywhere(readme):
    from django.conf import settings

    assert f'version = "{settings.VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert f"### {settings.VERSION}" in _section(readme, "Changelog")
