"""Everything libvirt has, in memory: read at the start, and followed by events and by looking."""
