"""Reading a fault before anything is decided: its texts, its errno, what it is about."""
