"""Real prose to measure with: the English documentation that Debian packages bring, read by our own extraction.

    apt-get install python3.11-doc postgresql-doc-15 sqlite3-doc python-django-doc racket-doc erlang-doc anarchism …
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from hornbook.corpus.extract import extract

DOCUMENTATION = Path("/usr/share/doc")
PACKAGES = (
    "python3.11-doc", "postgresql-doc-15", "sqlite3-doc", "python-django-doc", "racket-doc", "erlang-doc", "git-doc",
    "linux-doc-6.1", "anarchism", "apache2-doc", "postfix-doc", "debian-policy",
)  # fmt: skip
# Debian names some folders otherwise than their packages.
FOLDERS = {"sqlite3-doc": "sqlite3", "python-django-doc": "python-django-doc", "racket-doc": "racket"}
KINDS = {".html": "text/html", ".htm": "text/html", ".txt": "text/plain", ".rst": "text/plain", ".md": "text/markdown"}


def pages(packages: tuple[str, ...] = PACKAGES) -> Iterator[tuple[Path, bytes, str]]:
    """(path, bytes, media type) of every page of the packages that are installed, in the order of their paths."""
    for package in packages:
        folder = DOCUMENTATION / FOLDERS.get(package, package)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name, zipped = (path.with_suffix(""), True) if path.suffix == ".gz" else (path, False)
            if (media := KINDS.get(name.suffix)) is not None:
                yield path, gzip.decompress(path.read_bytes()) if zipped else path.read_bytes(), media


def prose(most: int) -> list[str]:
    """Texts of the pages, `most` bytes of UTF-8 in all, at most. Raises FileNotFoundError where there is none."""
    texts, size = [], 0
    for _, body, media in pages():
        text = extract(body, media).text
        size += len(text.encode())
        if size > most:
            break
        if text:
            texts.append(text)
    if not texts:
        raise FileNotFoundError(f"no documentation in {DOCUMENTATION}: apt-get install {' '.join(PACKAGES)}")
    return texts
