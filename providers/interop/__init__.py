"""The CIM server itself, its namespaces, and the profiles it follows (DSP1033)."""
