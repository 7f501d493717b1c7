"""Translating faults by the thousand: lines in, lines out."""
