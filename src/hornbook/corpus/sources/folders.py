"""A folder of files as a source of pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hornbook.corpus.extraction.encodings import TooBig, unpacked
from hornbook.corpus.sources.intake import Found, Part, folder_url, refused, taken, too_big

FILE_TYPES = {
    ".html": "text/html", ".htm": "text/html", ".xhtml": "application/xhtml+xml", ".md": "text/markdown",
    ".markdown": "text/markdown", ".rst": "text/x-rst", ".txt": "text/plain", ".text": "text/plain",
    ".pdf": "application/pdf", ".epub": "application/epub+zip",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}  # fmt: skip


def folder_parts(
    source: Path, max_bytes: int, excluded: Callable[[str], str | None] = lambda path: None
) -> Iterator[Part]:
    """Every page under `source`, or the one file it is, named `folder:///` and its path within `source`.

    Files in gzip are unpacked. What is of another kind, too big, hidden behind a link that leads out of the folder or
    to a folder, or unreadable is refused; names that begin with a dot are passed over. `excluded` says of a path within
    the folder, /a/b.html, why it is not wanted, None where it is; a file that is the source is wanted.
    """
    yield "docs", lambda: _pages(source, max_bytes, excluded)


def _pages(source: Path, max_bytes: int, excluded: Callable[[str], str | None]) -> Iterator[Found]:
    if source.is_file():
        yield _page(source, folder_url(source.name), source.resolve().parent, max_bytes)
        return
    root, unread = source.resolve(), list[OSError]()
    for parent, names, files in os.walk(source, onerror=unread.append):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for path in (Path(parent, name) for name in names):
            if path.is_symlink():  # it may lead round in a circle
                yield refused(folder_url(path.relative_to(source).as_posix()), "link", "it leads to a folder")
        for name in sorted(files):
            path = Path(parent, name)
            if name.startswith("."):
                continue
            relative = path.relative_to(source).as_posix()
            if (why := excluded(f"/{relative}")) is not None:
                yield refused(folder_url(relative), "excluded", why)
            else:
                yield _page(path, folder_url(relative), root, max_bytes)
    for error in unread:
        place = folder_url(Path(error.filename).relative_to(source).as_posix())
        yield refused(place, "unreadable", error.strerror or "the folder cannot be listed")


def _page(path: Path, url: str, root: Path, max_bytes: int) -> Found:
    packed = path.suffix.lower() == ".gz"
    content_type = FILE_TYPES.get(Path(path.stem if packed else path.name).suffix.lower())
    if content_type is None:
        return refused(url, "type", path.suffix or "no ending")
    if not Path(os.path.realpath(path)).is_relative_to(root):  # Path.resolve raises where links lead in a circle
        return refused(url, "link outside", "it leads out of the folder")
    try:
        if not path.is_file():
            return refused(url, "unreadable", "it is no file", content_type)
        if path.stat().st_size > max_bytes:
            return too_big(url, max_bytes, content_type)
        body = path.read_bytes()
        body = unpacked(body, "gzip", max_bytes) if packed else body
    except (OSError, ValueError) as error:
        return refused(url, "unreadable", getattr(error, "strerror", None) or str(error), content_type)
    except TooBig:
        return too_big(url, max_bytes, content_type)
    return taken(url, content_type, body, "resource")
