"""A ROM hack of any size, made up from a seed: code in asar's syntax and notes on it, as hackers write them."""

import random
from pathlib import Path

THINGS = ["heron", "ferry", "lantern", "anchor", "kiln", "bellows", "harp", "drum", "compass", "quill", "ladder", "winch", "sail", "plough", "anvil", "loom", "millstone", "hourglass", "kettle", "raft", "sundial", "telescope", "bridge", "gate", "well", "chest", "mirror", "statue", "torch", "altar", "furnace", "beacon", "cart", "barrel", "lever", "pulley", "organ", "clock", "shrine", "fountain"]  # fmt: skip
CREATURES = ["otter", "owl", "badger", "stork", "hedgehog", "lynx", "toad", "moth", "beetle", "carp", "raven", "goat", "ferret", "crab", "weasel", "salamander", "bat", "wolf", "eel", "hornet", "spider", "turtle", "fox", "magpie", "boar"]  # fmt: skip
PLACES = ["harbour", "orchard", "quarry", "marsh", "cellar", "attic", "belfry", "mine", "glacier", "canyon", "market", "library", "greenhouse", "crypt", "lighthouse", "swamp", "plateau", "ravine", "courtyard", "aqueduct", "granary", "ruins", "tavern", "forge", "cloister", "meadow", "reef", "dunes"]  # fmt: skip
DEEDS = ["opens", "closes", "lifts", "lowers", "lights", "puts-out", "wakes", "freezes", "frees", "turns", "mends", "breaks", "hides", "reveals", "fills", "empties", "doubles", "halves", "carries", "drops", "follows", "chases", "guards", "paints", "rings", "sells", "buys", "counts", "weighs", "mixes", "throws", "catches"]  # fmt: skip
PARTS = ["palette", "tilemap", "hitbox", "timer", "counter", "flag", "speed", "direction", "height", "shadow", "sound", "message", "shape", "colour", "layer", "path", "frame", "energy", "price", "weight"]  # fmt: skip
TIMES = """at dawn|at low tide|in the rain|after the storm|while a menu is open|once a frame|every sixteen frames|on the first visit
|when the room is entered|when the room is left|after the boss is beaten|before the message is shown|as soon as A is pressed
|while the player swims|when the save file is loaded|in the last dungeon|on the second quest|when the timer has run out""".replace("\n", "").split("|")  # fmt: skip
WHY = """otherwise the player could walk through it|since the original game overwrites it in the same frame|so that two players see the same
|because the sound driver needs three frames to answer|or else the sprite flickers|which saves nine bytes in a bank that is full
|as the tester from the north asked for it|so that the cutscene cannot be skipped|because the camera is locked by then
|since the direct page is moved there|and this is why the room tag must be 3|so that a reset does not lose it
|because the palette is faded to black|which the credits rely on|or the door closes on the player|since the map screen uses the same tiles
|because an odd number of sprites would be cut off|so that speedrunners find it fair|as the table has no entry for it
|because the old address was needed for the music""".replace("\n", "").split("|")  # fmt: skip
LOOKS = [
    "rusty",
    "golden",
    "hollow",
    "broken",
    "silent",
    "frozen",
    "crooked",
    "ancient",
    "floating",
    "painted",
    "stolen",
    "burning",
    "tiny",
    "heavy",
    "striped",
]
FOLDERS = [
    "Sprites/NPCs",
    "Sprites/Enemies",
    "Sprites/Bosses",
    "Sprites/Objects",
    "Items",
    "Masks",
    "Menu",
    "Dungeons",
    "Overworld",
    "Music",
]
NOTES = [
    "docs/core",
    "docs/sprites",
    "docs/items",
    "docs/dungeons",
    "docs/world",
    "docs/debugging",
    "docs/quests",
    "docs/planning",
]
OPENERS = ["Nobody noticed for a month that", "In version 1.3", "Contrary to what the old readme says,", "As measured with the profiler,",
           "By design,", "Since the rewrite,", "On real hardware,", "In emulators that are not exact,", "Strictly speaking,"]  # fmt: skip


