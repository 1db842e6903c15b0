from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError
from hornbook.corpus.tagging import perplexity
from hornbook.corpus.tagging.perplexity import ORDER, PageModel

WORDS = "the boat sea harbour of old and fishes with a net before storm comes to stone house by cold water"
ΛΈΞΕΙΣ = "η θάλασσα και το παλιό λιμάνι με τα δίχτυα πριν από την καταιγίδα στο πέτρινο σπίτι"


def prose(words: str, seed: int, count: int = 200) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choices(words.split(), k=count)).capitalize() + "."


class Plain:
    """Interpolated Witten-Bell as it is defined, in dictionaries."""

    def __init__(self, texts: list[bytes]):
        self.counts: dict[bytes, int] = {}
        self.after: dict[bytes, set[int]] = {}
        self.total: dict[tuple[int, bytes], int] = {}
        for text in texts:
            for order in range(1, ORDER + 1):
                for start in range(len(text) - order + 1):
                    gram = text[start : start + order]
                    self.counts[gram] = self.counts.get(gram, 0) + 1
                    self.after.setdefault(gram[:-1], set()).add(gram[-1])
                    self.total[order, gram[:-1]] = self.total.get((order, gram[:-1]), 0) + 1

    def probability(self, context: bytes, byte: int) -> float:
        lower = self.probability(context[1:], byte) if context else 1 / 256
        total = self.total.get((len(context) + 1, context), 0)
        sorts = len(self.after.get(context, ()))
        if not total:
            return lower
        return (self.counts.get(context + bytes([byte]), 0) + sorts * lower) / (total + sorts)

    def bits(self, text: bytes) -> float:
        return -sum(math.log2(self.probability(text[max(0, at - ORDER + 1) : at], text[at])) for at in range(len(text)))


def test_bits_equal_the_definition() -> None:
    texts = [prose(WORDS, seed) for seed in range(12)]
    model = PageModel.trained(texts, [1.0] * 12)
    halves: tuple[list[bytes], list[bytes]] = ([], [])
    for text in texts:
        halves[perplexity._half(text)].append(text.encode())
    for text in (prose(WORDS, 50), prose(ΛΈΞΕΙΣ, 1, 20), "x", texts[0]):
        plain = Plain(halves[1 - perplexity._half(text)])
        # Tables are hashed: of these few n-grams hardly two share a place.
        assert model.bits_per_character([text])[0] == pytest.approx(plain.bits(text.encode()) / len(text), rel=0.01)


def test_a_page_is_judged_by_pages_like_it() -> None:
    model = PageModel.trained([prose(WORDS, seed) for seed in range(40)], [1.0] * 40)
    like, greek, noise = model.bits_per_character(
        [prose(WORDS, 99), prose(ΛΈΞΕΙΣ, 99), "".join(random.Random(1).choices("qzx#%7", k=900))]
    )
    assert like < noise
    assert like < greek
    own = PageModel.trained([prose(ΛΈΞΕΙΣ, seed) for seed in range(40)], [1.0] * 40)
    assert own.bits_per_character([prose(ΛΈΞΕΙΣ, 99)])[0] < 3


def test_a_page_it_has_read_has_no_advantage() -> None:
    rng = random.Random(0)
    unique = ["".join(rng.choices("abcdefghijklmnop ", k=600)) for _ in range(30)]
    model = PageModel.trained(unique[:20], [1.0] * 20)
    bits = model.bits_per_character(unique)
    assert sum(bits[:20]) / 20 == pytest.approx(sum(bits[20:]) / 10, rel=0.02)


def test_the_plainest_pages_are_read_and_no_more_than_asked_for() -> None:
    texts = [prose(WORDS, seed) for seed in range(10)] + ["§%&/ 0x7f " * 100] * 10
    plainest = PageModel.trained(texts, [1.0] * 10 + [0.0] * 10, read=sum(len(text) for text in texts[:10]))
    assert (plainest.found == PageModel.trained(texts[:10], [1.0] * 10).found).all()
    nothing = PageModel.trained([], [])
    assert nothing.bits_per_character(["abc", "", "é"]) == [8.0, 0.0, 16.0]


def test_it_is_the_same_again_and_comes_back_from_its_file(tmp_path) -> None:
    texts = [prose(WORDS, seed) for seed in range(6)]
    model = PageModel.trained(texts, [0.5] * 6)
    assert (PageModel.trained(texts[::-1], [0.5] * 6).found == model.found).all()
    model.save(tmp_path / "model.safetensors")
    assert PageModel.load(tmp_path / "model.safetensors").bits_per_character(texts) == model.bits_per_character(texts)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(DamagedError):
        PageModel.load(tmp_path / "model.safetensors")


@pytest.fixture(scope="module")
def small() -> PageModel:
    return PageModel.trained([prose(WORDS, seed) for seed in range(4)], [1.0] * 4)


@settings(max_examples=40)
@given(text=st.text(max_size=100))
def test_any_text_has_bits(small: PageModel, text: str) -> None:
    (bits,) = small.bits_per_character([text + "\ud800"])
    assert 0 <= bits < 64
