"""kill -9 of a process that queues and delivers: what was accepted arrives, in order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cimserver.indications import telling_program
from tests.cimserver.indications.listening import RawListener, listening

ROOT = Path(__file__).parents[3]
# After so many were accepted it is killed; what it does at that moment is left to chance.
KILLS = (1, 17, 60, 25, 3)


@contextmanager
def telling(
    state: Path, listener: RawListener, name: str, many: int
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, telling_program.__file__, str(state), listener.url, name, str(many)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_every_accepted_indication_arrives_in_order_whenever_the_process_dies(
    tmp_path: Path,
) -> None:
    accepted: list[str] = []
    with listening() as listener:
        for run, many in enumerate(KILLS):
            with telling(tmp_path, listener, f"run{run}", 10_000) as process:
                assert process.stdout is not None
                accepted += [process.stdout.readline().strip() for _ in range(many)]
                process.kill()
                # What it had said before it died.
                accepted += [line.strip() for line in process.stdout if line.endswith("\n")]
        with telling(tmp_path, listener, "last", 5) as process:
            assert process.stdout is not None
            *last, delivered = (line.strip() for line in process.stdout)
            assert delivered == "delivered"
        accepted += last
        got = listener.got
    first = list(dict.fromkeys(got))
    assert [one.number for one in first] == list(range(len(first))), "each number has one text"
    assert len({one.context for one in first}) == 1
    texts = [one.text for one in first]
    assert [text for text in texts if text in set(accepted)] == accepted, "all, in their order"
    # One that was accepted when the process died may have been told to nobody but the listener.
    assert len(set(texts) - set(accepted)) <= len(KILLS)
    repeated = len(got) - len(first)
    assert repeated <= 60 * len(KILLS)
