"""Whisper from CTranslate2's model.bin, with its decoder and tokeniser, so that it also transcribes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multimodal_emotion.encoders._cursor import Cursor
from multimodal_emotion.encoders._pretrained import quietly
from multimodal_emotion.errors import InputError

TYPES = ("<f4", "i1", "<i2", "<i4", "<f2")
TIMES = 1501
"""The last tokens of the vocabulary are times: 0.00 to 30.00 seconds in steps of 0.02."""

PROJECTIONS = {
    "self_attn.linear_0": ("q_proj", "k_proj", "v_proj"),
    "self_attn.linear_1": ("out_proj",),
    "encoder_attn.linear_0": ("q_proj",),
    "encoder_attn.linear_1": ("k_proj", "v_proj"),
    "encoder_attn.linear_2": ("out_proj",),
}
"""Which projections a stacked matrix holds, top to bottom."""


def whisper(data: bytes, beside: Path, folder: Path) -> None:
    """Writes the whole recogniser: model, feature extractor, tokeniser with time tokens, settings of generation.

    Args:
        data: the content of model.bin.
        beside: the folder of its config.json and tokenizer.json.
        folder: empty, to be written.

    Raises:
        InputError: the data is cut off or in an unknown version of the format.
    """
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    variables = read(data)
    state = whisper_state(variables)
    words = tokenizer(beside)
    model = WhisperForConditionalGeneration(config(variables, words))
    model.load_state_dict({**state, "proj_out.weight": state["model.decoder.embed_tokens.weight"]})
    model.generation_config = generation(json.loads((beside / "config.json").read_text(encoding="utf-8")), words)
    with quietly():
        model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(folder)
    words.save_pretrained(folder)


def read(data: bytes) -> dict[str, np.ndarray]:
    """The variables of a model.bin by name. Aliases, which stand after them, are left out.

    Raises:
        InputError: the data is cut off or in an unknown version of the format.
    """
    cursor = Cursor(data)
    version = cursor.number("I")
    if not 4 <= version <= 6:
        raise InputError(f"version {version} of CTranslate2's format is not known here (4 to 6 are)")
    _text(cursor)
    cursor.number("I")
    variables = {}
    for _ in range(cursor.number("I")):
        name = _text(cursor)
        shape = cursor.numbers("I", cursor.number("B"))
        dtype = np.dtype(TYPES[cursor.number("B")])
        variables[name] = np.frombuffer(cursor.take(cursor.number("I")), dtype).reshape(shape)
    return variables


def config(variables: Mapping[str, np.ndarray], words: Any) -> Any:
    """The `WhisperConfig` that the shapes of the variables tell."""
    from transformers import WhisperConfig

    sizes: dict[str, Any] = {}
    for side in ("encoder", "decoder"):
        sizes[f"{side}_layers"] = sum(
            name.startswith(f"{side}/") and "ffn/linear_0/weight" in name for name in variables
        )
        sizes[f"{side}_attention_heads"] = int(variables[f"{side}/num_heads"])
        sizes[f"{side}_ffn_dim"] = len(variables[f"{side}/layer_0/ffn/linear_0/weight"])
    width, mels, _ = variables["encoder/conv1/weight"].shape
    return WhisperConfig(
        vocab_size=len(variables["decoder/embeddings/weight"]),
        d_model=width,
        num_mel_bins=mels,
        **sizes,
        **_marks(words),
    )


def generation(settings: Mapping[str, Any], words: Any) -> Any:
    """The `GenerationConfig` for CTranslate2's settings; English-only models have no language and no task to choose."""
    from transformers import GenerationConfig

    languages = {words.convert_ids_to_tokens(number): number for number in settings["lang_ids"]}
    # The English-only vocabulary lacks one token; its ids of languages are then those of the other vocabulary.
    multilingual = "<|en|>" in languages
    tasks = {task: words.convert_tokens_to_ids(f"<|{task}|>") for task in ("translate", "transcribe")}
    return GenerationConfig(
        prev_sot_token_id=words.convert_tokens_to_ids("<|startofprev|>"),
        no_timestamps_token_id=words.convert_tokens_to_ids("<|notimestamps|>"),
        max_initial_timestamp_index=50,
        is_multilingual=multilingual,
        alignment_heads=settings["alignment_heads"],
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
        max_length=448,
        **({"lang_to_id": languages, "task_to_id": tasks} if multilingual else {}),
        **_marks(words),
    )


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


def tokenizer(folder: Path) -> Any:
    """Whisper's tokeniser from a folder with its tokenizer.json, which lacks the time tokens."""
    from tokenizers import AddedToken
    from transformers import WhisperTokenizer

    end = "<|endoftext|>"
    found = WhisperTokenizer.from_pretrained(
        str(folder), bos_token=end, eos_token=end, unk_token=end, pad_token=end, local_files_only=True
    )
    found.add_tokens([AddedToken(f"<|{step * 0.02:.2f}|>", normalized=False) for step in range(TIMES)])
    return found


def _marks(words: Any) -> dict[str, Any]:
    end, start = (words.convert_tokens_to_ids(name) for name in ("<|endoftext|>", "<|startoftranscript|>"))
    return {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}


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
