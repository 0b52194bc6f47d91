"""Addresses in asar's syntax, worked out by hand from the table of 65816 opcodes and the memory maps of the boards."""

import random
import re
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from made_up_hack import make_hack

from sftbench.clean.dedup import dedup
from sftbench.clean.validate import validate
from sftbench.collect.assembly_answers import build_hack
from sftbench.collect.assembly_facts import facts_of
from sftbench.collect.assembly_lines import length
from sftbench.collect.assembly_math import evaluate
from sftbench.collect.assembly_places import MAPPERS, mirrors, place_of, rom_offset
from sftbench.collect.assembly_project import assembly_project
from sftbench.collect.assembly_walk import walk_through
from sftbench.core.jsonl import collecting_unreadable
from sftbench.core.sample import Sample


def addresses(*lines: str, sizes: dict[str, int] | None = None, **files: str) -> dict[str, int | None]:
    "Labels of a program with their addresses, without macros and patches."
    code = {"main.asm": list(lines)} | {f"{name}.asm": text.split("\n") for name, text in files.items()}
    blocks = walk_through(code, sizes or {}).blocks
    return {one.name: one.address for one in blocks if not one.is_patch and not one.name.startswith("%")}


def values(*lines: str) -> dict[str, int | None]:
    return {name.name: name.value for name in walk_through({"main.asm": list(lines)}).names}


# --- lengths: one line for each of the 256 opcodes, in the order of the table ---

EIGHT = ["ORA", "AND", "EOR", "ADC", "STA", "LDA", "CMP", "SBC"]
MODES = {"($12,x)": 2, "$12,s": 2, "$12": 2, "[$12]": 2, "#$12": 2, "#$1234": 3, "$1234": 3, "$123456": 4, "($12),y": 2,
         "($12)": 2, "($12,s),y": 2, "$12,x": 2, "[$12],y": 2, "$1234,y": 3, "$1234,x": 3, "$123456,x": 4}  # fmt: skip
OTHERS = """1: PHP PHD CLC TCS PLP PLD SEC TSC RTI PHA PHK CLI PHY TCD RTS PLA RTL SEI PLY TDC DEY TXA PHB TYA TXS TXY TAY TAX
PLB CLV TSX TYX INY DEX WAI CLD PHX STP INX NOP XBA SED PLX XCE ASL|A ROL|A LSR|A ROR|A INC|A DEC|A ASL INC
2: BRK COP WDM BRK|#$12 COP|#$12 WDM|#$12 BPL|+ BMI|+ BVC|+ BVS|+ BRA|+ BCC|+ BCS|+ BNE|+ BEQ|+ REP|#$30 SEP|#$20 PEI|($12)
2: TSB|$12 TRB|$12 ASL|$12 ASL|$12,x BIT|$12 BIT|$12,x BIT|#$12 ROL|$12 ROL|$12,x LSR|$12 LSR|$12,x ROR|$12 ROR|$12,x
2: STZ|$12 STZ|$12,x STY|$12 STY|$12,x STX|$12 STX|$12,y LDY|$12 LDY|$12,x LDY|#$12 LDX|$12 LDX|$12,y LDX|#$12 CPY|$12
2: CPY|#$12 CPX|$12 CPX|#$12 DEC|$12 DEC|$12,x INC|$12 INC|$12,x
3: TSB|$1234 TRB|$1234 ASL|$1234 ASL|$1234,x BIT|$1234 BIT|$1234,x BIT|#$1234 ROL|$1234 ROL|$1234,x LSR|$1234 LSR|$1234,x
3: ROR|$1234 ROR|$1234,x STZ|$1234 STZ|$1234,x STY|$1234 STX|$1234 LDY|$1234 LDY|$1234,x LDY|#$1234 LDX|$1234 LDX|$1234,y
3: LDX|#$1234 CPY|$1234 CPY|#$1234 CPX|$1234 CPX|#$1234 DEC|$1234 DEC|$1234,x INC|$1234 INC|$1234,x JSR|$1234 JSR|($1234,x)
3: JMP|$1234 JMP|($1234) JMP|($1234,x) JML|[$1234] JMP|[$1234] BRL|+ PER|+ PEA|$1234 MVN|$12,$34 MVP|$12,$34
4: JSL|$123456 JML|$123456"""


