"""Which part of a recording belongs to which block of the model: by ordered rules on names, and by order of execution.

Parts stand in the order in which they ran. A rule finds the blocks that a name mentions; a fused name that mentions
several belongs to all of them, and is never put into one. A name that mentions none belongs where it ran: before the
first block to the embedding, after the last one to the head, between them to the block before it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orbitsim.errors import InputError, Problem
from orbitsim.types.profile import BlockKind
from orbitsim.workload.importers.rules import Rule, RuleSet

Target = tuple[BlockKind, int]
_Mention = tuple[str, str, int]  # kind of the rule, stack of blocks, index within the stack

_CONSTANT = re.compile(r"Constant(_\d+)?_output_\d+")
_FOREIGN_RANGE = re.compile(r"\{ForeignNode\[(?P<first>.*?)\.\.\.(?P<last>.*)\]\}")
_MYELIN = re.compile(r"^__my[el]")
_MAX_NAMED = 5
_MAX_DIGITS = 4  # of the number of a block: what is longer numbers something else


@dataclass(frozen=True, slots=True)
class BlockMap:
    """Where each part of a recording belongs.

    Attributes
    ----------
    rules : str
        Name of the rule set.
    n_blocks : int
        Blocks that the names mention.
    targets : tuple of tuple of (kind, index)
        For each part: the one block, embedding or head that it belongs to; several where its name spans several; none
        where a rule says to leave it out.
    per_block : int
        Parts that a block is numbered in; 1 where parts are not numbered.
    """

    rules: str
    n_blocks: int
    targets: tuple[tuple[Target, ...], ...]
    per_block: int = 1

    def sums(self, seconds: Sequence[float]) -> dict[Target, float]:
        """Return the time of each target from the parts that belong to it alone [s]."""
        found: dict[Target, list[float]] = {target: [] for target in self.order()}
        for owners, value in zip(self.targets, seconds, strict=True):
            if len(owners) == 1:
                found[owners[0]].append(value)
        return {target: math.fsum(values) for target, values in found.items()}

    def spanning(self) -> tuple[int, ...]:
        """Return the parts that span several targets, by number."""
        return tuple(number for number, owners in enumerate(self.targets) if len(owners) > 1)

    def skipped(self) -> tuple[int, ...]:
        """Return the parts that a rule left out, by number."""
        return tuple(number for number, owners in enumerate(self.targets) if not owners)

    def order(self) -> tuple[Target, ...]:
        """Return every target that some part belongs to, in the order of execution."""
        present = {target for owners in self.targets for target in owners}
        return tuple(target for target in all_targets(self.n_blocks) if target in present)


def all_targets(n_blocks: int) -> tuple[Target, ...]:
    """Return embedding, blocks 0 .. n_blocks-1 and head."""
    return (("embedding", 0), *(("block", index) for index in range(n_blocks)), ("head", 0))


def chosen_rules(names: Sequence[str], rule_sets: Iterable[RuleSet]) -> RuleSet | None:
    """Return the first rule set that finds a block in some name, or None: the names do not tell blocks apart."""
    for rule_set in rule_sets:
        if any(kind == "block" for name in names for kind, _, _ in _mentions(name, rule_set.rules)):
            return rule_set
    return None


def map_parts(names: Sequence[str], rules: RuleSet) -> BlockMap:
    """Decide where each part belongs.

    Parameters
    ----------
    names : sequence of str
        Names of the parts, in the order of execution.
    rules : RuleSet
        Rules in order; for each operand of a (fused) name the first that matches decides.

    Returns
    -------
    BlockMap
        With every part in it.

    Raises
    ------
    InputError
        When no name mentions a block, or a block between the first and the last is mentioned by none.
    """
    offsets, n_blocks = _stacks(names, rules)
    if n_blocks == 0:
        raise InputError(f"expected names that tell blocks apart; the rules '{rules.name}' find no block in them")
    places = _resolved([_Named(name, rules, offsets, n_blocks) for name in names], n_blocks)
    if rules.edges_inside:
        places[0], places[-1] = (-1, *places[0]), (*places[-1], n_blocks)
    targets = all_targets(n_blocks)
    covered = {place for owners in places for place in owners}
    missing = [index for index in range(n_blocks) if index not in covered]
    if missing:
        raise InputError(
            f"expected parts of every block up to {n_blocks - 1}; the rules '{rules.name}' find none of block"
            f" {', '.join(map(str, missing[:_MAX_NAMED]))}{' and more' if len(missing) > _MAX_NAMED else ''}"
        )
    placed = tuple(tuple(targets[place + 1] for place in owners) for owners in places)
    return BlockMap(rules.name, n_blocks, placed, rules.per_block)


def spanning_problem(names: Sequence[str], seconds: Sequence[float], blocks: BlockMap, source: str = "") -> Problem:
    """Return the problem that names the parts which span several blocks, and their share of the time."""
    parts = blocks.spanning()
    total_s = math.fsum(seconds)
    share = math.fsum(seconds[part] for part in parts) / total_s if total_s > 0 else 0.0
    named = "; ".join(f"{_shortened(names[part])} ({_extent(blocks.targets[part])})" for part in parts[:_MAX_NAMED])
    more = f"; and {len(parts) - _MAX_NAMED} more" if len(parts) > _MAX_NAMED else ""
    message = (
        f"expected parts of one block each; {len(parts)} of {len(names)} parts ({share:.1%} of the time) are fused over"
        f" several: {named}{more}. Spread them with --attribute flop, or place them with --rules"
    )
    return Problem("", message, source)


def _shortened(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:60]} ... {name[-35:]}")


def _extent(owners: Sequence[Target]) -> str:
    words = [kind if kind != "block" else f"block {index}" for kind, index in owners]
    return f"{words[0]} to {words[-1]}"


def _operands(name: str) -> list[str]:
    """Split a fused name at the signs that TensorRT joins layers with; names of constants tell nothing of place."""
    pieces = re.split(r" \+ | \|\| ", name)
    if "PWN(" in name:
        pieces = [inner for piece in pieces for inner in re.split(r"PWN\(|, |\)", piece)]
    pieces = [piece for piece in pieces if piece.strip()] or [name]
    return [piece for piece in pieces if not _CONSTANT.search(piece)] or pieces


def _mentions(text: str, rules: Iterable[Rule]) -> list[_Mention]:
    """Return what a name mentions: for each operand, what the first rule that matches it finds there."""
    found: list[_Mention] = []
    for operand in _operands(text):
        for rule in rules:
            matches = list(rule.pattern.finditer(operand))
            if matches:
                found += [_mention(rule, match) for match in (matches if rule.kind == "block" else matches[:1])]
                break
    return found


def _mention(rule: Rule, match: re.Match[str]) -> _Mention:
    if rule.kind != "block":
        return (rule.kind, "", 0)
    groups = match.groupdict()
    if len(groups["index"]) > _MAX_DIGITS:
        raise InputError(f"expected the number of a block in {match.string[:120]!r}, found {groups['index'][:20]!r}...")
    return ("block", groups.get("stack") or "", (int(groups["index"]) - rule.first) // rule.per_block)


def _stacks(names: Sequence[str], rules: RuleSet) -> tuple[dict[str, int], int]:
    """Return where the blocks of each stack begin, in the order in which the stacks ran, and how many blocks there are.

    An encoder and a decoder, or the stages of a hierarchical model, count their blocks from 0 each.
    """
    sizes: dict[str, int] = {}
    for name in names:
        for kind, stack, index in _mentions(name, rules.rules):
            if kind == "block":
                if index < 0:
                    raise InputError(f"expected no block before the first ({rules.name}), found one in {name[:120]!r}")
                sizes[stack] = max(sizes.get(stack, 0), index + 1)
    offsets: dict[str, int] = {}
    n_blocks = 0
    for stack, size in sizes.items():
        offsets[stack] = n_blocks
        n_blocks += size
    return offsets, n_blocks


class _Named:
    """What the name of one part says: places from -1 (embedding) over the blocks to n_blocks (head)."""

    def __init__(self, name: str, rules: RuleSet, offsets: dict[str, int], n_blocks: int) -> None:
        def places(text: str) -> tuple[set[int], set[str]]:
            mentions = _mentions(text, rules.rules)
            where = {"embedding": -1, "head": n_blocks}
            found = {where[kind] for kind, _, _ in mentions if kind in where}
            found |= {offsets[stack] + index for kind, stack, index in mentions if kind == "block"}
            return found, {kind for kind, _, _ in mentions if kind in {"skip", "next", "previous"}}

        self.in_myelin = bool(_MYELIN.match(name))
        self.opens_foreign = "ForeignNode" in name and "for Output Tensor" not in name
        self.ends: tuple[set[int], set[int]] | None = None
        self.certain, self.orders = places(name)
        extent = _FOREIGN_RANGE.search(name)
        if extent and "skip" not in self.orders:
            first, _ = places(extent["first"])
            last, _ = places(extent["last"])
            self.ends = (first, last)
            if len(first | last) == 1 and first and last:
                self.ends = None  # begins and ends in the same block
            else:
                self.certain = set()

    @property
    def anchors(self) -> bool:
        """Whether the name itself says where the part belongs."""
        return bool(self.certain)


def _resolved(parts: Sequence[_Named], n_blocks: int) -> list[tuple[int, ...]]:
    """Return the places of every part, in order, from what the names say and from what ran before and after."""
    following: list[int | None] = []  # the nearest place that a later name mentions
    nearest: int | None = None
    for part in reversed(parts):
        following.append(nearest)
        nearest = min(part.certain) if part.anchors else nearest
    following.reverse()

    resolved: list[tuple[int, ...] | None] = []
    last: tuple[int, ...] | None = None  # where the part before this one belongs
    inside_foreign = False
    for part, after in zip(parts, following, strict=True):
        owners: tuple[int, ...] | None
        if "skip" in part.orders and not part.certain:
            resolved.append(())
            continue
        if part.certain:
            owners = tuple(sorted(part.certain))
        elif part.ends is not None:
            owners = _between(
                min(part.ends[0], default=_lowest(last)), max(part.ends[1], default=_highest(after, n_blocks))
            )
        elif "next" in part.orders:
            owners = None
        elif "previous" in part.orders or (part.in_myelin and inside_foreign):
            owners = last or (-1,)
        elif part.in_myelin:
            owners = _between(_lowest(last), _highest(after, n_blocks))
        elif last is None or max(last) < 0:
            owners = (-1,)
        elif after is None or after >= n_blocks:
            owners = (n_blocks,)
        else:
            owners = last
        inside_foreign = part.opens_foreign or (part.in_myelin and inside_foreign)
        resolved.append(owners)
        last = owners or last

    complete: list[tuple[int, ...]] = []
    ahead: tuple[int, ...] = (n_blocks,)
    for owners in reversed(resolved):
        complete.append(ahead if owners is None else owners)
        ahead = complete[-1] or ahead
    return complete[::-1]


def _lowest(last: tuple[int, ...] | None) -> int:
    return -1 if last is None else max(last)


def _highest(after: int | None, n_blocks: int) -> int:
    return n_blocks if after is None else after


def _between(low: int, high: int) -> tuple[int, ...]:
    return tuple(range(low, max(low, high) + 1))
