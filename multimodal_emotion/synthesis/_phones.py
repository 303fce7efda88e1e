"""English spelling to phones, by rules that are right often enough to sound like speech.

Source: the vowels are the averages for men of Peterson & Barney, "Control methods used in a study of the vowels" (1952).
"""

import re
from typing import NamedTuple


class Phone(NamedTuple):
    """One sound of speech.

    Attributes:
        seconds: its duration at an ordinary tempo.
        formants: resonances of the mouth, in hertz.
        voice: loudness of the voice, 0 to 1.
        noise: loudness of the noise of air, 0 to 1.
        centre, width: where in the spectrum that noise lies, in hertz.
    """

    seconds: float
    formants: tuple[int, int, int]
    voice: float = 0.0
    noise: float = 0.0
    centre: float = 3000.0
    width: float = 2000.0

    @property
    def is_vowel(self) -> bool:
        """Whether it can carry an accent."""
        return self.voice == 1.0


_MIDDLE = (500, 1400, 2400)

SILENCE = Phone(0.03, _MIDDLE)

PHONES = {
    "i": Phone(0.10, (270, 2290, 3010), 1.0),
    "I": Phone(0.07, (390, 1990, 2550), 1.0),
    "e": Phone(0.08, (530, 1840, 2480), 1.0),
    "&": Phone(0.10, (660, 1720, 2410), 1.0),
    "A": Phone(0.11, (730, 1090, 2440), 1.0),
    "V": Phone(0.08, (640, 1190, 2390), 1.0),
    "O": Phone(0.11, (570, 840, 2410), 1.0),
    "U": Phone(0.07, (440, 1020, 2240), 1.0),
    "u": Phone(0.10, (300, 870, 2240), 1.0),
    "3": Phone(0.11, (490, 1350, 1690), 1.0),
    "@": Phone(0.05, _MIDDLE, 0.8),
    "w": Phone(0.05, (300, 610, 2200), 0.6),
    "y": Phone(0.04, (260, 2070, 3020), 0.6),
    "r": Phone(0.05, (310, 1060, 1380), 0.6),
    "l": Phone(0.05, (310, 1050, 2880), 0.6),
    "m": Phone(0.06, (250, 1000, 2200), 0.4),
    "n": Phone(0.05, (250, 1500, 2500), 0.4),
    "N": Phone(0.06, (250, 2000, 2600), 0.4),
    "h": Phone(0.05, _MIDDLE, 0.0, 0.15, 1500, 3000),
    "f": Phone(0.08, (400, 1100, 2100), 0.0, 0.2, 5000, 5000),
    "v": Phone(0.05, (400, 1100, 2100), 0.3, 0.1, 5000, 5000),
    "T": Phone(0.08, (400, 1400, 2500), 0.0, 0.15, 6000, 4000),
    "D": Phone(0.04, (400, 1400, 2500), 0.35, 0.06, 6000, 4000),
    "s": Phone(0.09, (400, 1600, 2600), 0.0, 0.5, 6200, 1800),
    "z": Phone(0.06, (400, 1600, 2600), 0.25, 0.3, 6200, 1800),
    "S": Phone(0.09, (400, 1700, 2500), 0.0, 0.5, 3200, 1400),
    "Z": Phone(0.06, (400, 1700, 2500), 0.25, 0.3, 3200, 1400),
    "_": Phone(0.05, _MIDDLE),  # the closed mouth of p, t, k
    "-": Phone(0.05, (250, 1200, 2300), 0.15),  # of b, d, g
    "p": Phone(0.02, (400, 1000, 2100), 0.0, 0.4, 900, 1500),
    "t": Phone(0.02, (400, 1700, 2600), 0.0, 0.5, 4800, 3000),
    "k": Phone(0.03, (400, 1900, 2200), 0.0, 0.5, 1900, 1500),
}
"""By a symbol of one letter; a stop is "_" or "-" and its burst."""

_STOPS = {"P": "_p", "t": "_t", "k": "_k", "b": "-p", "d": "-t", "g": "-k"}

