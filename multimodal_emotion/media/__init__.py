"""The only room that decodes: text, sound, pictures of an utterance.

None stands for a modality that is absent (no track, silence); an `InputError` for a file that is broken.
"""

from multimodal_emotion.media._audio import is_silent, read_audio, stream_audio
from multimodal_emotion.media._image import read_image
from multimodal_emotion.media._probe import probe
from multimodal_emotion.media._types import Audio, Frames, MediaInfo, Text
from multimodal_emotion.media._utterance import audio_of, frames_of, text_of, why_absent
from multimodal_emotion.media._video import read_frames, stream_frames

__all__ = [
    "Audio",
    "Frames",
    "MediaInfo",
    "Text",
    "audio_of",
    "frames_of",
    "is_silent",
    "probe",
    "read_audio",
    "read_frames",
    "read_image",
    "stream_audio",
    "stream_frames",
    "text_of",
    "why_absent",
]
