"""Questions about a made-up story, with answers that its passages hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from models.reasoning.prompt import NOT_SEEN
from models.training.scenes import Asked
from models.training.timelines.domains import Event, Fact, State, domains
from models.training.timelines.noise import LOOKED
from models.training.timelines.story import WAYS, Slots, Story, Told, filled, kind_of, words
from models.training.timelines.values import ONES, article, in_words
from models.training.timelines.wordings import BY_WORD

YES_NO = ("yes", "no")
CHOSEN = 0.54
"""Share of questions with options, where the kind allows both."""


@dataclass(slots=True)
class Draft:
    """A question on its way.

    Attributes:
        said: the answer in the words of the timeline; shown: as one of the options.
        wrong: other options, the best first; more than are taken.
        places: passages that hold the answer.
        timed: whether the free answer says when.
        fixed: options that are taken as they are, in any order; empty for other questions.
    """

    kind: str
    text: str
    said: str
    shown: str
    wrong: Sequence[str]
    places: Sequence[int]
    timed: bool = True
    fixed: tuple[str, ...] = ()
    chosen: bool | None = None


Maker = Callable[[Story], Draft | None]


def asked(story: Story, count: int) -> list[tuple[Asked, tuple[int, ...]]]:
    """At most ``count`` different questions, each with the passages that hold its answer."""
    found: dict[str, tuple[Asked, tuple[int, ...]]] = {}
    kinds: dict[str, int] = {}
    for maker in story.chance.choices(_MAKERS, _WEIGHTS, k=count * 5):
        draft = maker(story)
        if draft is None or draft.text in found:
            continue
        if kinds.get(draft.kind, 0) >= (3 if draft.kind == "unanswerable" else 2):
            continue
        kinds[draft.kind] = kinds.get(draft.kind, 0) + 1
        found[draft.text] = _finished(story, draft), tuple(sorted(set(draft.places)))
        if len(found) == count:
            break
    return list(found.values())


def _finished(story: Story, draft: Draft) -> Asked:
    chance = story.chance
    choosing = chance.random() < CHOSEN if draft.chosen is None else draft.chosen
    if not choosing:
        answer = draft.said
        if draft.timed and draft.places:
            answer = f"{answer}, at {story.time(min(draft.places))}"
        return Asked(draft.kind, draft.text, answer, ())
    if draft.fixed:
        options = list(draft.fixed)
    else:
        most = chance.choice((2, 3, 4, 4, 4, 5))
        others = {one.lower(): one for one in reversed(draft.wrong)}
        others.pop(draft.shown.lower(), None)
        wrong = list(reversed(others.values()))[: most - 1]
        if draft.shown != NOT_SEEN and chance.random() < 0.22:
            wrong[-1:] = [NOT_SEEN]
        options = [draft.shown, *wrong]
    chance.shuffle(options)
    answer = draft.shown
    if not draft.fixed:
        styled = _style(chance)
        options, answer = [styled(one) for one in options], styled(answer)
    return Asked(draft.kind, draft.text, answer, tuple(options))


def _style(chance: Random) -> Callable[[str], str]:
    """How all options of a question are written; "not seen" stays what it is."""
    how = chance.random()
    if how < 0.5:
        return lambda text: text
    end = "." if how < 0.75 else ""
    return lambda text: text if text == NOT_SEEN else text[:1].upper() + text[1:] + end


def _mixed(story: Story, present: Sequence[str], absent: Sequence[str]) -> list[str]:
    """Wrong options: most of them occur in the timeline."""
    chance = story.chance
    there, elsewhere = list(dict.fromkeys(present)), list(dict.fromkeys(absent))
    chance.shuffle(there)
    chance.shuffle(elsewhere)
    mixed = []
    while there or elsewhere:
        from_there = there and (not elsewhere or chance.random() < 0.75)
        mixed.append(there.pop() if from_there else elsewhere.pop())
    return mixed


def _others(story: Story, one: Told) -> list[str]:
    """Answers that would fit a fact's question too."""
    assert isinstance(one.of, Fact)
    names = [piece for piece, gap in one.of.answer if gap and piece not in one.of.subject]
    siblings = [other.shown for other in story.facts if other.of is one.of]
    present, absent = [other for other in siblings if other != one.shown], []
    for place in range(5):
        slots = dict(one.slots)
        slots.update({name: story.value(name) for name in names})
        absent.append(filled(one.of.answer, slots, True))
        if len(names) == 1:
            held = list(story.values.get(kind_of(names[0]), {}).values())
            if place < len(held):
                present.append(filled(one.of.answer, {**slots, names[0]: held[place]}, True))
    drop = {one.shown}
    return [text for text in _mixed(story, present, absent) if text not in drop]


