"""Codecs by name."""

from __future__ import annotations

import inspect
from typing import Any

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.codecs.elementwise import UniformCodec
from orbitsim.neural.codecs.gumbel import GumbelCodec
from orbitsim.neural.codecs.identity import IdentityCodec
from orbitsim.neural.codecs.topk import RandomTopKCodec, TopKCodec
from orbitsim.neural.codecs.transform import TransformCodec

CODECS: dict[str, type[Codec]] = {
    codec.kind: codec
    for codec in (IdentityCodec, UniformCodec, GumbelCodec, TopKCodec, RandomTopKCodec, TransformCodec)
}


def make_codec(kind: str, **settings: Any) -> Codec:
    """Return a new codec.

    Parameters
    ----------
    kind : str
        One of ``identity``, ``uniform``, ``gumbel``, ``topk``, ``random-topk``, ``transform``.
    **settings
        Arguments of the codec's class; `Codec.settings` of a codec gives those that make it again.

    Raises
    ------
    InputError
        If the kind is unknown, or a setting is unknown, missing or out of its range.
    """
    if kind not in CODECS:
        raise InputError(Problem("codec.kind", f"expected one of {', '.join(CODECS)}, got {kind!r}"))
    cls = CODECS[kind]
    known, required = _arguments(cls)
    problems = [
        Problem(f"codec.{name}", f"unknown setting of the codec {kind}; expected one of {', '.join(sorted(known))}")
        for name in settings
        if name not in known
    ]
    problems += [
        Problem(f"codec.{name}", f"expected a value; the codec {kind} needs it")
        for name in sorted(required)
        if name not in settings
    ]
    if problems:
        raise InputError(problems)
    return cls(**settings)


def _arguments(cls: type[Codec]) -> tuple[set[str], set[str]]:
    """Return all arguments of a class, and those without a default, following ``**`` to its bases."""
    known: set[str] = set()
    required: set[str] = set()
    for base in cls.__mro__:
        if base is Codec:
            break
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        named = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
        required |= {p.name for p in named if p.default is inspect.Parameter.empty} - known
        known |= {p.name for p in named}
        if len(named) == len(parameters):
            break
    return known, required
