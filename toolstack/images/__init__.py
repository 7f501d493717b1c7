"""Disk images: where they may be, in what format QEMU opens them, who uses them, and new ones."""
