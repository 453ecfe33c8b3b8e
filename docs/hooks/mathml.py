"""Equations of the site as MathML, made while it is built: browsers show them without a script or a font."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def _mathml(latex: str, display: str) -> str:
    source = html.unescape(latex).strip()
    found = convert(source, display=display)
    if "\\" in re.sub(r"<[^>]*>", "", found):
        raise ValueError(f"no MathML for {source!r}: {found}")
    if re.search(r'mathvariant="(?!normal)', found):
        raise ValueError(f"browsers do not show the style of letters in {source!r}: give its letters in braces")
    # The source stays with the equation, for those who copy it or listen to it.
    return found.replace("<math ", f'<math aria-label="{html.escape(source, quote=True)}" ', 1)


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Replace what arithmatex has marked."""
    try:
        content = _BLOCK.sub(lambda m: f'<div class="equation" tabindex="0">{_mathml(m[1], "block")}</div>', content)
        content = _INLINE.sub(lambda m: _mathml(m[1], "inline"), content)
    except ValueError as error:
        raise ValueError(f"{page.file.src_uri}: {error}") from error
    if "arithmatex" in content:
        raise ValueError(f"{page.file.src_uri}: an equation is left that was not turned into MathML")
    return content
