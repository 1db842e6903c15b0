"""Ids and text equal to transformers', `tokenizers`' and rustbpe's; every text comes back; specials stay text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError, InputError
from hornbook.tokens.special import RESERVED, ROOMY, SPECIAL
from hornbook.tokens.split import SPLIT
from hornbook.tokens.tokenizer import SMALLEST, Tokenizer
from hornbook.tokens.vocabulary import byte_pairs, bytes_of, letters_of
from tests.tokens.conftest import PAGES

ROOT = Path(__file__).parents[2]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
# Letters in runs, white space of all kinds, digits, apostrophes: where splitting and merging go wrong.
ODD = st.text(st.sampled_from("aabbttth  \n\n\r\t\u00a0\u2028''sSdlv12.,!-_é日🙂"), max_size=120)


@settings(max_examples=300)
@given(TEXTS | ODD)
@example("<|im_end|><|endoftext|><tool_call>")
@example("")
def test_any_text_comes_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert max(ids, default=0) < tokenizer.vocab_size - len(SPECIAL)


@settings(max_examples=300)
@given(ODD | st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=60))
def test_ids_and_text_equal_transformers(tokenizer, peer, text):
    for special in SPECIAL:
        text = text.replace(special, "")
    ids = peer.encode(text, add_special_tokens=False)
    assert tokenizer.encode(text) == ids
    assert peer.decode(ids) == text


def test_ids_equal_the_trainers_own_and_tokenizers(tokenizer, folder):
    import rustbpe
    import tokenizers

    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(iter(PAGES), tokenizer.vocab_size - len(SPECIAL), pattern=SPLIT)
    library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for page in PAGES:
        assert tokenizer.encode(page) == trainer.encode(page) == library.encode(page).ids


def test_reads_itself_back(tokenizer, folder):
    again = Tokenizer.load(folder)
    assert again.special == tokenizer.special
    assert again.vocab_size == tokenizer.vocab_size == 420
    assert [again.encode(page) for page in PAGES] == [tokenizer.encode(page) for page in PAGES]


def test_a_model_folder_keeps_our_tokenizer_in_transformers(tokenizer, tmp_path):
    """AutoTokenizer must not swap in the model type's own class, which would split and normalise otherwise."""
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path)
    config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": tokenizer.vocab_size}
    (tmp_path / "config.json").write_text(json.dumps(config))
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "Cafe\u0301 12,5 km² it's\n\n  déjà"
    assert peer.encode(text) == tokenizer.encode(text)
    assert peer.decode(peer.encode(text)) == text
    assert peer.eos_token_id == tokenizer.end_of_turn
    assert len(peer) == tokenizer.vocab_size


def test_specials_enter_by_id_alone(tokenizer, peer):
    for text, token in tokenizer.special.items():
        assert token not in tokenizer.encode(f"a {text} b")
        assert peer.convert_tokens_to_ids(text) == token
        assert tokenizer.decode([token], skip_special=False) == text
    ids = [tokenizer.start_of_turn, *tokenizer.encode("hi"), tokenizer.special["<think>"], tokenizer.end_of_turn]
    assert tokenizer.decode(ids) == peer.decode(ids, skip_special_tokens=True) == "hi<think>"
    assert tokenizer.decode(ids, skip_special=False) == peer.decode(ids) == "<|im_start|>hi<think><|im_end|>"


def test_batches_equal_single_texts(tokenizer):
    texts = [*PAGES, "", " " * 1000]
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        assert ids.dtype == np.int32
        assert ids.tolist() == tokenizer.encode(text)


@pytest.mark.parametrize("text", [
    "a" + " " * 300_000 + "b", " \t" * 70_000 + "\n  x", "x" + "\n" * 100_000 + "   " * 40_000, "\u2003" * 90_000 + "e",
])
def test_long_runs_of_white_space_are_split_as_any(tokenizer, folder, text):
    import tokenizers

    ids = tokenizer.encode(text)
    assert ids == tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    assert tokenizer.decode(ids) == text
    assert Tokenizer.train([text, *PAGES], 300).vocab_size == 300


@pytest.mark.parametrize("line", ["a" * 1_000_000, "日本" * 300_000, "-=" * 400_000, "aB3" * 300_000])
def test_a_line_without_spaces_is_read_in_linear_time(tokenizer, line):
    """Ten times as long takes about ten times as long; with time that grows by the square this would not end."""
    assert tokenizer.decode(tokenizer.encode(line)) == line


