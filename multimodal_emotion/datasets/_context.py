"""Gives utterances of a dialogue what was said before them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from multimodal_emotion.batch import Utterance
from multimodal_emotion.errors import InputError


def with_context(utterances: Sequence[Utterance], k: int, speaker_names: bool = True) -> list[Utterance]:
    """The same utterances, in the same order, each with the utterances before it in its dialogue.

    Args:
        utterances: a whole split, so that dialogues are whole. Those without a dialogue stay as they are.
        k: how many utterances before; a dialogue is ordered by turn, or as it stands where turns are unknown.
        speaker_names: "Monica: What?" where the speaker is known; False: "What?".

    Raises:
        InputError: k is negative.
    """
    if k < 0:
        raise InputError(f"context must be 0 or more utterances, not {k}")
    dialogues: dict[str, list[int]] = defaultdict(list)
    for position, utterance in enumerate(utterances):
        if utterance.dialogue is not None:
            dialogues[utterance.dialogue].append(position)
    result = list(utterances)
    for positions in dialogues.values():
        said: list[str] = []
        for position in _by_turn(positions, utterances):
            utterance = utterances[position]
            result[position] = replace(utterance, context=tuple(said[-k:] if k else ()))
            if utterance.text:
                said.append(_line(utterance, speaker_names))
    return result


def _by_turn(positions: Sequence[int], utterances: Sequence[Utterance]) -> list[int]:
    turns = {position: turn for position in positions if (turn := utterances[position].turn) is not None}
    return sorted(positions, key=turns.__getitem__) if len(turns) == len(positions) else list(positions)


def _line(utterance: Utterance, speaker_names: bool) -> str:
    named = speaker_names and utterance.speaker
    return f"{utterance.speaker}: {utterance.text}" if named else f"{utterance.text}"
