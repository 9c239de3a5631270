"""The words for what the classifier knows: one name a class, and coarser words above it.

A picture that might be one of five breeds is surely a dog: the probability of the coarser
word is the sum over its classes (Deng et al., 2012, "Hedging your bets"). ``imagenet.txt``
holds the synonyms of the 1000 ImageNet classes, in order, as WordNet has them; the grouping is
by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

# First synonyms that mislead by themselves, or are not what people say.
_PLAINER = {
    7: "rooster", 8: "hen", 21: "kite (bird)", 93: "hornbill (bird)", 101: "elephant",
    134: "crane (bird)", 281: "tabby cat", 296: "polar bear", 330: "rabbit", 339: "horse",
    341: "pig", 348: "ram", 385: "elephant", 386: "elephant", 387: "red panda", 409: "clock",
    412: "trash can", 433: "swimming cap", 436: "station wagon", 437: "lighthouse",
    439: "bearskin hat", 444: "tandem bicycle", 450: "bobsled", 456: "bow (weapon)",
    458: "plaque", 466: "bullet train", 468: "taxi", 480: "cash machine", 487: "mobile phone",
    492: "chest (furniture)", 494: "bell", 513: "trumpet", 517: "crane (machine)",
    528: "telephone", 531: "watch", 542: "drumstick (music)", 546: "electric guitar",
    579: "piano", 589: "hair dryer", 608: "jeans", 610: "T-shirt", 638: "swimsuit",
    639: "swimsuit", 650: "microphone", 664: "monitor (screen)", 671: "mountain bike",
    673: "computer mouse", 681: "laptop", 697: "pyjamas", 726: "plane (tool)", 751: "racing car",
    761: "remote control", 776: "saxophone", 805: "football", 812: "space shuttle",
    817: "sports car", 827: "stove", 829: "tram", 836: "sunglasses", 837: "sunglasses",
    867: "lorry", 872: "tripod", 881: "piano", 894: "wardrobe", 896: "washbasin",
    897: "washing machine", 908: "wing (aircraft)", 916: "web page", 920: "traffic light",
    948: "green apple", 963: "pizza", 999: "toilet paper",
}  # fmt: skip

# Words for several classes; ranges include their last.
_GROUPS: dict[str, list[int | tuple[int, int]]] = {
    "fish": [0, 1, (389, 397)],
    "shark": [(2, 4)],
    "ray": [5, 6],
    "bird": [(7, 24), (80, 100), (127, 146)],
    "salamander": [(25, 29)],
    "frog": [(30, 32)],
    "turtle": [(33, 37)],
    "lizard": [(38, 48)],
    "crocodile": [49, 50],
    "snake": [(52, 68)],
    "spider": [(72, 77)],
    "snail or slug": [(113, 115)],
    "crab": [(118, 121), 125],
    "lobster": [(122, 124)],
    "whale": [147, 148],
    "dog": [(151, 268)],
    "wolf": [(269, 271)],
    "fox": [(277, 280)],
    "cat": [(281, 285)],
    "wild cat": [286, 287],
    "big cat": [(288, 293)],
    "bear": [(294, 297)],
    "beetle": [(300, 307)],
    "insect": [(300, 326)],
    "butterfly": [(321, 326)],
    "rabbit": [(330, 332)],
    "pig": [(341, 343)],
    "cattle": [(345, 347)],
    "sheep or goat": [(348, 350)],
    "antelope": [(351, 353)],
    "monkey": [(370, 382)],
    "ape": [(365, 369)],
    "lemur": [383, 384],
    "elephant": [101, 385, 386],
    "panda": [387, 388],
    "car": [436, 468, 511, 609, 627, 656, 661, 751, 817],
    "truck": [555, 569, 675, 717, 864, 867],
    "bus": [654, 779, 874],
    "train": [466, 547, 565, 705, 820, 829],
    "boat": [472, 484, 554, 576, 625, 724, 780, 814, 871, 914],
    "ship": [403, 510, 628, 724],
    "aeroplane": [404, 895, 908],
    "bicycle": [444, 671],
    "motorcycle": [665, 670],
    "computer": [508, 527, 590, 620, 681],
    "screen": [664, 782, 851],
    "telephone": [487, 528, 707],
    "clock": [409, 530, 892],
    "cup": [504, 967, 968],
    "bottle": [440, 737, 898, 901, 907],
    "glass": [441, 572],
    "pan or pot": [521, 544, 567, 909],
    "bowl": [659, 809],
    "guitar": [402, 546],
    "piano": [579, 881],
    "violin": [486, 889],
    "brass instrument": [513, 566, 875],
    "woodwind instrument": [432, 558, 683, 776],
    "drum": [541, 822],
    "ball": [429, 430, 522, 574, 722, 768, 805, 852, 890],
    "hat": [439, 452, 515, 667, 808],
    "helmet": [518, 560, 715],
    "shoe": [502, 514, 630, 770, 774],
    "chair": [423, 559, 765],
    "bed": [520, 564],
    "table": [526, 532],
    "bag": [414, 636, 728, 748],
    "cabinet": [493, 495, 553, 648, 894],
    "bridge": [821, 839, 888],
    "church": [497, 663],
    "shop": [415, 424, 454, 467, 509, 582, 788, 860, 865],
    "fence": [489, 716, 912],
    "gun": [413, 763, 764],
    "camera": [732, 759],
    "sunglasses": [836, 837],
    "swimsuit": [445, 638, 639, 842],
    "fruit": [(948, 957)],
    "vegetable": [(936, 946)],
    "mushroom": [947, (991, 997)],
    "flower": [985, 986],
    "bread": [930, 931, 932],
    "mountain": [970, 980],
    "shore": [(975, 978)],
}

_KINDS: dict[str, list[int | tuple[int, int]]] = {
    "animal": [(0, 68), (70, 397)],
    "vehicle": [
        407, 436, 444, 450, 466, 468, 511, 547, 555, 561, 565, 569, 573, 575, 586, 595, 603, 609,
        612, 621, 627, 654, 656, 660, 661, 665, 670, 671, 675, 690, 705, 717, 734, 751, 757, 779,
        802, 803, 817, 820, 829, 847, 856, 864, 866, 867, 870, 874, 880,
    ],
    "watercraft": [403, 472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 913, 914],
    "musical instrument": [
        401, 402, 420, 432, 486, 513, 541, 546, 558, 566, 577, 579, 593, 594, 641, 642, 683, 684,
        687, 699, 776, 822, 875, 881, 889,
    ],
    "food": [(924, 969)],
    "drink": [925, 966, 967, 969],
    "furniture": [
        423, 431, 453, 493, 495, 516, 520, 526, 532, 548, 553, 559, 564, 648, 703, 736, 765, 831,
        857, 894,
    ],
    "building": [
        410, 425, 437, 442, 449, 454, 483, 497, 498, 580, 624, 634, 660, 663, 668, 698, 727, 743,
        762, 832, 853, 900, 915,
    ],
    "clothing": [
        399, 400, 411, 433, 439, 445, 451, 452, 457, 459, 474, 496, 501, 502, 514, 515, 529, 552,
        568, 578, 601, 608, 610, 614, 617, 630, 638, 639, 652, 655, 658, 667, 689, 697, 735, 770,
        774, 775, 793, 796, 806, 808, 824, 834, 841, 842, 869, 887, 906,
    ],
    "electronic device": [
        481, 482, 485, 487, 508, 527, 528, 530, 531, 590, 592, 598, 605, 620, 632, 650, 662, 664,
        673, 681, 688, 707, 713, 732, 742, 745, 754, 759, 761, 782, 848, 851,
    ],
    "landscape": [(970, 980)],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """A word for one class or several: ``classes`` are indices of ImageNet's 1000.

    ``level`` is 0 for the name of a class, 1 for a word like "dog", 2 for one like "animal".
    """

    text: str
    classes: tuple[int, ...]
    level: int


@cache
def words() -> tuple[Word, ...]:
    """Every word, names of classes first, then coarser and coarser."""
    synonyms = Path(__file__).with_name("imagenet.txt").read_text(encoding="utf-8").splitlines()
    names: dict[str, list[int]] = {}
    for index, line in enumerate(synonyms):
        names.setdefault(_PLAINER.get(index, line.split(", ")[0]), []).append(index)
    found = [
        Word(name, tuple(classes), 0)
        for name, classes in names.items()
        if len(classes) == 1 and name not in _GROUPS
    ]
    shared = {name: classes for name, classes in names.items() if len(classes) > 1}
    for level, groups in ((1, _GROUPS), (2, _KINDS)):
        for text, ranges in groups.items():
            shared.pop(text, None)
            found.append(Word(text, _classes(ranges), level))
    found.extend(Word(name, tuple(classes), 1) for name, classes in shared.items())
    return tuple(found)


def _classes(ranges: list[int | tuple[int, int]]) -> tuple[int, ...]:
    classes: list[int] = []
    for item in ranges:
        classes.extend([item] if isinstance(item, int) else range(item[0], item[1] + 1))
    return tuple(dict.fromkeys(classes))
