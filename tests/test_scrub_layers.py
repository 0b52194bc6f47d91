"""Scrubbing beyond the rules for secrets: known values, personal data, propagation, review, the model."""

import base64
import json
import os
import pty
import select
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import msgspec
import pytest

from sftbench.clean.audit import audit
from sftbench.clean.findings import fake
from sftbench.clean.known import harvest_known
from sftbench.clean.scrub import scrub
from sftbench.clean.scrub_model import batches, judge
from sftbench.clean.scrub_personal import find_personal
from sftbench.clean.search import find_leaf
from sftbench.core.parallel import pmap
from sftbench.core.sample import Message, Sample, ToolCall
from sftbench.core.system import Problem
from sftbench.models.template import _PLACEHOLDER

USER, MAIL, PERSON = "zo" + "eq", "zoe.quist" + "@" + "acme-widgets.io", "Zoe " + "Quist"


def made(key: str, *texts: str, **fields) -> Sample:
    roles = ["user", "assistant"] * len(texts)
    return Sample(
        key=key,
        group=fields.pop("group", key),
        messages=[Message(*m) for m in zip(roles, texts, strict=False)],
        **fields,
    )


def told(samples: list[Sample], **options) -> str:
    return msgspec.json.encode([s.messages for s in scrub(samples, **options)]).decode()


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    "A working folder and a home folder of somebody who does not exist."
    home, work = tmp_path / "home" / USER, tmp_path / "work"
    home.mkdir(parents=True)
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in list(os.environ):
        if name.startswith(("USER", "LOGNAME", "HOSTNAME")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(work)
    return home


S = fake("{w18}")  # random; no rule knows it without its surroundings
PLACES = {
    ".netrc": f"machine api.acme.io login bob password {S}\n",
    ".pgpass": f"db:5432:shop:bob:{S}\n",
    ".aws/credentials": f"[default]\naws_secret_access_key = {S}\n",
    ".git-credentials": f"https://bob:{S}@git.acme.io\n",
    ".gitconfig": f'[url "https://bob:{S}@git.acme.io/"]\n\tinsteadOf = acme:\n',
    ".bashrc": f"alias ll='ls -l'\nexport ACME_TOKEN={S}\n",
    ".zshrc": f'export ACME_API_KEY="{S}"  # mine\n',
    ".profile": f"ACME_PASSWORD='{S}'; export ACME_PASSWORD\n",
    ".config/fish/config.fish": f"set -gx ACME_SECRET {S}\n",
    ".docker/config.json": json.dumps(
        {"auths": {"h": {"auth": base64.b64encode(f"bob:{S}".encode()).decode()}}}
    ),
    ".npmrc": f"//registry.acme.io/:_authToken={S}\n",
    ".pypirc": f"[pypi]\nusername = __token__\npassword = {S}\n",
    ".kube/config": f"users:\n- name: bob\n  user:\n    token: {S}\n",
    ".my.cnf": f"[client]\nuser=bob\npassword={S}\n",
    ".config/gh/hosts.yml": f"github.com:\n    oauth_token: {S}\n    user: bob\n",
    ".cache/huggingface/token": S,
    ".claude/.credentials.json": json.dumps({"claudeAiOauth": {"accessToken": S}}),
    ".cargo/credentials.toml": f'[registry]\ntoken = "{S}"\n',
}


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_of_the_home_folder_is_replaced_wherever_it_was_pasted(machine, place):
    (machine / place).parent.mkdir(parents=True, exist_ok=True)
    (machine / place).write_text(PLACES[place])
    sample = made("a", f"note {S} and {base64.b64encode(S.encode()).decode()}")
    assert S in told([sample])
    text = told([sample], known_values="auto")
    assert S not in text and base64.b64encode(S.encode()).decode()[:16] not in text


@pytest.mark.parametrize(
    "name", [".env", ".env.local", "app/prod.env", ".envrc", "infra/x.tfvars", "secrets.yaml"]
)
def test_a_secret_below_the_working_folder_is_known(machine, name):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"db_password: {S}\n" if name.endswith("yaml") else f'DB_PASSWORD = "{S}"\n')
    assert harvest_known(Path.cwd()) == {S: "PASSWORD"}


def test_templates_folders_of_tools_and_links_are_not_read(machine):
    for name in (".env.example", "node_modules/.env", ".cache/.env", "venv/.env"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"DB_PASSWORD={S}\n")
    assert harvest_known(Path.cwd()) == {}


