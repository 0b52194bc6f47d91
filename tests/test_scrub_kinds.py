"""Scrubbing: how much of many kinds of secrets it finds, in many surroundings, and how little else it touches."""

import json
import random
import re
import shlex
import string
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sftbench.clean.findings import fake
from sftbench.clean.leaves import change_text
from sftbench.clean.search import Scope, find_leaf

KINDS = Path(__file__).resolve().parent / "scrub_kinds"
ROUNDS = 4  # surroundings that each template is tried in, at least
SIGNS = "!@#%^*_-+=."
WORDS = [
    "blue",
    "horse",
    "river",
    "copper",
    "maple",
    "tiger",
    "winter",
    "summer",
    "planet",
    "monkey",
    "castle",
    "harbor",
    "velvet",
    "cactus",
    "falcon",
]
SEED_TEXT = (  # of the list that wallets share
    "abandon ability able about above absent absorb abstract absurd abuse access accident account accuse achieve acid"
    " ocean legal winner thank year wave sausage worth useful letter advice cage zoo zebra vessel tornado panda orbit"
)
SEED_WORDS = SEED_TEXT.split()


class Case(NamedTuple):
    "A text with the spans of its secrets."

    kind: str
    family: str
    template: str
    carrier: str
    text: str
    values: tuple[str, ...]


def sections(name: str) -> Iterator[tuple[str, str, str, str]]:
    "Family, kind, classes and template of every line of a file."
    family = kind = classes = ""
    for line in (KINDS / name).read_text(encoding="utf-8").split("\n"):
        if line.startswith("# family"):
            family = line.split()[-1]
        elif line.startswith("== "):
            kind, _, classes = line[3:].partition(" | ")
        elif line and not line.startswith("# "):
            yield family, kind, classes or "p", line.replace("⏎", "\n").replace("⇥", "\t")


def made_up(kind: str, rng: random.Random, signs: str = SIGNS) -> str:
    "A value of a class."
    some = lambda alphabet, low, high: "".join(rng.choices(alphabet, k=rng.randint(low, high)))  # noqa: E731
    letters = string.ascii_letters
    if kind == "p":
        body = list(some(letters, 4, 14) + some(string.digits, 1, 4) + some(signs, 1, 3))
        rng.shuffle(body)
        return rng.choice(letters) + "".join(body) + rng.choice(letters + string.digits)
    if kind == "h":
        return some("0123456789abcdef", 16, 40)
    if kind == "b":
        return some(letters + string.digits + "+/", 16, 40)
    if kind == "l":
        return some(string.ascii_lowercase, 8, 14)
    if kind == "w":
        one, two = rng.sample(WORDS, 2)
        return rng.choice(
            [f"{one.title()}{two.title()}{rng.randint(10, 99)}!", f"{one}-{two}-{rng.randint(1, 9)}", f"{one}{rng.randint(1990, 2026)}",
             f"{one.title()}#{rng.randint(10, 99)}", f"{one}_{two}{rng.randint(1, 99)}", f"{one.title()}@{rng.randint(100, 999)}"]
        )  # fmt: skip
    return some(letters + string.digits, 24, 44)


def filled(template: str, classes: str, seed: int) -> tuple[str, tuple[str, ...]]:
    "A template with values, each distinct secret once."
    rng = random.Random(f"{template}{seed}")
    classes = classes if len(classes) == 1 else classes[seed % len(classes)]
    signs = SIGNS.replace("@", "") if re.search(r"://[^ ]*«»|«»@", template) else SIGNS
    common = made_up(classes, rng, signs.replace("#", "") if "://" in template else signs)
    pieces, values = [], []
    for at, piece in enumerate(re.split(r"«([^»]*)»", template)):
        words = lambda m: " ".join(rng.choices(SEED_WORDS, k=int(m[1])))  # noqa: E731
        piece = fake(re.sub(r"\{m(\d+)\}", words, piece), rng.randint(0, 10**9))
        if at % 2:
            piece = piece or common
            values.append(piece)
        pieces.append(piece)
    return "".join(pieces), tuple(dict.fromkeys(values))


def continued(command: str) -> str:
    return re.sub(r" (?=--?[a-zA-Z])", " \\\n    ", command)


def as_list(command: str) -> str | None:
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if (
        re.search(r"[|;<>$]|&&", command)
        or "=" in words[0]
        or words[0] in ("export", "set")
        or "\\" in command
    ):
        return None
    return f"subprocess.run({words!r}, check=True)"


