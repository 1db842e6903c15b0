from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.personal import count_personal, find_personal, is_card, is_iban, mask_personal


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to anna.maria+x@mail.example.co.uk, please.", "Write to [email], please."),
        ("bob (at) host.org or <eve@host.org>", "[email] or <[email]>"),
        ("IBAN DE89 3704 0044 0532 0130 00 NOW", "IBAN [iban] NOW"),
        ("GB82WEST12345698765432.", "[iban]."),
        ("card 4111 1111 1111 1111, 5500-0000-0000-0004, 340000000000009", "card [card], [card], [card]"),
        ("+44 20 7946 0958 or (020) 7946 0958 or 555-867-5309", "[phone] or [phone] or [phone]"),
        ("phone: 20 44 61; call 0171 123 4567", "phone: [phone]; call [phone]"),
        ("from 8.8.8.8 and 2001:4860:4860::8888", "from [ip address] and [ip address]"),
    ],
)
def test_found(text: str, masked: str) -> None:
    assert mask_personal(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "In 1843 there were 1,234,567 fish, 12 goats and 3.50 pounds.",
        "12-05-1987, 2024-01-02, 10:30:45, 1/2/2003, 0.5",
        "version 3.40.1.2, SQLite 3.8.11.1, section 1.2.3.4",
        "ISBN 978-3-16-148410-0 and 4111 1111 1111 1112",
        "127.0.0.1, 192.168.0.1, 999.1.1.1, std::vector, 12:30",
        "She had 4 + 8 = 12 fish; then 12 x 12 = 144, and 1000 + 2000 + 3000 = 6000.",
        "DE89 3704 0044 0532 0130 01 fails its checksum",
        "Call 12 people in 1843. The phone has 3 buttons, and 1,000,000 were sold.",
        "pages 1000-2000, rooms 101-102, the years 1939-1945",
        "year: 0000-9999, from 0000-01-01 to 9999-12-31; 6683623321994527 in binary",
        "@decorator and a @ b, foo@bar",
    ],
)
def test_figures_of_ordinary_text_are_left_alone(text: str) -> None:
    assert mask_personal(text) == text


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["a@b.org", "8.8.8.8", "+44 20 7946 0958", "words", "1843", "\n", "4111111111111111"])))
def test_masking_leaves_nothing_to_find(parts: list[str]) -> None:
    masked = mask_personal(" , ".join(parts))
    assert find_personal(masked) == []


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200))
def test_spans_are_in_order_and_apart(text: str) -> None:
    spans = find_personal(text)
    assert all(first.end <= second.start for first, second in pairwise(spans))
    assert sum(count_personal(spans).values()) == len(spans)


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_checksums(seed: int) -> None:
    rng = random.Random(seed)
    digits = [4] + [rng.randrange(10) for _ in range(14)]
    total = sum(digit if place % 2 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits)))
    number = "".join(map(str, digits)) + str(-total % 10)
    assert is_card(number)
    assert not is_card(number[:-1] + str((int(number[-1]) + 1) % 10))
    account = "".join(str(rng.randrange(10)) for _ in range(18))
    check = 98 - int(account + "131400") % 97
    assert is_iban(f"DE{check:02d}{account}")
    assert not is_iban(f"DE{check % 97 + 1:02d}{account}") or check % 97 + 1 == check
