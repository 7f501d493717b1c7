"""The resources of virtual systems: allocations, devices, and settings of them (DSP1041)."""