def _fact(story: Story) -> Draft | None:
    if not story.facts:
        return None
    one = story.chance.choice(story.facts)
    assert isinstance(one.of, Fact)
    text = filled(story.chance.choice(one.of.asked), one.slots, True)
    how = story.chance.random()
    if one.place == len(story.lines) - 1 and how < 0.3:
        text = f"Right now, {text[:1].lower()}{text[1:]}"
    elif how > 0.85 and not one.of.written:
        text = text.removesuffix("?") + story.chance.choice(BY_WORD[story.side])
    return Draft(one.of.kind, text, one.said, one.shown, _others(story, one), [one.place])


def _fact_yes_no(story: Story) -> Draft | None:
    if not story.facts:
        return None
    one = story.chance.choice(story.facts)
    assert isinstance(one.of, Fact)
    slots, so = one.slots, story.chance.random() < 0.5
    if not so:
        names = [piece for piece, gap in one.of.answer if gap and piece not in one.of.subject]
        siblings = [t for t in story.facts if t.of is one.of and t is not one]
        for _ in range(4):
            slots = dict(one.slots)
            other = story.chance.choice(siblings) if siblings else None
            for name in names:
                held = story.value(name)
                slots[name] = other.slots[name] if other and story.chance.random() < 0.7 else held
            if filled(one.of.answer, slots, True) != one.shown:
                break
        else:
            return None
    text = filled(story.chance.choice(one.of.yes_no), slots, True)
    return _decided(story, "yes or no", text, so, [one.place])


def _decided(
    story: Story,
    kind: str,
    text: str,
    so: bool,
    places: Sequence[int],
    ways: tuple[str, str] = YES_NO,
) -> Draft:
    """A question with two answers."""
    answer = ways[0] if so else ways[1]
    other = ways[1] if so else ways[0]
    return Draft(kind, text, answer, answer, [other], places, timed=so, fixed=ways)


def _about(one: Told) -> str:
    """How one speaks of a fact, without an article."""
    assert isinstance(one.of, Fact)
    return filled(one.of.about, one.slots, True).removeprefix("the ")


def _the(subject: str) -> str:
    """``subject`` with the article that it needs: "the soup", but "King Street", "room four"."""
    last = subject.rpartition(" ")[2]
    named = subject[:1].isupper() or subject.startswith("the ") or last in ONES or len(last) == 1
    return subject if named else f"the {subject}"


def _subjects(story: Story) -> dict[str, list[int]]:
    """What facts are about, with the passages that speak of it."""
    found = {}
    for one in story.facts:
        assert isinstance(one.of, Fact)
        for name in one.of.subject:
            if kind_of(name) in story.domain.own:
                subject = one.slots[name].shown
                if places := story.places(subject):
                    found[subject] = places
    return found


def _times(story: Story, right: int) -> list[str]:
    others = [story.time(place) for place in range(len(story.lines)) if place != right]
    story.chance.shuffle(others)
    return others[:6]


def _when(story: Story, key: str, place: int, **gaps: str) -> Draft:
    time = story.time(place)
    said = f"at {time}"
    wrong = [f"at {other}" for other in _times(story, place)]
    return Draft("when", story.wording(key, **gaps), said, said, wrong, [place], timed=False)