def quoted(command: str, quote: str, values: tuple[str, ...]) -> str | None:
    bare = all(re.search(rf"(?:[ =]|-p){re.escape(value)}(?= |$)", command) for value in values)
    if "'" in command or '"' in command or not bare:
        return None
    for value in values:
        command = command.replace(value, f"{quote}{value}{quote}")
    return command


IN_SHELL = {
    "bare": lambda c, v: c,
    "prompt": lambda c, v: f"bob@host:~$ {c}\nok 12\nbob@host:~$ ls",
    "json": lambda c, v: json.dumps({"name": "Bash", "input": {"command": c, "description": "do it"}}),
    "fence": lambda c, v: f"Run this:\n\n```bash\n{c}\n```\n\nThen look.",
    "list": lambda c, v: as_list(c),
    "continued": lambda c, v: continued(c) if "\n" not in c else None,
    "single": lambda c, v: quoted(c, "'", v),
    "double": lambda c, v: quoted(c, '"', v),
    "variable": lambda c, v: f"LANG=C TZ=UTC {c}" if c[0].islower() else None,
    "sudo": lambda c, v: f"sudo {c}" if c[0].islower() and "=" not in c.split()[0] else None,
    "ssh": lambda c, v: f"ssh bob@host '{c}'" if "'" not in c else None,
    "bash -c": lambda c, v: f'bash -c "{c}"' if '"' not in c else None,
    "system": lambda c, v: f"os.system({c!r})" if "\\" not in c else None,
    "traced": lambda c, v: f"+ {c}\n+ exit 0",
    "history": lambda c, v: f" 1204  ls -la\n 1205  {c}\n 1206  cd /tmp",
    "zsh history": lambda c, v: f": 1700000000:0;{c}",
    "chained": lambda c, v: f"cd /srv/app && {c} && echo done",
    "yaml": lambda c, v: f"    - name: step\n      run: {c}\n" if ": " not in c and "\n" not in c else None,
    "docker": lambda c, v: f"docker exec app {c}" if c[0].islower() and "=" not in c.split()[0] else None,
    "inline": lambda c, v: f"I ran `{c}` and it worked." if "`" not in c and "\n" not in c else None,
    "make": lambda c, v: f"deploy:\n\t@{c}\n",
    "json escaped": lambda c, v: "log: " + json.dumps(json.dumps({"cmd": c})) + " end",
}
AROUND = {
    "bare": lambda c, v: c,
    "lines": lambda c, v: f"# settings\nmode = production\n\n{c}\n\nname = app\n",
    "json": lambda c, v: json.dumps({"type": "tool_result", "content": c}),
    "fence": lambda c, v: f"Here is the file:\n\n```\n{c}\n```\nOK?",
    "indented": lambda c, v: "    " + c.replace("\n", "\n    "),
    "diff": lambda c, v: (
        "@@ -1,2 +1,2 @@\n mode\n-" + c.replace("\n", "\n-") + "\n+" + c.replace("\n", "\n+")
    ),
    "numbered": lambda c, v: "\n".join(f"{n:6}→{line}" for n, line in enumerate(c.split("\n"), 11)),
    "cat -n": lambda c, v: "\n".join(f"{n:6}\t{line}" for n, line in enumerate(c.split("\n"), 11)),
    "grep": lambda c, v: "\n".join(f"config/app.cfg:{n}:{line}" for n, line in enumerate(c.split("\n"), 11)),
    "carriage": lambda c, v: c.replace("\n", "\r\n") + "\r\n",
    "heredoc": lambda c, v: f"cat > f <<'END'\n{c}\nEND\n",
    "json escaped": lambda c, v: "line: " + json.dumps({"out": c}) + " end",
}
SPOKEN = {
    "bare": lambda c, v: c,
    "sentence": lambda c, v: f"Hello, one thing before you start. {c}\nThanks!",
    "after": lambda c, v: f"{c}\nCan you now run the tests again?",
    "quote": lambda c, v: "> " + c.replace("\n", "\n> "),
    "list": lambda c, v: "- " + c.replace("\n", "\n- "),
    "json": lambda c, v: json.dumps({"role": "user", "content": c}, ensure_ascii=False),
    "capital": lambda c, v: c[:1].upper() + c[1:],
    "log": lambda c, v: f"2024-03-09 12:44:01 INFO chat: {c}",
}
CARRIERS = {"shell": IN_SHELL, "url": IN_SHELL | AROUND, "prose": SPOKEN}
for odd in ("variable", "sudo", "docker", "list", "yaml", "continued", "single", "double", "bash -c", "ssh"):
    CARRIERS["url"] = {k: v for k, v in CARRIERS["url"].items() if k != odd}


