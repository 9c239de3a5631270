"""A made-up stretch of a stream: what happens in it, and the passages it leaves.

Facts, events, states, things, signs and looks are spread over passages; what a line says is told
with the noise that a recogniser, a reader and a classifier make (:mod:`.noise`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random

from models.reasoning.prompt import clipped, clock
from models.reasoning.reasoner import Line, Passage
from models.training.timelines.domains import Domain, Event, Fact, State, Template
from models.training.timelines.noise import LOOKED, WRONG_LABELS, look, spoken, unmarked, written
from models.training.timelines.values import COLOURS, HELD_OUT, TRAINED, Pools, Value, value
from models.training.timelines.wordings import CHAT, ENDS, STARTS, WORDINGS

Slots = dict[str, Value]
"""Values by the gaps that they fill."""

Planned = tuple[Fact | Event | State, Slots, Value]
"""What is to be told, with its values, and how a state then is."""

_PLAIN = str.maketrans(dict.fromkeys('.,!?;"()', " "))


def words(text: str) -> str:
    """``text`` in small letters without marks, a space on either side of each word."""
    return f" {' '.join(text.lower().translate(_PLAIN).split())} "


def filled(made: Template, slots: Slots, shown: bool) -> str:
    """A template with its values, as they are shown or as they are said."""
    return "".join(
        (slots[piece].shown if shown else slots[piece].said) if gap else piece
        for piece, gap in made
    )


@dataclass(slots=True)
class Told:
    """A fact, event or state that the passage at ``place`` tells.

    ``said`` is the value that answers for it as it stands in the timeline, ``shown`` as it stands
    among options; ``speaker`` is empty where nobody is named.
    """

    of: Fact | Event | State
    slots: Slots
    place: int
    text: str
    said: str
    shown: str
    made: Template
    speaker: str = ""


@dataclass(slots=True)
class Looked:
    """A gaze on a thing, in the passage at ``place``."""

    place: int
    thing: str
    colour: str


@dataclass(slots=True)
class Story:
    """Everything that is so, for the questions; see :func:`told`."""

    side: str
    domain: Domain
    chance: Random
    starts: list[float]
    lines: list[list[Line]]
    facts: list[Told] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    states: list[list[Told]] = field(default_factory=list)
    seen: dict[str, list[int]] = field(default_factory=dict)
    shouts: dict[str, list[int]] = field(default_factory=dict)
    looks: list[Looked] = field(default_factory=list)
    movers: list[tuple[int, str, str]] = field(default_factory=list)
    gap: int | None = None
    values: dict[str, dict[str, Value]] = field(default_factory=dict)
    """By kind of gap, values that the timeline holds, by how they are shown."""
    texts: list[str] = field(default_factory=list)
    """What is heard and read in each passage, see :func:`words`; ``shown``: all that it shows."""
    shown: list[str] = field(default_factory=list)

    @property
    def pools(self) -> Pools:
        return TRAINED if self.side == "trained" else HELD_OUT

    def wording(self, key: str, **gaps: str) -> str:
        """One of the wordings of a question."""
        return self.chance.choice(WORDINGS[self.side][key]).format(**gaps)

    def time(self, place: int) -> str:
        return clock(self.starts[place])

    def value(self, name: str) -> Value:
        return value(name, self.domain.own, self.chance, self.pools)

    def places(self, what: str) -> list[int]:
        """Passages in which ``what`` is heard or read."""
        wanted = words(what)
        return [place for place, text in enumerate(self.texts) if wanted in text]

    def anywhere(self, what: str) -> bool:
        """Whether any passage shows ``what``, whatever kind of line does."""
        wanted = words(what)
        return any(wanted in text for text in self.shown)


def kind_of(gap: str) -> str:
    """What a gap is filled with, by its name."""
    return gap.rstrip("0123456789")


WAYS = ("to the left", "to the right", "up", "down")
_LENGTHS = (*(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 9, 9, 10, 10, 11, 12, 13, 15) * 3, 18, 22, 28, 40)
_REASONS = (
    "the source was away: it broke (Connection timed out)",
    "the source was away: it ended",
    "nothing was heard: speech failed (MemoryError)",
    "the queue was full, and frames were dropped",
)


def told(side: str, domain: Domain, chance: Random) -> Story:
    """What happens in a stretch of a stream of ``domain``."""
    count = chance.choice(_LENGTHS)
    now = chance.choice((0.0, 0.0, 0.0, chance.uniform(0, 900), chance.uniform(900, 9000)))
    starts = []
    for _ in range(count):
        starts.append(now)
        now += chance.uniform(2.0, 8.0)
        if chance.random() < 0.05:
            now += chance.uniform(10, 200)
    story = Story(side, domain, chance, [*starts, now], [[] for _ in starts])
    _tell(story, _planned(story, min(count, 14)))
    _chat(story)
    _shout(story)
    _look(story)
    _see(story)
    _gaze(story)
    _lose(story)
    for lines in story.lines:
        lines.sort(key=lambda line: line.start)
        said = [line.text for line in lines if line.kind in ("heard", "read")]
        story.texts.append(words(" | ".join(said)))
        story.shown.append(words(" | ".join(line.text for line in lines if line.certain)))
    return story


def passages(story: Story) -> tuple[Passage, ...]:
    """The story as a reasoner reads it, some with notes."""
    noted = story.chance.random() < 0.12
    made = []
    for place, lines in enumerate(story.lines):
        start, end = story.starts[place], story.starts[place + 1]
        if noted and story.chance.random() < 0.5 and (note := _note(lines)):
            lines = [*lines, Line(start, end, "note", note)]
        known_at = max([end, *(line.end for line in lines)])
        made.append(Passage(start, end, tuple(lines), known_at))
    return tuple(made)


def _note(lines: list[Line]) -> str:
    parts = []
    if heard := [line.text for line in lines if line.kind == "heard"]:
        parts.append(f'heard "{clipped(" ".join(heard), 18)}"')
    if read := [line.text for line in lines if line.kind == "read"]:
        parts.append(f"read {', '.join(read[:3])}")
    if seen := [line.text for line in lines if line.kind == "seen" and line.certain]:
        parts.append(f"saw {', '.join(seen[:2])}")
    return "; ".join(parts)


def _planned(story: Story, most: int) -> list[list[Planned]]:
    """What is told: groups of the same kind, as far as there is room."""
    chance, domain = story.chance, story.domain
    facts = chance.sample(domain.facts, min(len(domain.facts), 4))
    groups: list[list[Planned]] = []
    room = most - 1
    if domain.states and chance.random() < 0.45:
        state = chance.choice(domain.states)
        groups.append(_turns(story, state, chance.choice((2, 2, 3)), ()))
        room -= len(groups[-1])
        if room > 2 and chance.random() < 0.6:
            groups.append(_turns(story, state, 2, groups[-1][0][1].values()))
            room -= len(groups[-1])
    if domain.events and chance.random() < 0.6:
        groups.append(_happenings(story, min(room, chance.choice((2, 3, 3, 4)))))
        room -= len(groups[-1])
    for fact in facts:
        if room > 0:
            siblings = chance.choice((1, 2, 2, 3, 3)) if fact.subject else 1
            groups.append(_siblings(story, fact, min(siblings, room)))
            room -= len(groups[-1])
    return groups


def _slots(story: Story, fact: Fact | Event | State) -> Slots:
    names = dict.fromkeys(piece for made in fact.said for piece, gap in made if gap)
    if isinstance(fact, Fact):
        names |= dict.fromkeys(piece for piece, gap in fact.answer if gap)
    slots: Slots = {}
    for name in names:
        for _ in range(6):
            slots[name] = story.value(name)
            others = [v for other, v in slots.items() if other != name]
            if slots[name] not in others:
                break
    return slots


def _remember(story: Story, slots: Slots) -> None:
    for name, held in slots.items():
        story.values.setdefault(kind_of(name), {})[held.shown] = held


_NOTHING = Value("", "")


def _siblings(story: Story, fact: Fact, count: int) -> list[Planned]:
    """Facts of one kind whose questions differ, and their answers too."""
    asked: set[tuple[str, ...]] = set()
    answers: set[str] = set()
    group: list[Planned] = []
    for _ in range(count * 3):
        slots = _slots(story, fact)
        subject = tuple(slots[name].shown for name in fact.subject)
        answer = filled(fact.answer, slots, True)
        if subject not in asked and answer not in answers:
            asked.add(subject)
            answers.add(answer)
            group.append((fact, slots, _NOTHING))
        if len(group) >= count:
            break
    return group


def _turns(story: Story, state: State, count: int, taken: Collection[Value]) -> list[Planned]:
    """One thing, none of the ``taken``, that is a new way each time."""
    slots = _slots(story, state)
    if any(slots[name] in taken for name in state.subject):
        return []
    group: list[Planned] = []
    gone: set[str] = set()
    for _ in range(count * 4):
        held = story.value(state.gap)
        if held.shown not in gone:
            gone.add(held.shown)
            group.append((state, {**slots, state.gap: held}, held))
        if len(group) >= count:
            break
    return group


def _happenings(story: Story, count: int) -> list[Planned]:
    group: list[Planned] = []
    done: set[str] = set()
    for _ in range(count * 3):
        event = story.chance.choice(story.domain.events)
        slots = _slots(story, event)
        doing = filled(event.doing, slots, True)
        if doing not in done:
            done.add(doing)
            group.append((event, slots, _NOTHING))
        if len(group) >= count:
            break
    return group


def _tell(story: Story, groups: list[list[Planned]]) -> None:
    """Put each into a passage of its own, in any order, with the words it is told in."""
    chance = story.chance
    every = [one for group in groups for one in group]
    free = chance.sample(range(len(story.lines)), len(story.lines))[: len(every)]
    chance.shuffle(free)
    raw, errors = chance.random() < 0.15, chance.choice((0.0, 0.04, 0.08, 0.15))
    speakers = [story.value("person").shown for _ in range(chance.choice((0, 2, 2, 3)))]
    place_of = iter(free)
    for group in groups:
        places = sorted(islice(place_of, len(group)))
        turns: list[Told] = []
        for (of, slots, held), place in zip(group, places, strict=False):
            _remember(story, slots)
            one = _worded(story, of, slots, held, place, raw, errors)
            if isinstance(of, Fact):
                story.facts.append(one)
                if speakers and not of.written and chance.random() < 0.5:
                    _named(story, one, chance.choice(speakers), raw)
            elif isinstance(of, Event):
                story.events.append(one)
            else:
                turns.append(one)
        if len(turns) > 1:
            story.states.append(turns)
    story.events.sort(key=lambda one: one.place)
    if chance.random() < 0.35:
        _join(story)


def _join(story: Story) -> None:
    """Let somebody say two things in one breath."""
    spoken_of = [one for one in story.facts if isinstance(one.of, Fact) and not one.of.written]
    for one, other in zip(spoken_of[::2], spoken_of[1::2], strict=False):
        if one.of is other.of or other.speaker:
            continue
        for lines, told_there in ((story.lines[other.place], other), (story.lines[one.place], one)):
            place = next(n for n, line in enumerate(lines) if line.text == told_there.text)
            line = lines.pop(place)
        text = f"{one.text} {other.text}"
        story.lines[one.place].append(replace(line, text=text))
        other.place, other.speaker = one.place, one.speaker


def _worded(
    story: Story,
    of: Fact | Event | State,
    slots: Slots,
    held: Value,
    place: int,
    raw: bool,
    errors: float,
) -> Told:
    chance = story.chance
    made = chance.choice(of.said)
    if isinstance(of, Fact) and of.written:
        pieces = [(slots[piece].shown if gap else piece, gap) for piece, gap in made]
    else:
        pieces = [(slots[piece].said if gap else piece, gap) for piece, gap in made]
        pieces = _around(story, pieces)
    start, end = story.starts[place], story.starts[place + 1]
    at = chance.uniform(start, (start + end) / 2)
    if isinstance(of, Fact):
        said, shown = filled(of.answer, slots, False), filled(of.answer, slots, True)
    elif isinstance(of, State):
        said, shown = held.said, held.shown
    else:
        said = shown = filled(of.doing, slots, True)
    if isinstance(of, Fact) and of.written:
        upper = chance.random() < 0.6
        text = written(pieces, chance, upper, errors * 2)
        said = shown.upper() if upper else shown
        story.lines[place].append(Line(start, start, "read", text))
        if chance.random() < 0.2 and place + 2 < len(story.starts):
            story.lines[place + 1].append(Line(end, end, "read", text))
    else:
        text = spoken(pieces, chance, raw, errors)
        said = unmarked(said) if raw and not isinstance(of, Event) else said
        story.lines[place].append(Line(at, end - 0.2, "heard", text))
    return Told(of, slots, place, text, said, shown, made)


def _around(story: Story, pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Let a sentence begin or go on as people speak."""
    chance = story.chance
    if chance.random() < 0.25:
        first, gap = pieces[0]
        start = chance.choice(STARTS[story.side])
        if not gap and not start.endswith(". ") and not first.startswith("I "):
            first = first[:1].lower() + first[1:]
        pieces = [(start, False), (first, gap), *pieces[1:]]
    if chance.random() < 0.12:
        pieces = [*pieces, (chance.choice(ENDS[story.side]), False)]
    return pieces