def _when_any(story: Story) -> Draft | None:
    chance = story.chance
    how = chance.random()
    if how < 0.3 and story.seen:
        thing = chance.choice(list(story.seen))
        places = story.seen[thing]
        first = chance.random() < 0.6
        key = "when seen first" if first else "when seen last"
        return _when(story, key, places[0] if first else places[-1], x=thing)
    if how < 0.6 and (subjects := _subjects(story)):
        subject = chance.choice(list(subjects))
        first = chance.random() < 0.7
        key = "when said first" if first else "when said last"
        place = subjects[subject][0 if first else -1]
        return _when(story, key, place, x=_the(subject))
    if how < 0.8 and story.events:
        one = chance.choice(story.events)
        return _when(story, "when done", one.place, x=one.shown)
    signs = [one for one in story.facts if isinstance(one.of, Fact) and one.of.written]
    if signs:
        one = chance.choice(signs)
        if len(story.places(one.text)) == 1:
            return _when(story, "when read", one.place, x=one.text)
    return None


def _things_at(story: Story, place: int) -> list[str]:
    return [thing for thing, places in story.seen.items() if place in places]


def _unseen(story: Story) -> list[str]:
    return [thing for thing in story.domain.own["things"] if thing not in story.seen]


def _what(story: Story) -> Draft | None:
    if not story.seen:
        return None
    last = len(story.lines) - 1
    place = story.chance.choice([p for places in story.seen.values() for p in places])
    there = _things_at(story, place)
    if len(there) != 1:
        return None
    key = "what now" if place == last and story.chance.random() < 0.7 else "what at"
    text = story.wording(key, t=story.time(place))
    present = [article(thing) for thing in story.seen if thing not in there]
    absent = [article(thing) for thing in _unseen(story)][:6]
    right = article(there[0])
    return Draft("what", text, right, right, _mixed(story, present, absent), [place])


def _how_often(story: Story) -> Draft | None:
    chance = story.chance
    sorts: list[tuple[str, str, list[int]]] = [
        ("how often seen", thing, places) for thing, places in story.seen.items()
    ]
    sorts += [
        ("how often said", shout.rstrip("!?."), story.places(shout.rstrip("!?.")))
        for shout in story.shouts
    ] * 2
    looked: dict[str, list[int]] = {}
    for one in story.looks:
        looked.setdefault(one.thing, []).append(one.place)
    sorts += [("how often looked", thing, places) for thing, places in looked.items()]
    sorts = [one for one in sorts if 1 <= len(one[2]) <= 5]
    if not sorts:
        return None
    count = chance.choice(sorted({len(places) for _, _, places in sorts}))
    key, what, places = chance.choice([one for one in sorts if len(one[2]) == count])
    others = [n for n in range(1, 6) if n != count]
    chance.shuffle(others)
    as_told: Callable[[int], str] = str if chance.random() < 0.4 else in_words
    text, shown = story.wording(key, x=what), as_told(count)
    wrong = [as_told(n) for n in others]
    return Draft("how many", text, in_words(count), shown, wrong, places, timed=False)


def _order(story: Story) -> Draft | None:
    """Which of two came first."""
    chance = story.chance
    sorts: list[tuple[str, str, dict[str, int]]] = []
    if len(story.seen) > 1:
        sorts.append(("order seen", "the ", {t: places[0] for t, places in story.seen.items()}))
    subjects = _subjects(story)
    if len(subjects) > 1:
        sorts.append(("order said", "", {_the(s): places[0] for s, places in subjects.items()}))
    if len(story.events) > 1:
        sorts.append(("order done", "", {one.shown: one.place for one in story.events}))
    if not sorts:
        return None
    key, the, first = chance.choice(sorts)
    x, y = chance.sample(list(first), 2)
    if first[x] == first[y]:
        return None
    right, wrong = (x, y) if first[x] < first[y] else (y, x)
    text = story.wording(key, x=x, y=y)
    places = [first[x], first[y]]
    return Draft(
        "order", text, the + right, the + right, [the + wrong], places, fixed=(the + x, the + y)
    )


