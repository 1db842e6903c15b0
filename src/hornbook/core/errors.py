"""Errors that teach: one line that says what was wrong, where, and what to do.

Everything Hornbook raises at a user is a `HornbookError`. The command line prints its one line and leaves with
`exit_code`; any other exception is a bug in Hornbook and keeps its traceback.
"""

from __future__ import annotations


class HornbookError(Exception):
    """What was wrong, where it was, what to do about it.

    >>> str(HornbookError("the folder is empty", where="docs/", fix="name a folder that holds pages"))
    'docs/: the folder is empty; name a folder that holds pages'
    """

    exit_code = 1

    def __init__(self, what: str, *, where: object = None, fix: str | None = None):
        self.what, self.where, self.fix = what, where, fix
        line = what if where is None else f"{where}: {what}"
        super().__init__(line if fix is None else f"{line}; {fix}")

    def __reduce__(self):  # keyword arguments survive the way back from a worker process
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(kind: type[HornbookError], what: str, where: object, fix: str | None) -> HornbookError:
    return kind(what, where=where, fix=fix)


class RecipeError(HornbookError):
    """A recipe or an option says something that cannot be."""

    exit_code = 2


class InputError(HornbookError):
    """What came from outside (a site, a folder, a file of conversations) is not there, or cannot be used."""

    exit_code = 3


class DamagedError(HornbookError):
    """A file that a program wrote is not whole, or contradicts itself: cut off, overwritten, no JSON, parts of two
    things. Whether that program was Hornbook, and which command meets it, makes no difference."""

    exit_code = 4


class BusyError(HornbookError):
    """Somebody else is at work in the same folder."""

    exit_code = 5


class MissingExtraError(HornbookError):
    """An optional part is not installed."""

    exit_code = 6

    @classmethod
    def named(cls, package: str, extra: str) -> MissingExtraError:
        """The error for `package`, which `pip install hornbook[extra]` would bring."""
        return cls(f"this needs {package}, which is not installed", fix=f"run: pip install 'hornbook[{extra}]'")
