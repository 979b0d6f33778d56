"""Every address of the site, found by walking the URLconf: nothing can be forgotten."""

import itertools
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern


def all_paths(values: dict[str, str], default: str = "1") -> list[str]:
    """One path for each pattern; parameters take the given values by name, else `default`."""
    return sorted({"/" + path for path in _walk(get_resolver(), values, default)})


def _walk(resolver: URLResolver, values: dict[str, str], default: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        start = _fill(pattern, values, default)
        if isinstance(pattern, URLResolver):
            yield from (start + rest for rest in _walk(pattern, values, default))
        else:
            yield start


def _fill(pattern: URLPattern | URLResolver, values: dict[str, str], default: str) -> str:
    if not isinstance(pattern.pattern, RoutePattern):
        return _fill_expression(pattern)
    route = str(pattern.pattern)
    for name in pattern.pattern.converters:
        start, _, rest = route.partition("<")
        _, _, rest = rest.partition(">")
        route = start + values.get(name, default) + rest
    return route


def _fill_expression(pattern: URLPattern | URLResolver) -> str:
    """The admin's few regular expressions: a list of apps, and whatever nothing else takes."""
    expression = pattern.pattern.regex
    candidates = ("", "sessions_app/", "jobs_app/", "auth/", "anything")
    return next(itertools.filterfalse(lambda each: not expression.match(each), candidates))