def _next(story: Story) -> Draft | None:
    """What was done before or after something else."""
    chance, events = story.chance, story.events
    if len(events) < 2:
        return None
    here = chance.randrange(len(events))
    step = chance.choice((-1, 1))
    if not 0 <= here + step < len(events):
        step = -step
    one, other = events[here], events[here + step]
    key = "after done" if step > 0 else "before done"
    wrong = _other_doings(story, {one.shown, other.shown})
    text = story.wording(key, x=one.shown)
    return Draft(
        "before or after", text, other.shown, other.shown, wrong, [other.place, one.place][:1]
    )


def _other_doings(story: Story, drop: set[str]) -> list[str]:
    present = [event.shown for event in story.events if event.shown not in drop]
    absent = []
    for _ in range(5):
        event = story.chance.choice(story.domain.events)
        slots = {piece: story.value(piece) for piece, gap in event.doing if gap}
        absent.append(filled(event.doing, slots, True))
    known = {event.shown for event in story.events}
    return _mixed(story, present, [text for text in absent if text not in known])


def _first_or_last(story: Story) -> Draft | None:
    chance = story.chance
    first = chance.random() < 0.5
    if chance.random() < 0.5 and len(story.events) > 1:
        one = story.events[0 if first else -1]
        text = story.wording("first done" if first else "last done")
        wrong = _other_doings(story, {one.shown})
        return Draft("first or last", text, one.shown, one.shown, wrong, [one.place])
    if len(story.seen) < 2:
        return None
    ends = {thing: places[0 if first else -1] for thing, places in story.seen.items()}
    place = min(ends.values()) if first else max(ends.values())
    there = [thing for thing, end in ends.items() if end == place]
    if len(there) != 1:
        return None
    text = story.wording("first seen" if first else "last seen")
    present = [article(thing) for thing in story.seen if thing not in there]
    absent = [article(thing) for thing in _unseen(story)][:5]
    right = article(there[0])
    return Draft("first or last", text, right, right, _mixed(story, present, absent), [place])


def _action(story: Story) -> Draft | None:
    if not story.events:
        return None
    one = story.chance.choice(story.events)
    text = story.wording("done at", t=story.time(one.place))
    wrong = _other_doings(story, {one.shown})
    return Draft("action", text, one.shown, one.shown, wrong, [one.place])


def _who_said(story: Story) -> Draft | None:
    named = [one for one in story.facts if one.speaker]
    if not named:
        return None
    one = story.chance.choice(named)
    about = _about(one)
    if any(_about(t) == about for t in story.facts if t.speaker != one.speaker):
        return None
    text = story.wording("who said", x=one.text.rstrip("."), y=_the(about))
    held = story.values.get("person", {})
    present = [t.speaker for t in named if t.speaker != one.speaker]
    present += [name for name in held if name != one.speaker]
    absent = [story.value("person").shown for _ in range(4)]
    wrong = _mixed(story, present, [a for a in absent if a != one.speaker])
    return Draft("who said", text, one.speaker, one.speaker, wrong, [one.place])


def _said_about(story: Story) -> Draft | None:
    spoken = [one for one in story.facts if isinstance(one.of, Fact) and not one.of.written]
    if not spoken:
        return None
    one = story.chance.choice(spoken)
    about = _about(one)
    if len(story.places(about)) != 1:
        return None
    wrong = []
    assert isinstance(one.of, Fact)
    names = [piece for piece, gap in one.of.answer if gap and piece not in one.of.subject]
    siblings = [t for t in spoken if t.of is one.of and t is not one]
    for place in range(4):
        slots = dict(one.slots)
        other = siblings[place] if place < len(siblings) else None
        slots.update({n: other.slots[n] if other else story.value(n) for n in names})
        wrong.append(_sentence(one, slots))
    right = _sentence(one, one.slots)
    wrong = [text for text in wrong if text != right]
    text = story.wording("said about", x=_the(about))
    return Draft("said about", text, one.text.rstrip("."), right, wrong, [one.place])


def _sentence(one: Told, slots: Slots) -> str:
    text = filled(one.made, slots, True).rstrip(".")
    return text[:1].upper() + text[1:]


