"""Questions about what is seen, read and looked at."""

from __future__ import annotations

from collections.abc import Callable

from models.training.timelines.drafts import Draft, decided, mixed, when
from models.training.timelines.noise import LOOKED
from models.training.timelines.of_facts import subjects_of, the
from models.training.timelines.story import WAYS, Story, filled
from models.training.timelines.values import article, in_words


def what(story: Story) -> Draft | None:
    """What is in view at some time."""
    if not story.seen:
        return None
    last = len(story.lines) - 1
    place = story.chance.choice([p for places in story.seen.values() for p in places])
    there = things_at(story, place)
    if len(there) != 1:
        return None
    key = "what now" if place == last and story.chance.random() < 0.7 else "what at"
    text = story.wording(key, t=story.time(place))
    present = [article(thing) for thing in story.seen if thing not in there]
    absent = [article(thing) for thing in unseen(story)][:6]
    right = article(there[0])
    return Draft("what", text, right, right, mixed(story, present, absent), [place])


def things_at(story: Story, place: int) -> list[str]:
    """What is seen in the passage at ``place``."""
    return [thing for thing, places in story.seen.items() if place in places]


def unseen(story: Story) -> list[str]:
    """Things of the domain that are not seen."""
    return [thing for thing in story.domain.own["things"] if thing not in story.seen]


def in_view(story: Story) -> Draft | None:
    """Whether a thing is still in view."""
    last, so = len(story.lines) - 1, story.chance.random() < 0.5
    things = [thing for thing, places in story.seen.items() if (places[-1] == last) == so]
    if not things or (not so and story.chance.random() < 0.65):
        return None
    thing = story.chance.choice(things)
    places = [story.seen[thing][-1]]
    return decided(story, "is it still", story.wording("in view", x=thing), so, places)


def scene(story: Story) -> Draft | None:
    """A thing in view and what was spoken of meanwhile, against other such pairs."""
    chance = story.chance
    subjects = {s: places[0] for s, places in subjects_of(story).items() if len(places) == 1}
    fits = [(s, p, things_at(story, p)) for s, p in subjects.items() if things_at(story, p)]
    if not fits or len(subjects) < 2 or len(story.seen) < 2:
        return None
    subject, place, there = chance.choice(fits)
    right = f"{article(there[0])}, and talk of {the(subject)}"
    wrong = []
    for thing in story.seen:
        for other, at in subjects.items():
            if at not in story.seen[thing]:
                wrong.append(f"{article(thing)}, and talk of {the(other)}")
    if not wrong:
        return None
    chance.shuffle(wrong)
    text = story.wording("scene")
    return Draft("scene", text, right, right, wrong, [place], chosen=True)


def how_often(story: Story) -> Draft | None:
    """How many times something was seen, said or looked at."""
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


def screen_text(story: Story) -> Draft | None:
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
    wrong = mixed(story, present, [a for a in absent if a != right])
    return Draft("text", text, right, right, wrong, [place])


def motion(story: Story) -> Draft | None:
    """Of something that moves: which way, and what colour it has."""
    if not story.movers:
        return None
    chance = story.chance
    place, colour, way = chance.choice(story.movers)
    if chance.random() < 0.5:
        present = [w for _, _, w in story.movers if w != way]
        wrong = mixed(story, present, [w for w in WAYS if w not in (way, *present)])
        return Draft("attribute", story.wording("moves", x=colour), way, way, wrong, [place])
    there = [c for c in LOOKED if c != colour and story.anywhere(c)]
    elsewhere = [c for c in LOOKED if c != colour and c not in there]
    wrong = mixed(story, there, elsewhere)
    return Draft("attribute", story.wording("mover", x=way), colour, colour, wrong, [place])


def gaze(story: Story) -> Draft | None:
    """What somebody looked at, and when."""
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
        return decided(story, "gaze", story.wording("looked", x=thing), so, first)
    if how < 0.4 and one.colour and sum(look.thing == one.thing for look in looks) == 1:
        wrong = mixed(
            story,
            [look.colour for look in looks if look.colour not in ("", one.colour)],
            [c for c in (story.value("colour").shown for _ in range(6)) if c != one.colour],
        )
        text = story.wording("looked colour", x=one.thing)
        return Draft("gaze", text, one.colour, one.colour, wrong, [one.place])
    if how < 0.55 and sum(look.thing == one.thing for look in looks) == 1:
        draft = when(story, "looked when", one.place, x=one.thing)
        draft.kind = "gaze"
        return draft
    last = max(look.place for look in looks)
    gazed = [p for p, lines in enumerate(story.lines) for ln in lines if ln.kind == "gaze"]
    now = one.place == last == max(gazed) and chance.random() < 0.6
    text = story.wording("looked now" if now else "looked at", t=story.time(one.place))
    right = article(one.thing)
    present = [article(t) for t in (*known, *story.seen) if t != one.thing]
    absent = [article(t) for t in story.domain.own["things"] if t != one.thing]
    return Draft("gaze", text, right, right, mixed(story, present, absent[:8]), [one.place])


def meanwhile(story: Story) -> Draft | None:
    """What was in the picture while something was spoken of."""
    fits = []
    for subject, places in subjects_of(story).items():
        if len(places) == 1 and len(there := things_at(story, places[0])) == 1:
            fits.append((subject, places[0], there[0]))
    if not fits:
        return None
    subject, place, thing = story.chance.choice(fits)
    text = story.wording("while said", x=the(subject))
    present = [article(t) for t in story.seen if t != thing]
    absent = [article(t) for t in unseen(story)]
    right = article(thing)
    return Draft("at the same time", text, right, right, mixed(story, present, absent[:5]), [place])
