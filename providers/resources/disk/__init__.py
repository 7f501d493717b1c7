"""Disks, CD and floppy drives (DSP1047)."""
