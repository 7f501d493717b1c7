"""The durable queue of indications, and how they are sent to their listeners."""