def _text(story: Story) -> Draft | None:
    """What could be read at some time."""
    chance = story.chance
    by_place: dict[int, list[str]] = {}
    for place, lines in enumerate(story.lines):
        for line in lines:
            if line.kind == "read" and line.text not in by_place.setdefault(place, []):
                by_place[place].append(line.text)
    single = [place for place, texts in by_place.items() if len(texts) == 1]
    if not single:
        return None
    place = chance.choice(single)
    now = place == len(story.lines) - 1 and chance.random() < 0.6
    text = story.wording("text now" if now else "text at", t=story.time(place))
    right = by_place[place][0]
    present = [t for texts in by_place.values() for t in texts if t != right]
    signs = [fact for fact in story.domain.facts if fact.written]
    absent = []
    for _ in range(5):
        fact = chance.choice(signs)
        made = chance.choice(fact.said)
        sign = filled(made, {piece: story.value(piece) for piece, gap in made if gap}, True)
        absent.append(sign.upper() if right.isupper() else sign)
    person = story.value("person").shown
    absent.append(person.upper() if right.isupper() else person)
    wrong = _mixed(story, present, [a for a in absent if a != right])
    return Draft("text", text, right, right, wrong, [place])


def _state(story: Story) -> Draft | None:
    if not story.states:
        return None
    chance = story.chance
    turns = chance.choice(story.states)
    state = turns[0].of
    assert isinstance(state, State)
    how = chance.random()
    if how < 0.45:
        one, wordings, kind = turns[-1], state.now, "state now"
    elif how < 0.6:
        one, wordings, kind = turns[0], state.before, "state before"
    else:
        so = chance.random() < 0.5
        one = turns[-1] if so else chance.choice(turns[:-1])
        text = filled(chance.choice(state.still), one.slots, True)
        return _decided(story, "is it still", text, so, [turns[-1].place])
    text = filled(chance.choice(wordings), one.slots, True)
    every = [t for others in story.states if others[0].of is state for t in others]
    present = [t.shown for t in every if t.shown != one.shown]
    absent = [story.value(state.gap).shown for _ in range(5)]
    wrong = _mixed(story, present, [a for a in absent if a != one.shown])
    return Draft(kind, text, one.said, one.shown, wrong, [one.place])


def _in_view(story: Story) -> Draft | None:
    last, so = len(story.lines) - 1, story.chance.random() < 0.5
    things = [thing for thing, places in story.seen.items() if (places[-1] == last) == so]
    if not things or (not so and story.chance.random() < 0.65):
        return None
    thing = story.chance.choice(things)
    places = [story.seen[thing][-1]]
    return _decided(story, "is it still", story.wording("in view", x=thing), so, places)


def _scene(story: Story) -> Draft | None:
    """A thing in view and what was spoken of meanwhile, against other such pairs."""
    chance = story.chance
    subjects = {s: places[0] for s, places in _subjects(story).items() if len(places) == 1}
    fits = [(s, p, _things_at(story, p)) for s, p in subjects.items() if _things_at(story, p)]
    if not fits or len(subjects) < 2 or len(story.seen) < 2:
        return None
    subject, place, there = chance.choice(fits)
    right = f"{article(there[0])}, and talk of {_the(subject)}"
    wrong = []
    for thing in story.seen:
        for other, at in subjects.items():
            if at not in story.seen[thing]:
                wrong.append(f"{article(thing)}, and talk of {_the(other)}")
    if not wrong:
        return None
    chance.shuffle(wrong)
    text = story.wording("scene")
    return Draft("scene", text, right, right, wrong, [place], chosen=True)


def _sequence(story: Story) -> Draft | None:
    """What happened one after the other."""
    if len(story.events) < 3:
        return None
    chance = story.chance
    begin = chance.randint(0, len(story.events) - 3)
    some = story.events[begin : begin + 3]
    if begin or len(story.events) > 3:
        some = story.events[:3] if chance.random() < 0.5 else some
    order = [one.shown for one in some]
    wrong = []
    for _ in range(8):
        other = chance.sample(order, 3)
        if other != order:
            wrong.append(", then ".join(other))
    right = ", then ".join(order)
    text = story.wording("sequence")
    places = [one.place for one in some]
    return Draft("sequence", text, right, right, wrong, places, timed=False, chosen=True)


