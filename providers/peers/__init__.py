"""What one of several servers or processes has written, all of them show.

``contract`` is what carries that between them, ``agreement`` what it means for reads and writes.
"""
