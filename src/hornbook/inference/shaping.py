"""Scores changed before anything is drawn: penalties for what was said, a bias for some tokens, and what a guide rules
out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hornbook.core.errors import InputError
from hornbook.inference.requests import Sampling
from hornbook.inference.tickets import Ticket


def shape_(logits_V: Tensor, ticket: Ticket, read: np.ndarray, said: np.ndarray) -> None:
    """Change one row's scores in place, in the order of Hugging Face's processors; `read` is the prompt.

    Raises InputError where a guide lets nothing come.
    """
    _penalise_(logits_V, ticket.sampling, read, said)
    for token, bias in ticket.sampling.logit_bias.items():
        logits_V[token] += bias
    if ticket.guide is not None:
        allowed = ticket.guide.allowed()
        if allowed is not None:
            mask_V = _unpacked(allowed, len(logits_V))
            if not mask_V.any():
                raise InputError("no token may follow here", where="the guide", fix="mend the grammar or the schema")
            logits_V.masked_fill_(torch.from_numpy(~mask_V).to(logits_V.device), -torch.inf)


def _penalise_(logits_V: Tensor, sampling: Sampling, read: np.ndarray, said: np.ndarray) -> None:
    if sampling.repetition_penalty != 1.0:
        seen = torch.from_numpy(np.unique(np.concatenate([read, said]))).to(logits_V.device)
        scores = logits_V[seen]
        penalty = sampling.repetition_penalty
        logits_V[seen] = torch.where(scores > 0, scores / penalty, scores * penalty)
    if (sampling.presence_penalty or sampling.frequency_penalty) and len(said):
        tokens, counts = np.unique(said, return_counts=True)
        taken = sampling.presence_penalty + sampling.frequency_penalty * counts
        at = torch.from_numpy(tokens).to(logits_V.device)
        logits_V[at] -= torch.from_numpy(taken).to(logits_V.device, logits_V.dtype)


def _unpacked(words: np.ndarray, size: int) -> np.ndarray:
    """Bits of 32-bit words as booleans; beyond the last word nothing is set."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little")[:size].astype(bool)
    return np.pad(bits, (0, size - len(bits)))
