"""LoRA: low-rank updates beside frozen weights, in any model."""

from .baselines import (
    Adapter,
    PrefixEmbedding,
    PrefixLayer,
    adapters_h,
    adapters_l,
    adapters_p,
    bitfit,
    full,
    top_layers,
)
from .bert import BERT_PRESETS, Bert, BertConfig, Classifier, from_transformers
from .config import PRESETS, LoRAConfig
from .exchange import (
    from_loralib,
    load_lora,
    load_peft,
    lora_state_dict,
    save_peft,
    to_loralib,
)
from .files import load, save
from .gpt2 import GPT2, GPT2_PRESETS, GPT2Config
from .injection import (
    adapted_layers,
    adapter_per_sample,
    adapters,
    add_weighted_adapter,
    disable_adapters,
    enable_input_require_grads,
    inject,
    mark_only_lora_as_trainable,
    merge,
    merge_and_unload,
    set_adapter,
    unload,
    unmerge,
)
from .layers import (
    LoRAAttention,
    LoRAConv,
    LoRAEmbedding,
    LoRALayer,
    LoRALinear,
    LoRAPacked,
    adapt,
)
from .memory import (
    adapter_count,
    count_all,
    count_trainable,
    lora_count,
    prefix_embedding_count,
    prefix_layer_count,
    training_memory,
)
from .subspaces import amplification, projected_norm, similarity_map, subspace_similarity

__all__ = [
    "BERT_PRESETS", "GPT2", "GPT2_PRESETS", "PRESETS", "Adapter", "Bert", "BertConfig",
    "Classifier", "GPT2Config", "LoRAAttention", "LoRAConfig", "LoRAConv", "LoRAEmbedding",
    "LoRALayer", "LoRALinear", "LoRAPacked", "PrefixEmbedding", "PrefixLayer", "adapt",
    "adapted_layers",
    "adapter_count", "adapter_per_sample", "adapters", "adapters_h", "adapters_l", "adapters_p",
    "add_weighted_adapter", "amplification", "bitfit", "count_all", "count_trainable",
    "disable_adapters", "enable_input_require_grads", "from_loralib", "from_transformers", "full",
    "inject", "load", "load_lora", "load_peft", "lora_count", "lora_state_dict",
    "mark_only_lora_as_trainable", "merge", "merge_and_unload", "prefix_embedding_count",
    "prefix_layer_count", "projected_norm", "save", "save_peft", "set_adapter", "similarity_map",
    "subspace_similarity", "to_loralib", "top_layers", "training_memory", "unload", "unmerge",
]  # fmt: skip
