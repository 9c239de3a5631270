"""Values that made-up facts hold: names, numbers, prices, times, out of large or composed pools.

A value has two forms: as it is said (or written on the screen) in a timeline, and as a question
shows it among options. Recognisers write "four fifty" or "$4.50" for the same price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random


def listed(text: str) -> tuple[str, ...]:
    """The words of ``text``."""
    return tuple(text.split())


ONES = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = listed("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
HOURS = ONES[1:13]
COLOURS = listed(
    "red green blue yellow white black orange purple brown grey pink golden silver turquoise"
)
DAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = listed(
    "January February March April May June July August September October November December"
)


@dataclass(frozen=True, slots=True)
class Value:
    """What stands in a gap of a template: ``said`` in the timeline, ``shown`` in options."""

    said: str
    shown: str


@dataclass(frozen=True, slots=True)
class Pools:
    """What training and held-out domains do not share: names, and sounds of invented words."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    places: tuple[str, ...]
    regions: tuple[str, ...]
    onsets: tuple[str, ...]
    rimes: tuple[str, ...]


TRAINED = Pools(
    first=listed(
        "Anna Boris Carla Daniel Elena Felix Greta Hugo Irene Jonas Karim Laura Marco Nadia Oscar "
        "Paula Quentin Rosa Stefan Tamara Ulrich Vera Walter Yusuf Zoe Amina Bruno Chloe Derek "
        "Fatima George Hannah Ivan Julia Kevin Lina Mohamed Nora Oliver Petra Rashid Sophie Thomas "
        "Ursula Viktor Wanda Xavier Yvonne Zane Alice Ben Clara David"
    ),
    last=listed(
        "Abbott Becker Castillo Dupont Eriksen Fischer Garcia Hoffman Ibrahim Jensen Kowalski "
        "Lindgren Moreau Nakamura O'Brien Petrov Quinn Rossi Schneider Takahashi Umarov Vargas "
        "Weber Xu Young Zimmerman Adler Bianchi Cohen Delgado Engel Farrell Gupta Hansen Ivanova "
        "Johansson Keller Larsen Mendez Novak Osman Peters Ramirez Silva Turner Vance "
        "Wallace Yamada Zielinski"
    ),
    places=(
        *listed(
            "Lisbon Hamburg Toronto Marseille Dublin Krakow Naples Seattle Nairobi Osaka Bergen "
            "Valencia Leeds Denver Bristol Zagreb Lyon Porto Quebec Ankara Helsinki Boston Madras "
            "Geneva Riga Austin Perth Cairo Lima Basel Odessa Turin Malmo Ghent Phoenix"
        ),
        *("New Haven", "Cape Town", "San Jose", "Port Louis", "Fort Wayne", "Saint Omer"),
    ),
    regions=(
        *listed("Ohio Bavaria Kent Ontario Tuscany Texas Brittany Norway Maine Galicia Idaho"),
        *("North Holland", "South Tyrol", "New Jersey", "Upper Austria"),
    ),
    onsets=listed("b br c d dr f g gr k l m n p r s st t tr v z"),
    rimes=listed("al an ar ek el en er ik il in ix o ol om on or os u ul un"),
)

HELD_OUT = Pools(
    first=listed(
        "Agnes Cedric Dolores Emil Fiona Gustav Henrike Isaac Joan Klaus Leila Magnus Noemi Otto "
        "Priya Ruben Selma Tobias Una Vincent Wilma Yara Arthur Beatrice Conrad Dina Esther Frida "
        "Gilbert Harriet Ingrid Jasper"
    ),
    last=listed(
        "Ashworth Brandt Calloway Dahl Espinoza Fontaine Greenwood Halvorsen Iglesias Jovanovic "
        "Kimura Lambert Marchetti Nyberg Ortega Pemberton Rasmussen Sandoval Thornton Ullman "
        "Vasquez Whitfield Yilmaz Achterberg Blackwell Costa Drummond Ferreira Goldberg"
    ),
    places=(
        *listed(
            "Trieste Uppsala Cardiff Tampere Montreal Granada Salem Aarhus Antwerp Bilbao Calgary "
            "Dresden Exeter Fresno Galway Izmir Jaipur Kobe Leipzig Murcia Nantes Oxford"
        ),
        *("Santa Fe", "Baton Rouge", "Novi Sad", "Saint Malo"),
    ),
    regions=listed("Oregon Saxony Devon Alberta Umbria Nevada Normandy Jutland Vermont"),
    onsets=listed("bl ch cl fl gl h j kn pl pr qu sh sk sl sp sw th tw w y"),
    rimes=listed("ab ace ade ail ant ard ash een eft ent ide ime ind ock oft oom ord ost ump"),
)


