"""Sentences from a language model, against a real HTTP server that speaks chat-completions well and badly."""

from __future__ import annotations

import contextlib
import json
import re
import time

import pytest
import yaml
from typer.testing import CliRunner

from susx.commands.prompts import app
from susx.config import ClassHints, DatasetConfig, LanguageModelConfig, PromptsConfig
from susx.errors import ConfigError, GenerationError
from susx.naming import classifier_sentences
from susx.naming.parse_answers import BadAnswer, check_sentences, mentions, parse_answer
from susx.naming.sentence_record import load_record
from susx.naming.write_sentences import write_sentences
from susx.testing.http_chat import ScriptedChat

DATA = DatasetConfig(
    name="d",
    classes=("cat", "hot dog", "crane"),
    questions=("Describe {}.",),
    hints={"crane": ClassHints(context="the bird")},
)


def good(name, count=1):
    return json.dumps([f"A {name} in the sun.", f"a {name} in  the sun", f"Two {name}s at night."])


@pytest.fixture
def serve(monkeypatch):
    for variable in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(variable, raising=False)
    with contextlib.ExitStack() as running:
        yield lambda script: running.enter_context(ScriptedChat(script))


def config(endpoint, **more):
    return LanguageModelConfig(base_url=endpoint.url, model="m", timeout=5, attempts=3, workers=1, **more)


def test_good_answers_are_cleaned_recorded_and_used(serve, tmp_path):
    """Repetitions go; model, temperature, date and questions are in the file; the sentences classify."""
    endpoint = serve(good)
    out = tmp_path / "s.yaml"
    report = write_sentences(config(endpoint, temperature=0.5), DATA, out)
    assert sorted(report.written) == ["cat", "crane", "hot dog"]
    data = yaml.safe_load(out.read_text())
    assert data["written_by"]["model"] == "m"
    assert data["written_by"]["temperature"] == 0.5
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(data["written_by"]["date"]))
    assert data["questions"] == ["Describe {}."]
    assert list(data["classes"]) == list(DATA.classes)
    assert data["classes"]["cat"]["sentences"] == ["A cat in the sun.", "Two cats at night."]
    used = DATA.model_copy(update={"cupl": str(out)})
    assert classifier_sentences(PromptsConfig(classify="cupl"), used, "hot dog") == (
        "A hot dog in the sun.",
        "Two hot dogs at night.",
    )
    sent = next(r for r in endpoint.requests if r["name"] == "crane")
    assert sent["path"] == "/v1/chat/completions"
    assert sent["temperature"] == 0.5
    assert "(the bird)" in sent["messages"][-1]["content"]


def test_the_key_and_address_come_from_the_environment(serve, tmp_path, monkeypatch):
    """No key is read from a file."""
    endpoint = serve(good)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    write_sentences(LanguageModelConfig(model="m"), DATA, tmp_path / "s.yaml", classes=["cat"])
    assert endpoint.requests[0]["key"] == "Bearer sk-test"
    assert "sk-test" not in (tmp_path / "s.yaml").read_text()


def test_only_new_and_changed_classes_are_asked(serve, tmp_path):
    """A second run asks nothing; another class list asks for the new class; an edit is kept unless asked anew."""
    endpoint = serve(good)
    out = tmp_path / "s.yaml"
    write_sentences(config(endpoint), DATA, out)
    assert len(endpoint.requests) == 3
    assert set(write_sentences(config(endpoint), DATA, out).cached) == set(DATA.classes)
    assert len(endpoint.requests) == 3
    more = DATA.model_copy(update={"classes": (*DATA.classes, "owl")})
    assert write_sentences(config(endpoint), more, out).written == ("owl",)
    out.write_text(out.read_text().replace("A cat in the sun.", "My own cat."))
    report = write_sentences(config(endpoint).model_copy(update={"model": "other"}), more, out)
    assert report.edited == ("cat",)
    assert sorted(report.written) == ["crane", "hot dog", "owl"]
    assert "My own cat." in load_record(out).classes["cat"].sentences
    write_sentences(config(endpoint), DATA, out, classes=["cat"], again=True)
    assert load_record(out).classes["cat"].sentences[0] == "A cat in the sun."
    assert "owl" in load_record(out).classes