def test_every_instruction_is_as_long_as_the_table_of_opcodes_says():
    known = {
        f"{name} {mode}": size
        for name in EIGHT
        for mode, size in MODES.items()
        if name != "STA" or "#" not in mode
    }
    size = 0
    for word in OTHERS.split():
        size = int(word[0]) if word[1:] == ":" else size
        if word[1:] != ":":
            known[word.replace("|", " ")] = size
    assert {code: length(code) for code in known} == known
    assert {code.lower(): length(code.lower()) for code in known} == {
        code.lower(): n for code, n in known.items()
    }
    lines = ["org $008000", *known, "End:"]
    assert addresses(*lines)["End"] == 0x8000 + sum(known.values())


SUFFIXES = {"LDA.b #$1234": 2, "LDA.w #$12": 3, "LDA.b $1234": 2, "LDA.w $12": 3, "LDA.l $12": 4, "LDA.w $12,y": 3, "LDA $12,y": 3,
            "LDX.w #1": 3, "STZ.w $12,x": 3, "CMP.l Nobody,x": 4, "JSR.w Nobody": 3, "JSL.l Nobody": 4, "JML.l Nobody": 4,
            "LDA 255": 2, "LDA 256": 3, "LDA #65535": 3, "LDA $7E0000+1": 4, "LDA %00000001": 2, "LDA %000000001": 3,
            "LDA $012": 3, "LDA $00012": 4, "LDA #'a'": 2, "LDA ($10+2),y": 2, "LDA.l Nobody": 4, "LDA Nobody": None,
            "LDA #Nobody>>16": 2, "LDA #<:Nobody": 2, "AND.w #~$0F": 3, "STX.l $12": None, "NOP #4": 4, "LSR #3": 3}  # fmt: skip


@pytest.mark.parametrize("code", SUFFIXES)
def test_suffixes_digits_and_kinds_of_operands_decide_about_the_length(code):
    assert length(code) == SUFFIXES[code]


DATA = {"db 1": 1, "db 1,2,3": 3, "dw 1,2": 4, "dl $7E0000,Label": 6, "dd 1": 4, 'db "abc",0': 4, 'dw "abc"': 6, 'db "a,b;c : d"': 9,
        "db (1+2),max(3,4)": 2, "db 'a','b'": 2, "dw Table-Other,$10": 4, "autoclean dl Label": 3}  # fmt: skip


def test_data_takes_what_its_items_take():
    assert {code: length(code) for code in DATA} == DATA
    assert addresses("org $C08000", 'db "a;b" ; one', "A:", "db 1, ; two", "  2, \\", "  3", "B:") == {
        "A": 0xC08003,
        "B": 0xC08006,
    }


# --- mappers ---

# the same byte of the file, by each of its addresses; None: no ROM
BYTES = {
    "lorom": {0x000000: (0x008000, 0x808000), 0x007FC0: (0x00FFC0, 0x80FFC0), 0x010000: (0x028000, 0x828000),
              0x1FFFFF: (0x3FFFFF, 0xBFFFFF), 0x200000: (0x408000, 0xC08000, 0x400000), 0x3F8000: (0xFF8000,),
              None: (0x7E8000, 0x7F0000, 0x700000, 0x7D7FFF, 0xF00000, 0x002100, 0x006000, 0x000000)},
    "hirom": {0x008000: (0x008000, 0x808000, 0x408000, 0xC08000), 0x000000: (0x400000, 0xC00000), 0x3EFFFF: (0x3EFFFF, 0xFEFFFF),
              0x3F0000: (0xFF0000,), None: (0x7E0000, 0x7FFFFF, 0x306000, 0x006000, 0x3F7FFF)},
    "exlorom": {0x000000: (0x808000,), 0x3FFFFF: (0xFFFFFF,), 0x400000: (0x008000,), 0x5FFFFF: (0x3FFFFF,), 0x600000: (0x408000,),
                None: (0x700000, 0x708000, 0x7E0000, 0x002100)},
    "exhirom": {0x000000: (0xC00000,), 0x008000: (0xC08000, 0x808000), 0x3FFFFF: (0xFFFFFF,), 0x400000: (0x400000,),
                0x408000: (0x408000, 0x008000), 0x7DFFFF: (0x7DFFFF, 0x3DFFFF), None: (0x7E0000, 0x206000)},
    "sa1rom": {0x000000: (0x008000, 0xC00000), 0x0FFFFF: (0x1FFFFF, 0xCFFFFF), 0x100000: (0x208000, 0xD00000),
               0x200000: (0x808000, 0xE00000), 0x300000: (0xA08000, 0xF00000), None: (0x400000, 0x003000, 0x006000, 0x7E0000)},
    "fullsa1rom": {0x000000: (0x008000,), 0x1FFFFF: (0x3FFFFF,), 0x200000: (0x808000,), 0x3FFFFF: (0xBFFFFF,),
                   0x400000: (0xC00000,), 0x7FFFFF: (0xFFFFFF,), None: (0x400000, 0x006000)},
    "sfxrom": {0x000000: (0x008000, 0x400000), 0x1FFFFF: (0x3FFFFF, 0x5FFFFF), None: (0x600000, 0x700000, 0x808000, 0xC00000)},
    "norom": {0x000000: (0x000000,), 0x7E0000: (0x7E0000,)},
}  # fmt: skip


