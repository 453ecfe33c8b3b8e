"""The page on the cost model prints what the shipped traces give today."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import get_args

from orbitsim.workload.cost_times import Method

DOCS = Path(__file__).parents[2] / "docs"


def test_tables_of_the_page_are_those_of_the_shipped_traces():
    spec = importlib.util.spec_from_file_location("tabulate_errors", DOCS / "tabulate_errors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (DOCS / "cost-model.md").read_text(encoding="utf-8")
    printed = page.split(module.BEGIN)[1].split(module.END)[0]
    assert printed == module.tables(), "run: python docs/tabulate_errors.py, then read the page again"


def test_the_page_names_every_source_in_order():
    page = (DOCS / "cost-model.md").read_text(encoding="utf-8")
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert rows == list(get_args(Method))
