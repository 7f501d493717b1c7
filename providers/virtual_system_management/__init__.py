"""The service that makes, changes and removes virtual systems (DSP1042)."""
