"""Tokens, masks, ledger and training: what notebook cells cannot show."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sftbench.core.registry import components
from sftbench.core.sample import Message, Sample, ToolCall
from sftbench.core.system import Problem, share

pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore")


def conversation(key: str, question: str, answer: str, split: str = "train") -> Sample:
    turns = [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Sample(key=key, split=split, source="made", domain="docs", messages=turns)


def numbers(split: str, count: int) -> list[Sample]:
    return [
        conversation(f"{split}{n}", f"After {n}?", f"After {n} comes {n + 1}.", split) for n in range(count)
    ]


def test_counting_tokens_imports_neither_torch_nor_transformers() -> None:
    program = (
        "import sys; from sftbench.models.tokens import count_tokens; count_tokens('x');"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


text = st.text(st.characters(codec="utf-8", exclude_characters="\ufdd0"), max_size=30)
call = st.builds(
    ToolCall, id=st.just("1"), name=st.just("Read"), arguments=st.dictionaries(text, text, max_size=2)
)
turn = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "tool"]),
    content=text,
    train=st.sampled_from([None, False]),
)
spoken = st.builds(
    Message, role=st.just("assistant"), content=text, reasoning_content=st.none() | text,
    tool_calls=st.lists(call, max_size=2),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(turn, max_size=4), spoken)
def test_the_learnt_tokens_of_any_conversation_decode_to_the_assistants_own_text(
    before: list[Message], last: Message
) -> None:
    from sftbench.models.lint import lint
    from sftbench.models.template import chat_tokenizer, learnt_text, render

    tokenizer = chat_tokenizer("scratch")
    sample = Sample(key="k", messages=[Message(role="user", content="?"), *before, last])
    rendered = render(sample, tokenizer)
    assert tokenizer.decode(rendered.ids) == rendered.text
    learnt = learnt_text(rendered, tokenizer)
    wanted = [m.content for m in sample.messages if m.role == "assistant" and m.train is not False]
    assert "".join(learnt).count("<|im_end|>") >= len(wanted)
    assert all(content in "".join(learnt) for content in wanted)
    assert not {loss.word for loss in lint(sample, tokenizer)} - {"control_token"}


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("overlength", ["window", "drop", "truncate"])
def test_the_ledger_equals_what_the_collator_sees(packing: bool, overlength: str) -> None:
    from sftbench.models.template import chat_tokenizer
    from sftbench.train.examples import prepare_all
    from sftbench.train.ledger import balanced, collated, loss_ledger
    from sftbench.train.packing import Collator, dataset_rows

    samples = [conversation(str(n), "word " * n, "answer " * (3 * n)) for n in range(1, 40)]
    prepared = prepare_all(samples, chat_tokenizer("scratch"), 120, overlength)  # type: ignore[arg-type]
    rows = dataset_rows([example for one in prepared for example in one.examples], 120, packing)
    collate = Collator(0, packing)
    seen = collated(collate(rows[start : start + 4]) for start in range(0, len(rows), 4))
    assert balanced(loss_ledger(prepared), seen)["totals"]["tokens"] == seen["tokens"] > 0


def test_every_preset_names_options_of_the_train_verb_and_opens_with_its_command() -> None:
    options = {option.name for option in components("verb")["train"].options}
    presets = sorted((share("params") / "presets").glob("*.yaml"))
    assert len(presets) >= 6
    for path in presets:
        assert path.read_text().startswith("# sftbench run ")
        assert "# Price: " in path.read_text()
        assert not set(yaml.safe_load(path.read_text())) - options, path.name


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_a_step_notebook_opens_with_the_verbs_own_defaults(name: str) -> None:
    cells = json.loads((share("steps") / f"{name}.ipynb").read_text())["cells"]
    cell = next(cell for cell in cells if cell["metadata"].get("tags") == ["parameters"])
    lines = ast.parse("".join(cell["source"])).body
    found = {line.targets[0].id: ast.literal_eval(line.value) for line in lines}  # type: ignore[attr-defined]
    wanted = {option.name: option.default for option in components("verb")[name].options}
    assert found == wanted | {"inputs": ["bundled:split.jsonl"], "out": "", "seed": 42}


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra",
    [{"load_in_4bit": True}, {"packing": True}, {"gradient_checkpointing": True}],
)
def test_the_adapter_beats_its_base_on_val_in_every_mode(
    extra: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sftbench.core.jsonl import read_json
    from sftbench.train.sft import train

    monkeypatch.setenv("SFTBENCH_HOME", str(tmp_path / "home"))
    out = tmp_path / "01_train"
    out.mkdir()
    samples = numbers("train", 100) + numbers("val", 10)
    options = {
        "scratch_size": "tiny",
        "pretrain_steps": 20,
        "epochs": 4.0,
        "learning_rate": 1e-2,
        "live": False,
    }
    assert list(train(samples, **(options | extra), out=out)) == samples
    record = read_json(out / "training.json")
    assert record["adapter_val_loss"] < record["base_val_loss"]
    assert not list(out.glob(".*"))


def test_a_training_set_that_is_too_small_names_the_shortfall(tmp_path: Path) -> None:
    from sftbench.train.sft import train

    with pytest.raises(Problem, match="3 samples to train on and min_samples is 100: 97 are missing"):
        list(train(numbers("train", 3), live=False, out=tmp_path))


@pytest.mark.gpu
def test_training_on_cuda_in_bfloat16_lowers_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("This test needs a CUDA GPU, and there is none.")
    from sftbench.core.jsonl import read_json
    from sftbench.train.sft import train

    monkeypatch.setenv("SFTBENCH_HOME", str(tmp_path / "home"))
    samples = numbers("train", 100) + numbers("val", 10)
    list(train(samples, scratch_size="tiny", pretrain_steps=2, learning_rate=2e-2, live=False, out=tmp_path))
    record = read_json(tmp_path / "training.json")
    assert record["adapter_val_loss"] < record["base_val_loss"]
