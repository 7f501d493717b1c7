"""What every daemon of ours has: listeners, a clean start and stop, users, limits, incidents.

Its modules are imported by their own names, as a daemon that has just been started loads each of
them when it is needed.
"""
