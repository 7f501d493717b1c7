"""The host of virtual systems: the system, its devices and its services (DSP1042)."""
