"""The next token of every row at once: greedy or drawn, filtered or not, each row by its own seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hornbook.models.kernels import call, has_kernels

HEAD = 256  # tokens among which top-p is looked for first


@dataclass
class RowSettings:
    """The sampling settings of R rows, as arrays: `Sampling`'s fields by row, and how many tokens each has drawn."""

    temperature: np.ndarray
    top_k: np.ndarray
    top_p: np.ndarray
    min_p: np.ndarray
    seed: np.ndarray
    step: np.ndarray

    @property
    def filters(self) -> bool:
        """Whether any row drops tokens before it draws."""
        drawn = self.temperature > 0
        return bool((drawn & ((self.top_k > 0) | (self.top_p < 1) | (self.min_p > 0))).any())


def sample(logits_RV: Tensor, settings: RowSettings, shaped_RV: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One token a row: ids_R (int64) and the natural log-probability of each under the untempered model, logprobs_R.

    Rows with temperature 0 take the largest score (the lowest id among equals); others invert the cumulative
    distribution at `uniforms(seed, step)`, which no other row can disturb. Scores are the model's, or `shaped_RV`
    (fp32) where they were changed; probabilities told are the model's.
    """
    if shaped_RV is None and has_kernels(logits_RV) and not settings.filters:
        return _by_kernel(logits_RV.contiguous(), settings)
    logits_RV = logits_RV.float()
    ids_R = _drawn(logits_RV if shaped_RV is None else shaped_RV, settings)
    logprobs_R = logits_RV.gather(-1, ids_R[:, None])[:, 0] - logits_RV.logsumexp(-1)
    return ids_R, logprobs_R


def likeliest(logits_V: Tensor, count: int) -> list[tuple[int, float]]:
    """The likeliest tokens of one row and their log-probabilities."""
    found = logits_V.float().log_softmax(-1).topk(min(count, len(logits_V)))
    return list(zip(found.indices.tolist(), found.values.tolist(), strict=True))


def _drawn(scores_RV: Tensor, settings: RowSettings) -> Tensor:
    device, drawn = scores_RV.device, np.flatnonzero(settings.temperature > 0)
    if len(drawn) == 0:
        return _largest(scores_RV)
    whole = len(drawn) == len(settings.temperature)
    rows = torch.from_numpy(drawn).to(device)
    temperature = torch.from_numpy(settings.temperature[drawn]).to(device, torch.float32)
    chosen_RV = (scores_RV if whole else scores_RV[rows]) / temperature[:, None]
    chosen_RV = _filter(chosen_RV, settings.top_k[drawn], settings.top_p[drawn], settings.min_p[drawn])
    uniform_R = torch.from_numpy(uniforms(settings.seed[drawn], settings.step[drawn])).to(device, torch.float32)
    drawn_ids = invert(chosen_RV.softmax(-1), uniform_R)
    return drawn_ids if whole else _largest(scores_RV).index_put_((rows,), drawn_ids)


def _by_kernel(logits_RV: Tensor, settings: RowSettings) -> tuple[Tensor, Tensor]:
    """`sample` without filters, in one pass of `models/cpp/draw.cpp`."""
    temperature, drawn = settings.temperature, bool((settings.temperature > 0).any())
    uniform = uniforms(settings.seed, settings.step) if drawn else temperature  # what is not drawn does not look at it
    temperature_R, uniform_R = (torch.from_numpy(values).float() for values in (temperature, uniform))
    ids_R, logprobs_R = torch.empty(len(logits_RV), dtype=torch.int64), torch.empty(len(logits_RV))
    call("draw", logits_RV, temperature_R, uniform_R, ids_R, logprobs_R, *logits_RV.shape)
    return ids_R, logprobs_R


def _largest(logits_RV: Tensor) -> Tensor:
    """The id of each row's largest score, the lowest among equals. On the CPU numpy finds it ten times as fast."""
    if logits_RV.device.type == "cpu":
        return torch.from_numpy(logits_RV.numpy().argmax(-1))
    return logits_RV.argmax(-1)


def invert(probabilities_RV: Tensor, uniform_R: Tensor) -> Tensor:
    """The id at which each row's cumulative distribution passes `uniform_R` (in [0, 1)); never one of probability 0."""
    cumulative_RV = probabilities_RV.cumsum(-1)
    total_R = cumulative_RV[:, -1]
    # A product that rounds up to the whole would point past the last id that has any probability.
    place_R = torch.minimum(uniform_R * total_R, torch.nextafter(total_R, torch.zeros_like(total_R)))
    return torch.searchsorted(cumulative_RV, place_R[:, None], right=True)[:, 0]


def uniforms(seed_R: np.ndarray, step_R: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each (seed, step), by a counter and not by a state: float64 of 24 random bits.

    splitmix64 (Steele, Lea and Flood 2014) of the seed, then of that plus the step. 24 bits survive fp32 unrounded.
    """
    with np.errstate(over="ignore"):
        mixed = _splitmix(_splitmix(seed_R.astype(np.uint64)) + step_R.astype(np.uint64))
    return (mixed >> np.uint64(40)).astype(np.float64) / float(1 << 24)


def _splitmix(x: np.ndarray) -> np.ndarray:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _filter(logits_RV: Tensor, top_k: np.ndarray, top_p: np.ndarray, min_p: np.ndarray) -> Tensor:
    """-inf for what top-k, then top-p, then min-p drop; tokens that tie with the last one kept are kept."""
    vocabulary = logits_RV.shape[-1]
    top_k = np.where((top_k <= 0) | (top_k > vocabulary), vocabulary, top_k)
    if (top_k < vocabulary).any():
        logits_RV = _keep_top_k(logits_RV, top_k)
    if (top_p < 1).any():
        logits_RV = _keep_top_p(logits_RV, top_p)
    if (min_p > 0).any():
        floor_R = torch.from_numpy(min_p).to(logits_RV.device, torch.float32).log()  # log 0 = -inf keeps all
        low_RV = logits_RV < logits_RV.amax(-1, keepdim=True) + floor_R[:, None]
        logits_RV = logits_RV.masked_fill(low_RV, -torch.inf)
    return logits_RV


def _keep_top_k(logits_RV: Tensor, top_k: np.ndarray) -> Tensor:
    some = np.flatnonzero(top_k < logits_RV.shape[-1])
    rows = torch.from_numpy(some).to(logits_RV.device)
    k_R = torch.from_numpy(top_k[some]).to(logits_RV.device)
    largest_RK = logits_RV[rows].topk(int(k_R.max()), dim=-1).values
    least_R = torch.full_like(logits_RV[:, 0], -torch.inf)
    least_R[rows] = largest_RK.gather(-1, k_R[:, None] - 1)[:, 0]
    return logits_RV.masked_fill(logits_RV < least_R[:, None], -torch.inf)


def _keep_top_p(logits_RV: Tensor, top_p: np.ndarray) -> Tensor:
    some = np.flatnonzero(top_p < 1)
    rows = torch.from_numpy(some).to(logits_RV.device)
    p_R = torch.from_numpy(top_p[some]).to(logits_RV.device, torch.float32)
    # Sorting the whole vocabulary costs more than the model's step; the head of it nearly always holds enough.
    chosen_RV = logits_RV[rows]
    head_RK = chosen_RV.topk(min(HEAD, chosen_RV.shape[-1]), dim=-1).values
    whole_R = chosen_RV.logsumexp(-1)
    limit_R, enough_R = _nucleus(head_RK, whole_R, p_R)
    if not enough_R.all():
        short = ~enough_R
        sorted_RV = chosen_RV[short].sort(dim=-1, descending=True).values
        limit_R[short] = _nucleus(sorted_RV, whole_R[short], p_R[short])[0]
    least_R = torch.full_like(logits_RV[:, 0], -torch.inf)
    least_R[rows] = limit_R
    return logits_RV.masked_fill(logits_RV < least_R[:, None], -torch.inf)


def _nucleus(sorted_RK: Tensor, whole_R: Tensor, p_R: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest logit of the smallest set that holds p, and whether the K largest were enough to tell."""
    probabilities_RK = (sorted_RK - whole_R[:, None]).exp()
    through_RK = probabilities_RK.cumsum(-1)
    kept_R = (through_RK - probabilities_RK < p_R[:, None]).sum(-1).clamp(min=1)
    return sorted_RK.gather(-1, kept_R[:, None] - 1)[:, 0], through_RK[:, -1] >= p_R
