"""Searches, drawn from what the resources of a world have: parameters, modifiers, chains, orders, pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from tests.fhir_server.search.agreement import definitions, elements, filter_questions, values
from tests.fhir_server.search.agreement.elements import Element
from tests.fhir_server.search.agreement.evaluator import World
from tests.fhir_server.search.agreement.results import SORTABLE, Address, Pair

_LONGEST_CHAIN = 3
_OWNERS = ("Patient", "Encounter", "Practitioner", "RelatedPerson", "Device")


@dataclass(frozen=True)
class Question:
    """A search: the type that is asked for, the names and values, and how many are wanted on a page.

    It may be asked in a compartment, whose owner is type and id; `is_posted` says how it is sent.
    """

    resource_type: str
    pairs: tuple[Pair, ...]
    count: int | None = None
    compartment: Address | None = None
    is_posted: bool = False


@dataclass(repr=False)
class Drawing:
    """What can be asked about a world: the parameters of each type that any of its resources has a value for.

    `features` are the things that may be asked for, such as `chain`.
    """

    world: World
    features: frozenset[str] = field(default_factory=frozenset)

    def __repr__(self) -> str:
        return "Drawing"

    @cached_property
    def askable(self) -> Mapping[str, Mapping[str, Sequence[Element]]]:
        """The elements of all resources by type and parameter."""
        found: dict[str, dict[str, list[Element]]] = {}
        for resource_type, resources in self.world.resources.items():
            by_code = found.setdefault(resource_type, {})
            for code, parameter in definitions.parameters(resource_type).items():
                if parameter.type in values.DRAW:
                    listed = [one for each in resources for one in self.world.elements(each, code)]
                    if listed:
                        by_code[code] = listed
        return {resource_type: by_code for resource_type, by_code in found.items() if by_code}

    def question(self, random: Random) -> Question:
        """Draw a search with one parameter to three."""
        resource_type = random.choice(sorted(self.askable))
        pairs = [self._pair(random, resource_type) for _ in range(random.choice((1, 1, 2, 3)))]
        if random.choice((False, False, True)):
            pairs.append(("_sort", self._order(random, resource_type)))
        if "include" in self.features and random.choice((False, False, False, True)):
            pairs += [self._include(random, resource_type) for _ in range(random.choice((1, 1, 2)))]
        if random.choice((False, False, False, True)):
            pairs.append(("_total", random.choice(("none", "estimate", "accurate"))))
        return Question(
            resource_type,
            tuple(pair for pair in pairs if pair[1]),
            random.choice((None, 1, 3)),
            self._compartment(random, resource_type),
            random.choice((False, False, True)),
        )

    def _compartment(self, random: Random, resource_type: str) -> Address | None:
        """Draw the owner of a compartment that has resources of the type, mostly none."""
        if "compartment" not in self.features or random.choice((True, *[True] * 7, False)):
            return None
        owners = [
            name
            for name in _OWNERS
            if self.world.of_type(name) and resource_type in definitions.compartment(name)
        ]
        if not owners or resource_type in owners:
            return None
        owner = random.choice(owners)
        return owner, random.choice(self.world.of_type(owner))["id"]

    def _include(self, random: Random, resource_type: str) -> Pair:
        modifier = random.choice(("", "", ":iterate"))
        if random.choice((True, False)):
            known = [(resource_type, *link) for link in self._links(resource_type)]
            if modifier:  # what was brought along may bring others
                known += [(source, *link) for source in sorted(self.askable) for link in self._links(source)]
            name = "_include"
        else:
            known = [
                (source, *link)
                for source in sorted(self.askable)
                for link in self._links(source)
                if link[1] == resource_type
            ]
            name = "_revinclude"
        if not known:
            return name, ""
        source, code, target = random.choice(known)
        text = random.choice((f"{source}:{code}", f"{source}:{code}:{target}", f"{source}:*"))
        return f"{name}{modifier}", text

    def _pair(self, random: Random, resource_type: str) -> Pair:
        kinds = ["plain"] * 5 + ["composite"]
        kinds += [kind for kind in ("chain", "has", "filter") if kind in self.features for _ in range(3)]
        kinds += ["list"] if "list" in self.features and self.world.of_type("List") else []
        kind = random.choice(kinds)
        if kind == "chain":
            return self._chain(random, resource_type, _LONGEST_CHAIN)
        if kind == "has":
            return self._had(random, resource_type, _LONGEST_CHAIN)
        if kind == "composite":
            return self._composite(random, resource_type)
        if kind == "filter":
            return "_filter", self._filter(random, resource_type)
        if kind == "list":
            lists = random.choices([one["id"] for one in self.world.of_type("List")], k=2)
            return "_list", random.choice((lists[0], ",".join(lists)))
        return self._plain(random, resource_type)

    def _plain(self, random: Random, resource_type: str) -> Pair:
        code = random.choice(sorted(self.askable[resource_type]))
        listed = self.askable[resource_type][code]
        parameter = definitions.parameters(resource_type)[code]
        if random.choice((True, *[False] * 7)):
            return f"{code}:missing", random.choice(("true", "false"))
        modifier = random.choice(["", "", *self._modifiers(parameter.type, listed)])
        draw = values.MODIFIED.get((parameter.type, modifier)) or self._draw(parameter.type)
        if modifier in ("in", "not-in"):
            value = random.choice(sorted(self.world.value_sets))
        elif (parameter.type, modifier) in (("token", "above"), ("token", "below")):
            value = "|".join(random.choice(sorted(self.world.parents)))
        else:
            value = values.several(random, draw, listed) or ""
        if code == "_lastUpdated" and "ap" in value:  # what is near to now changes while it is asked
            value = value.replace("ap", "ge")
        return (f"{code}:{modifier}" if modifier else code), value

    def _modifiers(self, kind: str, found: Sequence[Element]) -> list[str]:
        """Return the modifiers that may be drawn for a parameter of such elements."""
        known = [modifier for one, modifier in values.MODIFIED if one == kind]
        if self.world.parents and any(element.type in ("Coding", "CodeableConcept") for element in found):
            known += ["in", "not-in", "above", "below"]
        return [modifier for modifier in known if modifier in self.features]

    def _draw(self, kind: str) -> values.Draw:
        return values.converted if kind == "quantity" and "ucum" in self.features else values.DRAW[kind]

    def _composite(self, random: Random, resource_type: str) -> Pair:
        known = [one for one in definitions.parameters(resource_type).values() if one.type == "composite"]
        if not known:
            return self._plain(random, resource_type)
        parameter = random.choice(known)
        resource = random.choice(self.world.of_type(resource_type))
        for base in elements.bases(resource, parameter):
            found = [elements.within(base, part) for part in parameter.parts]
            if all(found):
                drawn = [
                    values.DRAW[part.type](random, random.choice(listed))
                    for part, listed in zip(parameter.parts, found, strict=True)
                ]
                return parameter.code, "$".join(value or "none" for value in drawn)
        return self._plain(random, resource_type)

    def _links(self, resource_type: str) -> list[tuple[str, str]]:
        """Return the parameters that point to types that are there, each with the type."""
        found = set()
        for code in self.askable[resource_type]:
            if definitions.parameters(resource_type)[code].type == "reference":
                for one in self.world.of_type(resource_type):
                    found |= {(code, target) for target, _ in self.world.targets(one, code)}
        return sorted(link for link in found if link[1] in self.askable)

    def _chain(self, random: Random, resource_type: str, longest: int) -> Pair:
        known = self._links(resource_type)
        if not known:
            return self._plain(random, resource_type)
        code, target = random.choice(known)
        goes_on = longest > 1 and random.choice((False, False, True))
        if goes_on:
            name, value = self._chain(random, target, longest - 1)
        elif "has" in self.features and random.choice((True, *[False] * 7)):
            name, value = self._had(random, target, longest - 1)
        else:
            name, value = self._plain(random, target)
        typed = random.choice((True, False)) or name.startswith("_has") or "." in name
        return f"{code}:{target}.{name}" if typed else f"{code}.{name}", value

    def _had(self, random: Random, resource_type: str, longest: int) -> Pair:
        known = [
            (source, code)
            for source in sorted(self.askable)
            for code, target in self._links(source)
            if target == resource_type
        ]
        if not known:
            return self._plain(random, resource_type)
        source, code = random.choice(known)
        if longest > 1 and random.choice((False, False, True)):
            name, value = self._chain(random, source, longest - 1)
        elif longest > 1 and random.choice((False, False, True)):
            name, value = self._had(random, source, longest - 1)
        else:
            name, value = self._plain(random, source)
        return f"_has:{source}:{code}:{name}", value

    def _filter(self, random: Random, resource_type: str) -> str:
        tests = [self._test(random, resource_type) for _ in range(random.choice((1, 1, 2, 3)))]
        return filter_questions.joined(random, [test for test in tests if test])

    def _test(self, random: Random, resource_type: str, longest: int = _LONGEST_CHAIN) -> str:
        links: list[tuple[str, str]] = []
        if longest and "chain" in self.features:
            links = self._links(resource_type)
        goes_on = random.choice((True, False, False))
        if links and goes_on:
            code, target = random.choice(links)
            test = self._test(random, target, longest - 1)
            inner = self._test(random, target, longest - 1) if random.choice((True, False, False)) else ""
            # Of the other types that it might lead to, not all have the parameters of the inner filter.
            typed = f"{code}:{target}" if inner else random.choice((f"{code}:{target}", code))
            return f"{typed}{f'[{inner}]' if inner else ''}.{test}" if test else ""
        code = random.choice(sorted(self.askable[resource_type]))
        kind = definitions.parameters(resource_type)[code].type
        return filter_questions.test_of(random, code, kind, self.askable[resource_type][code])

    def _order(self, random: Random, resource_type: str) -> str:
        known = [
            code
            for code in self.askable[resource_type]
            if definitions.parameters(resource_type)[code].type in SORTABLE
        ]
        keys = random.sample([*known, "_id"], k=min(len(known) + 1, random.choice((1, 1, 2, 3))))
        return ",".join(random.choice(("", "-")) + key for key in keys)
