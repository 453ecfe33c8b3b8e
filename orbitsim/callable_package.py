"""Packages that are also functions of the same name: `orbitsim.plan` plans, and holds the modules of planning."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that may be called: ``orbitsim.plan(...)`` is ``orbitsim.api.plan(...)``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function of `orbitsim.api` that has the package's name."""
        return getattr(import_module("orbitsim.api"), self.__name__.rpartition(".")[2])(*args, **kwargs)


def make_callable(package: str) -> None:
    """Let a package be called.

    Parameters
    ----------
    package : str
        Its ``__name__``; a function of the last part of that name is in `orbitsim.api`.
    """
    sys.modules[package].__class__ = CallablePackage
