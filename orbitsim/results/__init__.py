"""Results: metrics, the run folder and what is printed of it."""
