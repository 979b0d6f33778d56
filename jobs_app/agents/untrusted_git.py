"""Git in a repository that nobody trusts: no program that its configuration names is run.

Codex asks `git status` by itself, outside its sandbox. It turns hooks and the file monitor off,
but not what a filter or a missing object may start (measured with codex 0.169.0; claude 2.1.330
turns all of it off). A setting cannot be taken away, only be given another value, for which
its name must be known: listing them starts nothing.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping

from django.core.exceptions import ValidationError

from jobs_app.agents.environment import locate

TIMEOUT = 5
OWN_SCOPES = {"local", "worktree"}
"""Where git found a setting of the repository, included files among them."""

HARMLESS = (
    (r"filter\..*\.(clean|smudge|process)", ""),
    (r"filter\..*\.required", "false"),
    (r"core\.fsmonitor", "false"),
    # What fetches missing objects; newer versions of git know GIT_NO_LAZY_FETCH.
    (r"remote\..*\.uploadpack", "git-upload-pack"),
    (r"core\.sshcommand", "ssh"),
    (r"credential\.(.*\.)?helper", ""),
)
ALWAYS = (("protocol.ext.allow", "never"),)


def without_programs(environment: Mapping[str, str], project_path: str) -> dict[str, str]:
    """The environment, in which git runs no program of the project's repository.

    Raises ValidationError if git cannot say what the repository sets.
    """
    settings = [*ALWAYS, *_harmless(_own_settings(environment, project_path))]
    first = int(environment.get("GIT_CONFIG_COUNT") or 0)
    added = {"GIT_NO_LAZY_FETCH": "1", "GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (name, value) in enumerate(settings, first):
        added |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return {**environment, **added}


def _harmless(names: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(names):
        for pattern, value in HARMLESS:
            if re.fullmatch(pattern, name, re.DOTALL):
                yield name, value


def _own_settings(environment: Mapping[str, str], project_path: str) -> set[str]:
    git = locate(["git"])
    if git is None:
        return set()
    query = ("config", "--list", "--includes", "--show-scope", "--name-only", "-z")
    try:
        listed = subprocess.run(  # noqa: S603 - a fixed program, arguments as a list
            [git, *query],
            cwd=project_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=True,
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return set()  # nothing can be started in this directory, which is told later
    except subprocess.SubprocessError:
        raise ValidationError(
            "Git cannot read the configuration of this project's repository, which may name "
            "programs to run: correct its .git/config, or trust the project."
        ) from None
    words = listed.stdout.decode(errors="surrogateescape").split("\0")
    pairs = zip(words[::2], words[1::2], strict=False)
    return {name for scope, name in pairs if scope in OWN_SCOPES}
