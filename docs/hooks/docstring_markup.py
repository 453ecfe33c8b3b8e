"""Docstrings as Markdown: formulas, references and roles of reStructuredText become what the site can show."""

from __future__ import annotations

import re
from typing import Any

import griffe

_MATH_ROLE = re.compile(r":math:`([^`]*)`")
_MATH_LINE = re.compile(r"^(?P<indent> *)\.\. math:: *(?P<formula>\S.*(?:\n(?P=indent) +\S.*)*)", re.MULTILINE)
_REFERENCE = re.compile(r"^( *)\.\. \[(\d+)\] ", re.MULTILINE)
_CITED = re.compile(r"\[(\d+)\]_")
_UNIT = re.compile(r"(?<!\w)\[([^\]`\n]{1,30})\](?=[.,;)]?\s*$|\.$)", re.MULTILINE)


def _one_line(match: re.Match[str]) -> str:
    return f"{match['indent']}$$ {' '.join(match['formula'].split())} $$"


class MarkdownDocstrings(griffe.Extension):
    """Rewrites each docstring once, before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring is not None:
            text = _MATH_LINE.sub(_one_line, obj.docstring.value)
            text = _MATH_ROLE.sub(r"$\1$", text)
            text = _REFERENCE.sub(r"\1\2. ", text)
            text = _CITED.sub(r"[\1]", text)
            obj.docstring.value = text.replace("``", "`")