@pytest.mark.parametrize("mapper", MAPPERS)
def test_each_mapper_leads_to_the_byte_of_the_file(mapper):
    for offset, seen in BYTES[mapper].items():
        assert {rom_offset(address, mapper) for address in seen} == {offset}, (mapper, offset, seen)
    assert rom_offset(-1, mapper) is None and rom_offset(1 << 24, mapper) is None


@pytest.mark.parametrize("mapper", MAPPERS[:-1])
def test_mirrors_are_mutual_and_are_the_same_byte(mapper):
    draw = random.Random(1)
    for _ in range(300):
        address = draw.randrange(1 << 24)
        for other in mirrors(address, mapper):
            assert rom_offset(other, mapper) == rom_offset(address, mapper) and address in mirrors(
                other, mapper
            )
        place = place_of(address, mapper)
        assert (place.region == "ROM") == (place.offset is not None)


MEMORY = [(0x22, "lorom", 0x7E0022, "work RAM"), (0xBF1FFF, "hirom", 0x7E1FFF, "work RAM"), (0x7F1234, "sa1rom", 0x7F1234, "work RAM"),
          (0x812100, "lorom", 0x2100, "a register of the picture unit"), (0x2140, "lorom", 0x2140, "a port to the sound unit"),
          (0x2180, "lorom", 0x2180, "a register of the work RAM port"), (0x420B, "lorom", 0x420B, "a register of the processor"),
          (0x4372, "lorom", 0x4372, "a register of DMA"), (0x4016, "lorom", 0x4016, "a register of the processor"),
          (0x700123, "lorom", 0x700123, "saved RAM"), (0x306000, "hirom", 0x306000, "saved RAM"), (0x106000, "hirom", 0x6000, ""),
          (0x2230, "sa1rom", 0x2230, "a register of the SA-1"), (0x3010, "sa1rom", 0x3010, "internal RAM of the SA-1"),
          (0x6100, "sa1rom", 0x6100, "BW-RAM of the SA-1"), (0x41C800, "sa1rom", 0x41C800, "BW-RAM of the SA-1"),
          (0x3030, "sfxrom", 0x3030, "a register of the Super FX"), (0x701000, "sfxrom", 0x701000, "work RAM of the Super FX"),
          (0x2000, "lorom", 0x2000, ""), (0x2100, "norom", 0x2100, "")]  # fmt: skip


@pytest.mark.parametrize(("address", "mapper", "usual", "region"), MEMORY)
def test_each_kind_of_memory_is_told_from_others(address, mapper, usual, region):
    place = place_of(address, mapper)
    assert (place.address, place.region) == (usual, region)


# --- expressions and defines ---

SUMS = {"1+2*3": 7, "(1+2)*3": 9, "$10<<1+1": 0x40, "1|2^3&1": 0, "-2**2": 4, "+5-~0": 6, "7/2": 3, "7/2*2": 7, "10%4": 2,
        "%101+'": None, "$7E0020>>16": 0x7E, "<:$7E0020": 0x7E, "1 == 1 && 2 > 3 || 1": 1, "bank($C12345)": 0xC1,
        "select(0,1,2)+max(3,4)": 6, "not(1)": 0, "1/0": None, "Nobody": None, "": None, "1 2": None, "f(1)": None,
        "$8000-$7FFF": 1, "2**70": None, "(" * 300: None}  # fmt: skip