def _named(story: Story, one: Told, speaker: str, raw: bool) -> None:
    """Let the timeline name who says it: by a caption, or by the speaker's own word."""
    start = story.starts[one.place]
    if story.chance.random() < 0.5:
        caption = speaker.upper() if story.chance.random() < 0.7 else speaker
        story.lines[one.place].append(Line(start, start, "read", caption))
    else:
        opening = story.chance.choice(("{} here.", "I am {}.", "This is {} speaking.", "{} says:"))
        text = opening.format(speaker)
        lines = story.lines[one.place]
        lines.append(Line(start, start, "heard", unmarked(text) if raw else text))
    one.speaker = speaker


def _chat(story: Story) -> None:
    """Talk that answers nothing, in passages where little else is said."""
    chance = story.chance
    pool = (*CHAT[story.side], *story.domain.chat * 2)
    for place, lines in enumerate(story.lines):
        if chance.random() < (0.12 if lines else 0.4):
            start, end = story.starts[place], story.starts[place + 1]
            at = chance.uniform(start, end - 1)
            lines.append(Line(at, at + 0.8, "heard", chance.choice(pool)))


def _shout(story: Story) -> None:
    """The same few words, once to four times."""
    if story.chance.random() < 0.35 and (own := story.domain.own.get("shout")):
        count = min(story.chance.choice((1, 2, 3, 4, 5)), len(story.lines))
        shout = story.chance.choice(own)
        places = sorted(story.chance.sample(range(len(story.lines)), count))
        story.shouts[shout] = places
        for place in places:
            end = story.starts[place + 1]
            story.lines[place].append(Line(end - 0.5, end - 0.1, "heard", shout))


