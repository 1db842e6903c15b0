"""Real prose to measure with: the English documentation that Debian packages bring, read by our own extraction.
`PACKAGES` are those to install with apt-get.
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
FOLDERS = {"sqlite3-doc": "sqlite3"}  # what Debian names otherwise than the package
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
    """Texts of the pages, up to `most` bytes of UTF-8. Raises FileNotFoundError where the packages here hold less: a
    figure of other text than was asked for would be compared with one of it."""
    texts, size = [], 0
    for _, body, media in pages():
        text = extract(body, media).text
        size += len(text.encode())
        if size > most:
            return texts
        if text:
            texts.append(text)
    what = f"{size / 1e6:.1f} MB of documentation in {DOCUMENTATION} instead of {most / 1e6:g}"
    raise FileNotFoundError(f"{what}: apt-get install {' '.join(PACKAGES)}")
