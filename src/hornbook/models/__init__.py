"""The models: decoders of the families that Hugging Face's folders hold, an encoder of ModernBERT's shape and an
encoder-decoder of T5's; read and written as they are."""

from hornbook.models.config import TransformerConfig
from hornbook.models.device import can_compile, pick_device, pick_dtype
from hornbook.models.encoder import Encoder, SequenceClassifier, TokenClassifier
from hornbook.models.encoder_config import EncoderConfig
from hornbook.models.encoder_decoder import EncoderDecoder
from hornbook.models.encoder_decoder_config import EncoderDecoderConfig
from hornbook.models.encoder_files import load_encoder, load_encoder_decoder, save_encoder, save_encoder_decoder
from hornbook.models.files import load_model, save_model
from hornbook.models.gpt2 import GPT2
from hornbook.models.heads import RewardModel, ScalarHead, load_reward_model, save_reward_model
from hornbook.models.pooling import pooled
from hornbook.models.transformer import Transformer

__all__ = [
    "GPT2",
    "Encoder",
    "EncoderConfig",
    "EncoderDecoder",
    "EncoderDecoderConfig",
    "RewardModel",
    "ScalarHead",
    "SequenceClassifier",
    "TokenClassifier",
    "Transformer",
    "TransformerConfig",
    "can_compile",
    "load_encoder",
    "load_encoder_decoder",
    "load_model",
    "load_reward_model",
    "pick_device",
    "pick_dtype",
    "pooled",
    "save_encoder",
    "save_encoder_decoder",
    "save_model",
    "save_reward_model",
]