def article(thing: str) -> str:
    """``thing`` with "a" or "an" before it."""
    vowel = thing[:1].lower() in "aeiou" or thing.startswith("hour")
    return f"{'an' if vowel else 'a'} {thing}"


def in_words(number: int) -> str:
    """A number below a thousand as it is spoken."""
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens] if not ones else f"{TENS[tens]}-{ONES[ones]}"
    hundreds, rest = divmod(number, 100)
    return f"{ONES[hundreds]} hundred" + (f" and {in_words(rest)}" if rest else "")


def _number(chance: Random, least: int, most: int) -> Value:
    number = chance.randint(least, most)
    said = in_words(number) if chance.random() < 0.5 else str(number)
    return Value(said, str(number))


def _price(chance: Random, pools: Pools) -> Value:
    whole = chance.randint(1, 95)
    cents = chance.choice((0, 20, 25, 40, 50, 60, 75, 80, 90, 95, 99))
    if not cents:
        said = chance.choice((f"{in_words(whole)} dollars", f"${whole}", f"{whole} dollars"))
        return Value(said, f"${whole}")
    shown = f"${whole}.{cents:02}"
    said = chance.choice((shown, shown, f"{in_words(whole)} {in_words(cents)}"))
    return Value(said, shown)


def _clock(chance: Random, pools: Pools) -> Value:
    hour, minute = chance.randint(1, 12), chance.choice((0, 5, 10, 15, 20, 30, 40, 45, 50))
    shown = f"{hour}:{minute:02}"
    named = {0: f"{HOURS[hour - 1]} o'clock", 30: f"half past {HOURS[hour - 1]}"}
    named[15] = f"a quarter past {HOURS[hour - 1]}"
    plain = f"{HOURS[hour - 1]} {in_words(minute)}" if minute >= 10 else shown
    return Value(chance.choice((shown, named.get(minute, plain))), shown)


def _date(chance: Random, pools: Pools) -> Value:
    day, month = chance.randint(1, 28), chance.choice(MONTHS)
    return Value(chance.choice((f"{month} {day}", f"the {_nth(day)} of {month}")), f"{month} {day}")


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 < number < 14 else ending}"


def _same(text: str) -> Value:
    return Value(text, text)


def _invented(chance: Random, pools: Pools) -> Value:
    parts = range(chance.choice((2, 2, 3)))
    word = "".join(chance.choice(pools.onsets) + chance.choice(pools.rimes) for _ in parts)
    return _same(word.capitalize())


def _place(chance: Random, pools: Pools) -> Value:
    kind = chance.random()
    if kind < 0.5:
        return _same(chance.choice(pools.places))
    if kind < 0.75:
        return _same(f"{chance.choice(pools.places)}, {chance.choice(pools.regions)}")
    return _same(
        _invented(chance, pools).said + chance.choice(("ton", "ville", "berg", " Bay", ""))
    )


def _code(chance: Random, pools: Pools) -> Value:
    letters = "".join(chance.choice("ABCDEFGHKLMNPRSTVX") for _ in range(chance.choice((1, 1, 2))))
    return _same(f"{letters}{chance.choice(('', '-', ' '))}{chance.randint(2, 999)}")


def _person(chance: Random, pools: Pools) -> Value:
    return _same(f"{chance.choice(pools.first)} {chance.choice(pools.last)}")


_PERCENT = (1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 30, 35, 40, 45, 50, 60, 65, 70, 75, 80, 90, 95)

Maker = Callable[[Random, Pools], Value]
MAKERS: dict[str, Maker] = {
    "n": lambda chance, _: _number(chance, 2, 12),
    "num": lambda chance, _: _number(chance, 13, 99),
    "big": lambda chance, _: _same(str(chance.randint(101, 9800))),
    "percent": lambda chance, _: _same(f"{chance.choice(_PERCENT)} percent"),
    "year": lambda chance, _: _same(str(chance.randint(1815, 2024))),
    "price": _price,
    "clock": _clock,
    "date": _date,
    "day": lambda chance, _: _same(chance.choice(DAYS)),
    "colour": lambda chance, _: _same(chance.choice(COLOURS)),
    "word": _invented,
    "place": _place,
    "code": _code,
    "person": _person,
    "first": lambda chance, pools: _same(chance.choice(pools.first)),
}
"""What can stand in a gap of any domain's templates, by the gap's name."""


def value(name: str, own: Mapping[str, Sequence[str]], chance: Random, pools: Pools) -> Value:
    """A value for the gap ``name``: of a domain's ``own`` lists, else of :data:`MAKERS`.

    A digit at the end of the name tells two gaps of one kind apart.
    """
    kind = name.rstrip("0123456789")
    if kind in own:
        return _same(chance.choice(own[kind]))
    return MAKERS[kind](chance, pools)
