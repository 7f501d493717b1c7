"""From libvirt's views to XenAPI's records."""
