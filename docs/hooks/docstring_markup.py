"""Docstrings as Markdown: what is reStructuredText becomes what the site can show, and names become links."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))  # mkdocstrings loads this file by its path
from reference_python import PYTHON_PAGES

SHOWN = {module for _, _, modules in PYTHON_PAGES.values() for module in modules}

_MATH_ROLE = re.compile(r":math:`([^`]*)`")
_MATH_BLOCK = re.compile(r"^(?P<indent> *)\.\. math:: *(?P<formula>\S.*(?:\n(?P=indent) +\S.*)*)", re.MULTILINE)
_REFERENCE = re.compile(r"^( *)\.\. \[(\d+)\] ", re.MULTILINE)
_CITED = re.compile(r"\[(\d+)\]_")
_NAME = re.compile(r"(?<![`\[])`([A-Za-z][\w.]*)`(?![`\]])")


class MarkdownDocstrings(griffe.Extension):
    """Rewrites every docstring once, when all modules are known."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite the docstrings of a package."""
        targets = {path for module in _modules(pkg) if module.path in SHOWN for path in _documented(module)}
        for module in _modules(pkg):
            for obj in _objects(module):
                if obj.docstring is not None:
                    obj.docstring.value = _linked(_markdown(obj.docstring.value), module.path, obj, targets)


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for inner in module.members.values():
        if isinstance(inner, griffe.Module):
            yield from _modules(inner)


def _objects(owner: griffe.Object) -> Iterator[griffe.Object]:
    yield owner
    for inner in owner.members.values():
        if isinstance(inner, griffe.Object) and not isinstance(inner, griffe.Module):
            yield from _objects(inner)


def _documented(module: griffe.Module) -> Iterator[str]:
    """Yield the paths of what the page of a module shows."""
    hidden: tuple[str, ...] = ()
    for obj in _objects(module):
        if obj.docstring is None or obj.name.startswith("_") or (hidden and obj.path.startswith(hidden)):
            hidden = (*hidden, f"{obj.path}.")
        else:
            yield obj.path


def _markdown(text: str) -> str:
    text = _MATH_BLOCK.sub(lambda match: f"{match['indent']}$$ {' '.join(match['formula'].split())} $$", text)
    text = _MATH_ROLE.sub(r"$\1$", text)
    text = _REFERENCE.sub(r"\1\2. ", text)
    return _CITED.sub(r"[\1]", text).replace("``", "`")


def _linked(text: str, module: str, obj: griffe.Object, targets: set[str]) -> str:
    """Link names of the package between backticks, written in full or as they are known in the module or class."""

    def link(match: re.Match[str]) -> str:
        name = match[1]
        for path in (name, f"{obj.path}.{name}", f"{obj.path.rpartition('.')[0]}.{name}", f"{module}.{name}"):
            if path in targets and path != obj.path:
                return f"[`{name}`][{path}]"
        return match[0]

    lines = text.split("\n")
    return "\n".join(line if line.lstrip().startswith((">>>", "...")) else _NAME.sub(link, line) for line in lines)
