"""Frozen values and table schemas that cross a stage; a module for each subject."""
