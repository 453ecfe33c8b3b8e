"""The page of every command with its arguments and options, from the application itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from markdown_table import plain, table

from orbitsim.cli.app import app

HEAD = """# Commands

Made from the application itself; `orbitsim COMMAND --help` prints the same.

Exit codes: **0** it worked, and of a run at least one scheme could be carried out; **1** no scheme could, a problem
is infeasible, or output could not be written; **2** wrong usage, or missing, unreadable or malformed input; **130**
interrupted. An error names file and key and says what was expected; a traceback is a defect of orbitsim.

"""


def commands_page() -> str:
    """Return the page."""
    root = typer.main.get_command(app)
    context = root.make_context("orbitsim", [], resilient_parsing=True)
    parts = [HEAD]
    parts += [_section(path, command) for path, command in _commands(root, context, ("orbitsim",))]
    return "\n".join(parts)


def _commands(group: Any, context: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = type(context)(command, info_name=name, parent=context)
        yield (*path, name), command
        if hasattr(command, "list_commands"):
            yield from _commands(command, inner, (*path, name))


def _section(path: tuple[str, ...], command: Any) -> str:
    text = [f"{'#' * len(path)} {' '.join(path)}\n", _prose(command.help or "")]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden and p.name != "help"]
    if hasattr(command, "list_commands"):
        return "\n".join(text)
    hints = get_type_hints(inspect.unwrap(command.callback))
    usage = [*path, *(_shown(_metavar(p, hints), p) for p in arguments), *(["[OPTIONS]"] if options else [])]
    text.append(f"```text\n{' '.join(usage)}\n```\n")
    if arguments:
        rows = [(f"`{_metavar(p, hints)}`", plain(_unmarked(p.help or ""))) for p in arguments]
        text.append(table(("argument", "meaning"), rows))
    if options:
        text.append(table(("option", "default", "meaning"), [_option(p, hints) for p in options]))
    if command.epilog:
        text.append(_prose(command.epilog))
    return "\n".join(text)


def _shown(name: str, argument: Any) -> str:
    several = f"{name}..." if argument.nargs == -1 else name
    return several if argument.required else f"[{several}]"


def _option(option: Any, hints: dict[str, Any]) -> tuple[str, str, str]:
    names = ", ".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {_metavar(option, hints)}"
    default = getattr(option.default, "value", option.default)
    shown = "*required*" if option.required else "" if default in (None, False, (), []) else f"`{default}`"
    return f"`{names}{value}`", shown, plain(_unmarked(option.help or ""))


def _metavar(parameter: Any, hints: dict[str, Any]) -> str:
    """Return the name of a parameter's value, or what it takes; versions of typer differ, annotations do not."""
    if parameter.metavar:
        return str(parameter.metavar)
    kinds = [kind for kind in (get_args(hints[parameter.name]) or (hints[parameter.name],)) if kind is not type(None)]
    kind = get_args(kinds[0])[0] if get_args(kinds[0]) else kinds[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(member.value) for member in kind)
    return {Path: "PATH", int: "N", float: "NUMBER"}.get(kind, "TEXT")


def _unmarked(text: str) -> str:
    """Return text without rich's markup, with what it sets in bold as code."""
    text = re.sub(r"\[(?:bold|cyan)\](.*?)\[/(?:bold|cyan)?\]", r"`\1`", text)
    return text.replace("\\[", "[")


def _prose(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(_unmarked(text).replace("\f", "")))
    return "\n\n".join(plain(" ".join(part.split())) for part in paragraphs) + "\n"
