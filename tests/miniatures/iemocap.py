from pathlib import Path

from miniatures._write import write

EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[7.5000 - 9.2500]\tSes0{0}F_impro01_M000\txxx\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[6.2901 - 8.2357]\tSes0{0}F_impro01_F000\texc\t[4.5000, 3.5000, 2.5000]
C-E2:\tExcited;\t()

[11.0000 - 12.0000]\tSes0{0}F_impro01_F001\tfru\t[1.5000, 3.5000, 2.5000]
"""

WORDS = """Ses0{0}F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses0{0}F_impro01_MXX0 [007.0000-007.5000]: [LAUGHTER]
Ses0{0}F_impro01_M000 [007.5000-009.2500]: Do you have your forms?
"""


def build(root: Path) -> None:
    """One dialogue of three turns in each of three sessions; the second one has a video."""
    for session in (1, 4, 5):
        dialogue, folder = f"Ses0{session}F_impro01", f"Session{session}"
        write(
            root,
            {
                f"{folder}/dialog/EmoEvaluation/{dialogue}.txt": EVALUATION.format(session),
                f"{folder}/dialog/EmoEvaluation/Categorical/{dialogue}_e1_cat.txt": "nothing",
                f"{folder}/dialog/transcriptions/{dialogue}.txt": WORDS.format(session),
                f"{folder}/dialog/wav/{dialogue}.wav": "clip",
                **{
                    f"{folder}/sentences/wav/{dialogue}/{dialogue}_{turn}.wav": "clip"
                    for turn in ("F000", "M000", "F001")
                },
            },
        )
    write(root, {"Session4/dialog/avi/DivX/Ses04F_impro01.avi": "clip"})
