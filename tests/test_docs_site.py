"""The documentation site: builds strictly, asks nobody for anything, and leaves out no key, command or column."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orbitsim.scenario.reference import reference
from orbitsim.types.tables import TABLES

pytest.importorskip("material", reason="the site needs mkdocs-material (extra dev)")
pytest.importorskip("mkdocstrings_handlers.python", reason="the site needs mkdocstrings[python] (extra dev)")
pytest.importorskip("latex2mathml", reason="the site needs latex2mathml (extra dev)")

ROOT = Path(__file__).resolve().parents[1]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "link": "href"}

pytestmark = pytest.mark.slow


class Loaded(HTMLParser):
    """Collects what a page loads when it is opened, and the ids to which it can be linked."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in LOADED and found.get(LOADED[tag]):
            self.addresses.append(found[LOADED[tag]])
        if found.get("id"):
            self.ids.add(found["id"])


def read(page: Path) -> Loaded:
    parser = Loaded()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as CI does."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert len(found) > 30
    return found


def test_no_page_loads_anything_from_elsewhere(site):
    for page in pages(site):
        away = [address for address in read(page).addresses if re.match(r"(?:[a-z]+:)?//", address)]
        assert not away, f"{page.relative_to(site)} loads {away}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import\s+)[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_equations_are_mathml(site):
    delay = (site / "background/delay.html").read_text(encoding="utf-8")
    assert delay.count("<math") > 15
    assert "<mi>&#x003B8;</mi>" in delay  # theta
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert "arithmatex" not in text, page
        assert ".. math::" not in text, page


def test_every_scenario_key_can_be_linked_to(site):
    ids = read(site / "reference/keys.html").ids
    missing = [key.path for key in reference() if key.path not in ids]
    assert not missing


def test_every_command_and_option_is_there(site):
    text = (site / "reference/commands.html").read_text(encoding="utf-8")
    for expected in (
        "orbitsim run",
        "orbitsim trace import",
        "orbitsim codec train",
        "--scheme NAME",
        "--set KEY=VALUE",
    ):
        assert expected in text
    assert "[bold]" not in text


def test_every_column_is_there_with_its_unit(site):
    text = (site / "reference/tables.html").read_text(encoding="utf-8")
    for name, columns in TABLES.items():
        assert f"{name}.parquet" in text
        assert all(f"<code>{column.name}</code>" in text for column in columns)
    assert re.search(r"<code>delay_s</code></td>\s*<td>float64</td>\s*<td>s</td>", text)
    assert re.search(r"<code>n_batches</code></td>\s*<td>int64</td>\s*<td>1</td>", text)


def test_the_python_reference_is_made_of_docstrings(site):
    text = (site / "reference/python/plan.html").read_text(encoding="utf-8")
    assert 'id="orbitsim.plan.delay.exact"' in text
    assert "permutation flow shop" in text


def test_no_page_names_a_place_of_this_machine(site):
    for page in pages(site):
        assert str(ROOT) not in page.read_text(encoding="utf-8"), page
