"""The service that makes, changes and removes resource pools and disk images (DSP1041)."""
