"""A host: the encoder of BERT, RoBERTa and MiniLM, with the names of Hugging Face's weights.

Shapes: B batch, T length, P prefix, D width, H heads, K classes.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .files import fit


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """Sizes of an encoder.

    Attributes:
        first_position: RoBERTa counts positions from 2, and positions of padding not at all.
    """

    vocab_size: int = 30_522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3_072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_dropout_prob: float = 0.1
    first_position: int = 0
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size ({self.hidden_size}) must be divisible by num_attention_heads "
                f"({self.num_attention_heads})"
            )


_ROBERTA: dict[str, Any] = {
    "vocab_size": 50_265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "first_position": 2,
}
BERT_PRESETS = {
    "bert-base": BertConfig(),
    "roberta-base": BertConfig(**_ROBERTA),
    "roberta-large": BertConfig(
        hidden_size=1_024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4_096,
        **_ROBERTA,
    ),
    "minilm-l6": BertConfig(hidden_size=384, num_hidden_layers=6, intermediate_size=1_536),
}  # fmt: skip


class Tree(nn.Module):
    """Modules under names, which may be any: a piece of a path such as "attention.self"."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def __getattr__(self, name: str) -> Any:
        """Return a module by its name."""
        return super().__getattr__(name)


class Layer(nn.Module):
    """Attention and MLP; after each, what went in is added and the sum normalized."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        d, f, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        names = ("query", "key", "value")
        self.attention = Tree(
            {
                "self": Tree({name: nn.Linear(d, d) for name in names}),
                "output": Tree({"dense": nn.Linear(d, d), "LayerNorm": nn.LayerNorm(d, eps)}),
            }
        )
        self.intermediate = Tree({"dense": nn.Linear(d, f)})
        self.output = Tree({"dense": nn.Linear(f, d), "LayerNorm": nn.LayerNorm(d, eps)})
        self.heads, self.dropout = config.num_attention_heads, config.hidden_dropout_prob

    def forward(self, x_BTD: Tensor, seen: Tensor | None) -> Tensor:
        """Map (B, T, D) to the same; ``seen`` (B, 1, 1, T) says what may be looked at."""
        own: Any = self.attention.get_submodule("self")
        out = self.attention.output
        q, k, v = (
            layer(x_BTD).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (own.query, own.key, own.value)
        )
        drop = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, seen, drop).transpose(1, 2).flatten(2)
        x_BTD = out.LayerNorm(x_BTD + F.dropout(out.dense(y), drop))
        y = self.output.dense(F.gelu(self.intermediate.dense(x_BTD)))
        return self.output.LayerNorm(x_BTD + F.dropout(y, drop))


class Bert(nn.Module):
    """The encoder.

    Args:
        config: sizes. generator: of the first weights, N(0, .02²).
        pooler: have the layer between the first token's state and a classifier.
    """

    def __init__(
        self,
        config: BertConfig | None = None,
        generator: torch.Generator | None = None,
        pooler: bool = True,
    ) -> None:
        super().__init__()
        self.config = config = config or BertConfig()
        d = config.hidden_size
        self.embeddings = Tree(
            {
                "word_embeddings": nn.Embedding(config.vocab_size, d),
                "position_embeddings": nn.Embedding(config.max_position_embeddings, d),
                "token_type_embeddings": nn.Embedding(config.type_vocab_size, d),
                "LayerNorm": nn.LayerNorm(d, config.layer_norm_eps),
            }
        )
        self.encoder = Tree(
            {"layer": nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))}
        )
        self.pooler = Tree({"dense": nn.Linear(d, d)}) if pooler else None
        if not self.embeddings.word_embeddings.weight.is_meta:
            for name, parameter in self.named_parameters():
                if parameter.dim() == 2:
                    nn.init.normal_(parameter, std=0.02, generator=generator)
                elif name.endswith("bias"):
                    nn.init.zeros_(parameter)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, pooler: bool = True,
        **changes: Any,
    ) -> Self:  # fmt: skip
        """Build a published size, with changes of its `BertConfig`.

        Raises:
            ValueError: an unknown name.
        """
        if name not in BERT_PRESETS:
            raise ValueError(f"name must be one of {', '.join(BERT_PRESETS)}; got {name!r}")
        return cls(dataclasses.replace(BERT_PRESETS[name], **changes), generator, pooler)

    def embed(self, input_ids: Tensor, prefix_PD: Tensor | None = None) -> Tensor:
        """Return embeddings (B, T, D); those of a prefix stand behind the first token's, [CLS].

        Raises:
            ValueError: more positions than there are.
        """
        own, config = self.embeddings, self.config
        x_BTD = own.word_embeddings(input_ids)
        if prefix_PD is not None:
            prefix = prefix_PD.expand(len(x_BTD), -1, -1)
            x_BTD = torch.cat([x_BTD[:, :1], prefix, x_BTD[:, 1:]], 1)
        first, length = config.first_position, x_BTD.shape[1]
        if first + length > config.max_position_embeddings:
            most = config.max_position_embeddings - first
            raise ValueError(f"input_ids are too long: {length} positions, at most {most}")
        place = own.position_embeddings.weight[first : first + length]
        x_BTD = x_BTD + place + own.token_type_embeddings.weight[0]
        return F.dropout(own.LayerNorm(x_BTD), config.hidden_dropout_prob, self.training)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        prefix_PD: Tensor | None = None,
    ) -> Tensor:
        """Return the last states (B, T, D), those of a prefix left out.

        Args:
            input_ids: (B, T), padding on the right.
            attention_mask: (B, T), 0 at padding.
            prefix_PD: embeddings of tokens that no vocabulary has, behind the first token.
        """
        x_BTD = self.embed(input_ids, prefix_PD)
        extra = 0 if prefix_PD is None else len(prefix_PD)
        seen = None
        if attention_mask is not None:
            ones = attention_mask.new_ones(len(input_ids), extra)
            mask = torch.cat([attention_mask[:, :1], ones, attention_mask[:, 1:]], 1)
            seen = (mask != 0)[:, None, None, :]
        for layer in self.encoder.layer:
            if self.config.gradient_checkpointing and self.training:
                x_BTD = checkpoint(layer, x_BTD, seen, use_reentrant=False)
            else:
                x_BTD = layer(x_BTD, seen)
        if extra:
            x_BTD = torch.cat([x_BTD[:, :1], x_BTD[:, 1 + extra :]], 1)
        return x_BTD


class Classifier(nn.Module):
    """An encoder and a linear layer on the state of its first token.

    Args:
        bert: the encoder. num_labels: K. generator: of the new layer's weights, N(0, .02²).
    """

    def __init__(
        self, bert: Bert, num_labels: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if num_labels < 1:
            raise ValueError(f"num_labels must be at least 1, got {num_labels}")
        self.bert, d = bert, bert.config.hidden_size
        self.classifier = nn.Linear(d, num_labels)
        if not self.classifier.weight.is_meta:
            nn.init.normal_(self.classifier.weight, std=0.02, generator=generator)
            nn.init.zeros_(self.classifier.bias)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        prefix_PD: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, K)."""
        x_BD = self.bert(input_ids, attention_mask, prefix_PD)[:, 0]
        if self.bert.pooler is not None:
            x_BD = torch.tanh(self.bert.pooler.dense(x_BD))
        p = self.bert.config.hidden_dropout_prob
        return self.classifier(F.dropout(x_BD, p, self.training))


def from_transformers(state_dict: Mapping[str, Tensor], config: BertConfig) -> Bert:
    """Return an encoder with the weights of a Hugging Face checkpoint of BERT's or RoBERTa's form.

    Raises:
        ValueError: names or shapes that are not those of the config.
    """
    for prefix in ("bert.", "roberta."):
        state_dict = {name.removeprefix(prefix): t for name, t in state_dict.items()}
    state = {k: v for k, v in state_dict.items() if not k.endswith("position_ids")}
    with torch.device("meta"):
        model = Bert(config, pooler=any(name.startswith("pooler.") for name in state))
    state = fit(model.state_dict(), state)
    model.load_state_dict({k: v.clone() for k, v in state.items()}, assign=True)
    return model.eval()