def pem_texts(seed: int) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    "Kinds of private keys in the conditions that logs leave them in."
    lines = [fake("{b64}", seed * 99 + n) for n in range(7)] + [fake("{b38}==", seed)]
    names = [
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "DSA PRIVATE KEY",
    ]
    name = names[seed % len(names)]
    begin, end = f"-----BEGIN {name}-----", f"-----END {name}-----"
    whole = "\n".join([begin, *lines, end])
    secrets = tuple(lines)
    yield "pem whole", f"$ cat key.pem\n{whole}\n$ ls", secrets
    yield "pem crlf", whole.replace("\n", "\r\n"), secrets
    yield "pem in json", json.dumps({"private_key": whole + "\n", "id": 1}), secrets
    yield "pem escaped", "KEY=" + whole.replace("\n", "\\n"), secrets
    yield "pem twice escaped", whole.replace("\n", "\\\\n"), secrets
    yield "pem in yaml", "key: |\n    " + whole.replace("\n", "\n    ") + "\nname: x\n", secrets
    yield "pem numbered", "\n".join(f"{n:6}→{line}" for n, line in enumerate(whole.split("\n"), 1)), secrets
    yield "pem cat -n", "\n".join(f"{n:6}\t{line}" for n, line in enumerate(whole.split("\n"), 1)), secrets
    yield "pem diff", "\n".join("+" + line for line in whole.split("\n")), secrets
    yield "pem diff", "\n".join("-" + line for line in whole.split("\n")), secrets
    yield "pem quoted", "\n".join("> " + line for line in whole.split("\n")), secrets
    yield "pem in source", "\n".join(f'    "{line}\\n"' for line in whole.split("\n")), secrets
    yield "pem joined by +", ' + "\\n" +\n'.join(f'"{line}"' for line in whole.split("\n")), secrets
    yield "pem on one line", whole.replace("\n", " "), secrets
    yield "pem cut below", "\n".join([begin, *lines[:4], lines[4][:30]]), (*lines[:4], lines[4][:30])
    yield "pem cut below", f"{begin}\n{lines[0]}\n{lines[1]}\n... (12 more lines)", (lines[0], lines[1])
    yield "pem cut above", "\n".join([lines[2][20:], *lines[3:], end]), (lines[2][20:], *lines[3:])
    yield "pem cut in escapes", whole.replace("\n", "\\n")[:300], (*lines[:4],)
    yield (
        "pem grep",
        "\n".join(f"deploy/key.pem:{n}:{line}" for n, line in enumerate(whole.split("\n"), 1)),
        secrets,
    )
    yield "pem encrypted", "\n".join([begin, "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC," + fake("{h32}"), "", *lines, end]), secrets  # fmt: skip
    pgp = ["-----BEGIN PGP PRIVATE KEY BLOCK-----", "Version: GnuPG v2", "", *lines, "=" + fake("{b4}", seed), "-----END PGP PRIVATE KEY BLOCK-----"]  # fmt: skip
    yield "pgp", "\n".join(pgp), secrets
    ppk = ["PuTTY-User-Key-File-3: ssh-rsa", "Encryption: none", "Comment: x", "Public-Lines: 2", fake("{b64}"), fake("{b20}"),
           "Private-Lines: 8", *lines, "Private-MAC: " + fake("{h64}", seed)]  # fmt: skip
    yield "putty", "\n".join(ppk), secrets
    ssh2 = ["---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----", *lines, "---- END SSH2 ENCRYPTED PRIVATE KEY ----"]
    yield "ssh2", "\n".join(ssh2), secrets
    key = whole.replace("\n", "\\n")
    account = {"type": "service_account", "private_key_id": fake("{h40}", seed), "private_key": whole + "\n"}
    yield "service account", json.dumps(account, indent=2), secrets
    yield "service account", f'"private_key": "{key}",', secrets
    parts = "dp", "dq", "qi", "d", "p", "q"
    jwk = {"kty": "RSA", "e": "AQAB", "n": fake("{u86}")} | {p: fake("{u43}", f"{p}{seed}") for p in parts}
    yield "jwk", json.dumps(jwk), tuple(jwk[p] for p in parts)
    yield "xml key", f"<RSAKeyValue><Modulus>{fake('{b86}')}==</Modulus><D>{lines[0]}</D><P>{lines[1]}</P></RSAKeyValue>", (lines[0], lines[1])  # fmt: skip


