"""What a page is made of: tables, figures with the tables behind them, and sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orbitsim.report.wording import in_html

MOST_ROWS = 300
"""Rows of a table on a page; the rest is in the run's own tables, and the page says so."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    caption : str
        What it shows.
    columns : sequence of str
        Headings, units included.
    rows : sequence of sequence of str
        Cells; the first of a row is its heading.
    text : frozenset of int
        Columns that hold words, not numbers; the first always does.
    rest : str
        Where the rows are that do not fit on the page.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: frozenset[int] = frozenset()
    rest: str = "the tables of the run folder"

    def html(self, *, most: int = MOST_ROWS) -> str:
        """Return the table as HTML, every text escaped."""

        def cell(index: int, text: str, tag: str, scope: str = "") -> str:
            kind = "" if index == 0 or index in self.text else ' class="num"'
            return f"<{tag}{scope}{kind}>{in_html(text)}</{tag}>"

        head = "".join(cell(index, text, "th", ' scope="col"') for index, text in enumerate(self.columns))
        body = "".join(
            "<tr>"
            + "".join(
                cell(index, text, "td" if index else "th", "" if index else ' scope="row"')
                for index, text in enumerate(row)
            )
            + "</tr>\n"
            for row in self.rows[:most]
        )
        left = len(self.rows) - most
        dense = ' class="dense"' if len(self.columns) > 10 else ""
        more = f'<p class="rest">{left:,} more rows are in {in_html(self.rest)}.</p>' if left > 0 else ""
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{in_html(self.caption)}"><table{dense}>'
            f"<caption>{in_html(self.caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
            f"<tbody>{body}</tbody></table></div>{more}"
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A list from which the reader chooses what a figure shows.

    Parameters
    ----------
    key : str
        Name of the choice.
    label : str
        Words beside the list.
    options : sequence of (str, str)
        Value and words of every option; the first is shown at first.
    """

    key: str
    label: str
    options: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot with its words and its data.

    Parameters
    ----------
    key : str
        Name on the page: letters, digits and '-'.
    title : str
        Heading.
    caption : str
        What it shows and how to read it; shown below.
    alt : str
        What is to be seen, in a sentence for those who cannot see it.
    views : mapping of str to dict
        What Plotly draws: ``data`` and ``layout`` by the values of the choices, joined with ``|``; the empty key where
        there is nothing to choose. Colours are names of the palette after an ``@``.
    table : Table or None
        The data behind it.
    choices : sequence of Choice
        What can be chosen.
    height : int
        Height in CSS pixels, where a view's layout gives none.
    kind : str
        ``"plain"``, or the name of the function of the page's script that draws it.
    extra : dict
        What that function needs.
    """

    key: str
    title: str
    caption: str
    alt: str
    views: Mapping[str, dict[str, Any]]
    table: Table | None = None
    choices: Sequence[Choice] = ()
    height: int = 380
    kind: str = "plain"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def html(self) -> str:
        """Return the figure as HTML; the script of the page draws into it."""
        controls = "".join(
            f'<span class="choice"><label for="{self.key}-{choice.key}">{in_html(choice.label)}</label>'
            f'<select id="{self.key}-{choice.key}" data-choice="{choice.key}">'
            + "".join(f'<option value="{in_html(value)}">{in_html(words)}</option>' for value, words in choice.options)
            + "</select></span>"
            for choice in self.choices
        )
        bar = f'<div class="controls" data-controls="{self.key}">{controls}</div>' if self.choices or self.extra else ""
        behind = ""
        if self.table is not None:
            behind = f'<details class="data"><summary>Data of this figure</summary>{self.table.html()}</details>'
        elif self.extra:
            behind = (
                '<details class="data"><summary>Data of this figure</summary>'
                f'<div class="live" data-table="{self.key}"></div></details>'
            )
        return (
            f'<figure class="card" id="{self.key}" aria-labelledby="{self.key}-title">'
            f'<h3 id="{self.key}-title">{in_html(self.title)}</h3>{bar}'
            f'<div class="plot" data-plot="{self.key}" role="img" aria-label="{in_html(self.alt)}" '
            f'style="min-height:{self.height}px"></div>'
            f"<figcaption>{in_html(self.caption)}</figcaption>{behind}</figure>\n"
        )

    def data(self) -> dict[str, Any]:
        """Return what the page's script needs to draw it."""
        return {"kind": self.kind, "height": self.height, "views": dict(self.views), "extra": dict(self.extra)}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under one heading.

    Parameters
    ----------
    key : str
        Name on the page.
    title : str
        Heading, and its words in the list of contents.
    intro : str
        A sentence or two in front; empty for none.
    items : sequence of Figure, Table or str
        Content in order; a str is HTML, made safe by its maker.
    """

    key: str
    title: str
    intro: str
    items: Sequence[Figure | Table | str]

    def html(self) -> str:
        """Return the section as HTML."""
        intro = f"<p>{in_html(self.intro)}</p>" if self.intro else ""
        parts = "".join(
            item if isinstance(item, str) else f'<div class="card">{item.html()}</div>' if isinstance(item, Table)
            else item.html()
            for item in self.items
        )  # fmt: skip
        return (
            f'<section id="{self.key}" aria-labelledby="{self.key}-heading">'
            f'<h2 id="{self.key}-heading">{in_html(self.title)}</h2>{intro}{parts}</section>\n'
        )
