"""The figure that everything is drawn on."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class PaperFigure(Figure):
    """A figure of matplotlib that belongs to no window and shows itself in a notebook."""

    def _repr_png_(self) -> bytes:
        """Return the figure as PNG, as a notebook asks for it."""
        data = io.BytesIO()
        self.savefig(data, format="png", metadata={"Software": None})
        return data.getvalue()
