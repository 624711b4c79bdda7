"""A report page as a browser would see it, and what must hold for every page. Used by the tests beside it."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """What a browser would see: attributes that could load something, ids, headings, text per language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.languages: set[str] = set()
        self.ids: list[str] = []
        self.open: list[str] = []
        self.unlabelled: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [values[name] or "" for name in ("href", "src", "data", "action", "srcset") if name in values]
        self.languages |= {values["lang"] or ""} if "lang" in values else set()
        self.ids += [values["id"] or ""] if "id" in values else []
        if tag == "svg" and not values.get("aria-label") and values.get("aria-hidden") != "true":
            self.unlabelled.append(str(attrs))
        if tag not in ("meta", "br", "input", "link", "circle", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("circle", "path"):
            assert self.open.pop() == tag


def check_page(html: str) -> Page:
    page = Page(html)
    assert page.open == []
    assert page.languages == {"en", "zh-CN"}
    assert all(link.startswith("#") for link in page.links), "nothing may be loaded from anywhere"
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert page.unlabelled == []
    assert not {"img", "link", "iframe", "object", "form"} & set(page.tags)
    assert re.search(r"url\(|@import|https?:", html) is None
    assert "default-src 'none'" in html
    return page
