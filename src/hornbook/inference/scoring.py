"""How likely a model finds given tokens: one pass over many sequences, padded little, never all logits at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

PASS_TOKENS = 4096  # read in one pass, padding counted
LOGIT_FLOATS = 1 << 23  # held at once: 32 MiB


@torch.inference_mode()
def score(model, sequences: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """For each sequence log p(token t | tokens before t) for t = 1, 2, …: fp32 arrays one shorter than the sequence.

    Sequences are read in order of length; a sequence of one token, or of none, has an empty score.
    """
    scores: list[np.ndarray] = [np.zeros(0, dtype=np.float32)] * len(sequences)
    device = model.model.embed_tokens.weight.device
    for group in _passes([len(sequence) for sequence in sequences]):
        lengths = [len(sequences[index]) for index in group]
        ids_BT = np.zeros((len(group), max(lengths)), dtype=np.int64)
        for row, index in enumerate(group):
            ids_BT[row, : lengths[row]] = sequences[index]
        tensor_BT = torch.from_numpy(ids_BT).to(device)
        # What comes after a sequence's end cannot be seen from within it: causal attention needs no mask for padding.
        scores_BT = _log_probabilities(model, model.hidden(tensor_BT[:, :-1]), tensor_BT[:, 1:]).cpu().numpy()
        for row, index in enumerate(group):
            scores[index] = scores_BT[row, : lengths[row] - 1].copy()
    return scores


def _log_probabilities(model, x_BTD: Tensor, targets_BT: Tensor) -> Tensor:
    x_ND, targets_N = x_BTD.flatten(0, 1), targets_BT.flatten()
    scores_N = torch.empty(len(targets_N), device=x_ND.device)
    chunk = max(1, LOGIT_FLOATS // model.config.vocab_size)
    for start in range(0, len(targets_N), chunk):
        logits_NV = model.logits(x_ND[start : start + chunk]).float()
        chosen_N = logits_NV.gather(-1, targets_N[start : start + chunk, None])[:, 0]
        scores_N[start : start + chunk] = chosen_N - logits_NV.logsumexp(-1)
    return scores_N.view(targets_BT.shape)


def _passes(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indexes of sequences of about one length, as many as one pass reads. Those that have no score are left out."""
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        if lengths[index] < 2:
            continue
        if group and lengths[index] * (len(group) + 1) > PASS_TOKENS:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
