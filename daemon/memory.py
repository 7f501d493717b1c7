"""Keeping a daemon's memory small: glibc's allocator by itself keeps what large messages took."""

from __future__ import annotations

import ctypes

__all__ = ["limit_memory", "return_memory"]

# mallopt(3). Without the first, one large message makes all later ones come from the heap, where
# whatever lives above them keeps their memory; every thread would have a heap of its own.
_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES = -3, 128 * 1024
_M_ARENA_MAX, _ARENAS = -8, 2


def limit_memory() -> None:
    """Let large blocks be given back as soon as they are freed, where the C library is glibc."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        library.mallopt(_M_ARENA_MAX, _ARENAS)


def return_memory() -> None:
    """Give back to the system what has been freed; takes milliseconds."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
