"""How a daemon is: whether it is ready, and what it has counted."""
