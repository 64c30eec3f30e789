"""Collect the words of the product, and compile their translations: `make messages`.

Words are collected by GNU gettext (`apt-get install gettext`), through Django's makemessages.
Compiling needs nothing but Python, and a machine without gettext runs the product: the compiled
catalogues are committed.

    python tools/messages.py            collect, then compile
    python tools/messages.py compile    only compile, after a translation was edited
    python tools/messages.py missing    list what is not translated yet; status 1 if anything is
"""

from __future__ import annotations

import ast
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
IGNORED = (".venv", "var", "tests", "benchmarks", "tools", "docs", "mcal_engine", "static/vendor")
DOMAINS = ("django", "djangojs")


@dataclass
class Entry:
    """One message: its texts as written, and what stands around them."""

    msgid: str = ""
    plural: str = ""
    context: str = ""
    strings: dict[int, str] = field(default_factory=dict)
    fuzzy: bool = False

    @property
    def key(self) -> str:
        """The message as compiled catalogues name it."""
        whole = f"{self.msgid}\0{self.plural}" if self.plural else self.msgid
        return f"{self.context}\4{whole}" if self.context else whole

    @property
    def text(self) -> str:
        """The translation as compiled catalogues hold it."""
        return "\0".join(self.strings[place] for place in sorted(self.strings))

    @property
    def done(self) -> bool:
        """Whether every form is there and somebody stands by it."""
        return bool(self.strings) and all(self.strings.values()) and not self.fuzzy


def read(path: Path) -> list[Entry]:
    """Read a .po file: the header first (its msgid is empty), then the messages in order."""
    entries: list[Entry] = []
    entry, place, fuzzy = Entry(), "", False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#,") and "fuzzy" in line:
            fuzzy = True
        if line.startswith("#") or not line.strip():
            continue
        word, _, rest = line.partition(" ")
        if word.startswith('"'):
            rest = line
        elif word in {"msgctxt", "msgid"} and (word == "msgctxt" or place != "msgctxt"):
            entry, place = Entry(fuzzy=fuzzy), word
            entries.append(entry)
            fuzzy = False
        else:
            place = word
        _append(entry, place, ast.literal_eval(rest))
    return entries


def _append(entry: Entry, place: str, text: str) -> None:
    if place == "msgctxt":
        entry.context += text
    elif place == "msgid":
        entry.msgid += text
    elif place == "msgid_plural":
        entry.plural += text
    else:
        form = int(place[7:-1]) if place.startswith("msgstr[") else 0
        entry.strings[form] = entry.strings.get(form, "") + text


def compiled(entries: list[Entry]) -> bytes:
    """Return the catalogue as GNU gettext's .mo holds it, without what is not translated."""
    pairs = sorted((entry.key.encode(), entry.text.encode()) for entry in entries if entry.done)
    count, start = len(pairs), 28
    ids, texts = b"", b""
    id_table, text_table = [], []
    for key, text in pairs:
        id_table.append((len(key), len(ids)))
        text_table.append((len(text), len(texts)))
        ids += key + b"\0"
        texts += text + b"\0"
    ids_at = start + 16 * count
    texts_at = ids_at + len(ids)
    head = struct.pack("<7I", 0x950412DE, 0, count, start, start + 8 * count, 0, ids_at)
    tables = [(size, ids_at + at) for size, at in id_table]
    tables += [(size, texts_at + at) for size, at in text_table]
    return head + b"".join(struct.pack("<2I", *row) for row in tables) + ids + texts


def catalogues() -> list[Path]:
    """Return every .po file of the product."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/*.po"))


def compile_all() -> None:
    """Write the .mo beside each .po."""
    for path in catalogues():
        path.with_suffix(".mo").write_bytes(compiled(read(path)))


def collect() -> None:
    """Bring each .po up to date with the words in the code."""
    if shutil.which("xgettext") is None:
        sys.exit("GNU gettext is missing: apt-get install gettext")
    languages = sorted(path.name for path in LOCALE.iterdir() if path.is_dir())
    wanted = [option for name in languages for option in ("--locale", name)]
    ignored = [option for name in IGNORED for option in ("--ignore", name)]
    for domain in DOMAINS:
        command = [sys.executable, "manage.py", "makemessages", "--domain", domain, *wanted]
        options = ["--no-obsolete", "--add-location", "file", *ignored]
        subprocess.run([*command, *options], cwd=ROOT, check=True)  # noqa: S603 - our own command
    for path in catalogues():
        _keep_still(path)


def _keep_still(path: Path) -> None:
    """Drop the date of collecting: a file changes only when its words do."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(
        "".join(line for line in lines if not line.startswith('"POT-Creation-Date')),
        encoding="utf-8",
    )


def missing() -> list[str]:
    """Return what is not translated yet, or only guessed, as "file: words"."""
    return [
        f"{path.relative_to(ROOT)}: {entry.msgid}"
        for path in catalogues()
        for entry in read(path)
        if entry.msgid and not entry.done
    ]


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    if arguments == ["missing"]:
        found = missing()
        sys.stdout.write("".join(f"{line}\n" for line in found))
        sys.exit(1 if found else 0)
    if arguments != ["compile"]:
        collect()
    compile_all()


if __name__ == "__main__":
    main(sys.argv[1:])
