"""orbitsim: a discrete-event simulator of neural-network inference spread over satellites."""

from __future__ import annotations

__version__ = "0.1.0"
