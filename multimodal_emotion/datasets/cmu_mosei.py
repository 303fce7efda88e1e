"""CMU-MOSEI: opinions about many subjects in web videos, cut into segments, with a sentiment from -3 to 3.

Size: 16,326 / 1,871 / 4,659 segments of 3,228 videos, 1,000 speakers.
Origin: monologues from YouTube; three raters on Mechanical Turk for each segment (Zadeh et al., 2018).
Language: English.
Elicitation: natural.
Known defects: segments are cut badly in places; neutral crowds around 0; the ratings of six emotions are only in the files of
    the Multimodal SDK, which are not read; the words alone give nearly all of the published accuracy.

The splits are those of the table, which are the standard ones, by video.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

from multimodal_emotion.datasets._segments import Segments

CITATION = """@inproceedings{zadeh2018mosei,
  title = {Multimodal Language Analysis in the Wild: {CMU-MOSEI} Dataset and Interpretable Dynamic Fusion Graph},
  author = {Zadeh, AmirAli Bagher and Liang, Paul Pu and Poria, Soujanya and Cambria, Erik and Morency, Louis-Philippe},
  booktitle = {Proceedings of ACL}, pages = {2236--2246}, year = {2018}}"""

LICENCE = "for research, as stated by the authors; the videos belong to their makers"


class CmuMosei(Segments):
    """Raw segments or whole videos with the times of their transcripts, and `label.csv`."""

    name = "cmu_mosei"
    title = "CMU Multimodal Opinion Sentiment and Emotion Intensity"
    size = "16,326 / 1,871 / 4,659 segments of 3,228 videos"
    language = "English"
    elicitation = "natural"
    citation = CITATION
    licence = LICENCE
    released = 22856
