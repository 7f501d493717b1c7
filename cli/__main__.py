"""``python -m virtcim.cli``: the command in a Python that is known by its path."""

from virtcim.cli import main

main()
