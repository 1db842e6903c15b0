"""The models: decoders of the families that Hugging Face's folders hold, read and written as they are."""

from hornbook.models.config import TransformerConfig
from hornbook.models.device import can_compile, pick_device, pick_dtype
from hornbook.models.files import load_model, save_model
from hornbook.models.gpt2 import GPT2
from hornbook.models.heads import RewardModel, ScalarHead, load_reward_model, save_reward_model
from hornbook.models.transformer import Transformer

__all__ = [
    "GPT2",
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
