"""Generated media: synthetic speech and drawn faces for labelled sentences, where there are no recordings.

Nothing here is a recording of a person, and nothing learned from it says anything about people. It serves to run the
whole path from raw files to a prediction without a download. An emotion is performed with variation, and each modality
has its own look-alikes (`_acting`): neither voice nor face alone tells everything.
"""

from multimodal_emotion.synthesis._acting import EMOTIONS
from multimodal_emotion.synthesis._clip import write_media, write_scene
from multimodal_emotion.synthesis._face import FPS, film
from multimodal_emotion.synthesis._voice import RATE, speak

__all__ = ["EMOTIONS", "FPS", "RATE", "film", "speak", "write_media", "write_scene"]