def test_ordinary_words_are_never_known_values(machine):
    Path(".env").write_text(
        "PASSWORD=postgres\nDB_PASS=admin\nTOKEN=test\nROOT_PASSWORD=root\nAPI_KEY=your-api-key\n"
    )
    text = "postgres runs as root, admin is a test account with your-api-key"
    assert text in told([made("a", text)], known_values="auto")


def test_secrets_files_that_a_run_names_count_whatever_their_names(machine):
    Path("mine.txt").write_text("# my own\nblue-whale-42\nCABIN: otter-7-otter\n")
    Path("more.json").write_text(json.dumps({"a": ["quick-fox-99"]}))
    text = told([made("a", "blue-whale-42 otter-7-otter quick-fox-99")], secrets=["mine.txt", "more.json"])
    assert "<SECRET_1> <SECRET_2> <SECRET_3>" in text
    with pytest.raises(Problem, match="does not exist"):
        list(scrub([], secrets=["nowhere.txt"]))


def test_environment_variables_with_secret_names_are_known(machine, monkeypatch):
    monkeypatch.setenv("ACME_API_TOKEN", S)
    monkeypatch.setenv("EDITOR", "vim-of-mine-77")
    text = told([made("a", f"it is {S} in vim-of-mine-77")], known_values="auto")
    assert S not in text and "vim-of-mine-77" in text


def test_the_users_own_name_address_and_account_are_known(machine):
    (machine / ".gitconfig").write_text(f"[user]\n\tname = {PERSON}\n\temail = {MAIL}\n")
    text = f"{PERSON} ({MAIL}) logs in as {USER}@web3, {PERSON.upper()}"
    assert told([made("a", text)], known_values="auto") == told([made("a", "x")]).replace(
        '"x"', '"<PERSON_1> (<EMAIL_1>) logs in as <USER_1>@web3, <PERSON_1>"'
    )


def test_known_values_are_written_nowhere(machine, tmp_path):
    Path(".env").write_text(f"DB_PASSWORD={S}\n")
    out = tmp_path / "out"
    out.mkdir()
    list(scrub([made("a", f"it is {S}")], known_values="auto", out=out))
    assert audit(out, [S]) == [] and (out / "scrub.json").exists()


def test_names_that_git_tells_are_found_in_the_rest_of_the_corpus():
    log = made("a", f"Author: {PERSON} <{MAIL}>\nDate: today")
    other = made("b", f"Ask {PERSON.lower()}, Quist, Zoe or zoe.quist; Zoe agrees; {MAIL}")
    assert '"Ask <PERSON_1>, <PERSON_1> or <PERSON_1>; Zoe agrees; <EMAIL_1>"' in told([log, other])


def test_hosts_and_users_are_found_again_where_they_stand_as_such():
    prompt = made("a", f"{USER}@quayside:~$ ls /home/{USER}")
    other = made(
        "b", f"ssh quayside; ls ~{USER}; the quayside is old; {USER}ology; http://db01.corp.acme.internal:80/"
    )
    again = made("c", "db01.corp.acme.internal")
    text = told([prompt, other, again])
    assert "ssh <HOST_1>; ls ~<USER_1>; the quayside is old" in text and f"{USER}ology" in text
    assert "db01.corp" not in text


def test_options_keep_addresses_and_hosts():
    sample = made("a", "ssh -p 22 web3.acme.io, then 10.1.2.3 and 93.184.216.34")
    assert "10.1.2.3" in told([sample], keep_ips="private") and "93.184" not in told(
        [sample], keep_ips="private"
    )
    kept = told([sample], keep_ips="all", keep_hosts=True)
    assert "web3.acme.io" in kept and "93.184.216.34" in kept
    assert "10.1.2.3" in told([sample], personal=False)


def test_coordinates_count_as_text_and_as_numbers():
    call = ToolCall("1", "Map", {"lat": 52.520008, "lng": "13.404954", "zoom": 15.125})
    sample = Sample(
        key="a",
        messages=[Message("user", "geo:52.520008,13.404954"), Message("assistant", "", tool_calls=[call])],
    )
    text = told([sample])
    assert "52.520008" not in text and "13.404954" not in text and "15.125" in text


def wrapped(value: str) -> str:
    coded = base64.b64encode(("x" * 50 + value + "y" * 50).encode()).decode()
    return "\n".join(coded[at : at + 76] for at in range(0, len(coded), 76))