class Maker:
    "Draws words, and remembers the names that it gave."

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.ram: list[str] = []
        self.routines: list[str] = []
        self.used: set[str] = set()

    def pick(self, words: list[str]) -> str:
        return self.draw.choice(words)

    def thing(self) -> str:
        return self.pick(
            [
                self.pick(THINGS),
                self.pick(CREATURES),
                f"{self.pick(LOOKS)} {self.pick(THINGS)}",
                f"{self.pick(LOOKS)} {self.pick(CREATURES)}",
            ]
        )

    def name(self) -> str:
        "A name that was not given yet."
        while True:
            name = "_".join(
                word.capitalize()
                for word in (
                    self.pick(THINGS + CREATURES),
                    self.pick(PLACES + PARTS),
                    self.pick(DEEDS).replace("-", ""),
                )
            )
            if name not in self.used:
                self.used.add(name)
                return name

    def sentence(self) -> str:
        "Something that somebody might have written down."
        one, two, place, deed = (
            self.thing(),
            self.thing(),
            self.pick(PLACES),
            self.pick(DEEDS).replace("-", " "),
        )
        when, why, part, number = (
            self.pick(TIMES),
            self.pick(WHY),
            self.pick(PARTS),
            self.draw.randrange(2, 200),
        )
        told = self.pick([
            f"The {one} {deed} the {two} {when}, {why}",
            f"The {part} of the {one} goes up by {number} {when}",
            f"In the {place}, the {one} {deed} the {two}; its {part} is {number}",
            f"{self.pick(OPENERS)} the {one} of the {place} {deed} the {two}",
            f"Do not touch the {part} of the {two} {when}: {why}",
            f"There are {number} places in the {place} where the {one} may stand, {why}",
            f"If the {part} is below {number}, the {one} {deed} nothing, and the {two} stays where it is",
            f"The {place} needs a {two} with its own {part}, {why}",
            f"{number} frames later the {two} {deed} the {one}, unless the {part} was changed {when}",
            f"What looks like a {one} is really the {two} with another {part}",
            f"A {two} that {deed} the {one} {when} must keep its {part}",
        ])  # fmt: skip
        return told[0].upper() + told[1:] + "."

    def text(self, least: int, most: int) -> str:
        return " ".join(self.sentence() for _ in range(self.draw.randint(least, most)))


def _body(maker: Maker, name: str) -> list[str]:
    "The instructions of a routine, with some comments."
    draw, rows = maker.draw, []
    for step in range(draw.randint(2, 7)):
        place, other = draw.choice(maker.ram), draw.choice(maker.ram)
        label = f".{draw.choice(PARTS)}{step}"
        number = draw.randrange(1, 0xFF)
        rows += draw.choice([
            [f"LDA.w {place}", f"CMP.b #${number:02X}", f"BNE {label}", f"STZ.w {other}", label],
            [f"LDA.l {place} : CLC : ADC.b #${number:02X} ; {maker.sentence()[:-1].lower()}", f"STA.l {other}"],
            [f"INC.w {place}", f"LDA.w {place} : AND.b #${number:02X}", f"BEQ {label}", f"DEC.w {other}", label],
            [f"; {maker.sentence()}", "PHX", f"LDX.b #${number % 16:02X}", f"- STA.w {place}, X", "DEX : BPL -", "PLX"],
            ["REP #$30", f"LDA.l {place}", f"STA.l {other}", "SEP #$30"],
            [f"JSL {draw.choice(maker.routines)}"] if maker.routines else ["NOP"],
            [f"LDA $4218 : BIT.b #${number:02X} ; {maker.sentence()[:-1].lower()}", f"BEQ {label}", f"STA.w {place}", label],
            [f"%wait({number})", f"LDA.b #${number:02X} : STA $2140"],
        ])  # fmt: skip
    return [
        f"{name}:",
        "{",
        *(f"  {row}" if row.startswith(".") else f"    {row}" for row in rows),
        "    RTL",
        "}",
    ]