BAD = {
    "prose": "Sure! A cat is a small animal. It has whiskers and it purrs.",
    "empty list": "[]",
    "another class": json.dumps(["A hot dog with mustard.", "Two hot dogs."]),
    "numbers": "[1, 2]",
    "nothing": "",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_is_asked_again(serve, tmp_path, kind):
    """The reason is told to the model; the second answer is used."""
    endpoint = serve(lambda name, count: BAD[kind] if name == "cat" and count == 1 else good(name))
    write_sentences(config(endpoint), DATA, tmp_path / "s.yaml")
    assert endpoint.asked("cat") == 2
    assert "could not be used" in endpoint.requests[1]["messages"][0]["content"]
    assert load_record(tmp_path / "s.yaml").classes["cat"].sentences == (
        "A cat in the sun.",
        "Two cats at night.",
    )


@pytest.mark.parametrize("kind", BAD)
def test_a_model_that_only_answers_badly_is_named_and_the_rest_is_saved(serve, tmp_path, kind):
    """Other classes go on; the message says which class, why and where the others are."""
    endpoint = serve(lambda name, count: BAD[kind] if name == "cat" else good(name))
    out = tmp_path / "s.yaml"
    with pytest.raises(
        GenerationError, match=r"class 'cat'.*2 classes of this call were saved in .*s\.yaml"
    ) as error:
        write_sentences(config(endpoint), DATA, out)
    assert "3 answers could not be used" in str(error.value)
    assert endpoint.asked("cat") == 3
    assert set(load_record(out).classes) == {"hot dog", "crane"}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failures_are_retried(serve, tmp_path, status):
    """Too many requests and server errors: the request is sent again."""
    endpoint = serve(
        lambda name, count: (status, {"error": {"message": "later"}}) if count < 3 else good(name)
    )
    write_sentences(config(endpoint), DATA, tmp_path / "s.yaml", classes=["cat"])
    assert endpoint.asked("cat") == 3


def test_a_lasting_failure_stops_with_what_was_saved(serve, tmp_path):
    """The classes behind the failing one are not asked."""
    endpoint = serve(
        lambda name, count: good(name) if name == "cat" else (429, {"error": {"message": "quota"}})
    )
    with pytest.raises(
        GenerationError, match=r"'hot dog'.*answered 429 after 3 attempts.*1 classes of this call were saved"
    ):
        write_sentences(config(endpoint), DATA, tmp_path / "s.yaml")
    assert set(load_record(tmp_path / "s.yaml").classes) == {"cat"}
    assert endpoint.asked("hot dog") == 3


def test_a_hanging_server_is_given_up(serve, tmp_path):
    """The timeout counts per request."""
    endpoint = serve(lambda name, count: lambda: time.sleep(3) or "[]")
    settings = config(endpoint).model_copy(update={"timeout": 0.3, "attempts": 2})
    with pytest.raises(GenerationError, match=r"Timeout.*after 2 attempts"):
        write_sentences(settings, DATA, tmp_path / "s.yaml", classes=["cat"])
    assert endpoint.asked("cat") == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"error": "no"}), "Check OPENAI_API_KEY"),
        ((404, {"error": "no"}), "model 'm' exists"),
        ((200, {"hello": 1}), "base URL right"),
        ((200, b"<html>"), "base URL right"),
    ],
)
def test_what_cannot_be_retried_is_explained(serve, tmp_path, answer, message):
    """Wrong key, wrong model, wrong kind of server."""
    endpoint = serve(lambda name, count: answer)
    with pytest.raises(GenerationError, match=message):
        write_sentences(config(endpoint), DATA, tmp_path / "s.yaml", classes=["cat"])
    assert endpoint.asked("cat") == 1


def test_nothing_listening_and_nothing_configured(serve, tmp_path):
    """The address is in the message; without address and key the settings are."""
    with pytest.raises(GenerationError, match=r"127\.0\.0\.1:9/.*Check that the server runs"):
        write_sentences(
            LanguageModelConfig(base_url="http://127.0.0.1:9/v1", model="m", attempts=1),
            DATA,
            tmp_path / "s.yaml",
        )
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL"):
        write_sentences(LanguageModelConfig(model="m"), DATA, tmp_path / "s.yaml")
    with pytest.raises(ConfigError, match=r"language_model\.model"):
        write_sentences(LanguageModelConfig(base_url="http://127.0.0.1:9/v1"), DATA, tmp_path / "s.yaml")


