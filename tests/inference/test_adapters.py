"""Adapters by name, several in one batch, against models they were merged into."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from hornbook.core.errors import InputError
from hornbook.inference import Engine, Request, Sampling
from hornbook.models.adapted import LowRank

TARGETS = {
    "first": ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.v_proj", "model.layers.1.mlp.down_proj"],
    "second": ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.o_proj", "model.layers.0.mlp.gate_proj"],
}


@pytest.fixture(scope="module")
def adapters(model):
    draw = torch.Generator().manual_seed(0)
    made = {}
    for called, names in TARGETS.items():
        made[called] = {}
        for name in names:
            N, K = model.get_submodule(name).weight.shape
            a, b = torch.randn(3, K, generator=draw), torch.randn(N, 3, generator=draw)
            made[called][name] = LowRank(a, b, scale=0.05)
    return made


def merged(model, adapter):
    made = copy.deepcopy(model)
    for name, added in adapter.items():
        made.get_submodule(name).weight.data += added.scale * added.b_NL @ added.a_LK
    return made


def test_each_text_by_its_own(model, tokenizer, adapters):
    """The same prompts with none, one and the other side by side, read in one go and found again."""
    prompts = [np.random.default_rng(seed).integers(0, 256, 40).tolist() for seed in range(3)]
    sampling = Sampling(max_tokens=15, ignore_end=True)
    asked = [Request(ids=ids, sampling=sampling, adapter=name) for ids in prompts for name in (None, "first", "second")]
    engine = Engine(model, tokenizer, adapters=adapters, frozen=True)
    whole = [Engine(each, tokenizer) for each in (model, *(merged(model, adapters[name]) for name in TARGETS))]
    expected = [whole[index % 3].generate([Request(ids=one.ids, sampling=sampling)])[0]
                for index, one in enumerate(asked)]  # fmt: skip
    for _ in range(2):
        for one, other in zip(engine.generate(asked), expected, strict=True):
            assert one.ids == other.ids
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    assert len({tuple(one.ids) for one in expected[:3]}) == 3


def test_adapters_that_do_not_fit_are_refused(model, tokenizer, adapters):
    with pytest.raises(InputError, match="there is no adapter 'third'; those loaded are: first, second"):
        Engine(model, tokenizer, adapters=adapters).ticket(Request(ids=[1], adapter="third"))
    none = {"odd": {"model.layers.7.mlp.up_proj": LowRank(torch.zeros(2, 64), torch.zeros(128, 2))}}
    with pytest.raises(InputError, match="the adapter odd: the model has no linear"):
        Engine(model, tokenizer, adapters=none).generate([Request(ids=[1])])
    small = {"small": {"model.layers.0.mlp.up_proj": LowRank(torch.zeros(2, 32), torch.zeros(128, 2))}}
    with pytest.raises(InputError, match=r"the adapter small: model\.layers\.0\.mlp\.up_proj is of shape"):
        Engine(model, tokenizer, adapters=small).generate([Request(ids=[1])])
