"""One worker of ``virtcim serve --workers``; started by its parent, and by nobody else."""

from __future__ import annotations

import json
import socket
import sys

from virtcim.cli import COMMANDS
from virtcim.cli.application import run
from virtcim.cli.workers import OneOfSeveral
from virtcim.daemon.workers.worker import Worker
from virtcim.providers import Colleagues


def main() -> None:
    """Serve as the parent says on standard input, over the socket of the given number."""
    told = json.load(sys.stdin)
    worker = Worker(told["number"], socket.socket(fileno=int(sys.argv[1])))
    one = OneOfSeveral(
        worker=worker,
        workers=told["workers"],
        colleagues=Colleagues(id=told["server"], dead=told["dead"]),
    )
    run(["serve", *told["arguments"]], COMMANDS, one)


if __name__ == "__main__":
    main()
