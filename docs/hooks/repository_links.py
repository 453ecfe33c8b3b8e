"""Links of pages that are read in the repository too: what lies outside docs/ leads to its page of the site."""

from __future__ import annotations

import posixpath
import re
from typing import Any

# Files of the repository, and the pages that the site makes of them.
PAGES = {
    "traces/README.md": "reference/traces.md",
    "scenarios/README.md": "reference/scenario-files.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
    "docs/fidelity": "fidelity/loopback.json",
}

# Generated pages keep the text of a file that stands elsewhere: their links are relative to that file.
WRITTEN_IN = {page: source for source, page in PAGES.items() if source.endswith(".md")}

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\[]*)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite links to files of the repository that have a page of the site."""
    place = page.file.src_uri
    source = WRITTEN_IN.get(place) if page.file.generated_by else None
    written = posixpath.dirname(source if source is not None else f"docs/{place}")

    def rewritten(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(written, match["target"]))
        inside = PAGES.get(target) or target.removeprefix("docs/")
        if target not in PAGES and (source is None or not target.startswith("docs/")):
            return match[0]
        there = posixpath.relpath(inside, posixpath.dirname(place) or ".")
        return f"[{match['text']}]({there}{match['anchor'] or ''})"

    return _LINK.sub(rewritten, markdown)
