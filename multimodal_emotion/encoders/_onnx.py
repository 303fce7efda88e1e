"""DINOv2 small from an ONNX graph that has it below a saliency decoder."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from multimodal_emotion.errors import InputError

BACKBONE = "backbone"
POSITIONS = ("onnx::Concat_1957", "onnx::Reshape_1962")
"""The position embeddings, of the class token and of the patches: the export took them apart."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def dinov2_small(data: bytes, beside: Path, folder: Path) -> None:
    """Writes the image encoder and its image processor; the saliency decoder is left out.

    Args:
        data: the content of the .onnx file.
        beside: the folder of that file; nothing else of it is read.
        folder: empty, to be written.

    Raises:
        InputError: onnx is not installed.
    """
    from safetensors.torch import save_file
    from transformers import BitImageProcessorPil, Dinov2Config

    config = Dinov2Config(
        hidden_size=384,
        num_attention_heads=6,
        num_hidden_layers=12,
        image_size=518,
        patch_size=14,
        architectures=["Dinov2Model"],
    )
    config.save_pretrained(folder)
    save_file(dinov2_state(data), folder / "model.safetensors", metadata={"format": "pt"})
    processor = BitImageProcessorPil(
        size={"shortest_edge": 256},
        crop_size={"height": 224, "width": 224},
        image_mean=list(IMAGENET_MEAN),
        image_std=list(IMAGENET_STD),
    )
    processor.save_pretrained(folder)


def dinov2_state(data: bytes) -> dict[str, Tensor]:
    """The backbone's weights under the names that published DINOv2 checkpoints use.

    Raises:
        InputError: onnx is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError:
        raise InputError('reading ONNX weights needs onnx: pip install "multimodal_emotion[embedded]"') from None

    graph = onnx.load_model_from_string(data).graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    state = {name.removeprefix(f"{BACKBONE}."): array for name, array in arrays.items() if name.startswith(BACKBONE)}
    for node in graph.node:
        # Linear weights lost their names in the export; the node that multiplies by one kept the path of its module.
        if node.op_type == "MatMul" and node.name.startswith(f"/{BACKBONE}/") and node.input[1] in arrays:
            module = node.name.removeprefix(f"/{BACKBONE}/").removesuffix("/MatMul").replace("/", ".")
            state[f"{module}.weight"] = arrays[node.input[1]].T
    state["embeddings.position_embeddings"] = np.concatenate([arrays[name] for name in POSITIONS], axis=1)
    # Only pretraining masks patches.
    state["embeddings.mask_token"] = np.zeros_like(state["embeddings.cls_token"][0])
    return {name: torch.from_numpy(np.array(array, order="C")) for name, array in state.items()}
