"""Tokenizers to GGUF and back: the same ids for every text, or one line that says why not."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from hornbook.core.errors import DamagedError, InputError
from hornbook.tokens.cuts import CUTS, name_of
from hornbook.tokens.described import opened
from hornbook.tokens.description import configured
from hornbook.tokens.from_gguf import KEY, read_vocabulary
from hornbook.tokens.giga import TRIAL
from hornbook.tokens.to_gguf import vocabulary_metadata
from hornbook.tokens.tokenizer import Tokenizer
from tests.tokens.conftest import PAGES
from tests.tokens.test_imported import gemma, llama2

TEXTS = (*TRIAL, *PAGES, "I'LL pay 1234567 for 3/4 of ½ a naïve café  \n\t now")
NAMES = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>", "chat_template": "{{ messages }}"}


def byte_level(name: str) -> Library:
    """BPE that cuts as `name` does, a special token among its first."""
    made = Library(models.BPE())
    steps = [json.dumps(step) for step in CUTS[name].steps]
    made.pre_tokenizer = pre_tokenizers.ByteLevel(False)
    description = json.loads(made.to_str())
    description["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [json.loads(step) for step in steps]}
    made = Library.from_str(json.dumps(description))
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(PAGES, trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>", "</s>"],
        show_progress=False))
    return made


def there_and_back(description: dict, configuration: dict, ends=(1,), size=None) -> tuple[Library, dict]:
    size = size or Library.from_str(json.dumps(description)).get_vocab_size()
    metadata = vocabulary_metadata(description, configuration, ends, size, "here")
    again, said, last = read_vocabulary(metadata, "there")
    assert last == list(ends)
    assert said["chat_template"] == configuration["chat_template"]
    return opened(again), metadata


@pytest.mark.parametrize("name", CUTS)
def test_byte_level_bpe_of_every_cut(name):
    before = byte_level(name)
    after, metadata = there_and_back(json.loads(before.to_str()), NAMES)
    assert CUTS[metadata[f"{KEY}pre"]].steps == CUTS[name].steps
    for text in TEXTS:
        assert after.encode(text).ids == before.encode(text).ids, text
        assert after.decode(after.encode(text).ids) == text


def test_ours_is_cut_as_qwen2(tokenizer):
    configuration = configured(tokenizer.description, "<|endoftext|>")
    after, metadata = there_and_back(tokenizer.description, configuration, [tokenizer.end_of_turn], 448)
    assert metadata[f"{KEY}pre"] == "qwen2"
    assert metadata[f"{KEY}add_bos_token"] is False
    assert metadata[f"{KEY}tokens"][420:] == [f"[PAD{token}]" for token in range(420, 448)]
    bare = opened({**tokenizer.description, "added_tokens": []})
    assert [after.encode(text).ids for text in PAGES] == [tokenizer.encode(text) for text in PAGES]
    assert [after.encode(text).ids for text in TEXTS if "<" not in text] == [
        bare.encode(text).ids for text in TEXTS if "<" not in text
    ]
    assert after.encode("<|im_start|>").ids == [tokenizer.start_of_turn]


@pytest.mark.parametrize("prefix", [True, False])
def test_sentencepiece_merges_by_score(prefix):
    """Against its own way, told plainly; out again, and in again."""
    learnt = json.loads(gemma().to_str())["model"]
    tokens = sorted(learnt["vocab"], key=learnt["vocab"].get)
    scores = [-float(rank) for rank, _ in enumerate(tokens)]
    kinds = [2, 3, 3, *[6] * 256, *[1] * (len(tokens) - 259)]
    metadata = {f"{KEY}{name}": value for name, value in {
        "model": "llama", "tokens": tokens, "token_type": kinds, "scores": scores, "add_space_prefix": prefix,
        "bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0}.items()}  # fmt: skip
    description, configuration, ends = read_vocabulary(metadata, "there")
    library = opened(description)
    for text in TEXTS:
        assert library.encode(text, add_special_tokens=False).ids == merged(text, tokens, scores, prefix), text
        assert library.decode(library.encode(text).ids) == text
    again = vocabulary_metadata(description, configuration, ends, len(tokens), "here")
    assert {name: again[name] for name in metadata if name != f"{KEY}scores"} == {
        name: value for name, value in metadata.items() if name != f"{KEY}scores"
    }
    assert again[f"{KEY}add_bos_token"] is True
    assert read_vocabulary(again, "there")[0] == description


def merged(text: str, tokens: list[str], scores: list[float], prefix: bool) -> list[int]:
    """Of all neighbours those that make the best token, the leftmost first, until none do; then bytes for the rest."""
    ids = {token: place for place, token in enumerate(tokens)}
    parts = list(("\u2581" if prefix and text else "") + text.replace(" ", "\u2581"))
    while True:
        pairs = [(-scores[ids[whole]], place) for place, whole in enumerate(map("".join, pairwise(parts)))
                 if whole in ids and ids[whole] > 258]
        if not pairs:
            break
        place = min(pairs)[1]
        parts[place : place + 2] = ["".join(parts[place : place + 2])]
    return [token for part in parts for token in
            ([ids[part]] if part in ids else [ids[f"<0x{byte:02X}>"] for byte in part.encode()])]  # fmt: skip


@pytest.mark.parametrize("make", [gemma, llama2])
def test_bpe_of_characters_that_no_scores_tell_is_refused(make):
    """The library learns one pair a token; by scores any two that make it are merged."""
    before = make()
    with pytest.raises(InputError, match="do not follow from scores"):
        vocabulary_metadata(json.loads(before.to_str()), NAMES, [2], before.get_vocab_size(), "here")


def test_a_text_begins_as_it_did():
    before = byte_level("llama-bpe")
    before.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    after, metadata = there_and_back(json.loads(before.to_str()), NAMES)
    assert metadata[f"{KEY}add_bos_token"] is True
    assert after.encode("a b").ids == before.encode("a b").ids
    assert after.encode("a b").ids[0] == 0
    del metadata[f"{KEY}add_bos_token"]
    for name, begins in (("llama-bpe", True), ("qwen2", False)):
        again = opened(read_vocabulary(metadata | {f"{KEY}pre": name}, "there")[0])
        assert (again.encode("a b").ids[0] == 0) is begins


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "characters", "bytes"])
def test_what_llama_cpp_does_not_know_is_refused(kind):
    made = Tokenizer.train(PAGES, 560 if kind != "bytes" else 265, kind=kind, fill=False)
    with pytest.raises(InputError, match=r"llama\.cpp knows no tokenizer"):
        vocabulary_metadata(made.description, {}, [], made.vocab_size, "here")


def test_another_cut_or_another_text_is_refused(tokenizer):
    description = json.loads(byte_level("gpt-2").to_str())
    other = description | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Punctuation", "behavior": "Isolated"}, description["pre_tokenizer"]]}}
    lower = description | {"normalizer": json.loads(normalizers.Lowercase().__getstate__())}
    fewer = {"ignore_merges": True, "merges": description["model"]["merges"][:-3]}
    lost = description | {"model": description["model"] | fewer}
    for changed, says in ((other, "cuts text where"), (lower, "Lowercase"), (lost, "by merging")):
        with pytest.raises(InputError, match=says):
            vocabulary_metadata(changed, {}, [], 420, "here")
    with pytest.raises(InputError, match="420 tokens, the model 300"):
        vocabulary_metadata(description, {}, [], 300, "here")
    assert name_of(other["pre_tokenizer"]) is None


@pytest.mark.parametrize(("changes", "says"), [
    ({"model": None}, "it has no tokenizer"), ({"model": "bert"}, "of the kind 'bert'"), ({"pre": "viking"}, "'vik"),
    ({"pre": None}, "is not known"), ({"tokens": None}, "no tokens"), ({"tokens": [1, 2]}, "no tokens"),
    ({"token_type": [1]}, "do not fit"), ({"merges": ["ab"]}, "not of two tokens"), ({"merges": None}, "no merges"),
    ({"bos_token_id": 10**9}, "is no token"), ({"eos_token_id": "2"}, "is no token"),
    ({"tokens": ["a"] * 420}, "do not fit"), ({"model": "llama"}, "no scores"),
])  # fmt: skip
def test_a_damaged_vocabulary_is_one_line(tokenizer, changes, says):
    kind = InputError if changes != {"model": "llama"} and changes.keys() & {"model", "pre"} else DamagedError
    configuration = configured(tokenizer.description, "<|endoftext|>")
    metadata = vocabulary_metadata(tokenizer.description, configuration, [], 420, "here")
    for name, value in changes.items():
        metadata[KEY + name] = value
        if value is None:
            del metadata[KEY + name]
    with pytest.raises(kind, match=says) as caught:
        read_vocabulary(metadata, "there.gguf")
    assert "\n" not in str(caught.value)
