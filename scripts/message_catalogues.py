"""The message catalogues: every text that is translated, taken from the sources, and compiled.

``scripts/catalogues`` brings each ``.po`` file up to date (new texts come without a translation,
texts that are gone are dropped) and writes the ``.mo`` file that the program reads. A new language
begins with ``scripts/catalogues LANGUAGE``. Babel reads what translators' tools write.
"""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from virtcim.cli import explanation
from virtcim.errormap.telling.language import DOMAIN, ENGLISH, LOCALES, languages
from virtcim.errormap.telling.texts import texts
from virtcim.providers import coded_error

__all__ = ["compiled", "read", "renewed", "template", "written"]

_WIDTH = 100
# The same sources give the same file, whenever it is made.
_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)


def template() -> Catalog:
    """All texts in the order of their origin, without translations."""
    catalogue = Catalog(project=DOMAIN, fuzzy=False)
    for one in texts():
        catalogue.add(one.text, context=one.context or None, auto_comments=[one.origin])
    for origin, found in (("explain", explanation.TEXTS), ("providers", coded_error.TEXTS)):
        for text in found:
            catalogue.add(text, auto_comments=[origin])
    return catalogue


def path_of(language: str) -> Path:
    """The ``.po`` file of a language."""
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def read(language: str) -> Catalog:
    """The catalogue of a language; an empty one where there is none."""
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as stream:
        return read_po(stream, locale=language)


def renewed(language: str) -> Catalog:
    """The catalogue of a language with exactly the texts of the sources."""
    known = read(language)
    catalogue = Catalog(locale=language, project=DOMAIN, fuzzy=False)
    for message in template():
        if message.id:
            translated = known.get(message.id, message.context)
            catalogue.add(
                message.id,
                "" if translated is None else translated.string,
                context=message.context,
                auto_comments=message.auto_comments,
            )
    return catalogue


def written(catalogue: Catalog) -> bytes:
    """The text of the ``.po`` file: the same for the same translations."""
    stream = io.BytesIO()
    write_po(stream, catalogue, width=_WIDTH, omit_header=True)
    header = (
        "# Messages of virtcim. Renewed and compiled by scripts/catalogues.\n"
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalogue.locale_identifier}\\n"\n'
        '"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=UTF-8\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n\n'
    )
    return header.encode() + stream.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """The ``.mo`` file; texts without a translation are left out, so that they stay English."""
    bare = Catalog(
        locale=catalogue.locale,
        project=DOMAIN,
        version="",
        msgid_bugs_address="",
        creation_date=_UNDATED,
        revision_date=_UNDATED,
        last_translator="",
        language_team="",
        fuzzy=False,
    )
    for message in catalogue:
        if message.id and message.string:
            bare.add(message.id, message.string, context=message.context)
    stream = io.BytesIO()
    write_mo(stream, bare)
    return stream.getvalue()


def main(wanted: list[str]) -> int:
    """Renew and compile the catalogues of all languages, or of those wanted."""
    missing = 0
    for language in wanted or [one for one in languages() if one != ENGLISH]:
        catalogue = renewed(language)
        path = path_of(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalogue))
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        untranslated = [message for message in catalogue if message.id and not message.string]
        print(f"{language}: {len(catalogue)} texts, {len(untranslated)} without a translation")
        for message in untranslated:
            print(f"  {message.id}")
        missing += len(untranslated)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
