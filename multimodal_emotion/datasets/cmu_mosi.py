"""CMU-MOSI: opinions about films in web videos, cut into segments, with a sentiment from -3 to 3.

Size: 1,284 / 229 / 686 segments of 93 videos, 89 speakers.
Origin: video blogs, each speaker alone before the camera; five raters on Mechanical Turk for each segment (Zadeh et al.,
    2016).
Language: English.
Elicitation: natural.
Known defects: small, so that results differ by several points between seeds; the words alone give nearly all of the
    published accuracy; the features of the Multimodal SDK are not read, only raw segments.

The splits are those of the table, which are the standard ones, by video.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

from multimodal_emotion.datasets._segments import Segments

CITATION = """@article{zadeh2016mosi,
  title = {Multimodal Sentiment Intensity Analysis in Videos: Facial Gestures and Verbal Messages},
  author = {Zadeh, Amir and Zellers, Rowan and Pincus, Eli and Morency, Louis-Philippe},
  journal = {IEEE Intelligent Systems}, volume = {31}, number = {6}, pages = {82--88}, year = {2016}}"""

LICENCE = "for research, as stated by the authors; the videos belong to their makers"


class CmuMosi(Segments):
    """Raw segments, their transcripts and `label.csv`."""

    name = "cmu_mosi"
    title = "CMU Multimodal Opinion-level Sentiment Intensity"
    size = "1,284 / 229 / 686 segments of 93 videos"
    language = "English"
    elicitation = "natural"
    citation = CITATION
    licence = LICENCE
    released = 2199
