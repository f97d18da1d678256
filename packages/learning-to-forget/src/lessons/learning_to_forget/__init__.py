"""Long short-term memory that learns to forget (Gers, Schmidhuber and Cummins 2000)."""

from .abreast import Abreast
from .blocks import PRESETS, Config, GersLSTM, blocks_reference
from .char import CharConfig, CharLSTM
from .lstm import LSTM, LSTMCell, PeepholeLSTM, chrono_init_, init_forget_bias_
from .online import ForwardMode
from .scan import scan, scan_reference
from .speech import SpeakerEncoder, VoiceDetector
from .stream import Stream, record_gates
from .tasks import Cerg, adding, cerg, cnto, legal_next, nto
from .weights import (
    from_keras,
    from_torch,
    from_torch_blocks,
    load,
    save,
    to_keras,
    to_torch,
)

__all__ = [
    "LSTM",
    "PRESETS",
    "Abreast",
    "Cerg",
    "CharConfig",
    "CharLSTM",
    "Config",
    "ForwardMode",
    "GersLSTM",
    "LSTMCell",
    "PeepholeLSTM",
    "SpeakerEncoder",
    "Stream",
    "VoiceDetector",
    "adding",
    "blocks_reference",
    "cerg",
    "chrono_init_",
    "cnto",
    "from_keras",
    "from_torch",
    "from_torch_blocks",
    "init_forget_bias_",
    "legal_next",
    "load",
    "nto",
    "record_gates",
    "save",
    "scan",
    "scan_reference",
    "to_keras",
    "to_torch",
]
