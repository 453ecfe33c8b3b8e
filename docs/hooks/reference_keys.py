"""The page of every key of a scenario, from the models that validate it."""

from __future__ import annotations

from itertools import groupby

from markdown_table import plain, table

from orbitsim.scenario.reference import Key, reference

HEAD = """# Scenario keys

Every key that a scenario file may hold, made from the models that validate it; `orbitsim schema` prints the same. `N`
stands for an index of a list, `NAME` for a name of your own. A key is addressed by its dotted path, in a file
(quoted, where it reaches into a list) and in `--set`: see [Scenario files](scenario-files.md). Values are in the unit
at the end of a key's name, SI without prefixes; times are UTC. *Omitted* as a default means that the key may be left
out, and what then holds is in its meaning.

"""


def keys_page() -> str:
    """Return the page."""
    parts = [HEAD]
    keys = reference()
    top = [key for key in keys if _section(key) == ""]
    parts.append("## Top level\n\n" + _table(top))
    for section, group in groupby([key for key in keys if _section(key)], key=_section):
        parts.append(f"## `{section}` {{ #{section} }}\n\n" + _table(list(group)))
    return "\n".join(parts)


def _section(key: Key) -> str:
    return key.path.rpartition(".")[0]


def _table(keys: list[Key]) -> str:
    seen: set[str] = set()
    rows = []
    for key in keys:
        anchor = "" if key.path in seen else f"{{ #{key.path} }}"
        seen.add(key.path)
        name = key.path.rpartition(".")[2]
        meaning = plain(key.meaning) + (f" Only of: {key.applies_to}." if key.applies_to else "")
        default = f"`{key.default}`" if key.default not in ("required", "omitted") else f"*{key.default}*"
        rows.append(
            (
                f"`{name}`{anchor}",
                plain(key.type),
                default,
                plain(key.limits).replace(str(2**63 - 1), "2⁶³-1"),
                meaning,
            )
        )
    return table(("key", "type", "default", "range", "meaning"), rows)
