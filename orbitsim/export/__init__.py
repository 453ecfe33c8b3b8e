"""Exports for the tools that people already use: Perfetto, Cesium, contact-plan routing, networkx."""
