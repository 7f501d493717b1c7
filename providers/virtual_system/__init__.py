"""The virtual system: its state, its settings, what can be requested of it (DSP1057)."""
