"""Reading what libvirt says into values, and telling one device from another."""
