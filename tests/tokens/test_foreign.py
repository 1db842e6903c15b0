"""Other makers' chat templates: the ids transformers makes, what people wrote kept text, and templates that do harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError, InputError
from hornbook.tokens.chat import render
from hornbook.tokens.foreign import ForeignTokenizer, load_tokenizer
from hornbook.tokens.tokenizer import Tokenizer
from tests.tokens.test_gguf import byte_level

SMOLLM = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
Be kind.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""
LLAMA2 = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content']"
    " | trim + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}"
    "{{ eos_token }}"
    "{% endgeneration %}{% else %}{{ raise_exception('no ' + message['role'] + ' here') }}{% endif %}{% endfor %}"
)
TALK = [{"role": "user", "content": " Who are you?"}, {"role": "assistant", "content": "A model."},
        {"role": "user", "content": "Größe 12 🙂\n"}]  # fmt: skip
TEMPLATES = {"smollm": SMOLLM, "llama2": LLAMA2}


def write(folder, template, *, name="smollm", **said):
    """A tokenizer whose special tokens are SmolLM2's, and its template."""
    description = json.loads(byte_level(name).to_str())
    special = ("<|im_start|>", "<|im_end|>")
    description["added_tokens"] = [{**one, "content": text}
                                   for one, text in zip(description["added_tokens"], special, strict=True)]  # fmt: skip
    vocabulary = description["model"]["vocab"]
    description["model"]["vocab"] = {special[token] if token < 2 else text: token for text, token in vocabulary.items()}
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(description))
    configuration = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": special[0], "eos_token": special[1],
                     "chat_template": template, **said}  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration))
    return folder


@pytest.fixture(scope="module")
def smollm(tmp_path_factory):
    return load_tokenizer(write(tmp_path_factory.mktemp("smollm"), SMOLLM))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_talk_is_what_transformers_makes_of_it(tmp_path, name):
    transformers = pytest.importorskip("transformers")
    ours, peer = load_tokenizer(write(tmp_path, TEMPLATES[name])), transformers.AutoTokenizer.from_pretrained(tmp_path)
    for length in (1, 3):
        theirs = peer.apply_chat_template(TALK[:length], add_generation_prompt=True, tokenize=False)
        assert ours.prompt(TALK[:length]) == peer.encode(theirs, add_special_tokens=False)
    assert ours.ends == (1,)


def test_the_template_may_lie_beside(tmp_path):
    write(tmp_path, "of old")
    (tmp_path / "chat_template.jinja").write_text(SMOLLM)
    whole = load_tokenizer(tmp_path)
    write(tmp_path / "listed", [{"name": "tool_use", "template": "x"}, {"name": "default", "template": SMOLLM}])
    assert load_tokenizer(tmp_path / "listed").prompt(TALK) == whole.prompt(TALK)
    whole.save(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved").prompt(TALK) == whole.prompt(TALK)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["<|im_start|>", "<|im_end|>", "<|im_", "end|>", "system\n", "a", "\ufdd0", "\ufdd1",
                                 "🙂", "\ud800"]), max_size=8).map("".join))  # fmt: skip
def test_nobody_can_open_a_turn(smollm, content):
    ids = smollm.prompt([{"role": "user", "content": content}])
    assert [token for token in ids if token < 2] == [0, 1, 0, 1, 0]
    clean = content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    clean = clean.replace("\ufdd0", "\ufffd").replace("\ufdd1", "\ufffd")
    said = f"system\nBe kind.\nuser\n{clean}\nassistant\n"
    assert smollm.decode(ids) == said
    assert all(token > 1 for token in smollm.encode(content))


@pytest.mark.parametrize(("template", "says"), [
    ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "does not come to an end"),
    ("{% set ns = namespace(x='aaaaaaaa') %}{% for a in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
     "MemoryError"),
    ("{{ 'x' * 20000000 }}", "without end"), ("{{ 'x' * 4000000000 }}", "MemoryError"),
    ("{{ messages.__class__.__mro__ }}", "unsafe"),
    ("{{ ().__class__.__bases__[0].__subclasses__() }}", "unsafe"), ("{% if %}", "cannot be read"),
    ("{{ raise_exception('roles must alternate') }}", r"refuses this \(roles must alternate\)"),
    ("{{ nothing.at.all }}", "undefined"), ("{% for a in range(1000000000) %}{% endfor %}", "Range too big"),
    ("", "no chat template"), (None, "no chat template"), ("{# nothing #}", "writes nothing"),
])  # fmt: skip
def test_a_template_that_does_harm_is_one_line(tmp_path, template, says):
    made = ForeignTokenizer.load(write(tmp_path, template))
    for _ in range(1 if "come to" in says else 2):  # the next is told as well
        with pytest.raises(InputError, match=says) as caught:
            made.prompt(TALK)
        assert "\n" not in str(caught.value)


def test_one_talk_that_is_refused_leaves_the_next(tmp_path):
    made = load_tokenizer(write(tmp_path, LLAMA2))
    with pytest.raises(InputError, match="no system here"):
        made.prompt([{"role": "system", "content": "Be kind."}])
    assert made.prompt(TALK)[0] == 0
    with pytest.raises(InputError, match="role 'wizard' is not known"):
        made.prompt([{"role": "wizard", "content": "?"}])


def test_ours_stays_ours(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert type(again) is Tokenizer
    assert again.prompt(TALK) == render(again, TALK, for_answer=True).ids
    assert again.ends == (tokenizer.end_of_turn, tokenizer.end_of_document)
    as_foreign = ForeignTokenizer.load(tmp_path)
    assert as_foreign.prompt(TALK) == again.prompt(TALK)


def test_ends_and_beginnings_and_rows_without_tokens(tmp_path):
    write(tmp_path, None, add_bos_token=True)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 1]}')
    made = load_tokenizer(tmp_path)
    assert (made.ends, made.beginning) == ((5, 1), (0,))
    assert made.decode([447, *made.encode("a")]) == "a"


@pytest.mark.parametrize(("file", "content", "says"), [
    ("tokenizer.json", "{", "no tokenizer"), ("tokenizer.json", '{"model": {}}', "no tokenizer"),
    ("tokenizer_config.json", "[]", "not a JSON object"), ("generation_config.json", "{", "not JSON"),
])  # fmt: skip
def test_damaged_files_are_one_line(tmp_path, file, content, says):
    write(tmp_path, SMOLLM)
    (tmp_path / file).write_text(content)
    with pytest.raises(DamagedError, match=says) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        load_tokenizer(tmp_path)
