"""The application: collects the commands and turns errors into one clear message and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from orbitsim import __version__
from orbitsim.cli import (
    check,
    codec,
    contacts,
    export,
    links,
    plan,
    profile,
    report,
    reproduce,
    run,
    schema,
    sweep,
    trace,
)
from orbitsim.cli.terminal import warn
from orbitsim.errors import InputError, OrbitsimError

EXIT_INTERRUPTED = 130

# The base of all usage errors (BadParameter < UsageError < ClickException) has no public name that every version of
# typer shares: newer ones carry their own copy of click.
_USAGE_FAULT: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="orbitsim",
    help="Simulate neural-network inference spread over satellites.",
    epilog="Example: [bold]orbitsim run leo12-vitg --out runs/first[/bold]",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (run, check, schema, contacts, links, plan, profile, report, reproduce, export, sweep):
    app.command(name=module.NAME, epilog=module.EXAMPLE)(module.command)
app.add_typer(trace.trace_app, name=trace.NAME)
app.add_typer(codec.codec_app, name=codec.NAME)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"orbitsim {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Simulate neural-network inference spread over satellites."""


def run_app() -> int:
    """Run the application and return its exit code; no error of ours shows a traceback."""
    # A user's own planner is often a file in the working folder, which a console script does not look into.
    if "" not in sys.path:
        sys.path.append("")
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        for problem in error.problems:
            warn("error", str(problem))
        return error.exit_code
    except OrbitsimError as error:
        warn("error", str(error))
        return error.exit_code
    except typer.Exit as error:
        return error.exit_code
    except _USAGE_FAULT as error:
        error.show()
        return int(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        warn("interrupted", "nothing more was written")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); what is left of it has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if code == EXIT_INTERRUPTED:  # newer versions of typer turn an interrupt into this
        warn("interrupted", "nothing more was written")
    return code if isinstance(code, int) else 0