def _code(maker: Maker, address: int) -> list[str]:
    "A file of routines, with a hook and a table."
    draw = maker.draw
    rows = [f"; {maker.sentence()}", "", f"org ${address:06X}", ""]
    own = []
    for _ in range(draw.randint(3, 6)):
        name = maker.name()
        comment = maker.text(1, 3).split(". ") if draw.random() < 0.8 else []
        rows += [*(f"; {line.rstrip('.')}." for line in comment), *_body(maker, name), ""]
        own.append(name)
    maker.routines += own
    table = maker.name()
    rows += [
        f"; {maker.sentence()}",
        f"{table}:",
        "    db " + ", ".join(f"${draw.randrange(256):02X}" for _ in range(8)),
        "",
    ]
    rows += [
        "pushpc",
        f"; {maker.sentence()}",
        f"org ${draw.randrange(0, 0x20):02X}{draw.randrange(0x8000, 0xFF00):04X}",
        f"    JSL {own[0]}",
        "pullpc",
        "",
    ]
    return rows


def _names(maker: Maker, title: str, base: int, count: int) -> list[str]:
    "A table of memory."
    rows, at = [f"; {title}", "", f"!{title.split()[0]}Base = ${base:06X}"], 0
    for _ in range(count):
        name = maker.name()
        size = maker.draw.choice([1, 1, 1, 2, 16])
        rows.append(f"{name} = !{title.split()[0]}Base+${at:02X} ; {maker.sentence()[:-1]}")
        maker.ram.append(name)
        at += size
    return rows


def _note(maker: Maker, kind: str, title: str) -> str:
    "A document of some sections."
    draw, parts = maker.draw, [f"# {title}", maker.text(2, 4)]
    for _ in range(draw.randint(3, 5)):
        heading = f"{draw.choice(['The', 'Changing the', 'Adding a', 'How we test the', 'Drawing the', 'Saving the'])} {maker.thing()} of the {maker.pick(PLACES)}"
        parts.append(f"## {heading}")
        shape = draw.randrange(4)
        if kind == "docs/quests" or shape == 0:
            parts += [
                maker.sentence(),
                "\n".join(f"{n}. {maker.sentence()}" for n in range(1, draw.randint(4, 7))),
            ]
        elif shape == 1:
            rows = [
                f"| ${0x7E0000 + draw.randrange(0x2000, 0xFFFF):06X} | {maker.name()} | {maker.sentence()[:-1]} |"
                for _ in range(draw.randint(2, 5))
            ]
            parts += [maker.sentence(), "\n".join(["| Address | Name | Meaning |", "|---|---|---|", *rows])]
        elif shape == 2:
            parts += [
                maker.text(1, 2),
                f"```asm\nLDA.w {draw.choice(maker.ram)} : JSL {draw.choice(maker.routines)}\n```",
                maker.sentence(),
            ]
        else:
            parts += [maker.text(2, 4), "\n".join(f"- {maker.sentence()}" for _ in range(draw.randint(2, 4)))]
    return "\n\n".join(parts) + "\n"


def make_hack(
    folder: Path,
    seed: int,
    code: int = 160,  # assembly files
    notes: int = 290,  # Markdown files
) -> None:
    "Write a hack."
    maker = Maker(seed)
    files = {
        "Core/ram.asm": _names(maker, "Work RAM", 0x7E0730, 100),
        "Core/sram.asm": _names(maker, "Saved RAM", 0x700500, 80),
    }
    files["Core/macros.asm"] = [
        "; Waits.",
        "macro wait(frames)",
        "    LDA.b #<frames>",
        "    STA $1A",
        "endmacro",
    ]
    for number in range(code - len(files) - 1):
        name = f"{FOLDERS[number % len(FOLDERS)]}/{maker.name().lower()}.asm"
        files[name] = _code(maker, 0x208000 + (number // 3 << 16) + number % 3 * 0x2800)
    files["main.asm"] = [f"; {maker.sentence()}", "lorom", "", *(f'incsrc "{name}"' for name in files)]
    for name, rows in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    for number in range(notes):
        kind = NOTES[number % len(NOTES)]
        title = f"The {maker.thing()} and the {maker.thing()}"
        path = folder / kind / f"{maker.name().lower().replace('_', '-')}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_note(maker, kind, title), encoding="utf-8")
