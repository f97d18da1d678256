"""The sparsely-gated mixture of experts (Shazeer et al. 2017)."""

from .attention import gnmt_attention
from .config import PRESETS, MoEConfig
from .experts import Experts
from .gating import (
    BatchwiseGate,
    Gating,
    NoisyTopKGate,
    SoftmaxGate,
    balance_loss,
    cv_squared,
    importance,
    keep_top_k,
    load_probability,
    smooth_load,
    softmax_gating,
)
from .layer import HierarchicalMoE, MoELayer, SparseMoE, Stats
from .model import MoELanguageModel, ProjectedLSTM, count_parameters
from .optim import FactoredAdam, inverse_sqrt
from .parallel import ExpertParallelMoE
from .weights import from_mixtral, load, save, to_mixtral

__all__ = [
    "PRESETS",
    "BatchwiseGate",
    "ExpertParallelMoE",
    "Experts",
    "FactoredAdam",
    "Gating",
    "HierarchicalMoE",
    "MoEConfig",
    "MoELanguageModel",
    "MoELayer",
    "NoisyTopKGate",
    "ProjectedLSTM",
    "SoftmaxGate",
    "SparseMoE",
    "Stats",
    "balance_loss",
    "count_parameters",
    "cv_squared",
    "from_mixtral",
    "gnmt_attention",
    "importance",
    "inverse_sqrt",
    "keep_top_k",
    "load",
    "load_probability",
    "save",
    "smooth_load",
    "softmax_gating",
    "to_mixtral",
]
