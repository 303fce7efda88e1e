"""CH-SIMS: segments of Chinese films and shows, with one sentiment for all modalities together and one for each alone.

Size: 1,368 / 456 / 457 segments of 60 videos, 474 speakers.
Origin: films, series and variety shows, cut so that one face speaks; five raters for each modality and for all (Yu et al.,
    2020).
Language: Chinese (Mandarin).
Elicitation: acted, natural.
Known defects: values are multiples of 0.2; negative segments are more than half; splits are by segment, so that one film
    stands on both sides.

Levels: "all" is the rating with everything there; "text", "audio", "image" those of raters who had that one only.
No data of this corpus was at hand: it is tested on a generated tree of the documented layout.
"""

from typing import ClassVar

from multimodal_emotion.datasets._segments import Segments

CITATION = """@inproceedings{yu2020chsims,
  title = {{CH-SIMS}: A {C}hinese Multimodal Sentiment Analysis Dataset with Fine-grained Annotation of Modality},
  author = {Yu, Wenmeng and Xu, Hua and Meng, Fanyang and Zhu, Yilin and Ma, Yixiao and Wu, Jiele and Zou, Jiyun and
            Yang, Kaicheng},
  booktitle = {Proceedings of ACL}, pages = {3718--3727}, year = {2020}}"""

LICENCE = "for research, as stated by the authors; the videos belong to their makers"


class ChSims(Segments):
    """Segments `Raw/video_0001/0001.mp4` and `label.csv` with a column for each level."""

    name = "ch_sims"
    title = "CH-SIMS"
    size = "1,368 / 456 / 457 segments of 60 videos"
    language = "Chinese"
    elicitation = "acted, natural"
    citation = CITATION
    licence = LICENCE
    levels = ("all", "text", "audio", "image")
    label_sets = dict.fromkeys(levels, ("sentiment",))
    columns: ClassVar = {"all": "label", "text": "label_T", "audio": "label_A", "image": "label_V"}
    limits = (-1.0, 1.0)
    released = 2281