def test_sums_are_what_asar_makes_of_them():
    assert {text: evaluate(text) for text in SUMS} == SUMS


def test_defines_are_texts_until_their_sum_is_asked_for():
    found = values("!a = $10+2", "!b = !a*2", "!c := !a", "!c += *2", "!d #= (!a)*2", "!a = 5", "!e = !{a}0+!b", "!d ?= 9",
                   'undef "a"', "!f = !a+1", "!g ?= 7", "!h #= !d-1")  # fmt: skip
    assert found == {
        "!a": 5,
        "!b": 0x10 + 4,
        "!c": 0x10 + 4,
        "!d": 0x24,
        "!e": 50 + 10,
        "!f": None,
        "!h": 0x23,
    }


def test_a_condition_is_followed_and_one_that_cannot_be_told_makes_unknown():
    found = values("!x = 2", "if !x == 1", "!y = 1", "elseif !x == 2", "!y = 2", "else", "!y = 3", "endif", "!z = !y",
                   "if read1($00FFD5) == $23", "!x = 9", "endif", "!w = !x", 'if defined("z") : !v = 4 : endif',
                   "if 0", "if Nobody", "!no = 1", "endif", "else", "!yes = 1", "endif")  # fmt: skip
    assert found == {"!x": None, "!y": 2, "!z": 2, "!w": None, "!v": 4, "!yes": 1}


# --- programs: labels and where they lie ---

