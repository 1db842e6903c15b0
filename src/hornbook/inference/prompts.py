"""What a model makes of a given text: each token's probability beside the likeliest, and the text as one vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hornbook.inference.requests import Top
from hornbook.inference.scoring import LOGIT_FLOATS


@torch.inference_mode()
def prompt_logprobs(model, ids: Sequence[int], count: int = 0) -> tuple[list[float], list[Top]]:
    """log p(token t | tokens before t) for t = 1, 2, …, natural, fp32, and the `count` likeliest in each one's place:
    both one shorter than the ids."""
    device = model.model.embed_tokens.weight.device
    ids_1T = torch.tensor([list(ids)], dtype=torch.int64, device=device)
    x_TD = model.hidden(ids_1T)[0, :-1]
    chunk = max(1, LOGIT_FLOATS // model.config.vocab_size)
    logprobs: list[float] = []
    top: list[Top] = []
    for start in range(0, len(x_TD), chunk):
        scores_NV = model.logits(x_TD[start : start + chunk]).float().log_softmax(-1)
        targets_N = ids_1T[0, start + 1 : start + 1 + len(scores_NV)]
        logprobs += scores_NV.gather(-1, targets_N[:, None])[:, 0].tolist()
        likeliest = scores_NV.topk(min(count, scores_NV.shape[-1]))
        rows = zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
        top += [list(zip(tokens, values, strict=True)) for tokens, values in rows]
    return logprobs, top


@torch.inference_mode()
def pooled(model, sequences: Sequence[Sequence[int]]) -> np.ndarray:
    """(N, D), fp32: the mean of each sequence's last hidden states, of length 1 (Reimers and Gurevych 2019,
    arXiv:1908.10084, find the mean the best of the simple ways)."""
    device = model.model.embed_tokens.weight.device
    lengths_N = torch.tensor([len(sequence) for sequence in sequences], device=device)
    ids_NT = torch.zeros(len(sequences), int(lengths_N.max()), dtype=torch.int64, device=device)
    for row, sequence in enumerate(sequences):
        ids_NT[row, : len(sequence)] = torch.tensor(list(sequence), device=device)
    # Attention is causal: no state of a sequence sees what pads it.
    there_NT1 = (torch.arange(ids_NT.shape[1], device=device)[None] < lengths_N[:, None])[..., None]
    sum_ND = (model.hidden(ids_NT).float() * there_NT1).sum(1)
    return torch.nn.functional.normalize(sum_ND / lengths_N[:, None], dim=-1).cpu().numpy()
