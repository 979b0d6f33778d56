"""Markdown of an agent to HTML that runs nothing and loads nothing.

Three layers, each enough for most attacks: the parser passes no raw HTML and
knows no images, only http and https links are made, and nh3 keeps an allow-list
of what is left.

How long that takes is up to the text, and nothing here ends it: see `confined`.
"""

import re
from html import escape

import nh3
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

# A lexer is a set of regular expressions that meets hostile text: only well-worn ones.
LANGUAGES = {
    *("bash", "c", "cpp", "csharp", "css", "diff", "django", "docker", "dockerfile", "go", "html"),
    *("ini", "java", "javascript", "js", "json", "jsx", "kotlin", "make", "makefile", "php"),
    *("py", "python", "rb", "rs", "ruby", "rust", "scala", "sh", "shell", "sql", "swift", "toml"),
    *("ts", "tsx", "typescript", "xml", "yaml", "yml", "zsh"),
}

TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr"),
    *("li", "ol", "p", "pre", "s", "span", "strong", "ul"),
    *("table", "tbody", "td", "th", "thead", "tr"),
}
CLASSES = {"pre": {"highlight"}, "span": {name for name in STANDARD_TYPES.values() if name}}

FENCE = re.compile(r"^ {0,3}(?:```|~~~) *(\w+)", re.MULTILINE)
LOADED = 3
"""Languages of one text whose lexers are made ready before its time begins."""

_formatter = HtmlFormatter(nowrap=True)


def code(text: str, language: str) -> str:
    """Escaped HTML of `text`, with Pygments' classes where the language is known."""
    if language.lower() not in LANGUAGES:
        return escape(text)
    return highlight(text, get_lexer_by_name(language.lower(), stripnl=False), _formatter)


def _fence(text: str, language: str, attributes: str) -> str:
    return f'<pre class="highlight"><code>{code(text, language)}</code></pre>'


def load(text: str) -> None:
    """Make ready the lexers of the text's first languages. Each takes time once, most that of
    scala (0.15 s), whatever the text holds."""
    named = dict.fromkeys(language.lower() for language in FENCE.findall(text))
    for language in [each for each in named if each in LANGUAGES][:LOADED]:
        get_lexer_by_name(language)


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        return url.lower().startswith(("http://", "https://"))


_markdown = _Parser("js-default", {"highlight": _fence}).disable("image")


def render(text: str) -> str:
    """Safe HTML of Markdown text."""
    return nh3.clean(
        _markdown.render(text),
        tags=TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        allowed_classes=CLASSES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
    )