PROGRAMS = {
    "org, base, pushpc": (
        ["lorom", "org $008000", "A: NOP", "base $7E2000", "B: NOP", "pushpc", "org $018000", "C: RTS", "pullpc",
         "D: NOP", "base off", "E:"],
        {"A": 0x8000, "B": 0x7E2000, "C": 0x18000, "D": 0x7E2001, "E": 0x8003}),
    "pushbase": (
        ["org $008000", "base $7E2000", "A: NOP", "pushbase", "base off", "B: NOP", "pullbase", "C:"],
        {"A": 0x7E2000, "B": 0x8001, "C": 0x7E2001}),
    "skip, fill, pad, align": (
        ["org $008000", "skip 5", "A:", "skip -1", "B:", "skip align 16", "C:", "skip align 16 offset 5", "D:",
         "skip align $20 offset $17", "E:", "padbyte $FF", "pad $008020", "F:", "fillbyte 0", "fill 3*2", "G:", "fill align 8", "H:"],
        {"A": 0x8005, "B": 0x8004, "C": 0x8010, "D": 0x8015, "E": 0x8017, "F": 0x8020, "G": 0x8026, "H": 0x8028}),
    "labels of two banks": (
        ["org $008000", "LDA Near,x", "LDA Far,x", "LDA Ram", "A:", "Near: RTS", "Ram = $7E0010", "org $018000", "Far: RTS"],
        {"A": 0x800B, "Near": 0x800B, "Far": 0x18000}),
    "a label of free space": (
        ["org $008000", "LDA Free,x", "autoclean JSL Free", "A: RTS", "freecode", "Free: RTS", "org $018000", "B:"],
        {"A": 0x8008, "Free": None, "B": 0x18000}),
    "bank and optimize": (
        ["Ram = $7E0010", "Low = $000020", "org $018000", "LDA Ram", "A:", "optimize address ram", "LDA Ram", "B:", "LDA Low", "C:",
         "optimize address mirrors", "LDA Low", "D:", "optimize dp always", "LDA Low", "E:", "optimize dp none", "bank $7E",
         "optimize address default", "LDA Ram", "F:", "LDA A", "G:", "bank noassume", "LDA A", "H:"],
        {"A": 0x18004, "B": 0x18007, "C": 0x1800B, "D": 0x1800E, "E": 0x18010, "F": 0x18013, "G": 0x18017, "H": 0x1801B}),
    "sub labels": (
        ["org $008000", "A: NOP", ".x NOP", "..y: NOP", "#B: NOP", ".z: NOP", "- BRA -", "C: dw A_x, A_x_y, A_z", "LDA A_x_y", "D:"],
        {"A": 0x8000, "B": 0x8003, "C": 0x8007, "D": 0x8010}),
    "namespaces": (
        ["org $008000", "namespace S", "A: NOP", "LDA A,x", "global G: NOP", "pushns", "namespace off", "A: NOP", "pullns", "B: LDA S_A,x",
         "namespace off", "C: LDA B", "D:", "LDA S_B", "E:"],
        {"S_A": 0x8000, "S_G": 0x8004, "A": 0x8005, "S_B": 0x8006, "C": 0x8009, "D": None, "E": None}),
    "macros": (
        ["macro put(value, at)", "LDA #<value>", "STA <at>", "?here: BRA ?here", "endmacro", "macro twice(a, ...)", "%put(<a>, <0>)",
         "%put(<a>, <...[1]>)", "endmacro", "macro hook(at, name)", "pushpc", "org <at>", "<name>: JSL A", "pullpc", "endmacro",
         "org $008000", "%put($12, $34)", "A:", "%put($1234, $7E0034)", "B:", '%twice($12, $34, "$1234")', "C:", "%hook($02A000, Hooked)",
         "D: LDA Hooked", "E:", "%nobody()", "F:"],
        {"A": 0x8006, "B": 0x800F, "C": 0x801C, "D": 0x801C, "E": 0x8020, "F": None}),
    "repetition and several statements": (
        ['!save = "PHA : PHX"', "org $008000", "!save : PHY", "A:", "rep 3 : NOP", "B:", "REP #$20 : NOP", "C:", "NOP #2", "D:",
         "'A' = $20", 'db "A"', "E:"],
        {"A": 0x8003, "B": 0x8006, "C": 0x8009, "D": 0x800B, "E": 0x800C}),
    "what is not known": (
        ["org $008000", "if Nobody", "NOP", "endif", "A:", "org $018000", "while !i < 3", "db 1", "endwhile", "B:", "org $028000",
         "arch spc700", "mov a,#1", "arch 65816", "C:", "org Nobody", "D:", "org $02FFFF", "LDA $12", "E:"],
        {"A": None, "B": None, "C": None, "D": None, "E": None}),
    "loops": (
        ["org $008000", "!i = 7", "for i = 1..4", "db !i", "endfor", "A: db !i", "for j = 0..2 : dw 1 : endfor", "B:", "!n = 0", "while !n < 3",
         "NOP #2", "!n #= !n+1", "endwhile", "C:", "if 0", "for k = 0..9", "NOP", "endfor", "if Nobody", "NOP", "else", "NOP", "endif", "endif",
         "D:", "macro all(...)", "!a #= 0", "while !a < sizeof(...)", "db <...[!a]>", "!a #= !a+1", "endwhile", "endmacro", "%all($1234, 1, 2)",
         "E:", "while 1", "NOP", "endwhile", "F:"],
        {"A": 0x8003, "B": 0x8008, "C": 0x800E, "D": 0x800E, "E": 0x8011, "F": None}),
    "empty statements and defines": (
        ["org $008000", ": db 1 : : db 2 :", '!none = ""', '!two = "db 3 : db 4 : "', "!none : !two :", "A:"], {"A": 0x8004}),
    "remarks": (
        ["org $008000 ; start", ";[[ two", "NOP", "]]", "A: NOP ; : NOP", "B:"], {"A": 0x8000, "B": 0x8001}),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_labels_lie_where_they_were_counted_by_hand(name):
    lines, wanted = PROGRAMS[name]
    assert addresses(*lines) == wanted


def test_structs_lie_one_behind_the_other_and_are_counted_as_arrays():
    found = values("struct List $7E0100", ".type: skip 1", ".x: skip 2", ".y skip 2", ".w: skip 1", ".h:", "skip 1", "endstruct",
                   "struct More extends List", ".palette: skip 1", ".tile: skip 2", ".flip: skip 1", "endstruct",
                   "struct Wide $7E2000", ".a: skip 17", "endstruct align 16", "A = List[2].x", "B = List.More[2].flip",
                   "C = Wide[3].a", "D = sizeof(List)", "E = objectsize(Wide)",
                   "struct Also extends List", ".one: skip 1", "endstruct", "F = objectsize(List)", "G = List.Also.one")  # fmt: skip
    assert found == {
        "List.type": 0x7E0100, "List.x": 0x7E0101, "List.y": 0x7E0103, "List.w": 0x7E0105, "List.h": 0x7E0106,
        "List.More.palette": 0x7E0107, "List.More.tile": 0x7E0108, "List.More.flip": 0x7E010A,
        "Wide.a": 0x7E2000, "A": 0x7E0100 + 2 * 11 + 1, "B": 0x7E0107 + 2 * 4 + 3, "C": 0x7E2000 + 3 * 32, "D": 7, "E": 32,
        "List.Also.one": 0x7E0107, "F": 11, "G": 0x7E0107,
    }  # fmt: skip


def test_files_are_gone_through_where_they_are_named_and_binaries_have_their_size():
    lines = ["org $008000", 'incsrc "part.asm"', "A: NOP", "incbin gfx.bin", "B:", "incbin gfx.bin:$10..$20", "C:", "incsrc Part", "D:",
             "incbin gfx.bin -> Elsewhere", "E:", "incbin gone.bin", "F:"]  # fmt: skip
    found = addresses(*lines, sizes={"gfx.bin": 0x100}, part="P: NOP\nNOP")
    assert found == {"P": 0x8000, "A": 0x8002, "B": 0x8103, "C": 0x8113, "D": 0x8115, "E": 0x8115, "F": None}
    walked = walk_through(
        {"a.asm": ["incsrc b.asm", "A: RTS"], "b.asm": ["incsrc a.asm", "incsrc b.asm", "B: RTS"]}
    )
    assert [one.name for one in walked.blocks] == ["B", "A"] and not walked.missing


def test_a_macro_that_calls_itself_ends():
    start = time.perf_counter()
    lines = ["macro m(x)", "%m(<x>)", "%m(<x>)", "db 1", "endmacro", "org $008000", "%m(1)", "A:"]
    assert addresses(*lines) == {"A": None}
    assert time.perf_counter() - start < 20


def test_damaged_code_is_read_to_the_end_and_a_wrong_address_is_never_told(tmp_path: Path):
    draw = random.Random(3)
    words = ["org", "$008000", "macro", "endmacro", "(", ")", "struct", "endstruct", "A:", ".b", "if", "endif", '"', ";[[", "db", "%m(",
             "!x", "=", ",", "\\", "incsrc", "x.asm", "namespace", "rep", ":", "skip", "align", "-", "pullpc", "else", "[", "é", "<0>"]  # fmt: skip
    for turn in range(60):
        text = "\n".join(" ".join(draw.choices(words, k=draw.randrange(6))) for _ in range(60))
        (tmp_path / f"{turn}.asm").write_text(text, encoding="utf-8")
    with collecting_unreadable():
        assert all(sample.messages for sample in assembly_project(path=[str(tmp_path)]))


# --- a whole project ---


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> tuple[Path, list[Sample]]:
    folder = tmp_path_factory.mktemp("hack")
    make_hack(folder, seed=7)
    with collecting_unreadable() as reports:
        samples = list(assembly_project(path=[str(folder)]))
    assert not reports
    return folder, samples


def test_a_project_of_160_assembly_and_290_markdown_files_gives_enough_that_differs(large):
    folder, samples = large
    assert (len(list(folder.rglob("*.asm"))), len(list(folder.rglob("*.md")))) == (160, 290)
    assert set(Counter(sample.source_type for sample in samples)) == {
        "routine",
        "address",
        "documentation",
        "guide",
        "architecture",
    }
    kept = [sample for sample in dedup([one for one in validate(samples) if not one.drop]) if not sample.drop]
    assert len(kept) >= 2200
    answers = [msgspec.structs.replace(one, messages=one.messages[-1:]) for one in kept]
    assert sum(bool(one.drop) for one in dedup(answers)) < len(kept) / 100


def test_every_place_that_a_large_project_tells_is_there(large):
    folder, samples = large
    lines = {
        path.relative_to(folder).as_posix(): path.read_text().split("\n") for path in folder.rglob("*.*")
    }
    for sample in samples:
        told = sample.messages[-1].content
        for path, first, last in re.findall(r"`([\w/.-]+\.(?:asm|md)):(\d+)(?:-(\d+))?`", told):
            assert 1 <= int(first) <= int(last or first) <= len(lines[path])
        if found := re.search(r"^`(\w+)` is \$([0-9A-F]+) in (work|saved) RAM", told):
            row = next(row for row in lines[sample.origin.path] if row.startswith(f"{found[1]} = "))
            base = 0x7E0730 if found[3] == "work" else 0x700500
            assert int(found[2], 16) == base + int(re.search(r"\+\$([0-9A-F]+)", row)[1], 16)


# --- what is told of code ---


def facts(*lines: str) -> str:
    text = {"main.asm": ["!Door = $7E0D00 ; open or closed", "org $328000", *lines]}
    hack = build_hack(text, walk_through(text))
    return " ".join(facts_of(hack.blocks["A"], hack))


TOLD = {
    "When `!Door` equals `$03`, it goes to `.x`.": ["A: LDA !Door", "CMP #$03", "BEQ .x", "NOP", ".x RTS"],
    "When `!Door` is at least `$03`, it goes to the next `+`.": ["A: LDA !Door : CMP #$03 : BCS +", "+ RTS"],
    "When `!Door` has a bit of `$80` set": ["A: LDA !Door", "AND #$80", "BNE .x", ".x RTS"],
    "When `!Door` has its highest bit clear": ["A:", "LDA !Door", "BPL .x", ".x RTS"],
    "It saves and restores X and Y.": ["A: PHX : PHY", "LDX #$00", "PLY : PLX", "RTL"],
    "It writes $2100 (INIDISP).": ["A: STZ $2100", "RTS"],
    "It reads the table `Table`.": ["A: LDA Table,x", "RTS", "Table: db 1"],
    "From line 4 on, A is 16 bits wide.": ["A:", "REP #$20", "RTS"],
    "It jumps to `B`.": ["A: JMP B", "B: RTS"],
    "It calls `B` and $0DF65D.": ["A: JSL B", "JSL $0df65d", "RTL", "B: RTL"],
    "It is assembled only when `!Debug == 1` holds.": ["if !Debug == 1", "A: NOP : RTS", "endif"],
    "It is assembled only when `not (!Debug)` holds.": ["if !Debug", "else", "A: NOP : RTS", "endif"],
    "It ends with `RTI`": ["A: RTI"],
}


@pytest.mark.parametrize("sentence", TOLD)
def test_a_fact_is_read_off_the_instructions(sentence):
    assert sentence in facts(*TOLD[sentence])


NOT_TOLD = {
    "saves": [["A: LDX #$00", "PHX", "PLX", "RTL"], ["A: PHX", "BEQ .x", "RTL", ".x PLX", "RTL"], ["A: PHA", "PLX", "RTL"]],
    "When": [["A: LDA !Door", "CLC : ADC #$03", "BEQ .x", ".x RTS"], ["A: LDA !Door", "", "", "BEQ .x", ".x RTS"],
             ["A: LDX !Door", "CMP #$03", "BEQ .x", ".x RTS"], ["A: LDA !Door", "BEQ $05", "RTS"]],
    "It ends": [["A: BEQ .x", "RTS", ".x RTL"]],
    "bits wide": [["A: REP #$01", "RTS"], ["A: SEP #!Door", "RTS"]],
}  # fmt: skip


@pytest.mark.parametrize("word", NOT_TOLD)
def test_what_cannot_be_read_off_is_not_told(word):
    for lines in NOT_TOLD[word]:
        assert word not in facts(*lines), lines


def test_a_comment_belongs_to_what_it_stands_above_and_listings_are_no_comments(tmp_path: Path):
    code = ["org $008000", "  NOP", "  ; this was a call of the old game", "", "A:", "  RTS", "", "; Opens the door of the crypt at night.",
            ";$0E/D601 8F 00 C3 7E STA $7EC300", "", "B:", "  LDA $10", "  CMP #$07 ; are we inside of a house", "  RTS"]  # fmt: skip
    (tmp_path / "a.asm").write_text("\n".join(code))
    with collecting_unreadable():
        told = {one.meta["name"]: one.messages for one in assembly_project(path=[str(tmp_path)])}
    assert "B explain" in told and "A explain" not in told
    ask, answer = (message.content for message in told["B explain"])
    assert answer.startswith("Opens the door of the crypt at night.\n\n") and "7EC300" not in answer
    assert "are we inside" in answer and "are we inside" not in ask
