"""Who holds which page of the cache: pages of sixteen tokens, shared by those whose texts begin alike, and kept while
nobody needs the room, so that a text that comes again need not be read again.

The plan of PagedAttention (arXiv:2309.06180), with the prefix cache of hashed pages that vLLM made of it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

PAGE = 16  # tokens

Key = bytes


def page_keys(tokens: np.ndarray, upto: int, keys: Sequence[Key] = (), root: Key = b"") -> list[Key]:
    """A key for each full page of the first `upto` tokens: of what lies in it and in all before it, and of `root`.
    `keys` are those of the first pages, where they are known."""
    found = list(keys[: upto // PAGE])
    for page in range(len(found), upto // PAGE):
        before = found[-1] if found else root
        words = tokens[page * PAGE : (page + 1) * PAGE].astype(np.int64).tobytes()
        found.append(hashlib.blake2b(before + words, digest_size=16).digest())
    return found


class PageBook:
    """`total` pages: each free, held by so many texts, or kept by its key for a text that may come.

    Of what is kept the least recently held goes first when a page is needed.
    """

    def __init__(self, total: int):
        self.total = total
        self._free = list(range(total))[::-1]  # low numbers first: memory that was never used stays unused
        self._holders = np.zeros(total, dtype=np.int32)
        self._page_of: dict[Key, int] = {}
        self._key_of: dict[int, Key] = {}
        self._kept: OrderedDict[int, None] = OrderedDict()  # pages that nobody holds, the longest unheld first

    @property
    def available(self) -> int:
        """How many pages can be had: free ones, and what is merely kept."""
        return len(self._free) + len(self._kept)

    def known(self, keys: Sequence[Key]) -> list[int]:
        """The pages of the longest beginning of `keys` that is here."""
        found: list[int] = []
        for key in keys:
            page = self._page_of.get(key)
            if page is None:
                break
            found.append(page)
        return found

    def free_with(self, pages: Sequence[int]) -> int:
        """How many pages could be had beside these, once these are held."""
        return self.available - sum(1 for page in pages if page in self._kept)

    def hold(self, pages: Sequence[int]) -> None:
        """One more text holds these."""
        for page in pages:
            self._kept.pop(page, None)
            self._holders[page] += 1

    def take(self, count: int) -> list[int]:
        """So many pages for one text alone; at least so many must be available."""
        taken = []
        for _ in range(count):
            if self._free:
                page = self._free.pop()
            else:
                page, _ = self._kept.popitem(last=False)
                del self._page_of[self._key_of.pop(page)]
            self._holders[page] = 1
            taken.append(page)
        return taken

    def name(self, page: int, key: Key) -> None:
        """Let the page be found by its key; the first page of a key keeps it."""
        if key not in self._page_of and page not in self._key_of:
            self._page_of[key], self._key_of[page] = page, key

    def release(self, pages: Sequence[int]) -> None:
        """One text less holds these. What has a key is kept; of one text the end goes before the beginning."""
        for page in reversed(pages):
            self._holders[page] -= 1
            if self._holders[page] == 0:
                if page in self._key_of:
                    self._kept[page] = None
                else:
                    self._free.append(page)

    def forget(self) -> None:
        """Let no page be found any more: what they hold is no longer what a text would make."""
        self._free.extend(self._kept)
        self._kept.clear()
        self._page_of.clear()
        self._key_of.clear()
