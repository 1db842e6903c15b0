"""Real prose to measure with: the English documentation that Debian packages bring, read by our own extraction.
`PACKAGES` are those to install with apt-get.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.results import Absent
from hornbook.core.files import write_text
from hornbook.corpus.extraction.extract import extract

DOCUMENTATION = "/usr/share/doc/"
PACKAGES = (
    "python3.11-doc", "postgresql-doc-15", "sqlite3-doc", "python-django-doc", "git-doc", "anarchism", "apache2-doc",
    "postfix-doc", "debian-policy", "racket-doc", "erlang-doc", "linux-doc-6.1",
)  # fmt: skip
KINDS = {".html": "text/html", ".htm": "text/html", ".txt": "text/plain", ".rst": "text/plain", ".md": "text/markdown"}


def pages(packages: tuple[str, ...] = PACKAGES) -> Iterator[tuple[Path, bytes, str]]:
    """(path, bytes, media type) of every page of the packages that are installed, in the order of their paths."""
    for package in packages:
        listed = _dpkg("-L", package).splitlines()
        for path in sorted(Path(line) for line in listed if line.startswith(DOCUMENTATION)):
            name, zipped = (path.with_suffix(""), True) if path.suffix == ".gz" else (path, False)
            if (media := KINDS.get(name.suffix)) is not None and path.is_file() and not path.is_symlink():
                yield path, gzip.decompress(path.read_bytes()) if zipped else path.read_bytes(), media


def prose(most: int) -> list[str]:
    """Texts of the pages, up to `most` bytes of UTF-8; read once, then kept in the system's folder for such things.

    Raises Absent where the packages here hold less: a figure of other text than was asked for would be compared with
    one of it.
    """
    versions = _dpkg("-W", "-f=${Package} ${Version}\n", *PACKAGES)
    key = hashlib.sha256(f"{most}\n{versions}".encode()).hexdigest()[:16]
    kept = Path(tempfile.gettempdir(), f"hornbook-prose-{key}.json")
    if kept.is_file():
        return json.loads(kept.read_bytes())
    texts, size = [], 0
    for _, body, media in pages():
        text = extract(body, media).text
        size += len(text.encode())
        if size > most:
            write_text(kept, json.dumps(texts))
            return texts
        if text:
            texts.append(text)
    what = f"{size / 1e6:.1f} MB of documentation here instead of {most / 1e6:g}"
    raise Absent(f"{what}: apt-get install {' '.join(PACKAGES)}")


def _dpkg(*options: str) -> str:
    """What dpkg-query says, nothing of packages it does not know. Raises Absent where there is no dpkg."""
    try:
        return subprocess.run(["dpkg-query", *options], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        raise Absent("this is no Debian: the texts come from its packages") from None
