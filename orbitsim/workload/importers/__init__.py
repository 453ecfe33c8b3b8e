"""Readers of what profiling tools write: one module per format, each detected by content, none by file name."""
