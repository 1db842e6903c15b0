"""The models: a Qwen3-shaped decoder that Hugging Face's folders open and that opens theirs."""

from hornbook.models.config import TransformerConfig
from hornbook.models.device import can_compile, pick_device, pick_dtype
from hornbook.models.files import load_model, save_model
from hornbook.models.heads import RewardModel, ScalarHead, load_reward_model, save_reward_model
from hornbook.models.transformer import Transformer

__all__ = [
    "RewardModel",
    "ScalarHead",
    "Transformer",
    "TransformerConfig",
    "can_compile",
    "load_model",
    "load_reward_model",
    "pick_device",
    "pick_dtype",
    "save_model",
    "save_reward_model",
]
