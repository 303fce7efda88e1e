"""What encoders learn from without labels: masked words, and masked sound."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, DataCollatorForLanguageModeling, PreTrainedModel, Wav2Vec2ForPreTraining

from multimodal_emotion.batch import pad
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.encoders._embedded import resolve
from multimodal_emotion.encoders._pretrained import load_backbone, load_config, load_part
from multimodal_emotion.encoders.bert import Bert
from multimodal_emotion.encoders.wav2vec2 import Wav2Vec2
from multimodal_emotion.errors import InputError

MASKED_SHARE = 0.15

STARTS, SPAN = 0.065, 10
"""Which share of frames begins a span that is masked, and how many frames it has."""

NEGATIVES = 100


class Objective(ABC):
    """A pretrained part with a head, and what it is trained for.

    Attributes:
        model: learns.
    """

    model: Any

    def __init__(self, place: str) -> None:
        self.place = place

    @property
    def device(self) -> torch.device:
        """Where the model is. Masks are drawn on the processor, so that they are the same everywhere."""
        return next(self.model.parameters()).device

    @abstractmethod
    def loss(self, arrays: Sequence[np.ndarray], generator: torch.Generator) -> Tensor | None:
        """The mean loss of what is masked in prepared utterances (time, ...), a scalar; None where nothing is."""

    def backbone(self) -> PreTrainedModel:
        """The pretrained part as it is now, with what the objective does not use of the checkpoint (a pooler) as it was."""
        whole = load_backbone(
            self.place, load_config(self.place), weights=True, allowed=("pooler", "masked_spec_embed")
        )
        whole.load_state_dict(self.model.base_model.state_dict(), strict=False)
        return whole


class MaskedWords(Objective):
    """15 % of the tokens are to be found: 80 % of them masked, 10 % replaced by others, 10 % left as they are.

    A head that the checkpoint lacks begins anew.

    Source: BERT: Pre-training of Deep Bidirectional Transformers, 2018, arXiv 1810.04805. On texts of the domain: Don't Stop
        Pretraining: Adapt Language Models to Domains and Tasks, 2020, arXiv 2004.10964.
    """

    def __init__(self, encoder: Bert, place: str) -> None:
        super().__init__(place)
        self.model = load_part(AutoModelForMaskedLM.from_pretrained, place, use_safetensors=True, dtype=torch.float32)
        self.tokenizer = encoder.prepare._tokenizer
        if self.tokenizer.mask_token is None:
            raise InputError(f"checkpoint {place} has no token for what is masked")
        self.masking = DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=MASKED_SHARE)
        self.fill = encoder.prepare.fill

    def loss(self, arrays: Sequence[np.ndarray], generator: torch.Generator) -> Tensor | None:
        """Cross entropy of the tokens."""
        tokens = pad([torch.from_numpy(array) for array in arrays], self.fill)
        values, wanted = self.masked(tokens.values, generator)
        asked = wanted >= 0
        if not asked.any():
            return None
        places = asked.to(self.device)

        def only_asked(_: nn.Module, __: Any, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[places].unsqueeze(0)
            return output

        # The head then gives no logits for the other 85 %, which the whole vocabulary makes most of a step.
        with self.model.base_model.register_forward_hook(only_asked):
            given = {"input_ids": values, "attention_mask": tokens.mask.long()}
            logits = self.model(**{name: tensor.to(self.device) for name, tensor in given.items()}).logits
        return nn.functional.cross_entropy(logits[0].float(), wanted[asked].to(self.device))

    def masked(
        self, tokens: Int[Tensor, "batch time"], generator: torch.Generator
    ) -> tuple[Int[Tensor, "batch time"], Int[Tensor, "batch time"]]:
        """What the model reads, and what it should find there: -100 where nothing is asked."""
        special = torch.isin(tokens, torch.tensor(self.tokenizer.all_special_ids))
        self.masking.generator = generator
        return self.masking.torch_mask_tokens(tokens.clone(), special)


class MaskedSound(Objective):
    """wav2vec 2.0's own: which of 101 quantised frames is the masked one.

    Clips of a batch are cut to the shortest, so that none is padded. A quantiser that the checkpoint lacks begins anew.

    Source: wav2vec 2.0, 2020, arXiv 2006.11477.
    """

    def __init__(self, encoder: Wav2Vec2, place: str) -> None:
        super().__init__(place)
        config = load_config(place)
        if config.model_type != "wav2vec2":
            raise InputError(
                f"{place} is a {config.model_type} checkpoint: no objective without labels is known for it"
            )
        config.apply_spec_augment = True  # else the frames would not be masked at all
        config.mask_feature_prob, config.layerdrop, config.num_negatives = 0.0, 0.0, NEGATIVES
        self.model = load_part(
            Wav2Vec2ForPreTraining.from_pretrained, place, config=config, use_safetensors=True, dtype=torch.float32
        )

    def loss(self, arrays: Sequence[np.ndarray], generator: torch.Generator) -> Tensor | None:
        """Contrastive and diversity loss, for each masked frame."""
        samples = min(map(len, arrays))
        sound = torch.stack([torch.from_numpy(array[:samples]) for array in arrays])
        frames = int(self.model._get_feat_extract_output_lengths(samples))
        mask = spans(len(arrays), frames, generator)
        if not bool((mask.sum(dim=1) > 1).all()):
            return None
        given = {"mask_time_indices": mask, "sampled_negative_indices": negatives(mask, NEGATIVES, generator)}
        placed = {name: tensor.to(self.device) for name, tensor in given.items()}
        return self.model(sound.to(self.device), **placed).loss / int(mask.sum())


def spans(rows: int, frames: int, generator: torch.Generator) -> Bool[Tensor, "rows frames"]:
    """Which frames are masked: spans of 10 that begin anywhere, at least one in each row, and overlap."""
    starts = torch.rand(rows, frames, generator=generator) < STARTS
    starts.scatter_(1, torch.randint(frames, (rows, 1), generator=generator), True)
    padded = nn.functional.pad(starts, (SPAN - 1, 0))
    return padded.unfold(1, SPAN, 1).any(dim=2)


def negatives(
    mask: Bool[Tensor, "rows frames"], count: int, generator: torch.Generator
) -> Int[Tensor, "rows frames count"]:
    """For each masked frame other masked frames of its row, by their numbers among all frames of all rows."""
    found = torch.zeros(*mask.shape, count, dtype=torch.long)
    for row, own in enumerate(mask):
        places = own.nonzero().flatten()
        drawn = torch.randint(len(places) - 1, (len(places), count), generator=generator)
        others = drawn + (drawn >= torch.arange(len(places)).unsqueeze(1)).long()
        found[row, own] = places[others] + row * mask.shape[1]
    return found


OBJECTIVES: dict[type[Encoder], tuple[Callable[..., Objective], str | None]] = {
    Bert: (MaskedWords, "minilm"),
    Wav2Vec2: (MaskedSound, None),
}


def objective(encoder: Encoder, kind: str, checkpoint: str) -> Objective:
    """What an encoder can be trained for without labels.

    Args:
        encoder: built from the checkpoint.
        kind: its name.
        checkpoint: as its setting.

    Raises:
        InputError: nothing is known for this kind of encoder or checkpoint.
    """
    for cls, (build, default) in OBJECTIVES.items():
        if isinstance(encoder, cls):
            return build(encoder, resolve(checkpoint, default))
    raise InputError(f"encoder {kind}: no objective without labels is known for it; bert and wav2vec2 have one")
