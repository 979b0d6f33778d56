"""What a job is called: the first line of its prompt."""

import json
import re

from sessions_app.visible import short_line

PROMPT = re.compile(r'"prompt":\s*"((?:[^"\\]|\\u[0-9A-Fa-f]{4}|\\[^u])*)')


def title(prompt: str) -> str:
    """The first line of a prompt, shortened."""
    return short_line(prompt[:1000], 80)


def prompt_start(data_start: str) -> str:
    """The prompt, as far as it goes, from the beginning of a job's JSON; that beginning itself
    if it holds no prompt, as in a row that was edited behind our back."""
    found = PROMPT.search(data_start)
    try:
        return str(json.loads(f'"{found[1]}"', strict=False)) if found else data_start
    except ValueError:
        return data_start
