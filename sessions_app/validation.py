"""Checks of what people and programs submit; each failure is one sentence."""

import re
from typing import Any

from django.core.exceptions import ValidationError

# A tool, or a rule on one, as the CLIs write them: Read, mcp__server__tool,
# Bash(npm test:*). No comma, quote or newline: the list is joined with commas.
TOOL = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\([^(),\x00-\x1f\x7f]{1,500}\))?")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/\[\]@-]{0,199}")
EFFORT = re.compile(r"[a-z]{1,20}")
PROMPT_LIMIT = 4 * 1024 * 1024
PROMPT_TOO_LONG = "The prompt is over 4 MiB: put long material in a file."
EMPTY_PROMPT = "The prompt is empty: write what the agent should do."


def sentences(refusal: ValidationError) -> str:
    """All that a refusal says, as one text."""
    return " ".join(refusal.messages)


def check_keys(
    name: str, value: Any, shape: dict[str, type], required: tuple[str, ...] = ()
) -> None:
    """A JSON object with these keys and types, and no others; `name` is what the error calls it."""
    if not isinstance(value, dict):
        raise ValidationError(f"{name} must be a JSON object.")
    for key in required:
        if key not in value:
            raise ValidationError(f"{name} needs the key {key!r}.")
    for key, item in value.items():
        if key not in shape:
            shown, known = printable(str(key)), ", ".join(shape)
            raise ValidationError(f"{name} has an unknown key {shown!r}: it takes {known}.")
        if not isinstance(item, shape[key]):
            raise ValidationError(f"{name}: key {key!r} must be a {_kind(shape[key])}.")


def _kind(kind: type) -> str:
    return "list of strings" if kind is list else "string"


def validate_metadata(value: Any) -> None:
    """`{ repository?: string; branch?: string; allowedTools?: string[] }`."""
    check_keys("metadata", value, {"repository": str, "branch": str, "allowedTools": list})
    validate_tools(value.get("allowedTools", []))


def validate_tools(tools: Any) -> None:
    if not isinstance(tools, list):
        raise ValidationError("Allowed tools must be a list of strings.")
    for tool in tools:
        if not is_tool(tool):
            raise ValidationError(
                f"{printable(str(tool))!r} is not a tool: write Read, mcp__server__tool "
                "or a rule such as Bash(npm test:*), without commas."
            )


def is_tool(tool: Any) -> bool:
    """Whether it can be an entry of a list of allowed tools."""
    return isinstance(tool, str) and TOOL.fullmatch(tool) is not None


def validate_model(model: str) -> None:
    if not MODEL.fullmatch(model):
        raise ValidationError(
            f"{printable(model)!r} is not a model name: use letters, digits and . _ : / - only."
        )


def validate_effort(effort: str) -> None:
    if not EFFORT.fullmatch(effort):
        raise ValidationError(
            f"{printable(effort)!r} is not an effort: write a word such as low, medium or high."
        )


def validate_prompt(prompt: Any) -> None:
    if not isinstance(prompt, str):
        raise ValidationError("The prompt must be text.")
    if not prompt.strip():
        raise ValidationError(EMPTY_PROMPT)
    validate_text("The prompt", prompt)
    if len(prompt.encode()) > PROMPT_LIMIT:
        raise ValidationError(PROMPT_TOO_LONG)


def validate_text(what: str, value: str) -> None:
    """Text that both databases store and both CLIs read: no NUL, no lone surrogate."""
    if "\x00" in value:
        raise ValidationError(f"{what} holds a NUL character: remove it.")
    if not is_unicode(value):
        raise ValidationError(f"{what} is not valid UTF-8: save it as UTF-8 text.")


def is_unicode(value: str) -> bool:
    """False if it holds a lone surrogate, as an argument that was not UTF-8 does."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str, limit: int = 80) -> str:
    """A short form of hostile text for an error sentence."""
    clean = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:limit])
    return clean + ("…" if len(text) > limit else "")
