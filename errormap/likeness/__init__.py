"""Likeness to known faults: what the words of a fault weigh where no rule knows it."""
