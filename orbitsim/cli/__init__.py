"""The command line: one module a command, none with logic of its own."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    from orbitsim.cli.app import run_app

    sys.exit(run_app())
