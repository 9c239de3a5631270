"""Questions about a made-up story, with answers that its passages hold."""

from __future__ import annotations

from models.reasoning.prompt import NOT_SEEN
from models.training.scenes import Asked
from models.training.timelines.domains import Fact, domains
from models.training.timelines.drafts import Draft, Maker, decided, finished, mixed, times, when
from models.training.timelines.of_events import (
    action,
    before_or_after,
    first_or_last,
    order,
    proactive,
    sequence,
)
from models.training.timelines.of_facts import (
    fact_yes_no,
    said_about,
    source,
    state,
    subjects_of,
    the,
    told_fact,
    who_said,
)
from models.training.timelines.of_sights import (
    gaze,
    how_often,
    in_view,
    meanwhile,
    motion,
    scene,
    screen_text,
    unseen,
    what,
)
from models.training.timelines.story import Slots, Story, filled, kind_of
from models.training.timelines.values import article


def asked(story: Story, count: int) -> list[tuple[Asked, tuple[int, ...]]]:
    """At most ``count`` different questions, each with the passages that hold its answer."""
    found: dict[str, tuple[Asked, tuple[int, ...]]] = {}
    kinds: dict[str, int] = {}
    weights = _PRACTISED if story.side == "trained" else _WEIGHTS
    for maker in story.chance.choices(_MAKERS, weights, k=count * 5):
        draft = maker(story)
        if draft is None or draft.text in found:
            continue
        if kinds.get(draft.kind, 0) >= (3 if draft.kind == "unanswerable" else 2):
            continue
        kinds[draft.kind] = kinds.get(draft.kind, 0) + 1
        found[draft.text] = finished(story, draft), tuple(sorted(set(draft.places)))
        if len(found) == count:
            break
    return list(found.values())


def _when_any(story: Story) -> Draft | None:
    chance = story.chance
    how = chance.random()
    if how < 0.3 and story.seen:
        thing = chance.choice(list(story.seen))
        places = story.seen[thing]
        first = chance.random() < 0.6
        key = "when seen first" if first else "when seen last"
        return when(story, key, places[0] if first else places[-1], x=thing)
    if how < 0.6 and (subjects := subjects_of(story)):
        subject = chance.choice(list(subjects))
        first = chance.random() < 0.7
        key = "when said first" if first else "when said last"
        place = subjects[subject][0 if first else -1]
        return when(story, key, place, x=the(subject))
    if how < 0.8 and story.events:
        one = chance.choice(story.events)
        return when(story, "when done", one.place, x=one.shown)
    signs = [one for one in story.facts if isinstance(one.of, Fact) and one.of.written]
    if signs:
        one = chance.choice(signs)
        if len(story.places(one.text)) == 1:
            return when(story, "when read", one.place, x=one.text)
    return None


def _seen_yes_no(story: Story) -> Draft | None:
    chance = story.chance
    so = chance.random() < 0.5
    if chance.random() < 0.5:
        things = list(story.seen) if so else unseen(story)
        things = [thing for thing in things if so or not story.anywhere(thing)]
        if not things or not story.seen:
            return None
        thing = chance.choice(things)
        places = story.seen[thing][:1] if so else []
        return decided(story, "yes or no", story.wording("seen", a=article(thing)), so, places)
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
        return decided(story, "yes or no", story.wording("written", x=sign), so, places)
    subjects = subjects_of(story)
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
    return decided(story, "yes or no", story.wording("mentioned", x=the(subject)), so, places)


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
        wrong = mixed(story, held, [story.value(untold.gap).shown for _ in range(4)])
    elif how < 0.8:
        fact = chance.choice([t.of for t in story.facts] or domain.facts)
        if not isinstance(fact, Fact) or not fact.subject:
            return None
        every = (*fact.asked, fact.answer)
        names = dict.fromkeys(piece for made in every for piece, gap in made if gap)
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
        wrong = mixed(story, [t.shown for t in same], absent)
    elif how < 0.9:
        things = [t for t in unseen(story) if not story.anywhere(t)]
        if not things:
            return None
        text = story.wording("when seen first", x=chance.choice(things))
        wrong = [f"at {time}" for time in times(story, -1)]
    else:
        things = [t for t in story.seen if all(look.thing != t for look in story.looks)]
        if not things:
            return None
        text = story.wording("colour of", x=chance.choice(things))
        wrong = [story.value("colour").shown for _ in range(6)]
    choosing = chance.random() < (0.45 if story.side == "trained" else 0.3)
    return Draft("unanswerable", text, NOT_SEEN, NOT_SEEN, wrong, [], timed=False, chosen=choosing)


def _about_all(story: Story) -> Draft | None:
    chance = story.chance
    subjects = subjects_of(story)
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
        return decided(story, "gap", story.wording("away"), False, [])
    if story.chance.random() < 0.5:
        return decided(story, "gap", story.wording("away"), True, [story.gap])
    draft = when(story, "away when", story.gap)
    draft.kind = "gap"
    return draft


_WEIGHED: dict[Maker, float] = {
    told_fact: 5, fact_yes_no: 1.6, _when_any: 2, what: 1.5, how_often: 2, order: 1.6,
    before_or_after: 1.4, first_or_last: 1.2, action: 1, who_said: 1.6, said_about: 1,
    screen_text: 1.5, state: 4, _seen_yes_no: 1.2, proactive: 1.6, _unanswerable: 4.5, gaze: 5,
    meanwhile: 1.5, source: 1, motion: 1.5, in_view: 0.8, scene: 1, sequence: 1.2, _about_all: 0.8,
    _away: 0.6,
}  # fmt: skip
"""How often each is tried."""
_MAKERS, _WEIGHTS = tuple(_WEIGHED), tuple(_WEIGHED.values())

_HARD: dict[Maker, float] = {
    how_often: 2.0,
    before_or_after: 2.0,
    sequence: 2.0,
    first_or_last: 1.5,
    said_about: 1.5,
}
_PRACTISED = tuple(weight * _HARD.get(maker, 1.0) for maker, weight in _WEIGHED.items())
"""The same in domains to train on: what is hard to learn is practised more."""