def _seen_yes_no(story: Story) -> Draft | None:
    chance = story.chance
    so = chance.random() < 0.5
    if chance.random() < 0.5:
        things = list(story.seen) if so else _unseen(story)
        things = [thing for thing in things if so or not story.anywhere(thing)]
        if not things or not story.seen:
            return None
        thing = chance.choice(things)
        places = story.seen[thing][:1] if so else []
        return _decided(story, "yes or no", story.wording("seen", a=article(thing)), so, places)
    if chance.random() < 0.25:
        signs = [one for one in story.facts if isinstance(one.of, Fact) and one.of.written]
        if not signs:
            return None
        one = chance.choice(signs)
        sign, places = one.text, [one.place]
        if not so:
            slots = {name: story.value(name) for name in one.slots}
            sign, places = filled(one.made, slots, True), []
            sign = sign.upper() if one.text.isupper() else sign
            if story.places(sign):
                return None
        return _decided(story, "yes or no", story.wording("written", x=sign), so, places)
    subjects = _subjects(story)
    if not subjects:
        return None
    if so:
        subject = chance.choice(list(subjects))
        places = subjects[subject][:1]
    else:
        kinds = [kind_of(n) for f in story.domain.facts for n in f.subject]
        own = [kind for kind in kinds if kind in story.domain.own]
        subject, places = chance.choice(story.domain.own[chance.choice(own)]), []
        if story.places(subject):
            return None
    return _decided(story, "yes or no", story.wording("mentioned", x=_the(subject)), so, places)


def _proactive(story: Story) -> Draft | None:
    chance = story.chance
    so = chance.random() < 0.5
    kind = "proactive"
    if chance.random() < 0.2 and story.domain.own.get("shout"):
        shouts = [s.rstrip("!?.") for s in story.domain.own["shout"]]
        fits = [shout for shout in shouts if bool(story.places(shout)) == so]
        if not fits:
            return None
        shout = chance.choice(fits)
        text = story.wording("said yet", x=shout)
        return _decided(story, kind, text, so, story.places(shout)[:1], ("yes", "not yet"))
    if chance.random() < 0.5 and story.events:
        if so:
            one = chance.choice(story.events)
            assert isinstance(one.of, Event)
            event, slots, places = one.of, one.slots, [one.place]
        else:
            event = chance.choice(story.domain.events)
            slots = {piece: story.value(piece) for piece, gap in event.doing if gap}
            if filled(event.doing, slots, True) in {e.shown for e in story.events}:
                return None
            places = []
        if chance.random() < 0.3:
            text = story.wording("done now", x=filled(event.doing, slots, True))
            return _decided(story, kind, text, so, places, ("now", "not yet"))
        text = filled(chance.choice(event.yet), slots, True)
        return _decided(story, kind, text, so, places, ("yes", "not yet"))
    things = list(story.seen) if so else [t for t in _unseen(story) if not story.anywhere(t)]
    if not things or not story.seen:
        return None
    thing = chance.choice(things)
    places = story.seen[thing][:1] if so else []
    if chance.random() < 0.4:
        text = story.wording("appeared now", a=article(thing))
        return _decided(story, kind, text, so, places, ("now", "not yet"))
    text = story.wording("appeared", a=article(thing))
    return _decided(story, kind, text, so, places, ("yes", "not yet"))


