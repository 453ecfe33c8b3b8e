"""Rules that say which block a name belongs to: those for the common model libraries, and a user's own from TOML."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from orbitsim.errors import InputError, Problem

RuleKind = Literal["block", "embedding", "head", "skip", "next", "previous"]
RULE_KINDS: tuple[RuleKind, ...] = get_args(RuleKind)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a name that matches belongs to.

    Attributes
    ----------
    pattern : re.Pattern
        Searched in every operand of a name; of kind ``block`` with a group `index`, and a group `stack` where the
        model numbers several chains of blocks from the start (an encoder and a decoder).
    kind : {'block', 'embedding', 'head', 'skip', 'next', 'previous'}
        What it belongs to; ``skip`` leaves the part out, ``next`` and ``previous`` join it to its neighbour.
    first : int
        Number that a name gives to the first block; blocks count from 0 in a trace.
    per_block : int
        Numbers that make up one block.
    """

    pattern: re.Pattern[str]
    kind: RuleKind
    first: int = 0
    per_block: int = 1


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in order, under a name.

    Attributes
    ----------
    name : str
        For messages and provenance.
    rules : tuple of Rule
        For each operand of a name the first that matches decides.
    edges_inside : bool
        Whether the first part holds the embedding besides, and the last one the head.
    """

    name: str
    rules: tuple[Rule, ...]
    edges_inside: bool = False

    @property
    def per_block(self) -> int:
        """Parts that a block is numbered in, at most."""
        return max((rule.per_block for rule in self.rules), default=1)


def _rules(name: str, *rules: tuple[str, RuleKind]) -> RuleSet:
    return RuleSet(name, tuple(Rule(re.compile(pattern), kind) for pattern, kind in rules))


# Words may be joined by dots (modules), slashes (ONNX paths) or underscores (torch.fx); `layer1` of a convolutional
# backbone has no separator before its number, and so is not taken for a block.
_EDGES: tuple[tuple[str, RuleKind], ...] = (
    (r"(?:^|[./_])(?:conv_proj|class_token|cls_token|embeddings|embed_tokens|wte|wpe)(?![a-z])", "embedding"),
    (r"(?:^|[./_])(?:patch|pos)_embed", "embedding"),
    (r"(?:^|[./])(?:heads?|lm_head|classifier|fc_norm|score)(?:[./_]|$)|^heads_head", "head"),
)

BUILT_IN_RULES: tuple[RuleSet, ...] = (
    _rules(
        "torchvision",
        (r"encoder_layer_(?P<index>\d+)(?!\d)", "block"),
        # Nodes of torch.fx without a module: the residual sum closes a block, the checks of its input open one.
        (r"^add(?:_\d+)?$", "previous"),
        (r"^(?:eq|getattr|_assert)(?:_\d+)?$", "next"),
        *_EDGES,
    ),
    _rules("swin", (r"layers[./_](?P<stack>\d+)[./_]blocks[./_](?P<index>\d+)(?!\d)", "block"), *_EDGES),
    _rules("timm", (r"(?<![A-Za-z0-9])blocks[./_](?P<index>\d+)(?!\d)", "block"), *_EDGES),
    _rules(
        "encoder-decoder",
        (r"(?<![A-Za-z0-9_])(?P<stack>encoder|decoder)[./](?:(?:layers?|block)[./])?(?P<index>\d+)(?!\d)", "block"),
        *_EDGES,
    ),
    _rules("gpt", (r"(?<![A-Za-z0-9])h[./_](?P<index>\d+)(?!\d)", "block"), *_EDGES),
    _rules("layers", (r"(?<![A-Za-z0-9])layers?[./](?P<index>\d+)(?!\d)", "block"), *_EDGES),
    # PipeEdge numbers quarters of a block from 1; its first layer embeds, its last one classifies.
    RuleSet("pipeedge", (Rule(re.compile(r"^layer (?P<index>\d+)$"), "block", 1, 4),), edges_inside=True),
    _rules("block", (r"(?<![A-Za-z0-9])block[./_ ]?(?P<index>\d+)(?!\d)", "block"), *_EDGES),
)


_KEYS = ("match", "kind", "first", "per_block")


def read_rules(path: str | Path) -> RuleSet:
    """Read a user's rules.

    Parameters
    ----------
    path : str or Path
        TOML file with an array ``[[rule]]``, in order: `match` (a regular expression), `kind`, and for blocks
        optionally `first` (the number that the first block has in the names; default 0) and `per_block` (how many
        numbers make up one block; default 1).

    Returns
    -------
    RuleSet
        Named after the file.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    try:
        document = tomllib.loads(Path(path).read_bytes().decode("utf-8"))
    except OSError as error:
        raise InputError(Problem("", f"cannot be read: {error.strerror or error}", str(path))) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(Problem("", f"expected TOML; {error}", str(path))) from error
    problems = [Problem(key, "expected no such key; known: rule", str(path)) for key in document if key != "rule"]
    entries = document.get("rule")
    if not isinstance(entries, list) or not entries:
        problems.append(Problem("rule", "expected at least one [[rule]] with match and kind", str(path)))
        entries = []
    rules = []
    for number, entry in enumerate(entries):
        faults, rule = _read_rule(entry)
        problems += [Problem(f"rule.{number}.{key}".rstrip("."), message, str(path)) for key, message in faults]
        rules += [rule] if rule else []
    if problems:
        raise InputError(problems)
    return RuleSet(Path(path).name, tuple(rules))


def _read_rule(entry: Any) -> tuple[list[tuple[str, str]], Rule | None]:
    if not isinstance(entry, dict):
        return [("", f"expected a table, found {entry!r}")], None
    faults = [(key, f"expected no such key; known: {', '.join(_KEYS)}") for key in entry if key not in _KEYS]
    kind, first, per_block, pattern = entry.get("kind"), entry.get("first", 0), entry.get("per_block", 1), None
    if kind not in RULE_KINDS:
        faults.append(("kind", f"expected one of {', '.join(RULE_KINDS)}, found {kind!r}"))
    for key, value, least in (("first", first, 0), ("per_block", per_block, 1)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            faults.append((key, f"expected a whole number from {least}, found {value!r}"))
    try:
        pattern = re.compile(entry["match"])
    except KeyError:
        faults.append(("match", "expected a regular expression, found none"))
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        faults.append(("match", f"expected a regular expression, found {entry['match']!r}: {error}"))
    if pattern is not None and kind == "block":
        faults += _index_faults(pattern, entry["match"])
    if faults or pattern is None or kind not in RULE_KINDS:
        return faults, None
    return [], Rule(pattern, kind, first, per_block)


def _index_faults(pattern: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Return the faults of a pattern that must find the number of a block, whatever the name."""
    if "index" not in pattern.groupindex:
        return [("match", r"expected a group (?P<index>\d+) in the rule of a block")]
    if not re.search(r"\(\?P<index>(?:\\d|\[0-9\])(?:\+|\{\d+(?:,\d*)?\})?\)", text):
        return [("match", r"expected the group index to hold digits only: (?P<index>\d+)")]
    return []