def positives() -> Iterator[Case]:
    "Every template in some surroundings, with values of every class of its kind."
    by_kind: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for family, kind, classes, template in sections("positives.txt"):
        by_kind[kind].append((family, classes, template))
    for kind, rows in by_kind.items():
        rounds = max(ROUNDS, -(-24 // len(rows)))
        for place, (family, classes, template) in enumerate(rows):
            carriers = list(CARRIERS.get(family, AROUND).items())
            seed = made = 0
            while made < rounds and seed < 4 * rounds:
                text, values = filled(template, classes, seed)
                name, carrier = carriers[(place * 7 + seed * 5) % len(carriers)]
                if (whole := carrier(text, values)) is not None:
                    made += 1
                    yield Case(kind, family, template, name, whole, values)
                seed += 1
    for seed in range(20):
        for kind, text, values in pem_texts(seed):
            yield Case(kind, "pem", kind, "", text, values)


def negatives() -> Iterator[Case]:
    "Every harmless text, bare and in some surroundings."
    for place, (_, kind, _, template) in enumerate(sections("negatives.txt")):
        text = fake(template, 7)
        names = ["bare", *list(AROUND)[1 + place % 10 :: 5]]
        for name in names:
            yield Case(kind, "", template, name, AROUND[name](text, ()), ())


def scrubbed(text: str) -> str:
    "A text with marks in the place of what is found in it."

    def change(name: str, leaf: str) -> str:
        for f in reversed(find_leaf(name, leaf, Scope(personal=False))):
            leaf = f"{leaf[: f.start]}<{f.kind}_1>{leaf[f.end :]}"
        return leaf

    return change_text(text, change)


def covered(case: Case, result: str) -> bool:
    "Whether nothing of the values is left, apart from pieces that the template itself has."
    for value in case.values:
        forms = {value, json.dumps(value)[1:-1]}
        if any(form in result for form in forms):
            return False
        rest = case.text.replace(value, "")
        pieces = {value[at : at + 5] for at in range(len(value) - 4)}
        if any(piece in result and piece not in rest for piece in pieces):
            return False
    return True


POSITIVES = list(positives())
NEGATIVES = list(negatives())


def results(cases: list[Case]) -> dict[str, list[tuple[Case, str]]]:
    "Cases with their scrubbed texts by kind."
    found: dict[str, list[tuple[Case, str]]] = defaultdict(list)
    for case in cases:
        found[case.kind].append((case, scrubbed(case.text)))
    return found


FOUND = results(POSITIVES)


def test_there_are_many_kinds_of_each_family():
    assert len(FOUND) >= 80 and all(len(cases) >= 20 for cases in FOUND.values())
    assert len({case.kind for case in NEGATIVES}) >= 30 and len({case.template for case in NEGATIVES}) >= 120
    assert len({case.text for case in POSITIVES}) > 3000


@pytest.mark.parametrize("kind", list(FOUND))
def test_a_kind_of_secret_is_found_wherever_it_stands(kind: str):
    cases = FOUND[kind]
    missed = [(case, text) for case, text in cases if not covered(case, text)]
    asked = 0.99 if cases[0][0].family in ("shell", "url") else 0.95
    told = "\n".join(f"{case.template!r} ({case.carrier}): {text!r}" for case, text in missed[:12])
    assert 1 - len(missed) / len(cases) >= asked, f"{len(missed)} of {len(cases)} missed:\n{told}"


def test_little_around_a_secret_is_taken_with_it():
    taken = []
    for case, text in (pair for pairs in FOUND.values() for pair in pairs):
        parts = re.split(
            "|".join(re.escape(v) for v in sorted(case.values, key=len, reverse=True)), case.text
        )
        kept = sum(len(part) for part in re.split(r"<[A-Z_0-9]+_1>", text))
        if kept < 0.9 * sum(map(len, parts)) and case.family != "pem":
            taken.append((case, text))
    told = "\n".join(f"{case.text!r}: {text!r}" for case, text in taken[:40])
    assert len(taken) <= 0.01 * len(POSITIVES), f"{len(taken)} of {len(POSITIVES)}:\n{told}"


def test_harmless_texts_stay_as_they_are():
    touched = [(case, text) for case in NEGATIVES if (text := scrubbed(case.text)) != case.text]
    told = "\n".join(
        f"{case.kind} ({case.carrier}): {case.text!r} -> {text!r}" for case, text in touched[:40]
    )
    assert len(touched) <= 0.005 * len(NEGATIVES), f"{len(touched)} of {len(NEGATIVES)} touched:\n{told}"
