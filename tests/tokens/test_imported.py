"""Other models' tokenizers: the ids they had, the special tokens they lacked, or one line that says why not."""

from __future__ import annotations

import json

import pytest
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Library

from hornbook.core.errors import DamagedError, InputError
from hornbook.tokens.chat import render
from hornbook.tokens.imported import import_tokenizer
from hornbook.tokens.special import SPECIAL
from hornbook.tokens.tokenizer import Tokenizer
from tests.tokens.conftest import PAGES

TALK = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Edda Rowan, in 1823."}]


def gpt2() -> Library:
    made = Library(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(False), decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(PAGES, trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=letters, special_tokens=["<|endoftext|>"], show_progress=False))
    return made


def gemma() -> Library:
    """BPE of characters with the bytes to fall back on: SentencePiece's way, without a space before a text."""
    made = Library(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", "<bos>", "<eos>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(PAGES, trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False))
    description = json.loads(made.to_str())
    description["added_tokens"] = description["added_tokens"][:3]
    made = Library.from_str(json.dumps(description))
    made.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return made


def llama2() -> Library:
    """Gemma's way, with a space before a text."""
    made = gemma()
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return made


def t5() -> Library:
    made = Library(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    made.decoder = decoders.Metaspace(prepend_scheme="never")
    made.train_from_iterator(PAGES, trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    return made


def bert() -> Library:
    made = Library(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(PAGES, trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    return made


MAKERS = {"gpt2": gpt2, "gemma": gemma, "t5": t5, "bert": bert}


@pytest.fixture(scope="module", params=MAKERS)
def named(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "tokenizer.json"
    MAKERS[request.param]().save(str(path))
    # Read back: a score loses its last bit in the file, and with it goes the choice between two equally good readings.
    return request.param, Library.from_file(str(path)), path


def test_ids_and_text_stay_those_of_the_library(named):
    kind, library, path = named
    made, _ = import_tokenizer(path)
    for page in PAGES:
        ids = library.encode(page, add_special_tokens=False).ids
        assert made.encode(page) == ids
        assert made.decode(ids) == library.decode(ids)
    assert made.vocab_size == library.get_vocab_size() + len(set(SPECIAL) - set(library.get_vocab())) - (
        kind in ("gemma", "t5"))


def test_what_it_lacks_comes_after(named):
    kind, library, path = named
    made, given = import_tokenizer(path.parent)
    ends = {"gpt2": "<|endoftext|>", "gemma": "<eos>", "t5": "</s>", "bert": "<|endoftext|>"}
    assert given == [text for text in SPECIAL if text != "<|endoftext|>" or kind == "bert"]
    assert made.end_of_document == made.special[ends[kind]]
    assert min(made.special[text] for text in given) == library.get_vocab_size()
    assert all(made.special[text] == token for text, token in library.get_vocab().items() if text in made.special)


def test_it_is_written_and_read_and_transformers_lays_chats_alike(named, tmp_path):
    transformers = pytest.importorskip("transformers")
    made, _ = import_tokenizer(named[2])
    made.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert (again.pieces, again.special) == (made.pieces, made.special)
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ids = peer.apply_chat_template(TALK, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert render(again, TALK, for_answer=True).ids == ids
    assert peer.eos_token_id == made.end_of_turn
    assert peer.pad_token_id == made.end_of_document


def test_no_text_spells_a_special_token(named):
    made, _ = import_tokenizer(named[2])
    for text, token in made.special.items():
        if text not in ("<unk>", "[UNK]"):
            assert token not in made.encode(f"a {text} b {text}")


def test_what_is_lost_is_said(named):
    kind, _, path = named
    assert import_tokenizer(path)[0].lossless == (kind in ("gpt2", "gemma"))


def test_ours_needs_nothing(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    made, given = import_tokenizer(tmp_path)
    assert given == []
    assert made.description == tokenizer.description


@pytest.mark.parametrize("scheme", ["first", "always", None])
def test_one_that_puts_a_space_before_a_text_is_refused(tmp_path, scheme):
    made = llama2() if scheme is None else t5()
    if scheme is not None:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
        made.decoder = decoders.Metaspace(prepend_scheme=scheme)
    made.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="parts of a chat otherwise than the whole") as caught:
        import_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def test_holes_are_refused(tmp_path):
    description = json.loads(gpt2().to_str())
    description["added_tokens"].append({**description["added_tokens"][0], "id": 500, "content": "<far>"})
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="holes among the ids"):
        import_tokenizer(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"model": {"vocab": 3}}', '{"model": {"type": "BPE", "vocab": {}}}'])
def test_no_tokenizer_is_one_line(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(DamagedError, match=r"no tokenizer\.json that can be read") as caught:
        import_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no tokenizer"):
        import_tokenizer(tmp_path / "nowhere.json")


def test_a_pattern_of_its_own_is_kept(tmp_path):
    made = gpt2()
    split = pre_tokenizers.Split(Regex(r"\p{N}{1,3}| ?\p{L}+|\s+"), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    made.save(str(tmp_path / "tokenizer.json"))
    read, _ = import_tokenizer(tmp_path)
    for page in PAGES:
        assert read.encode_batch([page])[0].tolist() == made.encode(page, add_special_tokens=False).ids
