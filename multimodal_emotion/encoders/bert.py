"""Text encoders of the BERT family: BERT, RoBERTa, DistilBERT, DeBERTa, MPNet, ELECTRA, multilingual and Chinese ones."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerFast

from multimodal_emotion.batch import MaskedSequence, Utterance
from multimodal_emotion.encoders._base import Encoder, Preparation
from multimodal_emotion.encoders._embedded import resolve
from multimodal_emotion.encoders._pooling import LayerMix
from multimodal_emotion.encoders._pooling import pooling as build_pooling
from multimodal_emotion.encoders._pretrained import load_backbone, load_config, load_part
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.media import Text, text_of

DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")


class Tokens(Preparation):
    """Text -> token ids (time,). An utterance with context becomes the pair (context, utterance).

    The context loses its oldest tokens first; an utterance that fills the length alone keeps its beginning.
    """

    cheap: ClassVar[bool] = True

    def __init__(self, tokenizer: PreTrainedTokenizerFast, max_length: int, prefix: str = "") -> None:
        self._tokenizer = tokenizer
        # A tokeniser remembers how it was last called, and saves it; that is no part of what it is.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        self.tokenizer = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        self.max_length = max_length
        self.prefix = prefix
        self.fill = float(tokenizer.pad_token_id or 0)

    def read(self, utterance: Utterance) -> Text | None:
        """The text of an utterance, with its words and its context."""
        return text_of(utterance)

    def __call__(self, medium: Text) -> np.ndarray:
        """Token ids (time,) of one text."""
        (row,) = self.many([medium])
        assert row is not None
        return row

    def many(self, media: Sequence[Text | None]) -> list[np.ndarray | None]:
        """Token ids of many texts; the tokeniser works on them in parallel."""
        texts = [medium for medium in media if medium is not None]
        if not texts:
            return [None] * len(media)
        plain = self._tokenizer(
            [self.prefix + _spoken(text) for text in texts], truncation=True, max_length=self.max_length
        )["input_ids"]
        rows = [np.asarray(ids, dtype=np.int64) for ids in plain]
        for number, text in enumerate(texts):
            if text.context and text.words is None and len(rows[number]) < self.max_length - 2:
                rows[number] = self._pair(text)
        source = iter(rows)
        return [None if medium is None else next(source) for medium in media]

    def _pair(self, text: Text) -> np.ndarray:
        tokenizer = self._tokenizer
        separator = f" {tokenizer.sep_token} "
        before = self.prefix + separator.join(text.context)
        tokenizer.truncation_side = "left"
        try:
            ids = tokenizer(before, text.text, truncation="only_first", max_length=self.max_length)["input_ids"]
        finally:
            tokenizer.truncation_side = "right"
        return np.asarray(ids, dtype=np.int64)

    def word_starts(self, medium: Text) -> np.ndarray:
        """(words,): the token that starts each word; -1 for words beyond the length or without a token."""
        if medium.words is None:
            raise InputError(f"the text {medium.text[:40]!r} has no words; a word-level task needs them")
        encoding = self._tokenizer(self.prefix + _spoken(medium), truncation=True, max_length=self.max_length)
        starts, position = [], len(self.prefix)
        for word in medium.words:
            tokens = (encoding.char_to_token(position + offset) for offset in range(len(word)))
            starts.append(next((token for token in tokens if token is not None), -1))
            position += len(word) + 1
        return np.asarray(starts, dtype=np.int64)


class Bert(Encoder):
    """Any BERT-family checkpoint with a fast tokeniser.

    Source: BERT: Pre-training of Deep Bidirectional Transformers, 2018, arXiv 1810.04805.
    """

    medium: ClassVar[str] = "text"
    backbone: Any
    prepare: Tokens

    def __init__(
        self,
        checkpoint: str = "bert-base-cased",
        *,
        weights: bool = True,
        pooling: str = "first",
        layers: str = "last",
        max_length: int = 128,
        prefix: str = "",
        dropout: float | None = None,
        pool_context: bool = False,
    ) -> None:
        """
        Args:
            checkpoint: a hub name, a local directory, or "embedded" (MiniLM), "embedded:multilingual-e5-small".
            weights: False builds the architecture only.
            pooling: "pooler" (the checkpoint's own, over the first token), "first", "mean", "stats", "attention", or
                "none", which keeps the sequence.
            layers: "last", or "mix": a learned mix of all layers.
            max_length: tokens at most, special ones included.
            prefix: put before each text ("query: " for e5).
            dropout: replaces the checkpoint's own dropout rates.
            pool_context: whether the tokens of an utterance's context are pooled like its own, or only attended to. The
                poolings over the first token see no difference.

        Raises:
            InputError: the checkpoint is not there or broken; it has no pooler; it is shorter than max_length.
        """
        super().__init__()
        place = resolve(checkpoint, "minilm")
        config = load_config(place)
        if dropout is not None:
            for name in DROPOUTS:
                if hasattr(config, name):
                    setattr(config, name, dropout)
        tokenizer = load_part(AutoTokenizer.from_pretrained, place)
        if not getattr(tokenizer, "is_fast", False):
            raise InputError(f"{checkpoint}: no fast tokeniser; convert it to a tokenizer.json first")
        if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes where the files are missing
            raise InputError(
                f"{checkpoint}: its tokeniser has no words; tokenizer.json (or vocab.txt) is missing there"
            )
        backbone: Any = load_backbone(place, config, weights)
        positions = _positions(config)
        if max_length > positions:
            raise InputError(f"{checkpoint}: max_length {max_length} is over the {positions} positions it has")
        own_pooler = getattr(backbone, "pooler", None)
        if hasattr(backbone, "pooler"):
            backbone.pooler = None
        if pooling == "pooler" and not isinstance(own_pooler, nn.Module):
            raise InputError(f"{checkpoint} ({config.model_type}) has no pooler; take pooling first, mean or attention")
        self.backbone = backbone
        if layers not in ("last", "mix"):
            raise unknown("value of layers", layers, ("last", "mix"), "encoders/bert")
        self.mix = LayerMix(config.num_hidden_layers + 1) if layers == "mix" else None
        self.pooler = own_pooler if pooling == "pooler" else None
        self.pooling = build_pooling("none" if pooling == "pooler" else pooling, config.hidden_size)
        self.dim = self.pooling.out_dim
        self.prepare = Tokens(tokenizer, max_length, prefix)
        self._segments = getattr(config, "type_vocab_size", 0) > 1 and "token_type_ids" in tokenizer.model_input_names
        self._separator = tokenizer.sep_token_id
        self.pool_context = pool_context or pooling in ("first", "pooler") or self._separator is None

    def extract(self, inputs: MaskedSequence) -> MaskedSequence:
        """(batch, time) token ids -> (batch, time, width); with layers="mix", width is layers x hidden."""
        given: dict[str, Any] = {"input_ids": inputs.values.long(), "attention_mask": inputs.mask.long()}
        if self._segments:
            given["token_type_ids"] = second_text(inputs, self._separator).long()
        output = self.backbone(**given, output_hidden_states=self.mix is not None)
        mask = inputs.mask if self.pool_context else own_text(inputs, self._separator)
        if self.mix is None:
            return MaskedSequence(output.last_hidden_state, mask)
        return MaskedSequence(torch.cat(output.hidden_states, dim=-1), mask)

    def extract_settings(self) -> str:
        """Which layers are kept, and of which tokens."""
        return f"{'last' if self.mix is None else 'all'} {self.pool_context}"

    def pool(self, features: MaskedSequence) -> MaskedSequence:
        """(batch, time, width) -> (batch, 1, dim), or (batch, time, dim) with pooling="none"."""
        if self.mix is not None:
            states = features.values.chunk(len(self.mix.weights), dim=-1)
            features = MaskedSequence(self.mix(states), features.mask)
        if self.pooler is not None:
            return MaskedSequence(self.pooler(features.values).unsqueeze(1), features.mask[:, :1])
        return self.pooling(features)

    def blocks(self) -> list[nn.Module]:
        """The embeddings, then the layers."""
        count = self.backbone.config.num_hidden_layers
        stacks = [m for m in self.backbone.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
        return [self.backbone.embeddings, *stacks[0]] if stacks else []

    def save(self, folder: Path) -> None:
        """Writes config.json and the tokeniser's files."""
        self.backbone.config.save_pretrained(folder)
        self.prepare._tokenizer.save_pretrained(folder)


def _spoken(text: Text) -> str:
    """What is tokenised: the words where they are given, so that each can be found again, else the text."""
    return text.text if text.words is None else " ".join(text.words)


def second_text(inputs: MaskedSequence, separator: int) -> Bool[Tensor, "batch time"]:
    """Which tokens are those of a pair's second text, and the separator that ends it; none where there is one text only.

    The first text may hold separators of its own (between the utterances of a context), so it is the last that counts. For
    a pair this is what BERT's tokeniser gives as token types.
    """
    separators = (inputs.values == separator) & inputs.mask
    ends = separators.cumsum(dim=1) - separators.long()
    count = separators.sum(dim=1, keepdim=True)
    return (ends == count - 1) & (count > 1) & inputs.mask


def own_text(inputs: MaskedSequence, separator: int) -> Bool[Tensor, "batch time"]:
    """Which tokens are those of the utterance itself: the second text of a pair, else the whole."""
    second = second_text(inputs, separator)
    return torch.where(second.any(dim=1, keepdim=True), second, inputs.mask)


def _positions(config: PretrainedConfig) -> int:
    """How many tokens the checkpoint has positions for; RoBERTa's kind starts counting after its padding token."""
    positions = int(getattr(config, "max_position_embeddings", 512))
    counts_padding = "roberta" in config.model_type or config.model_type in ("camembert", "mpnet")
    return positions - 2 if counts_padding else positions
