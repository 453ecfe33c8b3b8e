"""Reports: one self-contained HTML file of a run, of several runs side by side, or of a sweep."""