ENCODED = {
    "url": lambda v: urllib.parse.quote(v, safe=""),
    "url_lower": lambda v: urllib.parse.quote(v, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
    "url_twice": lambda v: urllib.parse.quote(urllib.parse.quote(v, safe=""), safe=""),
    "json": lambda v: json.dumps(v),
    "json_twice": lambda v: json.dumps(json.dumps(v)),
    "json_web": lambda v: v.replace("&", "\\u0026").replace("=", "\\u003d"),
    "hex": lambda v: v.encode().hex(),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64_inside": lambda v: base64.b64encode(f"user:{v}!".encode()).decode(),
    "base64_url": lambda v: base64.urlsafe_b64encode(f"??>{v}".encode()).decode(),
    "base64_utf16": lambda v: base64.b64encode(f"pw={v}".encode("utf-16-le")).decode(),
    "base64_wrapped": wrapped,
    "continued": lambda v: f"{v[:7]}\\\n    {v[7:]}",
    "continued_windows": lambda v: f"{v[:7]}^\r\n{v[7:]}",
}


@pytest.mark.parametrize("form", ENCODED)
def test_a_found_value_is_replaced_in_other_groups_in_every_form(form):
    value = fake("{w7}/{w4}=&{w5}")
    coded = ENCODED[form](value)
    first, other = made("a", f"export DB_PASSWORD='{value}'"), made("b", f"see ({coded}) here")
    text = json.loads(told([first, other]))[1][0]["content"]
    assert text.startswith("see (") and text.endswith(") here") and "PASSWORD_1>" in text
    assert coded not in text and max(map(len, text.split())) < len(coded) + 24
    left = text.replace("\n", "")
    assert not any(value[i : i + 6] in left for i in range(len(value) - 5))


def test_what_a_call_prints_whose_purpose_is_to_print_a_secret_is_replaced_everywhere():
    value = fake("{w16}7")
    call = ToolCall("c1", "Bash", {"command": "kubectl get secret db -o jsonpath='{.data.pw}' | base64 -d"})
    messages = [
        Message("user", "What is it?"),
        Message("assistant", "", tool_calls=[call]),
        Message("tool", f"{value}\n", tool_call_id="c1"),
        Message("assistant", f"It says {value}, so I put {value} there."),
    ]
    plain = [
        Message("user", "Which one?"),
        *messages[1:2],
        Message("tool", "not_found2 here\n", tool_call_id="c1"),
    ]
    one, two = scrub([Sample(key="a", messages=messages), Sample(key="b", messages=plain)])
    assert [m.content for m in one.messages[2:]] == [
        "<SECRET_1>\n",
        "It says <SECRET_1>, so I put <SECRET_1> there.",
    ]
    assert [m.content for m in two.messages] == [m.content for m in plain]


def test_adding_samples_changes_no_old_placeholder_of_any_kind():
    old = [
        made("a", f"{USER}@quayside:~$ ssh 10.1.2.3", f"Author: {PERSON} <{MAIL}>"),
        made("b", f"ssh {USER}@quayside # {PERSON}"),
    ]
    alone = list(scrub(old))
    more = [
        made(f"n{n}", f"ops{n}x@harbour{n}:~$ ssh 10.9.9.{n}", f"Author: Ann Ov{'e' * n}r <ann{n}@acme.io>")
        for n in range(1, 4)
    ]
    assert list(scrub([*more, *old]))[3:] == alone


def test_placeholders_are_masked_from_training_and_lookalikes_are_not():
    (sample,) = scrub([made("a", f"{USER}@quayside:~$ and <HOST_1>")])
    text = sample.messages[0].content
    assert text == "<USER_1>@<HOST_1>:~$ and <_HOST_1>"
    assert [hole[0] for hole in _PLACEHOLDER.finditer(text)] == ["<USER_1>", "<HOST_1>"]


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "@",
        "1.",
        "home/",
        "+1 ",
        "ssh a",
        "a.local ",
        "author: A ",
        "fe80:",
        "1-",
        " <a@",
        "lat 1.0001 ",
        "-home-",
    ],
)
def test_no_text_makes_the_rules_for_personal_data_slow(unit):
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    list(find_personal(text, text.lower()))
    assert time.process_time() - start < 4


SLOW_ONCE = [  # each unit doubles what an expression must try, unless it cannot try again
    "password=timestreaminfluxdbbackendlist.",
    "token = self.timestreaminfluxdbbackend_listdbparametergroups(\n",
    "password = HTTPSERVERNAMEOFTHEHOST(",
    "secret: aBaBaBaBaBaBaBaBaBaBaBaB!",
    "token=a_b_c_d_e_f_g_h_",
    "key := []byte(",
    "hmac key: bytes(",
    "password,a\n",
    "| password | a |\n",
    "-----BEGIN RSA PRIVATE KEY-----\n",
    "eyJ",
    '\\"password\\"',
    "curl --user a ",
    "user bob / ",
    "changed from x to ",
    "DE89 3704 ",
]


