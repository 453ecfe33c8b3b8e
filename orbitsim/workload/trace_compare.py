"""Two traces side by side: matching profiles, block by block, and whether a difference is more than noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orbitsim.errors import InputError
from orbitsim.types.profile import BlockTiming, Profile

KEY_FIELDS = ("device", "power_mode", "model", "batch_size", "precision")


@dataclass(frozen=True, slots=True)
class Difference:
    """One block in two traces.

    Attributes
    ----------
    name : str
        ``embedding``, ``block 0`` ..., ``head``, ``sum`` of these, or ``forward``.
    a_s, b_s : float
        Mean time in either. [s]
    ratio : float
        b / a. [1]
    p_value : float or None
        Probability of so large a difference of means if there were none (Welch's t-test, two-sided); None where either
        trace lacks the spread or the number of executions, and of ``sum`` without the single executions of every row.
    """

    name: str
    a_s: float
    b_s: float
    ratio: float
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two matching profiles."""

    a: Profile
    b: Profile
    differences: tuple[Difference, ...]


def compare_profiles(
    a: Sequence[Profile], b: Sequence[Profile], *, ignore: Sequence[str] = ()
) -> tuple[Comparison, ...]:
    """Compare the profiles of two traces that are of the same thing.

    Parameters
    ----------
    a, b : sequence of Profile
        Profiles of either trace.
    ignore : sequence of str
        Fields of `KEY_FIELDS` in which two profiles may differ.

    Returns
    -------
    tuple of Comparison
        In the order of `a`; profiles without a partner are left out.

    Raises
    ------
    InputError
        When no profile has a partner, or one has several.
    """
    unknown = [name for name in ignore if name not in KEY_FIELDS]
    if unknown:
        raise InputError(f"expected fields out of {', '.join(KEY_FIELDS)}, got {', '.join(unknown)}")
    fields = [name for name in KEY_FIELDS if name not in ignore]

    def key(profile: Profile) -> tuple[str | int, ...]:
        return tuple(getattr(profile, name) for name in fields)

    found: list[Comparison] = []
    for profile in a:
        partners = [other for other in b if key(other) == key(profile)]
        twins = [other for other in a if key(other) == key(profile)]
        if partners and (len(partners) > 1 or len(twins) > 1):
            named = "/".join(map(str, key(profile)))
            raise InputError(f"expected one profile of {named or 'anything'} in each trace: ignore fewer fields")
        found += [Comparison(profile, other, _differences(profile, other)) for other in partners]
    if not found:
        raise InputError(_no_partner(a, b, fields))
    return tuple(found)


def _no_partner(a: Sequence[Profile], b: Sequence[Profile], fields: Sequence[str]) -> str:
    lines = []
    for name in fields:
        in_a, in_b = ({str(getattr(profile, name)) for profile in profiles} for profiles in (a, b))
        if not in_a & in_b:
            lines.append(f"{name.replace('_', '-')} ({', '.join(sorted(in_a))} in one, {', '.join(sorted(in_b))})")
    reason = f"they differ in {'; '.join(lines)}: pass over it with --ignore" if lines else "no combination is in both"
    return f"expected profiles of the same thing in both traces; {reason}"


def _differences(a: Profile, b: Profile) -> tuple[Difference, ...]:
    pairs: list[tuple[str, BlockTiming | None, BlockTiming | None]] = [("embedding", a.embedding, b.embedding)]
    pairs += [(f"block {i}", x, y) for i, (x, y) in enumerate(zip(a.blocks, b.blocks, strict=False))]
    pairs.append(("head", a.head, b.head))
    both = [(name, x, y) for name, x, y in pairs if x is not None and y is not None]
    found = [_difference(name, [x], [y]) for name, x, y in both]
    if both and len(a.blocks) == len(b.blocks) and all((x is None) == (y is None) for _, x, y in pairs):
        found.append(_difference("sum", [x for _, x, _ in both], [y for _, _, y in both]))
    if a.forward is not None and b.forward is not None:
        found.append(_difference("forward", [a.forward], [b.forward]))
    return tuple(found)


def _difference(name: str, a: Sequence[BlockTiming], b: Sequence[BlockTiming]) -> Difference:
    a_s, b_s = (math.fsum(row.mean_s for row in rows) for rows in (a, b))
    return Difference(name, a_s, b_s, b_s / a_s, welch_p_value(a, b))


def welch_p_value(a: Sequence[BlockTiming], b: Sequence[BlockTiming]) -> float | None:
    """Return the two-sided p-value of Welch's t-test between two sums of means.

    Parameters
    ----------
    a, b : sequence of BlockTiming
        One row, or rows of one profile whose means are added up.

    Returns
    -------
    float or None
        None unless each side has a spread and at least two executions. That of several rows is the spread of the sums
        of their single executions, the k-th of each row being of one pass; it does not follow from the spreads of the
        rows, which drift together. So it is known only where every row keeps its executions, equally many.

    Notes
    -----
    Welch, Biometrika 34 (1947) 28; degrees of freedom after Satterthwaite, Biometrics Bulletin 2 (1946) 110, Eq. 17.
    """
    from scipy import stats

    terms: list[tuple[float, int]] = []
    for rows in (a, b):
        spread = _spread_of_sum(rows)
        if spread is None:
            return None
        std_s, n = spread
        terms.append((std_s**2 / n, n))
    difference = math.fsum(row.mean_s for row in b) - math.fsum(row.mean_s for row in a)
    variance = math.fsum(term for term, _ in terms)
    if variance <= 0:
        return 1.0 if difference == 0 else 0.0
    freedom = variance**2 / math.fsum(term**2 / (n - 1) for term, n in terms)
    return float(2.0 * stats.t.sf(abs(difference) / math.sqrt(variance), freedom))


def _spread_of_sum(rows: Sequence[BlockTiming]) -> tuple[float, int] | None:
    """Return the standard deviation of the sum of rows [s] and the number of executions; None where not known."""
    if len(rows) == 1:
        (row,) = rows
        if row.std_s is None or row.n_samples is None or row.n_samples < 2:
            return None
        return row.std_s, row.n_samples
    samples = [row.samples_s or () for row in rows]
    n = len(samples[0]) if samples else 0
    if n < 2 or any(len(passes) != n for passes in samples):
        return None
    sums = [math.fsum(passes) for passes in zip(*samples, strict=True)]
    mean_s = math.fsum(sums) / n
    return math.sqrt(math.fsum((value - mean_s) ** 2 for value in sums) / (n - 1)), n
