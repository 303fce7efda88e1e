"""Speech recognisers of transformers: loading one, and what it makes of half a minute."""

import numpy as np
import torch
from jaxtyping import Float32
from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor

from multimodal_emotion.encoders._embedded import resolve
from multimodal_emotion.encoders._pretrained import load_part, quietly
from multimodal_emotion.errors import InputError

NO_SPEECH, LIKELY = 0.6, -1.0
"""A window is silence where the model finds speech unlikely and its words too: the thresholds of Whisper's authors.

Source: Robust Speech Recognition via Large-Scale Weak Supervision, 2022, arXiv 2212.04356."""


class Recogniser:
    """A speech recogniser with its weights, in evaluation mode.

    Attributes:
        rate: of the sound it takes, in hertz.
        seconds: it takes at most this much at once.
    """

    seconds = 30.0

    def __init__(self, checkpoint: str = "embedded") -> None:
        """
        Args:
            checkpoint: a hub name, a local folder, or "embedded" (Whisper tiny.en).

        Raises:
            InputError: the checkpoint is not there, broken, or no recogniser.
        """
        place = resolve(checkpoint, "whisper-tiny.en")
        self.processor = load_part(AutoProcessor.from_pretrained, place)
        self.model = load_part(
            AutoModelForSpeechSeq2Seq.from_pretrained, place, use_safetensors=True, dtype=torch.float32
        ).eval()
        extractor = getattr(self.processor, "feature_extractor", None)
        if extractor is None:
            raise InputError(f"{checkpoint} has no feature extractor (preprocessor_config.json); it is no recogniser")
        self.rate = int(extractor.sampling_rate)
        self.has_times = self.model.config.model_type == "whisper"

    @torch.inference_mode()
    def hear(
        self, samples: Float32[np.ndarray, " time"], language: str | None = None
    ) -> list[tuple[float, float, str]]:
        """What is said in at most `seconds` of sound: start and end in seconds, and the words.

        Args:
            samples: at `rate`.
            language: of a multilingual Whisper, such as "de"; None lets it guess.
        """
        duration = len(samples) / self.rate
        inputs = self.processor(samples, sampling_rate=self.rate, return_tensors="pt")
        if not self.has_times:
            tokens = self.model.generate(**inputs)
            (text,) = self.processor.batch_decode(tokens, skip_special_tokens=True)
            return [(0.0, duration, text.strip())]
        options = {"language": language} if language and self.model.generation_config.is_multilingual else {}
        with quietly():
            found = self.model.generate(
                inputs.input_features,
                return_timestamps=True,
                return_segments=True,
                temperature=0.0,
                no_speech_threshold=NO_SPEECH,
                logprob_threshold=LIKELY,
                **options,
            )
        return [
            (
                min(float(segment["start"]), duration),
                min(float(segment["end"]), duration),
                self.processor.decode(segment["tokens"], skip_special_tokens=True).strip(),
            )
            for segment in found["segments"][0]
        ]