@pytest.mark.parametrize("unit", SLOW_ONCE)
def test_no_text_makes_the_rules_for_secrets_slow(unit):
    text = (unit * (8_000 // len(unit) + 1))[:8_000]
    start = time.process_time()
    find_leaf("", text)
    assert time.process_time() - start < 4


REVIEW = """
import sys
from sftbench.clean.review import show_review
from sftbench.core.sample import Message, Sample
from sftbench.core.system import Problem
secret = sys.argv[1]
try:
    found = show_review([Sample(key="a", source="here", messages=[Message("user", f"\\x1b[2J The password is {secret}.\\nbye")])])
except Problem as problem:
    print(problem, file=sys.stderr)
    sys.exit(problem.code)
"""


def in_terminal(*arguments: str, folder: Path) -> tuple[int, str]:
    "Run Python in a pseudo-terminal; its exit code and all that it printed."
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(
            sys.executable, [sys.executable, *arguments], os.environ | {"TERM": "xterm", "COLUMNS": "200"}
        )
    shown, end = b"", time.monotonic() + 60
    while time.monotonic() < end and select.select([screen], [], [], 60)[0]:
        try:
            part = os.read(screen, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode("utf-8", "replace")


def test_a_review_shows_before_and_after_in_a_terminal_and_writes_no_file(tmp_path):
    secret = fake("{w9}!{w4}")
    code, shown = in_terminal("-c", REVIEW, secret, folder=tmp_path)
    assert code == 0, shown
    assert (
        secret in shown
        and "<PASSWORD_1>" in shown
        and "messages[0]" in shown
        and "1 place: 1 PASSWORD" in shown
    )
    assert "\x1b[2J" not in shown and "␛[2J" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_review_refuses_a_pipe_and_a_file(tmp_path):
    secret = fake("{w9}!{w4}")
    done = subprocess.run([sys.executable, "-c", REVIEW, secret], capture_output=True, text=True)
    assert done.returncode == 2 and "terminal" in done.stderr and secret not in done.stdout + done.stderr
    with (tmp_path / "kept.txt").open("w") as kept:
        assert (
            subprocess.run(
                [sys.executable, "-c", REVIEW, secret], stdout=kept, stderr=subprocess.DEVNULL
            ).returncode
            == 2
        )
    assert (tmp_path / "kept.txt").read_text() == ""


def test_the_model_finds_what_no_rule_names():
    pytest.importorskip("credsweeper")
    value = fake("{w14}")
    samples = [made("a", f"x = 1\nsetApiAuth({value!r})\nreturn x"), made("b", f"echo {value}")]
    assert value in told(samples)
    text = told(samples, model="on")
    assert value not in text and "setApiAuth('<" in text and "echo <" in text


def test_without_the_package_the_model_says_how_to_install_it(monkeypatch):
    from sftbench.clean.scrub_model import _sweeper

    _sweeper.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "credsweeper"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "credsweeper", None)
    with pytest.raises(Problem, match=r"pip install 'sftbench\[scrub-model\]'"):
        list(scrub([made("a", "b")], model="on"))


def test_the_model_says_the_same_on_any_number_of_workers():
    pytest.importorskip("credsweeper")
    lines = sorted(f"setApiAuth({fake('{w14}', n)!r})" for n in range(1040))
    alone, shared = (list(pmap(judge, batches(lines), workers=workers, chunk=1)) for workers in (1, 2))
    assert alone == shared and len(alone) == 5 and sum(map(len, alone)) > 300


def test_rules_for_personal_data_leave_the_standard_library_nearly_alone():
    library = Path(os.__file__).parent
    touched: dict[str, int] = {}
    for path in sorted(library.glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        for found in find_personal(text, text.lower()):
            touched[found.kind] = touched.get(found.kind, 0) + 1
    named = {kind: touched.get(kind, 0) for kind in ("HOST", "PHONE", "MAC", "COORDINATES", "USER", "IP")}
    assert sum(named.values()) <= 25, named


def test_numbers_inside_a_json_text_are_replaced_and_its_layout_stays():
    text = '{\n  "name":  "cabin",\n  "lat": 52.520008,\n  "zoom": 15.125\n}'
    (sample,) = scrub([made("a", text)])
    assert sample.messages[0].content == text.replace("52.520008", "<COORDINATES_1>")
