"""Assemble a page: one file that needs no network, and whose scripts are the only ones that a browser runs in it."""

from __future__ import annotations

import base64
import hashlib
import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

from orbitsim import __version__
from orbitsim.errors import InputError
from orbitsim.report import palette
from orbitsim.report.blocks import Figure, Section
from orbitsim.report.wording import in_html, in_script


@dataclass(frozen=True, slots=True)
class Page:
    """A page in words.

    Parameters
    ----------
    kind : str
        What it is, above the title.
    title : str
        Heading.
    subtitle : str
        A line below it.
    sections : sequence of Section
        Content.
    footer : str
        Last words.
    """

    kind: str
    title: str
    subtitle: str
    sections: Sequence[Section]
    footer: str = "Opens without a network."

    def html(self) -> str:
        """Return the whole file; equal content gives equal bytes.

        Raises
        ------
        InputError
            If Plotly is not installed.
        """
        figures = [item for section in self.sections for item in section.items if isinstance(item, Figure)]
        plotly, script = plotly_script(), page_script()
        hashes = " ".join(f"'sha256-{_hash(text)}'" for text in (plotly, script))
        # Plotly styles its own elements inline, and saves a picture through a blob.
        policy = (
            f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
            "font-src data:; base-uri 'none'; form-action 'none'"
        )
        return Template(_read("template.html")).substitute(
            policy=policy,
            version=in_html(__version__),
            kind=in_html(self.kind),
            title=in_html(self.title),
            subtitle=in_html(self.subtitle),
            style=_read("style.css"),
            contents="\n".join(
                f'<li><a href="#{section.key}">{in_html(section.title)}</a></li>' for section in self.sections
            ),
            body="".join(section.html() for section in self.sections),
            footer=in_html(self.footer),
            data=in_script(
                {
                    "figures": {figure.key: figure.data() for figure in figures},
                    "colors": {name: list(color) for name, color in palette.COLORS.items()},
                    "heat": [list(color) for color in palette.HEAT],
                }
            ),
            plotly=plotly,
            script=script,
        )


def plotly_script() -> str:
    """Return Plotly's own script.

    Raises
    ------
    InputError
        If it is not installed.
    """
    if importlib.util.find_spec("plotly") is None:
        raise InputError("plotly not installed; needed here: pip install 'orbitsim[report]'")
    text = str(importlib.import_module("plotly.offline").get_plotlyjs())
    if "</script" in text.lower():
        raise InputError("expected a script of plotly that can stand in a page; install another version of plotly")
    return text


def page_script() -> str:
    """Return the page's own script: its parts share one scope, which nothing else sees."""
    parts = "\n".join(_read(f"script/{name}.js") for name in ("core", "gantt", "map", "sweep", "start"))
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _read(name: str) -> str:
    return resources.files("orbitsim.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
