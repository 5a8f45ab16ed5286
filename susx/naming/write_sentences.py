"""Having a language model write the sentences of a data set, class by class, without losing what is there."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from susx.config import DatasetConfig, LanguageModelConfig
from susx.errors import GenerationError
from susx.naming.language_model import LanguageModel, load_language_model
from susx.naming.parse_answers import BadAnswer, Checked, check_sentences, parse_answer
from susx.naming.questions import GENERAL, asked_digest, instruction, questions_for
from susx.naming.sentence_record import ClassRecord, SentenceFile, load_record, save_record, sentences_digest

__all__ = ["WriteReport", "write_class", "write_sentences"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WriteReport:
    """What one call did: names of classes by fate, and counts of sentences."""

    written: tuple[str, ...]
    cached: tuple[str, ...]
    edited: tuple[str, ...]
    flagged: int
    dropped: int


def write_sentences(
    config: LanguageModelConfig,
    dataset: DatasetConfig,
    out: Path,
    *,
    classes: Sequence[str] | None = None,
    again: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> WriteReport:
    """Fill ``out`` with sentences of every class that has none from these questions and this model.

    A class is saved as soon as it is written. Classes edited by hand are kept.

    Args:
        config: which model, temperature, how many sentences.
        dataset: class names, hints and questions.
        out: the reviewable YAML.
        classes: only these; all when None.
        again: ask anew for classes that are there, edited ones included.
        progress: called with each class that was written.

    Raises:
        ConfigError: no endpoint or model, or ``out`` is another kind of file.
        GenerationError: the model failed or gave nothing usable; the message says what was saved.
    """
    record = load_record(out)
    wanted = tuple(dataset.classes if classes is None else classes)
    asked = {name: asked_digest(config, dataset, name) for name in wanted}
    done = {name: record.classes[name] for name in wanted if name in record.classes and not again}
    edited = tuple(name for name, entry in done.items() if entry.edited)
    cached = tuple(name for name, entry in done.items() if not entry.edited and entry.asked == asked[name])
    todo = [name for name in wanted if name not in edited and name not in cached]
    if not todo:
        return WriteReport((), cached, edited, 0, 0)
    model = load_language_model(config)
    stamp = {
        "backend": config.backend,
        "model": config.model,
        "endpoint": getattr(model, "where", ""),
        "temperature": config.temperature,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }
    entries = dict(record.classes)
    written, failures, flagged, dropped = [], {}, 0, 0
    workers = config.workers if config.backend == "openai" else 1
    with ThreadPoolExecutor(workers) as pool:
        futures: dict[Future[Checked], str] = {
            pool.submit(write_class, model, config, dataset, n): n for n in todo
        }
        for future in as_completed(futures):
            name = futures[future]
            try:
                checked = future.result()
            except BadAnswer as error:
                failures[name] = str(error)
            except GenerationError as error:
                # The endpoint itself fails: the classes that wait would fail as well.
                failures[name] = str(error)
                for waiting in futures:
                    waiting.cancel()
                break
            else:
                entries[name] = ClassRecord(
                    checked.sentences, checked.flagged, asked[name], sentences_digest(checked.sentences)
                )
                ordered = {n: entries[n] for n in (*dataset.classes, *entries) if n in entries}
                save_record(out, SentenceFile(stamp, dataset.questions or GENERAL, ordered))
                written.append(name)
                flagged, dropped = flagged + len(checked.flagged), dropped + len(checked.dropped)
                progress(name)
    if failures:
        raise GenerationError(_failed(failures, written, wanted, out))
    return WriteReport(tuple(written), cached, edited, flagged, dropped)


def write_class(
    model: LanguageModel, config: LanguageModelConfig, dataset: DatasetConfig, name: str
) -> Checked:
    """Ask all questions about one class.

    Raises:
        BadAnswer: no attempt at a question gave a usable list.
        GenerationError: the endpoint failed.
    """
    hints = dataset.hints.get(name)
    names = (name, *((hints.search_name,) if hints and hints.search_name else ()))
    others = [other for other in dataset.classes if other != name]
    kept: list[str] = []
    dropped: list[str] = []
    form = instruction(name, config.sentences)
    for question in questions_for(dataset, name):
        checked = _ask(model, config, question, form, names, others)
        kept.extend(checked.sentences)
        dropped.extend(checked.dropped)
    whole = check_sentences(kept, names, others)
    return Checked(whole.sentences, whole.flagged, tuple(dropped))


def _ask(
    model: LanguageModel,
    config: LanguageModelConfig,
    question: str,
    form: str,
    names: Sequence[str],
    others: list[str],
) -> Checked:
    reason = ""
    for attempt in range(config.attempts):
        reminder = f" Your last answer could not be used: {reason}." if reason else ""
        try:
            checked = check_sentences(
                parse_answer(model.ask(question, form + reminder, attempt)), names, others
            )
        except BadAnswer as error:
            reason = str(error)
        else:
            if checked.sentences:
                return checked
            reason = f"its sentences are about other classes or too long, such as {checked.dropped[0]!r}"
        logger.info("class '%s', attempt %d: %s", names[0], attempt + 1, reason)
    raise BadAnswer(f"{config.attempts} answers could not be used; the last: {reason}")


def _failed(failures: dict[str, str], written: list[str], wanted: tuple[str, ...], out: Path) -> str:
    name, reason = next(iter(failures.items()))
    more = (
        f" {len(failures) - 1} more classes failed: {', '.join(list(failures)[1:6])}."
        if len(failures) > 1
        else ""
    )
    saved = (
        f"{len(written)} classes of this call were saved in {out}"
        if written
        else "nothing new was saved" + (f"; {out} is as it was" if out.exists() else "")
    )
    return (
        f"The language model gave no sentences for the class '{name}': {reason.rstrip('.')}.{more} Of {len(wanted)}"
        f" classes, {saved}. Run the same command to go on with the missing ones."
    )
