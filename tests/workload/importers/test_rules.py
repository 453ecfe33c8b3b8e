"""A user's rules: read from TOML, every fault named."""

from __future__ import annotations

import pytest

from orbitsim.errors import InputError
from orbitsim.workload.importers.mapping import map_parts
from orbitsim.workload.importers.rules import read_rules

GOOD = r"""
[[rule]]
match = '^profiler'
kind = "skip"
[[rule]]
match = 'stem|tokens'
kind = "embedding"
[[rule]]
match = 'unit(?P<index>\d+)'
kind = "block"
first = 1
per_block = 2
[[rule]]
match = '^sum'
kind = "previous"
[[rule]]
match = '^check'
kind = "next"
[[rule]]
match = 'fc'
kind = "head"
"""


def test_rules_apply_in_order(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    rules = read_rules(path)
    assert rules.name == "mine.toml"
    names = ["profiler", "stem", "check", "unit1", "unit2", "sum", "check", "unit3", "unit4", "sum", "fc"]
    targets = map_parts(names, rules).targets
    first, second = (("block", 0),), (("block", 1),)
    edges = (("embedding", 0),), (("head", 0),)
    assert targets == ((), edges[0], first, first, first, first, second, second, second, second, edges[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one"),
        ("rule = 3", "expected at least one"),
        ("[[rules]]\nmatch = 'a'", "rules: expected no such key"),
        ("[[rule]]\nkind = 'head'", "rule.0.match: expected a regular expression, found none"),
        ("[[rule]]\nmatch = '('\nkind = 'head'", "rule.0.match: expected a regular expression"),
        ("[[rule]]\nmatch = 3\nkind = 'head'", "rule.0.match: expected a regular expression"),
        ("[[rule]]\nmatch = 'a'\nkind = 'tail'", "rule.0.kind: expected one of block"),
        ("[[rule]]\nmatch = 'a'\nkind = 'block'", "expected a group"),
        ("[[rule]]\nmatch = '(?P<index>.+)'\nkind = 'block'", "digits only"),
        ("[[rule]]\nmatch = 'a'\nkind = 'head'\nfirst = -1", "rule.0.first"),
        ("[[rule]]\nmatch = 'a'\nkind = 'head'\nper_block = 0", "rule.0.per_block"),
        ("[[rule]]\nmatch = 'a'\nkind = 'head'\nfirst = true", "rule.0.first"),
        ("[[rule]]\nmatch = 'a'\nkind = 'head'\nwidth = 1", "rule.0.width: expected no such key"),
        ("not toml", "expected TOML"),
    ],
)
def test_faults_are_named(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"mine\.toml") as caught:
        read_rules(path)
    assert message in str(caught.value)


def test_all_faults_at_once(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[[rule]]\nkind = 'head'\n[[rule]]\nmatch = 'a'\nkind = 'x'\n")
    with pytest.raises(InputError) as caught:
        read_rules(path)
    assert len(caught.value.problems) == 2


def test_a_block_before_the_first_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    with pytest.raises(InputError, match="no block before the first"):
        map_parts(["unit0", "unit1"], read_rules(path))


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_rules(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="expected TOML"):
        read_rules(tmp_path / "b.toml")
