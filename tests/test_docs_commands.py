"""Pages that show commands with their output: every command is run, in order, and prints what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_page(page: Path, folder: Path) -> list[str]:
    """Write the page's files and run its commands in a folder; return what differs from the page."""
    differences = []
    for language, title, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if title:
            (folder / title).write_text(text, encoding="utf-8")
        elif language == "console":
            for command, expected in commands(text):
                printed = output_of(command, folder)
                if not matches(expected, printed):
                    differences.append(f"$ {command}\n--- the page\n{expected}\n--- printed\n{printed}")
    return differences


def commands(text: str) -> list[tuple[str, str]]:
    """Split a console block into commands and what the page says that they print."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def output_of(command: str, folder: Path) -> str:
    """Run `orbitsim ...` or `python ...` as a reader would, in a terminal of 118 columns."""
    program, *arguments = shlex.split(command, comments=True)
    module = {"orbitsim": ["-m", "orbitsim"], "python": []}[program]
    environment = {**os.environ, "COLUMNS": "118", "NO_COLOR": "1", "PYTHONPATH": str(DOCS.parent)}
    done = subprocess.run(
        [sys.executable, *module, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout


def matches(expected: str, printed: str) -> bool:
    """Compare texts line by line; `...` as a line stands for any lines, within a line for any characters."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r" *\n"
        for line in expected.splitlines()
    )
    return re.fullmatch(pattern, printed if printed.endswith("\n") else printed + "\n") is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tutorial.md", "how-to/own-constellation.md"])
def test_the_commands_of_a_page_print_what_it_says(name, tmp_path):
    differences = run_page(DOCS / name, tmp_path)
    assert not differences, "\n\n".join(differences)


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a   \n", True),
        ("a\n", "b\n", False),
        ("...\nb\n", "a\nb\n", True),
        ("a\n...\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("size (... MB)\n", "size (5.2 MB)\n", True),
        ("size (... MB)\n", "size (5.2 GB)\n", False),
    ],
)
def test_what_counts_as_the_same_output(expected, printed, same):
    assert matches(expected, printed) is same
