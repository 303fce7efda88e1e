"""What augmentations of text know of English words: which carry emotion, which turn it round, which mean the same."""

from collections.abc import Collection

PUNCTUATION = ".,;:!?\"'`()[]{}<>*_~-…“”‘’#@"

_NEGATIONS = """
    no not never none nobody nothing nowhere neither nor cannot without hardly barely scarcely lack lacks lacking despite
    unless but however although though except too very so really extremely absolutely totally quite rather less least more most
    only just almost if would could should
    """

NEGATIONS = frozenset(_NEGATIONS.split())
"""Words that turn round, weaken or strengthen what others say, and those that turn the sentence."""

_AFFECT = """
    happy happi glad joy cheer delight pleas enjoy fun funny amus laugh smile grin love ador affection fond dear sweet warm kind
    gentle care caring tender romantic passion lust crush heart hug kiss thank grateful gratitude appreciat bless lucky proud
    pride hope hopeful optimis confident brave courage triumph win won victory success celebrat party excit thrill eager
    enthusias wonderful wonder great good nice best better fine excellent amazing amaze awesome fantastic fabulous superb
    brilliant perfect beautiful lovely gorgeous pretty charming pleasant bliss ecsta elat euphori content satisf relax relief
    reliev calm peace serene comfort safe secure free alive strong inspir impress admir respect trust
    sad sorrow grief griev mourn cry cried weep wept tear sob unhappy miser depress despair hopeless gloom melanchol lonely
    alone abandon lost loss lose miss hurt pain ache suffer heartbr broken devastat disappoint regret sorry guilt shame asham
    humiliat embarrass awkward pity tragic tragedy unfortunate worthless useless pathetic helpless weak empty numb tired
    exhaust drain homesick dull bore boring bored hate hatred loathe despise detest resent angry angri anger mad fury furious rage
    outrag annoy irritat frustrat aggravat agitat bitter hostile cruel mean rude insult offend offensiv violent violence
    attack abuse fight kill murder punish revenge jealous envy envious greed selfish stupid idiot dumb fool damn hell crap shit
    fuck bitch bastard jerk sucks suck screw disgust gross nasty sick vile revolt repuls filth dirty rotten stink yuck creep
    horrible horri horror terrible terri terror awful dread fear afraid scare scary fright panic alarm anxious anxiet nervous
    worry worried tense stress threat danger risk paranoid insecure shy timid uncertain hesitant vulnerable intimidat shaken
    surpris shock astonish astound stun startl unexpected sudden unbeliev incredible wow whoa omg odd weird strange funny
    curious confus bewilder puzzl impressed overwhelm bad worse worst wrong ugly evil poor fail failure disaster ruin wreck
    trouble problem crisis dead death die dying ill disease wound bleed harm guilty blame accuse lie liar cheat betray fake
    bad ignore reject unloved unwelcome desperate desire want wish crave need longing long nostalg sentimental sympath
    compass empath moved touched divine ok okay lol haha hahaha ugh yay hurray hooray hmm meh phew ouch alas
    """

AFFECT = frozenset(_AFFECT.split())
"""Words that carry emotion, or, from four letters on, beginnings of such words. A word too many only changes less."""

BEGINNING = 4

ENDINGS = ("s", "es", "ed", "d", "ing", "ly", "y", "er", "est", "ness", "ful", "fully")

SYNONYMS = tuple(
    frozenset(group.split())
    for group in (
        "begin start commence",
        "began started",
        "begins starts",
        "beginning starting",
        "big large",
        "small little",
        "buy purchase",
        "bought purchased",
        "quickly rapidly",
        "slowly gradually",
        "often frequently regularly",
        "sometimes occasionally",
        "maybe perhaps possibly",
        "also additionally",
        "talk speak",
        "talking speaking",
        "talked spoke",
        "said stated",
        "house home",
        "car vehicle",
        "job work",
        "boss manager",
        "child kid",
        "children kids",
        "picture photo image",
        "movie film",
        "road street",
        "town city",
        "shop store",
        "end finish",
        "ended finished",
        "whole entire",
        "currently presently now",
        "soon shortly",
        "later afterwards",
        "many numerous",
        "several various",
        "use utilise",
        "help assist",
        "answer reply",
        "answered replied",
        "choose select",
        "chose selected",
        "fix repair",
        "fixed repaired",
        "place spot location",
        "part piece section",
        "way manner",
        "person individual",
        "people folks",
        "woman lady",
        "man guy",
        "mom mother",
        "dad father",
        "believe think",
        "remember recall",
        "understand grasp",
        "sure certain",
        "whilst while",
        "far distant",
        "phone telephone",
        "email mail",
        "walk stroll",
        "walked strolled",
        "eat consume",
        "noticed realised",
    )
)
"""Groups of words without emotion, of which any stands for any; no word is in two."""


def bare(word: str) -> str:
    """A word without the marks around it, in small letters."""
    return word.strip(PUNCTUATION).casefold()


def carries(word: str, keep: Collection[str] = ()) -> bool:
    """Whether a word carries emotion or turns it round, so that no augmentation of text may touch it.

    Args:
        word: as it stands in the text.
        keep: further words, in small letters.
    """
    core = bare(word)
    if not core or not core[0].isalpha():
        return True  # marks, emoticons, emoji, numbers
    if core in NEGATIONS or core in keep or "n't" in core or "n’t" in core or word.isupper():
        return True
    if any(core[:size] in AFFECT for size in range(BEGINNING, len(core))):
        return True
    return core in AFFECT or any(
        _bases(core.removesuffix(ending)) & AFFECT for ending in ENDINGS if core.endswith(ending)
    )


def _bases(stem: str) -> set[str]:
    """What a word without its ending may come from: "hat" of "hated", "cri" of "cries", "sadd" of "sadder"."""
    doubled = len(stem) > 2 and stem[-1] == stem[-2]
    return {stem, stem + "e"} | ({stem[:-1]} if doubled else set()) | ({stem[:-1] + "y"} if stem[-1:] == "i" else set())


def synonyms(word: str) -> list[str]:
    """What may stand for a word without emotion, sorted; empty where nothing is known."""
    core = bare(word)
    return sorted({other for group in SYNONYMS if core in group for other in group} - {core})
