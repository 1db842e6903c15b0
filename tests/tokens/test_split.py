"""The cut in its three forms is one cut, whatever the text."""

from __future__ import annotations

import re

import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.tokens.split import GROUPED, PARTS, SPLIT, has_long_run, parts, short_runs

BLANKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"
TEXT = st.text(st.sampled_from(BLANKS + "  aB'sé1.日🙂") | st.characters(exclude_categories=["Cs"]), max_size=60)


def matches(pattern: str, text: str) -> list[str]:
    import regex

    return regex.findall(pattern, text, flags=regex.V0)


@settings(max_examples=500)
@given(TEXT)
@example("a  b \n c\t\td   \r\n   e")
@example("x \x1c y\x1f\x1f z\x85\x85w")
def test_the_forms_cut_alike(text):
    whole = matches(SPLIT, text)
    assert "".join(whole) == text
    assert matches(GROUPED, text) == whole
    assert [piece for part in parts(text) for piece in matches(PARTS, part)] == whole


@settings(max_examples=300)
@given(TEXT)
def test_tiktoken_cuts_them_alike(text):
    """Every pair of bytes is a token here, so that a border moved by one byte moves the ids."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    pairs = {text.encode()[at : at + 2] for at in range(len(text.encode()) - 1)}
    ranks |= {pair: 256 + index for index, pair in enumerate(sorted(pairs))}
    one, two, three = (tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
                       for pattern in (SPLIT, GROUPED, PARTS))
    whole = one.encode_ordinary(text)
    assert two.encode_ordinary(text) == whole
    assert [token for part in parts(text) for token in three.encode_ordinary(part)] == whole


@given(st.lists(st.tuples(st.sampled_from([" ", "\t", "\u3000", " \n"]), st.integers(1, 90_000)), max_size=4))
@settings(max_examples=30)
def test_every_long_run_is_found_and_cut(runs):
    text = "word".join(blank * (length // len(blank)) for blank, length in runs)
    longest = max((len(run) for run in re.findall(r"\s+", text)), default=0)
    assert longest < 32768 or has_long_run(text)
    assert "".join(short_runs(text)) == text
    assert all(len(run) <= 32768 for part in short_runs(text) for run in re.findall(r"\s+", part))
