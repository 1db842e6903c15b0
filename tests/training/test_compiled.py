"""A compiled objective is the same objective, and one graph serves every model of a shape."""

from __future__ import annotations

import pytest
import torch

from hornbook.core.processes import compiler
from hornbook.models import Transformer, TransformerConfig
from hornbook.tokens.batch import Batch
from hornbook.training.batch import on_device
from hornbook.training.compiled import graph
from hornbook.training.objectives.next_token import next_token

CONFIG = TransformerConfig(
    vocab_size=24, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=1, head_dim=16,
)


@pytest.mark.slow
@pytest.mark.skipif(not compiler(), reason="there is no C++ compiler here")
def test_the_same_loss_and_one_graph_for_two_models() -> None:
    from torch._dynamo.utils import counters

    counters.clear()
    generator = torch.Generator().manual_seed(0)
    batch = Batch.empty(2, 16)
    batch.ids_BT[:], batch.targets_BT[:] = torch.randint(0, 24, (2, 2, 16), generator=generator).numpy()
    batch.documents_BT[:], batch.weights_BT[:] = 0, 1.0
    batch = on_device(batch, "cpu")
    for seed in (0, 1):
        model = Transformer(CONFIG, seed=seed)
        gradients = []
        for objective in (next_token, graph(next_token)):
            loss = objective(model, batch)
            loss.total.backward()
            gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
            model.zero_grad(set_to_none=True)
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-4, msg=name)
    assert counters["stats"]["unique_graphs"] == 1