def _unanswerable(story: Story) -> Draft | None:
    """What nobody can know from the timeline, though it is much like what is there."""
    chance, domain = story.chance, story.domain
    how = chance.random()
    wrong: list[str] = []
    if how < 0.4 and domain.untold:
        untold = chance.choice(domain.untold)
        slots: Slots = {}
        for name in untold.subject:
            known = story.values.get(kind_of(name), {})
            slots[name] = chance.choice(list(known.values())) if known else story.value(name)
        text = filled(chance.choice(untold.asked), slots, True)
        held = list(story.values.get(untold.gap, {}))
        wrong = _mixed(story, held, [story.value(untold.gap).shown for _ in range(4)])
    elif how < 0.8:
        fact = chance.choice([t.of for t in story.facts] or domain.facts)
        if not isinstance(fact, Fact) or not fact.subject:
            return None
        names = {piece for made in fact.asked for piece, gap in made if gap}
        names |= {piece for piece, gap in fact.answer if gap}
        slots = {name: story.value(name) for name in names}
        name = fact.subject[0]
        others = list(story.values.get(kind_of(name), {}).values())
        if others and chance.random() < 0.5:
            slots[name] = chance.choice(others)
        same = [t for t in story.facts if t.of is fact]
        subject = tuple(slots[n].shown for n in fact.subject)
        if any(tuple(t.slots[n].shown for n in fact.subject) == subject for t in same):
            return None
        text = filled(chance.choice(fact.asked), slots, True)
        answers = [piece for piece, gap in fact.answer if gap and piece not in fact.subject]
        absent = []
        for _ in range(4):
            slots.update({n: story.value(n) for n in answers})
            absent.append(filled(fact.answer, slots, True))
        wrong = _mixed(story, [t.shown for t in same], absent)
    elif how < 0.9:
        things = [t for t in _unseen(story) if not story.anywhere(t)]
        if not things:
            return None
        text = story.wording("when seen first", x=chance.choice(things))
        wrong = [f"at {time}" for time in _times(story, -1)]
    else:
        things = [t for t in story.seen if all(look.thing != t for look in story.looks)]
        if not things:
            return None
        text = story.wording("colour of", x=chance.choice(things))
        wrong = [story.value("colour").shown for _ in range(6)]
    choosing = chance.random() < 0.3
    return Draft("unanswerable", text, NOT_SEEN, NOT_SEEN, wrong, [], timed=False, chosen=choosing)


def _gaze(story: Story) -> Draft | None:
    chance, looks = story.chance, story.looks
    if not looks:
        return None
    one = chance.choice(looks)
    how = chance.random()
    known = list(dict.fromkeys(look.thing for look in looks))
    if how < 0.2:
        so = chance.random() < 0.5
        others = [t for t in story.domain.own["things"] if t not in known]
        thing = one.thing if so else chance.choice(others)
        first = [look.place for look in looks if look.thing == thing][:1]
        return _decided(story, "gaze", story.wording("looked", x=thing), so, first)
    if how < 0.4 and one.colour and sum(look.thing == one.thing for look in looks) == 1:
        wrong = _mixed(
            story,
            [look.colour for look in looks if look.colour not in ("", one.colour)],
            [c for c in (story.value("colour").shown for _ in range(6)) if c != one.colour],
        )
        text = story.wording("looked colour", x=one.thing)
        return Draft("gaze", text, one.colour, one.colour, wrong, [one.place])
    if how < 0.55 and sum(look.thing == one.thing for look in looks) == 1:
        draft = _when(story, "looked when", one.place, x=one.thing)
        draft.kind = "gaze"
        return draft
    last = max(look.place for look in looks)
    gazed = [p for p, lines in enumerate(story.lines) for ln in lines if ln.kind == "gaze"]
    now = one.place == last == max(gazed) and chance.random() < 0.6
    text = story.wording("looked now" if now else "looked at", t=story.time(one.place))
    right = article(one.thing)
    present = [article(t) for t in (*known, *story.seen) if t != one.thing]
    absent = [article(t) for t in story.domain.own["things"] if t != one.thing]
    return Draft("gaze", text, right, right, _mixed(story, present, absent[:8]), [one.place])


def _while(story: Story) -> Draft | None:
    """What was in the picture while something was spoken of."""
    fits = []
    for subject, places in _subjects(story).items():
        if len(places) == 1 and len(there := _things_at(story, places[0])) == 1:
            fits.append((subject, places[0], there[0]))
    if not fits:
        return None
    subject, place, thing = story.chance.choice(fits)
    text = story.wording("while said", x=_the(subject))
    present = [article(t) for t in story.seen if t != thing]
    absent = [article(t) for t in _unseen(story)]
    right = article(thing)
    return Draft(
        "at the same time", text, right, right, _mixed(story, present, absent[:5]), [place]
    )


