"""What a tool returned: blocks of Claude's API and of MCP, each read for itself.

Web searches, tool searches, documents, embedded resources and the server's own tools are read
as the API and the protocol declare them; most were never recorded.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sessions_app.providers import pictures
from sessions_app.providers.reading import objects, optional, pretty, string, type_of, whole
from sessions_app.providers.shapes import Image, Link

TEXT_IN_RAW = 500
"""Characters of one text in a block of an unknown type: it may hold a file in base64."""


@dataclass(slots=True)
class Content:
    """Text, links and pictures of a result; `failed` if a block in it is an error."""

    texts: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    failed: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def read(content: Any) -> Content:
    """The content of a result: a text, a list of blocks, or one block by itself."""
    found = Content()
    for block in content if isinstance(content, list) else [content]:
        _add(found, block)
    return found


def _add(found: Content, block: Any) -> None:
    if isinstance(block, str):
        found.texts.append(block)
    elif isinstance(block, dict):
        kind = type_of(block)
        _reader(kind, block)(found, block)
    elif block is not None:
        found.texts.append(pretty(block))


def _reader(kind: str, block: dict[str, Any]) -> "Reader":
    if kind in READERS:
        return READERS[kind]
    if kind.endswith("error") or "error_code" in block or (not kind and block.get("error")):
        return _error
    if "stdout" in block or "stderr" in block:
        return _output
    return _other


def _text(found: Content, block: dict[str, Any]) -> None:
    text = block.get("text")
    found.texts.append(text if isinstance(text, str) else "[text without its text]")


def _image(found: Content, block: dict[str, Any]) -> None:
    found.images.append(pictures.image(block))


def _tool(found: Content, block: dict[str, Any]) -> None:
    found.texts.append(string(block, "tool_name") or string(block, "name") or "[unnamed tool]")


def _tools(found: Content, block: dict[str, Any]) -> None:
    for tool in objects(block, "tool_references"):
        _tool(found, tool)


def _search_hit(found: Content, block: dict[str, Any]) -> None:
    url = string(block, "url") or string(block, "source")
    title = string(block, "title")
    if url or title:
        found.links.append(Link(url, title))
    for part in objects(block, "content"):
        _add(found, part)


def _resource_link(found: Content, block: dict[str, Any]) -> None:
    title = string(block, "title") or string(block, "name")
    found.links.append(Link(string(block, "uri"), title))
    found.texts.extend(filter(None, [string(block, "description")]))


def _resource(found: Content, block: dict[str, Any]) -> None:
    resource: dict[str, Any] = optional(block, "resource", dict, {})
    found.links.append(Link(string(resource, "uri")))
    if string(resource, "mimeType").startswith("image/") and string(resource, "blob"):
        return _image(found, resource)
    found.texts.append(string(resource, "text") or _file("resource", string(resource, "mimeType")))


def _document(found: Content, block: dict[str, Any]) -> None:
    source: dict[str, Any] = optional(block, "source", dict, {})
    found.texts.extend(filter(None, [string(block, "title")]))
    match type_of(source):
        case "text":
            found.texts.append(string(source, "data"))
        case "content":
            for part in objects(source, "content"):
                _add(found, part)
        case "url":
            found.links.append(Link(string(source, "url")))
        case _:
            found.texts.append(_file("document", string(source, "media_type")))


def _fetched(found: Content, block: dict[str, Any]) -> None:
    found.links.append(Link(string(block, "url")))
    _add(found, block.get("content"))


def _audio(found: Content, block: dict[str, Any]) -> None:
    found.texts.append(_file("audio", string(block, "mimeType")))


def _file(what: str, media_type: str) -> str:
    return f"[{', '.join(filter(None, [what, media_type]))}]"


def _error(found: Content, block: dict[str, Any]) -> None:
    inner: dict[str, Any] = optional(block, "error", dict, block)
    code = string(inner, "error_code").replace("_", " ")
    said = string(inner, "error_message") or string(inner, "message") or string(block, "error")
    found.texts.append(": ".join(filter(None, [code, said])) or pretty(_shortened(block)))
    found.failed = True


def _output(found: Content, block: dict[str, Any]) -> None:
    found.texts.extend(filter(None, [string(block, "stdout"), string(block, "stderr")]))
    found.failed = found.failed or bool(whole(block, "return_code"))


def _other(found: Content, block: dict[str, Any]) -> None:
    found.texts.append(pretty(_shortened(block)))


def _shortened(value: Any) -> Any:
    """The same value, with what is too long to be words cut."""
    if isinstance(value, str):
        return value if len(value) <= TEXT_IN_RAW else f"{value[:TEXT_IN_RAW]}…"
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return value


Reader = Callable[[Content, dict[str, Any]], None]

READERS: dict[str, Reader] = {
    "audio": _audio,
    "document": _document,
    "image": _image,
    "input_image": _image,
    "input_text": _text,
    "inputImage": _image,
    "inputText": _text,
    "output_text": _text,
    "resource": _resource,
    "resource_link": _resource_link,
    "search_result": _search_hit,
    "text": _text,
    "tool_reference": _tool,
    "tool_search_tool_search_result": _tools,
    "web_fetch_result": _fetched,
    "web_search_result": _search_hit,
}
