"""The interactive figures of the pages, one a module: from frames to what Plotly draws."""
