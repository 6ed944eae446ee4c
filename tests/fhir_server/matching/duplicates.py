"""Made-up patients, the same again with the errors that people make, and others who are only like them."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from faker import Faker

Patient = dict[str, Any]

_LOCALES = ("en_US", "en_US", "en_US", "es_MX", "de_DE", "pl_PL")
_MRN = "urn:oid:1.2.3.4"


@dataclass(frozen=True, slots=True)
class Population:
    """Who is registered, who comes again (with the id they have), and who comes for the first time."""

    registered: Sequence[Patient]
    again: Sequence[tuple[Patient, str]]
    new: Sequence[Patient]


def population(seed: int, registered: int, again: int, new: int) -> Population:
    """Return so and so many of each; of the new ones a third are twins, a third share name or house."""
    random = Random(seed)
    fakers = {locale: Faker(locale, use_weighting=True) for locale in set(_LOCALES)}
    for locale in sorted(fakers):
        fakers[locale].seed_instance(random.getrandbits(32))
    people = [
        _person(f"person-{number}", random, fakers[random.choice(_LOCALES)]) for number in range(registered)
    ]
    duplicates = [
        (_again(one, random, fakers["en_US"]), str(one["id"])) for one in random.sample(people, again)
    ]
    makers = (_twin, _namesake, _stranger)
    others = [makers[number % 3](random.choice(people), random, fakers["en_US"]) for number in range(new)]
    return Population(people, duplicates, others)


def _person(person_id: str, random: Random, faker: Faker) -> Patient:
    gender = random.choice(("female", "male"))
    given = faker.first_name_female() if gender == "female" else faker.first_name_male()
    return {
        "resourceType": "Patient",
        "id": person_id,
        "identifier": [{"system": _MRN, "value": f"{random.randrange(10**7, 10**8)}"}],
        "name": [{"family": faker.last_name(), "given": [given]}],
        "gender": gender,
        "birthDate": faker.date_of_birth(minimum_age=0, maximum_age=95).isoformat(),
        "telecom": [
            {"system": "phone", "value": _phone(random)},
            *([{"system": "email", "value": faker.email()}] if random.random() < 0.6 else []),
        ],
        "address": [{"line": [faker.street_address()], "postalCode": f"859{random.randrange(20):02}"}],
    }


def _phone(random: Random) -> str:
    return f"555-{random.randrange(1000):03}-{random.randrange(10000):04}"


def _again(person: Patient, random: Random, faker: Faker) -> Patient:
    """Return the person as they are registered another time, with what has changed and what was mistaken."""
    name = person["name"][0]
    family, given = name["family"], name["given"][0]
    chance = random.random
    if chance() < 0.10:
        family = _mistyped(family, random)
    elif chance() < 0.03:
        family = faker.last_name()  # married
    if chance() < 0.08:
        given = _mistyped(given, random)
    elif chance() < 0.04:
        given = given[0]
    elif chance() < 0.02:
        family, given = given, family
    found: Patient = {
        "resourceType": "Patient",
        "name": [{"family": family, "given": [given]}],
        "telecom": [],
    }
    birth_date = _birth_date(person["birthDate"], random)
    if birth_date:
        found["birthDate"] = birth_date
    if chance() < 0.95:
        found["gender"] = person["gender"] if chance() < 0.99 else "unknown"
    if chance() < 0.25:
        value = person["identifier"][0]["value"]
        found["identifier"] = [
            {"system": _MRN, "value": _mistyped(value, random) if chance() < 0.1 else value}
        ]
    if chance() < 0.85:
        found["telecom"].append(
            person["telecom"][0] if chance() < 0.7 else {"system": "phone", "value": _phone(random)}
        )
    if len(person["telecom"]) > 1 and chance() < 0.5:
        found["telecom"].append(person["telecom"][1])
    if chance() < 0.9:
        found["address"] = [_address(person["address"][0], random, faker)]
    return {key: value for key, value in found.items() if value}


def _birth_date(date: str, random: Random) -> str | None:
    year, month, day = date.split("-")
    error = random.random()
    if error < 0.02:
        return None
    if error < 0.04:
        return year
    if error < 0.055 and int(day) <= 12:
        return f"{year}-{day}-{month}"
    if error < 0.08:
        return f"{year}-{month}-{random.randrange(1, 29):02}"
    if error < 0.095:
        return f"{int(year) - random.choice((1, 10))}-{month}-{day if day != '29' else '28'}"
    return date


def _address(address: Patient, random: Random, faker: Faker) -> Patient:
    error = random.random()
    if error < 0.15:  # moved
        return {"line": [faker.street_address()], "postalCode": f"859{random.randrange(20):02}"}
    if error < 0.25:
        return {**address, "line": [_mistyped(address["line"][0], random)]}
    return address


def _mistyped(text: str, random: Random) -> str:
    """Return `text` with one letter wrong, too many, missing, or in another place."""
    place = random.randrange(1, len(text)) if len(text) > 1 else 0
    letter = random.choice(string.digits if text.isdigit() else string.ascii_lowercase)
    match random.randrange(4):
        case 0:
            return text[:place] + letter + text[place + 1 :]
        case 1:
            return text[:place] + letter + text[place:]
        case 2 if len(text) > 2:
            return text[:place] + text[place + 1 :]
        case _ if place < len(text) - 1:
            return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text + letter


def _twin(person: Patient, random: Random, faker: Faker) -> Patient:
    given = faker.first_name_female() if random.random() < 0.5 else faker.first_name_male()
    twin = {key: person[key] for key in ("resourceType", "birthDate", "address")}
    name = {"family": person["name"][0]["family"], "given": [given]}
    gender = person["gender"] if random.random() < 0.7 else random.choice(("female", "male"))
    return {**twin, "name": [name], "gender": gender, "telecom": person["telecom"][:1]}


def _namesake(person: Patient, random: Random, faker: Faker) -> Patient:
    """Return a parent or child of the same name in the same house."""
    year = int(person["birthDate"][:4])
    born = f"{year - random.randrange(20, 40)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
    return {key: person[key] for key in ("resourceType", "name", "gender", "address")} | {
        "birthDate": born,
        "telecom": [person["telecom"][0], {"system": "email", "value": faker.email()}],
    }


def _stranger(_person_: Patient, random: Random, faker: Faker) -> Patient:
    person = _person("x", random, faker)
    del person["id"]
    return person
