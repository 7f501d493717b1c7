"""Faults out of what sources report: one module for each source, and for each way of writing it."""
