"""How likely a model finds given tokens: one pass over many sequences, padded little, never all logits at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

PASS_TOKENS = 4096  # read in one pass, padding counted
LOGIT_FLOATS = 1 << 23  # held at once: 32 MiB


@torch.inference_mode()
def score(model, sequences: Sequence[Sequence[int]], last: Sequence[int] | None = None) -> list[np.ndarray]:
    """For each sequence log p(token t | tokens before t) for t = 1, 2, …: fp32 arrays one shorter than the sequence.

    With `last` only of so many tokens at each sequence's end, which is what the head then is asked for. Sequences are
    read in order of length; a sequence of one token, or of none, has an empty score.
    """
    scores: list[np.ndarray] = [np.zeros(0, dtype=np.float32)] * len(sequences)
    device = model.model.embed_tokens.weight.device
    for group in _passes([len(sequence) for sequence in sequences]):
        lengths = np.array([len(sequences[index]) for index in group])
        ids_BT = np.zeros((len(group), lengths.max()), dtype=np.int64)
        for row, index in enumerate(group):
            ids_BT[row, : lengths[row]] = sequences[index]
        counts = lengths - 1 if last is None else np.minimum([last[index] for index in group], lengths - 1)
        places_BT = np.arange(ids_BT.shape[1] - 1)[None]
        asked_BT = (places_BT >= (lengths - 1 - counts)[:, None]) & (places_BT < (lengths - 1)[:, None])
        # What comes after a sequence's end cannot be seen from within it: causal attention needs no mask for padding.
        ids_BT, targets_N, places_N = (
            torch.from_numpy(x).to(device) for x in (ids_BT[:, :-1], ids_BT[:, 1:][asked_BT], np.flatnonzero(asked_BT))
        )
        x_ND = model.hidden(ids_BT, places_N=places_N)
        scores_N = _log_probabilities(model, x_ND, targets_N).cpu().numpy()
        for index, part in zip(group, np.split(scores_N, np.cumsum(counts)[:-1]), strict=True):
            scores[index] = part
    return scores


def _log_probabilities(model, x_ND: Tensor, targets_N: Tensor) -> Tensor:
    scores_N = torch.empty(len(targets_N), device=x_ND.device)
    chunk = max(1, LOGIT_FLOATS // model.config.vocab_size)
    for start in range(0, len(targets_N), chunk):
        logits_NV = model.logits(x_ND[start : start + chunk]).float()
        chosen_N = logits_NV.gather(-1, targets_N[start : start + chunk, None])[:, 0]
        scores_N[start : start + chunk] = chosen_N - logits_NV.logsumexp(-1)
    return scores_N


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
