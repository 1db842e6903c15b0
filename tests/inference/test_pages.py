"""Pages: who holds which, what is found again, and that nothing is lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hornbook.inference.pages import PAGE, PageBook, page_keys


def test_keys_are_of_all_that_went_before():
    tokens = np.arange(100)
    keys = page_keys(tokens, 100)
    assert len(keys) == 6 == len(set(keys))
    changed = tokens.copy()
    changed[20] = 0
    assert [key in page_keys(changed, 100) for key in keys] == [True] + [False] * 5
    assert page_keys(tokens, 100, keys[:3]) == keys
    assert page_keys(tokens, 40, keys) == keys[:2]


def test_what_is_kept_goes_when_room_is_needed_the_longest_unheld_first():
    book = PageBook(4)
    first, second = book.take(2), book.take(2)
    for pages, keys in ((first, [b"a", b"b"]), (second, [b"c", b"d"])):
        for page, key in zip(pages, keys, strict=True):
            book.name(page, key)
    book.release(first)
    book.release(second)
    assert book.available == 4
    assert book.known([b"a", b"b", b"x"]) == first
    book.hold(first)
    assert book.available == book.free_with([]) == 2
    assert book.free_with(second[:1]) == 1
    assert book.take(1) == second[1:]  # of a text the end goes before the beginning
    assert book.known([b"c", b"d"]) == second[:1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(1, 4)), max_size=60))
def test_every_page_is_free_held_or_kept(orders):
    """Texts come, share, grow, leave and are forgotten in any order: no page is ever two things, none is lost."""
    book, held, names = PageBook(8), dict[int, list[int]](), dict[int, bytes]()
    for text, order, count in orders:
        if order == 0 and text not in held and book.available >= count:
            held[text] = book.take(count)
        elif order == 1 and text in held:
            for page in held[text]:
                names[page] = bytes([text, page, count])
                book.name(page, names[page])
        elif order == 2 and text in held:
            book.release(held.pop(text))
        elif order == 3 and text not in held:
            pages = [page for key in names.values() for page in book.known([key])][:count]
            book.hold(pages)
            held[text] = pages
        in_use = {page for pages in held.values() for page in pages}
        assert book.available + len(in_use) == book.total
    for pages in held.values():
        book.release(pages)
    book.forget()
    assert sorted(book.take(book.available)) == list(range(8))
    assert PAGE == 16
