"""Files that travel with the package: scenarios and traces, found in an installed wheel and in a checkout alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = _PACKAGE / "_shipped"


def shipped_path(kind: str) -> Path:
    """Return the folder of shipped files of a kind.

    Parameters
    ----------
    kind : str
        ``"scenarios"`` or ``"traces"``.

    Raises
    ------
    FileNotFoundError
        When the installation lacks them.
    """
    for root in (_IN_WHEEL, _PACKAGE.parent):
        if (root / kind).is_dir():
            return root / kind
    raise FileNotFoundError(f"this installation of orbitsim lacks its {kind}")