_SPELLINGS = {
    **{letter: letter for letter in "fhlmnrsvwz"},
    **{"p": "P", "t": "t", "k": "k", "b": "b", "d": "d", "g": "g"},
    **{"a": "&", "e": "e", "i": "I", "o": "O", "u": "V", "y": "i", "c": "k", "j": "dZ", "q": "k", "x": "ks"},
    **{double * 2: sound for double, sound in zip("bdfglmnprstz", "bdfglmnPrstz", strict=True)},
    **{"sh": "S", "ch": "tS", "tch": "tS", "th": "D", "ph": "f", "wh": "w", "qu": "kw", "ck": "k", "ng": "N"},
    **{"nk": "Nk", "dge": "dZ", "kn": "n", "wr": "r", "gh": "", "ght": "t", "mb": "m", "sc": "sk"},
    **{"ce": "s", "ci": "sI", "cy": "sI", "ge": "dZ", "gi": "dZI", "tion": "S@n", "sion": "Z@n", "ture": "tS@"},
    **{
        "ee": "i",
        "ea": "i",
        "ie": "i",
        "eo": "i",
        "ei": "eI",
        "ey": "eI",
        "ai": "eI",
        "ay": "eI",
        "oa": "OU",
        "oe": "OU",
    },
    **{"oo": "u", "ou": "AU", "ow": "AU", "oi": "OI", "oy": "OI", "au": "O", "aw": "O", "ew": "yu", "ue": "u"},
    **{"er": "3", "ir": "3", "ur": "3", "ear": "I3", "air": "e3", "are": "e3", "ar": "A", "or": "O", "ore": "O"},
    **{"igh": "AI", "eigh": "eI", "ough": "O", "augh": "O", "all": "Ol", "alk": "Ok", "old": "OUld", "ind": "AInd"},
}
_ENDINGS = {"le": "@l", "e": "", "es": "z", "ed": "d", "ly": "li", "s": "z", "er": "@", "y": "i"}
_WORDS = {
    **{"a": "@", "the": "D@", "to": "tu", "of": "Ov", "i": "AI", "you": "yu", "your": "yO", "was": "wOz", "is": "Iz"},
    **{"he": "hi", "she": "Si", "we": "wi", "me": "mi", "be": "bi", "they": "DeI", "their": "De3", "there": "De3"},
    **{"have": "h&v", "are": "A", "do": "du", "said": "sed", "what": "wOt", "who": "hu", "one": "wVn", "two": "tu"},
    **{"no": "nOU", "so": "sOU", "go": "gOU", "my": "mAI", "by": "bAI", "were": "w3", "some": "sVm", "come": "kVm"},
    **{"here": "hI3", "these": "Diz", "laugh": "l&f", "from": "frOm", "this": "DIs", "his": "hIz", "has": "h&z"},
}
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LONG = {"a": "eI", "i": "AI", "o": "OU", "u": "yu"}

_TOKEN = re.compile(r"[a-zà-ÿ']+|\d|[.,;:!?…]")
_SPELLING = re.compile("|".join(sorted(_SPELLINGS, key=len, reverse=True)))
_SILENT_E = re.compile(r"(?<![aeiou])([aiou])([bdfgklmnprstvz])e([sd]?)$")


def words(text: str) -> list[list[Phone]]:
    """The phones of each word; a mark of punctuation is a pause."""
    return [_pause(token) if token in ".,;:!?…" else spell(token) for token in _TOKEN.findall(text.lower())]


def spell(word: str) -> list[Phone]:
    """The phones of a word in small letters, or of a digit, followed by a short gap."""
    symbols = _symbols(_DIGITS[int(word)] if word.isdecimal() else word.replace("'", ""))
    sounds = "".join(_STOPS.get(symbol, symbol) for symbol in symbols)
    return [*(PHONES[symbol] for symbol in sounds), SILENCE]


def _pause(mark: str) -> list[Phone]:
    return [SILENCE._replace(seconds=0.12 if mark in ",;:" else 0.25)]


def _symbols(word: str) -> str:
    if word in _WORDS:
        return _WORDS[word]
    lengthened = _SILENT_E.search(word)
    if lengthened:
        vowel, consonant, ending = lengthened.groups()
        return _regular(word[: lengthened.start()]) + _LONG[vowel] + _SPELLINGS[consonant] + _SPELLINGS.get(ending, "")
    for ending, sound in _ENDINGS.items():
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2 and any(letter in "aeiouy" for letter in stem) and stem[-1] not in "aeious":
            return _regular(stem) + sound
    return _regular(word)


def _regular(letters: str) -> str:
    return "".join(_SPELLINGS[match.group()] for match in _SPELLING.finditer(letters))
