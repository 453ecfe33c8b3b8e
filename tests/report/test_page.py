"""The file: the same bytes each time, nothing from a network, nothing that a scenario's text could do."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report import made

from orbitsim.errors import InputError, OutputError
from orbitsim.report import page as page_module
from orbitsim.report.palette import COLORS, HEAT, PARTS, SCHEMES_WITH_STYLES, scheme_style
from orbitsim.report.wording import in_html, in_script
from orbitsim.report.write import build_page, default_name, write_page


class Read(HTMLParser):
    """Collects elements, the text of scripts, and identities."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data


@pytest.fixture(scope="session")
def texts(run_folder: Path, tasks_folder: Path, sweep_folder: Path) -> dict[str, str]:
    return {
        "run": build_page([run_folder]).html(),
        "comparison": build_page([run_folder, tasks_folder]).html(),
        "sweep": build_page([sweep_folder]).html(),
    }


KINDS = ["run", "comparison", "sweep"]


def test_the_same_run_gives_the_same_bytes(texts: dict[str, str], run_folder: Path) -> None:
    assert build_page([run_folder]).html() == texts["run"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_fetched_and_only_the_pages_own_scripts_may_run(texts: dict[str, str], kind: str) -> None:
    read = Read(texts[kind])
    for tag, attributes in read.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed") or attributes.get("href") == "data:,"
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    policy = next(a["content"] or "" for tag, a in read.tags if tag == "meta" and a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert len(read.scripts) == 3
    for script in read.scripts[1:]:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_a_scenario_is_text(texts: dict[str, str], kind: str) -> None:
    text = texts[kind]
    assert made.NASTY not in text
    assert "window.harm = 1</script" not in text
    assert in_html(made.NASTY) in text
    data = Read(text).scripts[0]
    assert not set("<>&") & set(data)
    assert json.loads(data)["figures"]


@pytest.mark.parametrize("kind", KINDS)
def test_headings_labels_and_names_are_in_order(texts: dict[str, str], kind: str) -> None:
    read = Read(texts[kind])
    names = [a["id"] for _, a in read.tags if a.get("id")]
    assert len(names) == len(set(names))
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in read.tags}
    for tag, attributes in read.tags:
        for key in ("aria-labelledby", "for"):
            assert attributes.get(key) is None or attributes[key] in names
        if tag == "a" and (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in names
        assert attributes.get("role") != "img" or attributes.get("aria-label")
        assert tag != "th" or attributes.get("scope")


@given(
    st.recursive(
        st.text() | st.floats() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_data_in_a_script_are_read_back(data: object) -> None:
    text = in_script(data)
    assert not set("<>&\u2028\u2029") & set(text)
    json.loads(text)


def test_colours_are_told_apart_from_their_paper() -> None:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a: str, b: str) -> float:
        low, high = sorted((luminance(a), luminance(b)))
        return (high + 0.05) / (low + 0.05)

    # WCAG 2.2: 4.5 for text, 3 for lines (1.4.3, 1.4.11).
    for name, least in (
        ("ink", 4.5),
        ("muted", 4.5),
        ("blue", 3.0),
        ("vermilion", 3.0),
        ("green", 3.0),
        ("purple", 3.0),
    ):
        color, paper = COLORS[name], COLORS["paper"]
        assert contrast(color.light, paper.light) >= least, name
        assert contrast(color.dark, paper.dark) >= least, name
    for side in (0, 1):
        steps = [contrast(stop[side], COLORS["paper"][side]) for stop in HEAT]
        assert steps == sorted(steps)


def test_schemes_differ_in_colour_and_in_line_or_marker() -> None:
    styles = [scheme_style(name) for name in SCHEMES_WITH_STYLES]
    assert len({style.name for style in styles}) == len(styles)
    assert len({(style.dash, style.symbol) for style in styles}) == len(styles)
    assert {name for _, name in PARTS.values()} <= set(COLORS)


def test_a_file_is_replaced_only_when_told_and_never_half(
    texts: dict[str, str], run_folder: Path, tmp_path: Path
) -> None:
    page = build_page([run_folder])
    path = tmp_path / "new" / "report.html"
    write_page(page, path)
    assert path.read_text() == texts["run"]
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(InputError, match="give --force"):
        write_page(page, path)
    path.write_text("old")
    write_page(page, path, force=True)
    assert path.read_text() == texts["run"]
    with pytest.raises(InputError, match="found a folder"):
        write_page(page, tmp_path)
    with pytest.raises(InputError, match="outside of the folder of results"):
        write_page(page, run_folder / "report.html")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_page(page, tmp_path / "file" / "report.html")
    assert default_name([tmp_path / "run"]) == tmp_path / "run.html"
    assert default_name([tmp_path / "a", tmp_path / "b"]) == Path("comparison.html")


def test_a_failed_write_leaves_what_was_there(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(_self: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_page(build_page([run_folder]), path, force=True)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_plotly_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"orbitsim\[report\]"):
        page_module.plotly_script()


def test_a_comparison_shows_the_keys_that_differ(texts: dict[str, str]) -> None:
    rows = re.findall(r'<th scope="row">([a-z_.0-9]+)</th>', texts["comparison"].partition('id="differences"')[2])
    assert {"name", "clock.duration_s", "links.downlink.availability", "run.record"} <= set(rows)
    assert "workload.model" not in rows
