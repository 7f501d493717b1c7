"""Resource pools, and what can be allocated from them (DSP1041, DSP1043)."""
