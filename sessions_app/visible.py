"""Characters that hide: shown by their code, so that text reads as what it is."""

from unicodedata import category

HIDING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, format characters (U+202E turns text around), surrogates, Unicode line breaks."""


def visible(text: str) -> str:
    """The text with every hiding character but newline and tab as `<U+202E>`. Not escaped."""
    if text.isprintable():
        return text
    return "".join(f"<U+{ord(c):04X}>" if _hides(c) else c for c in text)


def short_line(text: str, limit: int) -> str:
    """The first line that says something, shortened, as `visible` shows it."""
    first = text.strip().partition("\n")[0]
    return visible(first if len(first) <= limit else f"{first[: limit - 1]}…")


def _hides(character: str) -> bool:
    return character not in "\n\t" and category(character) in HIDING
