"""Pages that are made from the code, and from files outside docs/, while the site is built; none is committed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File
from reference_catalogue import catalogue_page
from reference_commands import commands_page
from reference_keys import keys_page
from reference_python import PYTHON_PAGES, python_page
from reference_tables import tables_page

ROOT = Path(__file__).resolve().parents[2]

# Made by a command; shown as soon as it has been run.
AWAITED = ("reproduction.md",)

COPIED = {
    "reference/scenario-files.md": "scenarios/README.md",
    "reference/traces.md": "traces/README.md",
    "changelog.md": "CHANGELOG.md",
}


def on_config(config: Any) -> Any:
    """Leave out of the navigation what is awaited and not there yet."""
    config.nav = [entry for entry in (_present(item, Path(config.docs_dir)) for item in config.nav) if entry]
    return config


def _present(item: Any, docs: Path) -> Any:
    if isinstance(item, dict):
        ((title, inside),) = item.items()
        kept = _present(inside, docs)
        return {title: kept} if kept else None
    if isinstance(item, list):
        return [kept for kept in (_present(one, docs) for one in item) if kept]
    return None if item in AWAITED and not (docs / item).exists() else item


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    pages = {
        "reference/keys.md": keys_page(),
        "reference/commands.md": commands_page(),
        "reference/tables.md": tables_page(),
        "reference/catalogue.md": catalogue_page(),
        **{f"reference/python/{name}.md": python_page(name) for name in PYTHON_PAGES},
        **{page: (ROOT / source).read_text(encoding="utf-8") for page, source in COPIED.items()},
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files
