"""Checks built pages: every link leads to a page and a place on it, and nothing is fetched from elsewhere.

`python docs/check.py site`
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {
    "audio": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "script": "src",
    "source": "src",
    "video": "src",
}
"""What a browser loads by itself, by tag."""
URL = re.compile(r"url\(\s*[\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//")


class Links(HTMLParser):
    """What a page links to, what it loads, and the places on it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.followed: list[str] = []
        self.fetched: list[str] = []
        self.places = {""}
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Takes down one tag."""
        given = dict(attributes)
        self.places |= {given.get(name) or "" for name in ("id", "name")}
        if tag == "a" and given.get("href"):
            self.followed.append(given["href"] or "")
        if given.get(FETCHED.get(tag, "")):
            self.fetched.append(given[FETCHED[tag]] or "")


def faults(site: Path) -> Iterator[str]:
    """What is wrong with the pages, one line each."""
    pages = {page.resolve(): Links(page) for page in site.rglob("*.html") if page.name != "404.html"}
    for page, links in pages.items():
        name = page.relative_to(site.resolve())
        for target in links.fetched:
            if urlsplit(target).netloc:
                yield f"{name} loads {target}"
        for target in [*links.followed, *links.fetched]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not place.exists():
                yield f"{name} links to {target}, which is not there"
            elif place in pages and unquote(parts.fragment) not in pages[place].places:
                yield f"{name} links to {target}, but there is no such place on that page"
    for sheet in site.rglob("*.css"):
        if URL.search(sheet.read_text(encoding="utf-8")):
            yield f"{sheet.relative_to(site)} loads something from elsewhere"


def main() -> int:
    """Prints what is wrong; the exit code says whether there is anything."""
    site = Path(sys.argv[1])
    found = list(faults(site))
    print(
        "\n".join(found)
        or f"{len(list(site.rglob('*.html')))} pages: links lead somewhere, nothing comes from elsewhere"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
