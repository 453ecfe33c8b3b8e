"""What the recursion cannot express."""

from __future__ import annotations


class UndeterminedError(Exception):
    """The order of service somewhere does not follow from the recursion; the event loop has to decide it.

    Its message is a clause that completes "... was simulated event by event, because ...".
    """


class CircleError(UndeterminedError):
    """Mini-batches pass in a circle within a slice of time; they may not within a shorter one."""
