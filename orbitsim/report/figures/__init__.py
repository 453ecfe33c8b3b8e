"""Static figures of a run for papers: PNG, SVG and PDF, with units on every axis."""
