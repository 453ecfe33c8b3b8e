"""Workload: image tiles, model layers, measured traces and what each costs on a device."""
