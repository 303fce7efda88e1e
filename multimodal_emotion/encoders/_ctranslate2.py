"""Whisper tiny.en from CTranslate2's model.bin, with its decoder and tokeniser, so that it also transcribes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multimodal_emotion.encoders._cursor import Cursor
from multimodal_emotion.errors import InputError

TYPES = ("<f4", "i1", "<i2", "<i4", "<f2")
END, START, PREVIOUS, NO_TIMES = 50256, 50257, 50360, 50362
TIMES = 1501
"""Time tokens follow the "no times" token: 0.00 to 30.00 seconds in steps of 0.02."""

PROJECTIONS = {
    "self_attn.linear_0": ("q_proj", "k_proj", "v_proj"),
    "self_attn.linear_1": ("out_proj",),
    "encoder_attn.linear_0": ("q_proj",),
    "encoder_attn.linear_1": ("k_proj", "v_proj"),
    "encoder_attn.linear_2": ("out_proj",),
}
"""Which projections a stacked matrix holds, top to bottom."""


def whisper_tiny_en(source: Path, folder: Path) -> None:
    """Writes the whole recogniser: model, feature extractor, tokeniser with time tokens, settings of generation.

    Args:
        source: the model.bin, beside its config.json and tokenizer.json.
        folder: empty, to be written.
    """
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    settings = json.loads((source.parent / "config.json").read_text(encoding="utf-8"))
    suppress = {"suppress_tokens": settings["suppress_ids"], "begin_suppress_tokens": settings["suppress_ids_begin"]}
    specials: dict[str, Any] = {
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": END,
        "decoder_start_token_id": START,
    }
    config = WhisperConfig(
        vocab_size=NO_TIMES + 1 + TIMES,
        d_model=384,
        encoder_layers=4,
        decoder_layers=4,
        encoder_attention_heads=6,
        decoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_ffn_dim=1536,
        **specials,
    )
    model = WhisperForConditionalGeneration(config)
    state = whisper_state(read(source))
    model.load_state_dict({**state, "proj_out.weight": state["model.decoder.embed_tokens.weight"]})
    model.generation_config = GenerationConfig(
        prev_sot_token_id=PREVIOUS,
        no_timestamps_token_id=NO_TIMES,
        max_initial_timestamp_index=50,
        is_multilingual=False,
        alignment_heads=settings["alignment_heads"],
        max_length=448,
        **specials,
        **suppress,
    )
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    tokenizer(source.parent / "tokenizer.json").save_pretrained(folder)


def read(source: Path) -> dict[str, np.ndarray]:
    """The variables of a model.bin by name. Aliases, which stand after them, are left out.

    Raises:
        InputError: the file is cut off or in an unknown version of the format.
    """
    cursor = Cursor(source.read_bytes())
    version = cursor.number("I")
    if not 4 <= version <= 6:
        raise InputError(f"{source}: version {version} of CTranslate2's format is not known here (4 to 6 are)")
    _text(cursor)
    cursor.number("I")
    variables = {}
    for _ in range(cursor.number("I")):
        name = _text(cursor)
        shape = cursor.numbers("I", cursor.number("B"))
        dtype = np.dtype(TYPES[cursor.number("B")])
        variables[name] = np.frombuffer(cursor.take(cursor.number("I")), dtype).reshape(shape)
    return variables


def whisper_state(variables: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """CTranslate2's variables under the names of transformers, as float32."""
    state = {}
    for name, array in variables.items():
        # What has no axes, or tells which heads align words with time, is a setting.
        if array.ndim == 0 or "/alignment_" in name:
            continue
        targets = _targets(name)
        for part, target in zip(np.split(array, len(targets)), targets, strict=True):
            # Whisper's keys have no bias; here it is a vector of zeros.
            if not target.endswith("k_proj.bias"):
                state[f"model.{target}"] = torch.from_numpy(part.astype(np.float32))
    return state


def tokenizer(file: Path) -> Any:
    """Whisper's tokeniser from its tokenizer.json, which lacks the time tokens."""
    from tokenizers import AddedToken
    from transformers import WhisperTokenizer

    end = "<|endoftext|>"
    found = WhisperTokenizer.from_pretrained(
        str(file.parent), bos_token=end, eos_token=end, unk_token=end, pad_token=end, local_files_only=True
    )
    found.add_tokens([AddedToken(f"<|{step * 0.02:.2f}|>", normalized=False) for step in range(TIMES)])
    assert found.convert_tokens_to_ids("<|0.00|>") == NO_TIMES + 1
    return found


def _targets(name: str) -> list[str]:
    """The parameters that a variable holds, stacked."""
    side, *path, last = name.split("/")
    kind = {"gamma": "weight", "beta": "bias"}.get(last, last)
    if not path[0].startswith("layer_") or path[0] == "layer_norm":
        outer = {"position_encodings": "embed_positions.weight", "embeddings": "embed_tokens.weight"}
        return [f"{side}.{outer.get(path[0], f'{path[0]}.{kind}')}"]
    layer = f"{side}.layers.{path[0].removeprefix('layer_')}"
    module, part = path[1], path[2]
    if module == "ffn":
        inner = {"layer_norm": "final_layer_norm", "linear_0": "fc1", "linear_1": "fc2"}[part]
        return [f"{layer}.{inner}.{kind}"]
    attention = {"self_attention": "self_attn", "attention": "encoder_attn"}[module]
    if part == "layer_norm":
        return [f"{layer}.{attention}_layer_norm.{kind}"]
    return [f"{layer}.{attention}.{projection}.{kind}" for projection in PROJECTIONS[f"{attention}.{part}"]]


def _text(cursor: Cursor) -> str:
    """The next text: its length, its bytes, a zero."""
    return cursor.take(cursor.number("H"))[:-1].decode()
