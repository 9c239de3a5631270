"""Questions about what happens: what, in which order, and whether it has happened yet."""

from __future__ import annotations

from itertools import pairwise

from models.training.timelines.domains import Event
from models.training.timelines.drafts import Draft, decided, mixed
from models.training.timelines.of_facts import subjects_of, the
from models.training.timelines.of_sights import things_at, unseen
from models.training.timelines.story import Story, filled
from models.training.timelines.values import article


def action(story: Story) -> Draft | None:
    """What happens at some time."""
    if not story.events:
        return None
    one = story.chance.choice(story.events)
    text = story.wording("done at", t=story.time(one.place))
    wrong = _other_doings(story, {one.shown})
    return Draft("action", text, one.shown, one.shown, wrong, [one.place])


def before_or_after(story: Story) -> Draft | None:
    """What was done, or seen, before or after something else."""
    chance, events = story.chance, story.events
    if chance.random() < 0.4:
        return _seen_before_or_after(story)
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
    return Draft("before or after", text, other.shown, other.shown, wrong, [other.place])


def _seen_before_or_after(story: Story) -> Draft | None:
    views = [(place, things_at(story, place)) for place in range(len(story.lines))]
    views = [(place, there) for place, there in views if there]
    shown = [views[0], *(b for a, b in pairwise(views) if a[1] != b[1])] if views else []
    once = [n for n, (_, there) in enumerate(shown) if len(there) == 1]
    once = [n for n in once if sum(shown[n][1][0] in there for _, there in shown) == 1]
    pairs = [(n, n + step) for n in once for step in (-1, 1) if 0 <= n + step < len(shown)]
    pairs = [(n, other) for n, other in pairs if len(shown[other][1]) == 1]
    if not pairs:
        return None
    here, other = story.chance.choice(pairs)
    x, (place, (thing,)) = shown[here][1][0], shown[other]
    text = story.wording("after seen" if other > here else "before seen", x=x)
    present = [article(t) for t in story.seen if t not in (x, thing)]
    absent = [article(t) for t in unseen(story)][:5]
    right = article(thing)
    return Draft("before or after", text, right, right, mixed(story, present, absent), [place])


def first_or_last(story: Story) -> Draft | None:
    """What was seen or done first or last."""
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
    absent = [article(thing) for thing in unseen(story)][:5]
    right = article(there[0])
    return Draft("first or last", text, right, right, mixed(story, present, absent), [place])


def order(story: Story) -> Draft | None:
    """Which of two came first."""
    chance = story.chance
    sorts: list[tuple[str, str, dict[str, int]]] = []
    if len(story.seen) > 1:
        sorts.append(("order seen", "the ", {t: places[0] for t, places in story.seen.items()}))
    subjects = subjects_of(story)
    if len(subjects) > 1:
        sorts.append(("order said", "", {the(s): places[0] for s, places in subjects.items()}))
    if len(story.events) > 1:
        sorts.append(("order done", "", {one.shown: one.place for one in story.events}))
    if not sorts:
        return None
    key, opening, first = chance.choice(sorts)
    x, y = chance.sample(list(first), 2)
    if first[x] == first[y]:
        return None
    right, wrong = (x, y) if first[x] < first[y] else (y, x)
    text = story.wording(key, x=x, y=y)
    places = [first[x], first[y]]
    right, wrong = opening + right, opening + wrong
    return Draft("order", text, right, right, [wrong], places, fixed=(opening + x, opening + y))


def sequence(story: Story) -> Draft | None:
    """What happened, or was seen, one after the other."""
    chance = story.chance
    if chance.random() < 0.4:
        return _sequence_seen(story)
    if len(story.events) < 3:
        return None
    begin = chance.randint(0, len(story.events) - 3)
    some = story.events[begin : begin + 3]
    if begin or len(story.events) > 3:
        some = story.events[:3] if chance.random() < 0.5 else some
    order = [one.shown for one in some]
    return _ordered(story, "sequence", ", then ", order, [], [one.place for one in some])


def _sequence_seen(story: Story) -> Draft | None:
    """Things in the order in which they came up, beside other orders and other things."""
    chance = story.chance
    first = {thing: places[0] for thing, places in story.seen.items()}
    alone = [thing for thing, at in first.items() if list(first.values()).count(at) == 1]
    if len(alone) < 3:
        return None
    order = sorted(chance.sample(alone, 3), key=lambda thing: first[thing])
    absent = unseen(story)
    others = [[*order[:2], chance.choice(absent)] for _ in range(2) if absent]
    named = [[article(thing) for thing in each] for each in (order, *others)]
    places = [first[thing] for thing in order]
    comma = chance.choice((", ", ", then "))
    return _ordered(story, "sequence seen", comma, named[0], named[1:], places)


def _ordered(
    story: Story,
    key: str,
    comma: str,
    order: list[str],
    others: list[list[str]],
    places: list[int],
) -> Draft:
    """``order`` beside other orders of the same, mostly, and ``others``."""
    chance = story.chance
    shuffled = [chance.sample(order, 3) for _ in range(8)]
    wrong = [comma.join(each) for each in (*shuffled, *others) if each != order]
    chance.shuffle(wrong)
    right = comma.join(order)
    text = story.wording(key)
    return Draft("sequence", text, right, right, wrong, places, timed=False, chosen=True)


def _other_doings(story: Story, drop: set[str]) -> list[str]:
    present = [event.shown for event in story.events if event.shown not in drop]
    absent = []
    for _ in range(5):
        event = story.chance.choice(story.domain.events)
        slots = {piece: story.value(piece) for piece, gap in event.doing if gap}
        absent.append(filled(event.doing, slots, True))
    known = {event.shown for event in story.events}
    return mixed(story, present, [text for text in absent if text not in known])


def proactive(story: Story) -> Draft | None:
    """Whether something has come, happened or been said yet."""
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
        return decided(story, kind, text, so, story.places(shout)[:1], ("yes", "not yet"))
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
            return decided(story, kind, text, so, places, ("now", "not yet"))
        text = filled(chance.choice(event.yet), slots, True)
        return decided(story, kind, text, so, places, ("yes", "not yet"))
    things = list(story.seen) if so else [t for t in unseen(story) if not story.anywhere(t)]
    if not things or not story.seen:
        return None
    thing = chance.choice(things)
    places = story.seen[thing][:1] if so else []
    if chance.random() < 0.4:
        text = story.wording("appeared now", a=article(thing))
        return decided(story, kind, text, so, places, ("now", "not yet"))
    text = story.wording("appeared", a=article(thing))
    return decided(story, kind, text, so, places, ("yes", "not yet"))
