"""Several processes of one daemon: a parent that accepts connections, and workers that serve them.

The parent has what all of them share: the listening sockets, the places for connections, and the
logins, so that nobody gets more of these by meeting several workers. It starts the workers, and
starts again whoever dies.
"""
