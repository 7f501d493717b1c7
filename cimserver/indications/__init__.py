"""Indications for those who subscribe to them (DSP1054)."""
