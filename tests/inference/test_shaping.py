"""Penalties, bias, stops and what is told of other tokens, against Hugging Face's processors and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hornbook.core.errors import InputError
from hornbook.inference import Engine, Request, Sampling
from hornbook.inference.shaping import shape_
from hornbook.inference.tickets import Ticket
from hornbook.models import save_model

READ, SAID = np.array([3, 4, 5, 5]), np.array([7, 7, 5, 9])


def shaped(tokenizer, logits, **settings):
    ticket = Ticket(READ.tolist(), Request(ids=[1], sampling=Sampling(**settings)), None, None)
    logits = logits.clone()
    shape_(logits, ticket, READ, SAID)
    return logits


def test_repetition_is_hugging_faces(tokenizer):
    transformers = pytest.importorskip("transformers")
    logits = torch.randn(40, generator=torch.Generator().manual_seed(0))
    theirs = transformers.RepetitionPenaltyLogitsProcessor(1.7)
    expected = theirs(torch.tensor(np.concatenate([READ, SAID]))[None], logits[None].clone())[0]
    assert torch.equal(shaped(tokenizer, logits, repetition_penalty=1.7), expected)


def test_presence_and_frequency_are_of_what_was_said(tokenizer):
    logits = torch.zeros(12)
    found = shaped(tokenizer, logits, presence_penalty=1.0, frequency_penalty=0.25, logit_bias={0: 2.5, 9: -1})
    expected = torch.zeros(12)
    expected[[5, 7, 9, 0]] = torch.tensor([-1.25, -1.5, -2.25, 2.5])
    assert torch.equal(found, expected)


def test_whole_answers_are_hugging_faces(model, tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    save_model(model, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.tensor([[3, 4, 5, 6, 7, 8]])
    sampling = Sampling(max_tokens=30, repetition_penalty=1.3, ignore_end=True)
    done = Engine(model, tokenizer).generate([Request(ids=ids[0].tolist(), sampling=sampling)])[0]
    expected = theirs.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=30, min_new_tokens=30,
        repetition_penalty=1.3, pad_token_id=0, eos_token_id=None,
    )  # fmt: skip
    assert done.ids == expected[0, 6:].tolist()


def test_stop_ids_end_and_ignored_ends_do_not(model, tokenizer):
    engine = Engine(model, tokenizer)
    free = engine.generate([Request(ids=[9], sampling=Sampling(max_tokens=50, ignore_end=True))])[0]
    assert len(free.ids) == 50
    stop = free.ids[20]
    first = free.ids.index(stop)
    done = engine.generate([Request(ids=[9], sampling=Sampling(max_tokens=50, ignore_end=True, stop_ids=(stop,)))])[0]
    assert (done.ids, done.finish_reason) == (free.ids[: first + 1], "stop")
    assert done.text == tokenizer.decode(free.ids[:first])


def test_a_bias_bans_and_commands_and_log_probabilities_stay_the_models(model, tokenizer):
    engine = Engine(model, tokenizer)
    sampling = Sampling(max_tokens=5, logit_bias={65: 1000.0}, ignore_end=True, top_logprobs=4)
    done = engine.generate([Request(ids=[9, 10], sampling=sampling)])[0]
    assert done.ids == [65] * 5
    log_TV = model(torch.tensor([[9, 10, *done.ids]]))[0].log_softmax(-1)
    assert done.logprobs == pytest.approx(log_TV[1:6, 65].tolist(), abs=1e-4)
    for place, top in enumerate(done.top):
        best = log_TV[1 + place].topk(4)
        assert [token for token, _ in top] == best.indices.tolist()
        assert [value for _, value in top] == pytest.approx(best.values.tolist(), abs=1e-4)


class Only:
    """A guide that lets one text's tokens through and then has enough."""

    def __init__(self, ids):
        self.left = list(ids)

    def allowed(self):
        words = np.zeros(4, dtype=np.int32)
        words[self.left[0] // 32] = np.int32(np.uint32(1 << self.left[0] % 32).view(np.int32))
        return words

    def advance(self, token):
        assert token == self.left.pop(0)

    @property
    def done(self):
        return not self.left


def test_a_guide_is_followed(model, tokenizer):
    wanted = [65, 31, 32, 95, 100]
    asked = [Request(ids=[2, 3], sampling=Sampling(temperature=t, max_tokens=20), guide=lambda: Only(wanted))
             for t in (0.0, 1.0)]  # fmt: skip
    for done in Engine(model, tokenizer).generate(asked):
        assert (done.ids, done.finish_reason) == (wanted, "stop")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"repetition_penalty": 0.0}, "repetition_penalty: must be above 0"),
        ({"logit_bias": {3: float("nan")}}, "logit_bias of 3"), ({"top_logprobs": -1}, "top_logprobs"),
    ],
)  # fmt: skip
def test_bad_settings_say_so(settings, says):
    with pytest.raises(InputError, match=says):
        Sampling(**settings)


@pytest.mark.parametrize("settings", [{"stop_ids": (9999,)}, {"logit_bias": {9999: 1.0}}])
def test_tokens_that_do_not_exist_are_refused(model, tokenizer, settings):
    with pytest.raises(InputError, match="token ids lie between 0"):
        Engine(model, tokenizer).generate([Request(ids=[1], sampling=Sampling(**settings))])