def _look(story: Story) -> None:
    chance = story.chance
    habit, looked = chance.choice((0.1, 0.4, 0.7)), look(chance)
    for place, lines in enumerate(story.lines):
        if chance.random() < habit:
            if chance.random() < 0.6:
                looked = look(chance)
            start = story.starts[place]
            lines.append(Line(start, start, "look", looked))
    if chance.random() < 0.3:
        count = min(chance.choice((1, 2)), len(story.lines))
        places = sorted(chance.sample(range(len(story.lines)), count))
        colours, ways = chance.sample(LOOKED, count), chance.sample(WAYS, count)
        for place, colour, way in zip(places, colours, ways, strict=True):
            story.movers.append((place, colour, way))
            at = story.starts[place] + 1
            story.lines[place].append(Line(at, at, "look", f"something {colour} moves {way}"))


def _see(story: Story) -> None:
    """Things in view, some of them again; and labels that are wrong, and mostly known to be."""
    chance = story.chance
    count = len(story.lines)
    things = story.domain.own["things"]
    for thing in chance.sample(things, min(len(things), chance.choice((0, 2, 3, 3, 4)), count)):
        times = min(count, chance.choice((1, 1, 2, 2, 3, 4, 5)))
        begin = chance.randint(0, count - times)
        together = range(begin, begin + times)
        apart = sorted(chance.sample(range(count), times))
        story.seen[thing] = list(together) if chance.random() < 0.4 else apart
        for place in story.seen[thing]:
            at = chance.uniform(story.starts[place], story.starts[place + 1])
            story.lines[place].append(Line(at, at, "seen", thing))
    for place, lines in enumerate(story.lines):
        if chance.random() < 0.3:
            at = chance.uniform(story.starts[place], story.starts[place + 1])
            lines.append(Line(at, at, "seen", chance.choice(WRONG_LABELS), certain=False))


def _gaze(story: Story) -> None:
    chance = story.chance
    if chance.random() < 0.7:
        return
    things = story.domain.own["things"]
    some = chance.sample(things, min(len(things), 3))
    for place in sorted(chance.sample(range(len(story.lines)), min(len(story.lines), 4))):
        thing, colour = chance.choice(some), chance.choice(COLOURS[:12])
        start, end = story.starts[place], story.starts[place + 1]
        text = f"{thing} ({colour})" if chance.random() < 0.7 else thing
        if chance.random() < 0.15:
            left, top = chance.randint(5, 95), chance.randint(5, 95)
            text = f"a point {left}% from the left and {top}% from the top"
        else:
            story.looks.append(Looked(place, thing, colour if text.endswith(")") else ""))
        story.lines[place].append(Line(start + 0.3, end - 0.3, "gaze", text))


def _lose(story: Story) -> None:
    if story.chance.random() < 0.15:
        story.gap = story.chance.randrange(len(story.lines))
        start, end = story.starts[story.gap], story.starts[story.gap + 1]
        line = Line(start, end, "gap", story.chance.choice(_REASONS))
        story.lines[story.gap].append(line)
