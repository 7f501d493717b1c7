"""``virtcim errormap explain`` without what it does not need: the parser of command lines.

An explanation is asked for often, by people and by scripts, and reading the command line with all
its help took longer than the answer. Lines that are plain are read here; whatever else (help,
slips, logs to be pasted) is left to the command itself.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from collections.abc import Sequence

__all__ = ["explain"]

_COMMAND = ["errormap", "explain"]
_TEXTS = ("--operation", "--text")
_NEGATIVE = re.compile(r"-\d+")


def explain(line: Sequence[str]) -> int | None:
    """Answer the command ``line``; give the exit status, or None where it is not plain."""
    asked = _read(line)
    if asked is None:
        return None
    words, options, as_json = asked
    if not words or not (len(words) > 1 or options["--text"]):
        return None
    # One answer leaves little behind; looking for it takes longer than it is worth.
    gc.disable()
    try:
        return _answered(words, options, as_json=as_json)
    finally:
        gc.enable()


def _answered(words: list[str], options: dict[str, str], *, as_json: bool) -> int | None:
    from virtcim.errormap.forms.words import from_words

    source, code, *arguments = [*words, ""] if len(words) == 1 else words
    try:
        fault = from_words(
            source, code, arguments, operation=options["--operation"], text=options["--text"]
        )
    except ValueError:
        return None
    from virtcim.cli import explanation as shown
    from virtcim.cli.output import OutputError, write
    from virtcim.errormap.telling.language import environment_language
    from virtcim.errormap.translation import explain as explained

    explanation = explained(fault)
    language = environment_language(os.environ)
    try:
        if as_json:
            write(json.dumps(shown.as_object(explanation, language), indent=2) + "\n")
        elif sys.stdout.isatty():
            from rich.console import Console

            Console().print(shown.on_terminal(explanation, language))
        else:
            write(shown.as_text(explanation, language))
    except OutputError as error:
        if error.reason:
            sys.stderr.write(f"virtcim errormap: {error.reason}\n")
        return error.status
    return 0


def _read(line: Sequence[str]) -> tuple[list[str], dict[str, str], bool] | None:
    """The words, the texts of options, and whether JSON is wanted; None for any other line."""
    if list(line[:2]) != _COMMAND:
        return None
    words: list[str] = []
    options = dict.fromkeys(_TEXTS, "")
    as_json = False
    rest = iter(line[2:])
    for word in rest:
        name, given, value = word.partition("=")
        if word == "--json":
            as_json = True
        elif name in _TEXTS:
            found = value if given else next(rest, None)
            if found is None:
                return None
            options[name] = found
        elif word.startswith("-") and not _NEGATIVE.fullmatch(word):
            return None
        else:
            words.append(word)
    return words, options, as_json
