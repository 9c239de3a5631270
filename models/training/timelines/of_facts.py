"""Questions about what is told: facts, who tells them, and how things stand."""

from __future__ import annotations

from models.training.timelines.domains import Fact, State
from models.training.timelines.drafts import Draft, decided, mixed
from models.training.timelines.story import Slots, Story, Told, filled, kind_of, words
from models.training.timelines.values import ONES
from models.training.timelines.wordings import BY_WORD

_SPOKEN, _WRITTEN, _BOTH, _UNTOLD = range(4)
_WAYS_TOLD = (
    ("spoken", "written on the screen", "both spoken and written", "not told at all"),
    ("It was spoken", "It was written", "It was spoken and written", "It was not told"),
    ("in words that were heard", "in writing", "in both ways", "not at all"),
)


def told_fact(story: Story) -> Draft | None:
    """What a fact is about, put as the domain puts it."""
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


def fact_yes_no(story: Story) -> Draft | None:
    """Whether a fact is so; the wrong value is one that another has, mostly."""
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
    return decided(story, "yes or no", text, so, [one.place])


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
    return [text for text in mixed(story, present, absent) if text != one.shown]


def about_of(one: Told) -> str:
    """How one speaks of a fact, without an article."""
    assert isinstance(one.of, Fact)
    return filled(one.of.about, one.slots, True).removeprefix("the ")


def the(subject: str) -> str:
    """``subject`` with the article that it needs: "the soup", but "King Street", "room four"."""
    last = subject.rpartition(" ")[2]
    named = subject[:1].isupper() or subject.startswith("the ") or last in ONES or len(last) == 1
    return subject if named else f"the {subject}"


def subjects_of(story: Story) -> dict[str, list[int]]:
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


def who_said(story: Story) -> Draft | None:
    """Who told a fact, where the timeline names the speaker."""
    named = [one for one in story.facts if one.speaker]
    if not named:
        return None
    one = story.chance.choice(named)
    about = about_of(one)
    if any(about_of(t) == about for t in story.facts if t.speaker != one.speaker):
        return None
    text = story.wording("who said", x=one.text.rstrip("."), y=the(about))
    held = story.values.get("person", {})
    present = [t.speaker for t in named if t.speaker != one.speaker]
    present += [name for name in held if name != one.speaker]
    absent = [story.value("person").shown for _ in range(4)]
    wrong = mixed(story, present, [a for a in absent if a != one.speaker])
    return Draft("who said", text, one.speaker, one.speaker, wrong, [one.place])


def said_about(story: Story) -> Draft | None:
    """All that was said about something."""
    spoken = [one for one in story.facts if isinstance(one.of, Fact) and not one.of.written]
    if not spoken:
        return None
    one = story.chance.choice(spoken)
    about = about_of(one)
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
    text = story.wording("said about", x=the(about))
    return Draft("said about", text, one.text.rstrip("."), right, wrong, [one.place])


def _sentence(one: Told, slots: Slots) -> str:
    text = filled(one.made, slots, True).rstrip(".")
    return text[:1].upper() + text[1:]


def source(story: Story) -> Draft | None:
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
        how, places = _UNTOLD, list[int]()
    else:
        what, places = one.said, story.places(one.said)
        kinds = {
            line.kind
            for place in places
            for line in story.lines[place]
            if words(what) in words(line.text)
        }
        if not places or not kinds or not kinds <= {"heard", "read"}:
            return None
        how = _BOTH if len(kinds) == 2 else _SPOKEN if "heard" in kinds else _WRITTEN
    ways = chance.choice(_WAYS_TOLD)
    some = [way for n, way in enumerate(ways) if n in (how, _SPOKEN, _WRITTEN, _UNTOLD)]
    fixed = ways if chance.random() < 0.5 else tuple(some)
    if what.isupper() and story.side == "trained" and chance.random() < 0.4:
        what = what.title()  # as one writes it oneself
    text = story.wording("source", x=what)
    said, timed = _WAYS_TOLD[0][how], bool(places)
    return Draft("heard or read", text, said, ways[how], [], places, timed=timed, fixed=fixed)


def state(story: Story) -> Draft | None:
    """How something is now, how it was at first, or whether it is still so."""
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
        return decided(story, "is it still", text, so, [turns[-1].place])
    text = filled(chance.choice(wordings), one.slots, True)
    every = [t for others in story.states if others[0].of is state for t in others]
    present = [t.shown for t in every if t.shown != one.shown]
    absent = [story.value(state.gap).shown for _ in range(5)]
    wrong = mixed(story, present, [a for a in absent if a != one.shown])
    return Draft(kind, text, one.said, one.shown, wrong, [one.place])