_WAYS_TOLD = ("spoken", "written on the screen", "not told at all")


def _source(story: Story) -> Draft | None:
    """Whether something was heard or read."""
    chance = story.chance
    if not story.facts:
        return None
    way = chance.randrange(3)
    fits = [t for t in story.facts if isinstance(t.of, Fact) and t.of.written == (way == 1)]
    if not fits or (way == 0 and chance.random() < 0.4):
        return None
    one = chance.choice(fits)
    assert isinstance(one.of, Fact)
    if way == 2:
        names = [piece for piece, gap in one.of.answer if gap]
        what = story.value(names[0]).shown
        if story.anywhere(what):
            return None
        answer, places = _WAYS_TOLD[2], list[int]()
    else:
        what, places = one.said, story.places(one.said)
        kinds = {
            line.kind
            for place in places
            for line in story.lines[place]
            if words(what) in words(line.text)
        }
        if len(places) != 1 or len(kinds & {"heard", "read"}) != 1 or len(kinds) != 1:
            return None
        answer = _WAYS_TOLD[0] if "heard" in kinds else _WAYS_TOLD[1]
    text = story.wording("source", x=what)
    return Draft(
        "heard or read", text, answer, answer, [], places, timed=bool(places), fixed=_WAYS_TOLD
    )


def _look(story: Story) -> Draft | None:
    """Of something that moves: which way, and what colour it has."""
    if not story.movers:
        return None
    chance = story.chance
    place, colour, way = chance.choice(story.movers)
    if chance.random() < 0.5:
        present = [w for _, _, w in story.movers if w != way]
        wrong = _mixed(story, present, [w for w in WAYS if w not in (way, *present)])
        return Draft("attribute", story.wording("moves", x=colour), way, way, wrong, [place])
    there = [c for c in LOOKED if c != colour and story.anywhere(c)]
    elsewhere = [c for c in LOOKED if c != colour and c not in there]
    wrong = _mixed(story, there, elsewhere)
    return Draft("attribute", story.wording("mover", x=way), colour, colour, wrong, [place])


def _about_all(story: Story) -> Draft | None:
    chance = story.chance
    subjects = _subjects(story)
    if chance.random() < 0.6 or len(subjects) < 2:
        topics = [d.topic for d in domains(story.side).values() if d is not story.domain]
        chance.shuffle(topics)
        right = story.domain.topic
        places = [one.place for one in story.facts]
        text = story.wording("about")
        return Draft("summary", text, right, right, topics, places, timed=False, chosen=True)
    first = sorted(subjects, key=lambda subject: subjects[subject][0])[:3]
    answer = f"{', '.join(first[:-1])} and {first[-1]}"
    places = [subjects[subject][0] for subject in first]
    text = story.wording("subjects")
    return Draft("summary", text, answer, answer, [], places, timed=False, chosen=False)


def _away(story: Story) -> Draft | None:
    if story.gap is None:
        if story.chance.random() < 0.85:
            return None
        return _decided(story, "gap", story.wording("away"), False, [])
    if story.chance.random() < 0.5:
        return _decided(story, "gap", story.wording("away"), True, [story.gap])
    draft = _when(story, "away when", story.gap)
    draft.kind = "gap"
    return draft


_WEIGHED: dict[Maker, float] = {
    _fact: 5, _fact_yes_no: 1.6, _when_any: 2, _what: 1.5, _how_often: 2, _order: 1.6,
    _next: 1.4, _first_or_last: 1.2, _action: 1, _who_said: 1.6, _said_about: 1, _text: 1.5,
    _state: 4, _seen_yes_no: 1.2, _proactive: 1.6, _unanswerable: 4.5, _gaze: 5, _while: 1.5,
    _source: 1, _look: 1.5, _in_view: 0.8, _scene: 1, _sequence: 1.2, _about_all: 0.8, _away: 0.6,
}  # fmt: skip
_MAKERS, _WEIGHTS = tuple(_WEIGHED), tuple(_WEIGHED.values())