@settings(max_examples=200)
@given(st.text(st.characters(categories=["Cs"]) | st.sampled_from("a \n\ud83d\ude00"), max_size=30))
@example("\ud83d\ude00")
@example("a\ud800b")
def test_surrogates_are_read_as_utf_16_has_them(tokenizer, text):
    """Two halves are their character; a lone one is U+FFFD."""
    read = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert tokenizer.encode(text) == tokenizer.encode(read)
    assert tokenizer.decode(tokenizer.encode(text)) == read


def test_a_large_vocabulary_holds_tokens_free_for_images_and_sound():
    words = [f"w{number:x}{number * 7919:x}" for number in range(9000)]
    large = Tokenizer.train(words, ROOMY, fill=False)
    assert [large.special[name] for name in RESERVED] == list(range(large.vocab_size - 6, large.vocab_size))
    assert large.decode([large.special["<|image_pad|>"]]) == ""
    assert not set(RESERVED) & set(Tokenizer.train(words, ROOMY - 1, fill=False).special)


def test_training_is_the_same_on_any_number_of_threads():
    program = (
        "from hornbook.tokens.tokenizer import Tokenizer; from tests.tokens.conftest import PAGES; "
        "import hashlib; print(hashlib.sha256(repr(Tokenizer.train(PAGES, 400).pieces).encode()).hexdigest())"
    )
    digests = set()
    for threads in ("1", "3"):
        command, environment = [sys.executable, "-c", program], {**os.environ, "RAYON_NUM_THREADS": threads}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True, text=True)
        digests.add(done.stdout)
    assert len(digests) == 1


def test_a_vocabulary_the_text_cannot_fill_names_the_largest():
    with pytest.raises(InputError, match=r"it fills 2\d\d") as caught:
        Tokenizer.train(["abc abc"], 1000)
    largest = int(str(caught.value).split("at most ")[1].split(",")[0])
    assert Tokenizer.train(["abc abc"], largest).vocab_size == largest
    with pytest.raises(InputError, match=f"at least {SMALLEST}"):
        Tokenizer.train(PAGES, 100)
    assert Tokenizer.train([], SMALLEST).decode(Tokenizer.train([], SMALLEST).encode("any")) == "any"


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"model": {"vocab": {"a": 0}}}', "\xff", '{"added_tokens": [1]}'])
def test_a_damaged_file_is_one_line(folder, tmp_path, damage):
    (tmp_path / "tokenizer.json").write_text(damage, "latin-1")
    with pytest.raises(DamagedError) as caught:
        Tokenizer.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert "tokenizer.json" in str(caught.value)


def test_a_missing_or_a_foreign_tokenizer_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    foreign = json.loads((folder / "tokenizer.json").read_text())
    foreign["added_tokens"] = [token for token in foreign["added_tokens"] if token["content"] != "<|im_end|>"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(foreign))
    with pytest.raises(InputError, match=r"no special token <\|im_end\|>; import it"):
        Tokenizer.load(tmp_path)


def test_one_that_splits_otherwise_is_read_by_its_own_rules(folder, tmp_path):
    import tokenizers

    other = json.loads((folder / "tokenizer.json").read_text())
    other["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\s+"
    (tmp_path / "tokenizer.json").write_text(json.dumps(other))
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for page in PAGES:
        assert Tokenizer.load(tmp_path).encode(page) == library.encode(page).ids


@given(st.binary(max_size=50))
def test_letters_spell_bytes(data):
    assert bytes_of(letters_of(data)) == data


def test_letters_are_the_fields_own():
    from tokenizers.pre_tokenizers import ByteLevel

    assert {letters_of(bytes([byte])) for byte in range(256)} == set(ByteLevel.alphabet())
    assert letters_of(" é\n".encode()) == "ĠÃ©Ċ"


def test_a_vocabulary_with_an_orphan_is_refused():
    with pytest.raises(ValueError, match="not a merge"):
        list(byte_pairs([*(bytes([byte]) for byte in range(256)), b"abc"]))


@pytest.mark.slow
def test_128k_entries():
    import random

    draw = random.Random(0)
    words = ["".join(draw.choice("bcdfghklmnprstvz") + draw.choice("aeiou") for _ in range(5)) for _ in range(200_000)]
    texts = [" ".join(draw.choice(words) for _ in range(1000)) for _ in range(600)]
    made = Tokenizer.train(texts, 1 << 17)
    assert made.vocab_size == 1 << 17
    assert made.decode(made.encode(texts[0])) == texts[0]
