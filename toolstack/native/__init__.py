"""The libvirt side: the connection, what it says, and the XML that goes each way."""
