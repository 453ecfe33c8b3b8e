"""The page on Python: its code runs from top to bottom, and prints what the page says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks():
    """Return pairs of code and the output that the page shows right after it, None for none."""
    found = list(FENCE.finditer(PAGE.read_text(encoding="utf-8")))
    pairs = []
    for index, block in enumerate(found):
        if block[1] != "python":
            continue
        after = found[index + 1] if index + 1 < len(found) else None
        follows = after is not None and after[1] == "text" and not PAGE.read_text()[block.end() : after.start()].strip()
        pairs.append((block[2], after[2] if follows else None))
    return pairs


def _stripped(text):
    return [line.rstrip() for line in text.strip("\n").splitlines()]


@pytest.mark.slow
def test_the_page_runs_and_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = _blocks()
    assert len(blocks) > 8
    assert sum(shown is not None for _, shown in blocks) > 8
    names = {}
    for code, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, PAGE.name, "exec"), names)  # noqa: S102 - the page's own code
        if shown is not None:
            assert _stripped(printed.getvalue()) == _stripped(shown), code
