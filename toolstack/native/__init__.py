"""The connections to libvirt, and what is only known of them."""
