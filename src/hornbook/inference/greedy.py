"""Greedy answers of an encoder-decoder, its keys and values kept from word to word."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.models.encoder_decoder import EncoderDecoder, Kept


@torch.no_grad()
def greedy(
    model: EncoderDecoder, ids_BS: Tensor, documents_BS: Tensor | None = None, *, limit: int = 128
) -> list[list[int]]:
    """The most probable next token again and again, for every source at once: the ids of each answer, up to and with
    its end token, at most `limit` of them. In `documents_BS` places to read are 0, padding is -1.
    """
    config, kept = model.config, Kept(len(model.decoder.block))
    source_BSD = model.encode(ids_BS, documents_BS)
    last_B1 = torch.full((len(ids_BS), 1), config.decoder_start_token_id, device=ids_BS.device)
    answers: list[list[int]] = [[] for _ in range(len(ids_BS))]
    open_rows = set(range(len(answers)))
    for _ in range(limit):
        x_B1D = model.decode(last_B1, source_BSD, documents_BS=documents_BS, kept=kept)
        last_B1 = model.logits(x_B1D).argmax(-1)
        for row in list(open_rows):
            answers[row].append(int(last_B1[row, 0]))
            if answers[row][-1] == config.eos_token_id:
                open_rows.remove(row)
        if not open_rows:
            break
    return answers