def test_hand_written_files_are_never_overwritten(serve, tmp_path):
    """A file without a record is somebody's work."""
    out = tmp_path / "mine.yaml"
    out.write_text("cat: [My cat.]\n")
    with pytest.raises(ConfigError, match="hand are not touched"):
        write_sentences(config(serve(good)), DATA, out)
    assert out.read_text() == "cat: [My cat.]\n"


def test_sentences_that_name_nothing_are_kept_with_a_flag(serve, tmp_path):
    """A person decides about them."""
    endpoint = serve(lambda name, count: json.dumps([f"A {name}.", "It has soft fur."]))
    report = write_sentences(config(endpoint), DATA, tmp_path / "s.yaml", classes=["cat"])
    assert report.flagged == 1
    assert yaml.safe_load((tmp_path / "s.yaml").read_text())["classes"]["cat"]["flagged"] == [
        "It has soft fur."
    ]


def test_the_command_writes_and_says_what_to_do_next(serve, tmp_path):
    """End to end through the command line and a profile."""
    endpoint = serve(good)
    data = tmp_path / "d.yaml"
    data.write_text("name: d\nclasses: [cat, owl]\nquestions: ['Describe {}.']\n")
    run = CliRunner().invoke(
        app,
        ["write", "--dataset", str(data), "--profile", "demo", "--out", str(tmp_path / "s.yaml"),
         "--set", f"prompts.language_model.base_url={endpoint.url}", "--set", "prompts.language_model.model=m"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    assert "2 classes written" in run.stdout
    assert "set 'cupl:" in run.stdout


def test_answers_in_the_forms_models_use():
    """Lists in code fences, objects, bullets and numbers; prose is refused."""
    expected = ("A cat.", "Two cats.")
    for text in ('["A cat.", "Two cats."]', '```json\n["A cat.", "Two cats."]\n```', '{"sentences": ["A cat.", "Two cats."]}',
                 'Here you are: ["A cat.", "Two cats."]', "- A cat.\n- Two cats.", "1. A cat.\n2) \"Two cats.\""):  # fmt: skip
        assert parse_answer(text) == expected
    with pytest.raises(BadAnswer, match="prose"):
        parse_answer("A cat is an animal.\nIt purrs.")


def test_mentions_are_whole_words_singular_or_plural():
    """No cat in category, but cats, cat's and a plural of the last word."""
    assert mentions("Cats' eyes", "cat")
    assert mentions("some strawberries", "strawberry")
    assert mentions("Two hot dogs.", "hot_dog")
    assert mentions("Boxes", "box")
    assert mentions("A pink-yellow dahlia in a vase.", "pink-yellow dahlia?")
    assert mentions("A polka dotted dress", "polka-dotted")
    assert not mentions("A category", "cat")
    assert not mentions("A dog in hot weather", "hot dog")
    checked = check_sentences(["A cat.", "A dog.", "Fur.", "word " * 70], ["cat"], ["dog"])
    assert (checked.sentences, checked.flagged, len(checked.dropped)) == (("A cat.", "Fur."), ("Fur.",), 2)


def tiny_language_model(folder):
    """Write a real, tiny, untrained model."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = ["<unk>", "<eos>", "a", "cat", "dog", "in", "the", "sun"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", unk_token="<unk>").save_pretrained(
        folder
    )
    GPT2LMHeadModel(GPT2Config(vocab_size=8, n_positions=256, n_embd=8, n_layer=1, n_head=1)).save_pretrained(
        folder
    )
    return folder


def test_a_local_transformers_model_answers(tmp_path):
    """The same question and attempt give the same answer, another attempt another."""
    import susx.naming.language_model as module

    tiny_language_model(tmp_path)
    settings = LanguageModelConfig(backend="transformers", model=str(tmp_path), attempts=1)
    module_max, module.MAX_TOKENS = module.MAX_TOKENS, 12
    try:
        model = module.load_language_model(settings)
        first, same, other = (
            model.ask("a cat", "the sun", 0),
            model.ask("a cat", "the sun", 0),
            model.ask("a cat", "the sun", 1),
        )
    finally:
        module.MAX_TOKENS = module_max
    assert first == same != other
    with pytest.raises(ConfigError, match="cannot be loaded"):
        module.load_language_model(settings.model_copy(update={"model": str(tmp_path / "gone")}))
