"""Every address and verb of the API, as the URL conf has them: what the tests of permissions go through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

PREFIX = "/api/v1/"


@dataclass(frozen=True)
class Door:
    """One method at one address: ``POST tasks/{key}/run/``."""

    method: str
    place: str
    view: Any
    action: str | None

    def __str__(self) -> str:
        return f"{self.method} {self.place}"

    @property
    def is_open(self) -> bool:
        """For people without a login."""
        return any("AllowAny" in each.__name__ for each in self.view.permission_classes)

    @property
    def needs(self) -> tuple[str, ...]:
        needed: tuple[str, ...] = self.view.needs[self.action or self.method.lower()]
        return needed


def doors() -> list[Door]:
    """All of them."""
    resolver = next(each for each in get_resolver().url_patterns if str(each.pattern) == PREFIX.lstrip("/"))
    assert isinstance(resolver, URLResolver)
    return sorted(_below(resolver, ""), key=str)


def _below(resolver: URLResolver, prefix: str) -> Iterator[Door]:
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from _below(each, prefix + _place(each.pattern))
        elif isinstance(each, URLPattern) and each.name not in ("nowhere", "docs", "schema"):
            yield from _methods(each, prefix + _place(each.pattern))


def _methods(pattern: URLPattern, place: str) -> Iterator[Door]:
    callback: Any = pattern.callback
    view = callback.cls
    actions = getattr(callback, "actions", None)
    if actions is None:
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                yield Door(method.upper(), place, view, None)
        return
    for method, action in actions.items():
        if method != "head":
            yield Door(method.upper(), place, view, action)


def _place(pattern: Any) -> str:
    """The address as people write it."""
    text = str(pattern)
    while "(?P<" in text:
        start = text.index("(?P<")
        name = text[start + 4 : text.index(">", start)]
        depth, end = 1, start + 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[:start] + "{" + name + "}" + text[end:]
    return text.removeprefix("^").removesuffix("$").removesuffix("\\Z").replace("\\", "")
