"""Options that a command leaves aside in some company: given all the same, they are refused.

One line a case. A value from the environment or a default is no reason to refuse: only what was written on the command line is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from susx.commands.once import on_each_child
from susx.errors import ConfigError

__all__ = ["IDLE", "Idle", "refuse_idle"]

Line: TypeAlias = Mapping[str, Any]
"""What a command was asked for: the values of all its parameters."""


@dataclass(frozen=True)
class Idle:
    """A parameter without effect.

    Attributes:
        commands: words of the commands, as ``index build``.
        parameter: its name in the command's function.
        when: whether it is without effect on such a line.
        why: what it goes with, or what leaves it aside; ends the sentence "--flag has no effect: ...".
        example: arguments of a line that is refused, for the test of this case.
    """

    commands: tuple[str, ...]
    parameter: str
    when: Callable[[Line], bool]
    why: str
    example: str


def _listed(value: str) -> set[str]:
    return {part.strip() for part in value.split(",") if part.strip()}


def _trains(line: Line) -> bool:
    """Whether a method named trains; one that is unknown is refused by its name later."""
    from susx.methods import Need, known_methods

    methods = known_methods()
    return any(
        name not in methods or Need.TRAINING in methods[name].needs for name in _listed(line["methods"])
    )


def _of_reports(line: Line) -> bool:
    """Whether something that is there and no result is to be shown."""
    from susx.results.format import is_result

    return any(path.exists() and not is_result(path) for path in line["runs"])


def _outside(line: Line, *sections: str) -> bool:
    """Whether a ``--set`` names a key outside these sections of a profile."""
    return not all(any(_within(key, section) for section in sections) for key in _keys(line))


def _sets(line: Line, section: str) -> bool:
    return any(_within(key, section) for key in _keys(line))


def _keys(line: Line) -> list[str]:
    return [setting.partition("=")[0].strip() for setting in line["settings"] or ()]


def _within(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")


def _exported(line: Line) -> str:
    """Return the form that ``export`` was asked for; "" where the ending of the file says it."""
    return str(getattr(line["form"], "value", line["form"]) or "")


_BUILD, _DRY = ("build",), "--dry-run runs nothing"
_START = "--dataset textures"
_INDEX = {"index build": "folder --images i", "index add": "folder --from e.npy", "index serve": "folder"}

IDLE: tuple[Idle, ...] = (
    *(
        Idle(_BUILD, name, lambda line: line["dry_run"], _DRY, f"{_START} --dry-run {flag}")
        for name, flag in {
            "retry_failed": "--retry-failed", "record": "--record", "runner": "--runner processes",
            "ray_address": "--ray-address host:6379", "callback": "--callback a.b:c",
        }.items()
    ),
    Idle(_BUILD, "ray_address", lambda line: line["runner"] != "ray", "it goes with --runner ray", f"{_START} --ray-address host:6379"),
    Idle(
        _BUILD, "retry_failed", lambda line: "retrieve" not in line["mode"], "nothing is downloaded without --mode retrieve",
        f"{_START} --mode generate --retry-failed",
    ),
    *(
        Idle(
            ("build", "status"), name, lambda line: "retrieve" not in line["mode"], "nothing is retrieved without --mode retrieve",
            f"{_START} --mode generate {value}",
        )
        for name, value in {"source": "--source openverse", "licence": "--licence by"}.items()
    ),
    Idle(
        ("build", "status"), "data_root", lambda line: not line["evaluate"], "--no-evaluate reads no labelled images",
        f"{_START} --no-evaluate --data-root .",
    ),
    Idle(
        ("build", "status"), "settings", lambda line: "generate" not in line["mode"] and _sets(line, "generation"),
        "generation.* is read by --mode generate alone", f"{_START} --set generation.steps=3",
    ),
    Idle(("report figure",), "against", lambda line: line["kind"] != "gains", "it goes with --kind gains", "result --out f.html --against tip_x"),
    Idle(("report table",), "audit", lambda line: line["form"] == "csv", "a CSV has no place for it", "result --format csv --no-audit"),
    Idle(
        ("report table",), "gains", lambda line: line["form"] == "csv", "a CSV has gains in any case", "result --format csv --gains",
    ),
    Idle(
        ("report table",), "interval", lambda line: line["form"] == "csv", "a CSV has both ends in any case", "result --format csv --interval pm",
    ),
    *(
        Idle(("report table",), name, _of_reports, "it is of results of susx experiment and susx evaluate", f". {flag}")
        for name, flag in {
            "rows": "--rows method", "columns": "--columns shots", "group": "--group access", "where": "--where regime=all",
            "value": "--value ece", "gains": "--gains", "against": "--against tip_x", "interval": "--interval none", "marks": "--no-marks",
            "digits": "--digits 2", "audit": "--no-audit",
        }.items()
    ),
    Idle(("experiment",), "ray_address", lambda line: line["runner"] != "ray", "it goes with --runner ray", "e.yaml --ray-address host:6379"),
    Idle(("evaluate",), "per_class", lambda line: line["pool"] is None, "it goes with --pool", "--features f --per-class 4"),
    Idle(
        ("evaluate",), "shrinkage", lambda line: "support" not in _listed(line["tuning"]), "it is of the tuning 'support'",
        "--features f --tuning fixed --shrinkage 0.5",
    ),
    *(
        Idle(
            ("evaluate",), name, lambda line: not _trains(line), "none of the methods named with --methods trains",
            f"--features f --methods tip_adapter {value}",
        )
        for name, value in {"device": "--device cpu", "checkpoints": "--checkpoints c"}.items()
    ),
    Idle(
        ("encode",), "settings", lambda line: _outside(line, "encoder", "prompts"),
        "encoder.* and prompts.* are all that is read of a profile", "photos --out f --set seed=3",
    ),
    Idle(
        ("adapt",), "settings", lambda line: _outside(line, "encoder"), "encoder.* is all that is read of a profile",
        "photos --out a.safetensors --set seed=3",
    ),
    Idle(
        ("prompts write",), "settings", lambda line: _outside(line, "prompts.language_model"),
        "prompts.language_model.* is all that is read of a profile", "--dataset textures --profile demo --set seed=3",
    ),
    *(
        Idle(
            (command,), "pretrained", lambda line: line["encoder"] is None,
            "it goes with --encoder; the profile's encoder has weights of its own", f"{example} --pretrained weights.pt --profile demo",
        )
        for command, example in _INDEX.items()
    ),
    *(
        Idle(
            (command,), "profile", lambda line: line["encoder"] is not None and line.get("urls") is None,
            "--encoder takes the place of the profile's", f"{example} --encoder susx-tiny --profile demo",
        )
        for command, example in _INDEX.items()
    ),
    Idle(
        ("index build",), "allow_private", lambda line: line["urls"] is None, "it goes with --urls",
        "folder --images i --allow-private",
    ),
    *(
        Idle(
            ("push",), name, lambda line: not str(line["address"]).startswith("hf://datasets/"),
            "it is of a support set, pushed to hf://datasets/owner/name", f"run hf://owner/name {value}",
        )
        for name, value in {"dataset": "--dataset textures", "store": "--store s"}.items()
    ),
    Idle(("export",), "text", lambda line: _exported(line) != "bundle", "it goes with --format bundle", "--classifier c --out x.onnx --text"),
    *(
        Idle(
            ("export",), name, lambda line: _exported(line) not in ("bundle", "web") or line["bundle"] is not None,
            "it goes with --classifier and --format bundle or web", f"--classifier c --out x.onnx {value}",
        )
        for name, value in {"quantize": "--quantize int8", "images": "--images photos"}.items()
    ),
    Idle(
        ("export",), "onnxruntime_web", lambda line: _exported(line) != "web", "it goes with --format web",
        "--classifier c --out x.onnx --onnxruntime-web p.tgz",
    ),
    Idle(
        ("export",), "bundle", lambda line: _exported(line) != "web", "it goes with --format web; give the classifier",
        "--bundle b --out x.onnx",
    ),
    Idle(
        ("export",), "reject", lambda line: _exported(line) == "bundle", "of a bundle predict and serve take it",
        "--classifier c --format bundle --out x --reject 0.1",
    ),
    Idle(
        ("export",), "text_only", lambda line: _exported(line) in ("bundle", "web"), "it goes with --format open_clip_head",
        "--classifier c --format bundle --out x --text-only",
    ),
    *(
        Idle(("label folder",), name, lambda line: line["bundle"] is not None, why, f"photos --bundle b {value}")
        for why, values in {
            "the classes and what is known of them are the bundle's": {
                "classes": "--classes c.txt", "names": "--names cat,dog", "profile": "--profile demo", "pool": "--pool p", "no_pool": "--no-pool",
                "prompts": "--prompts photo", "settings": "--set seed=3",
            },
            "nothing is kept of a folder that a bundle labels": {"store": "--store s"},
            "labels of a bundle are sorted by susx label sort": {"copy_to": "--copy-to d", "link_to": "--link-to d", "yes": "--yes"},
        }.items()
        for name, value in values.items()
    ),
    Idle(("predict",), "sentence", lambda line: line["names"] is None, "it goes with --names", "a.png --bundle b --sentence x"),
    Idle(
        ("serve",), "max_bytes", lambda line: line["max_bytes"] > line["max_bytes_in_flight"],
        "--max-bytes-in-flight allows fewer", "--classifier c --max-bytes 300000000",
    ),
    Idle(
        ("serve",), "max_pixels", lambda line: line["max_pixels"] > line["max_pixels_in_flight"],
        "--max-pixels-in-flight allows fewer", "--classifier c --max-pixels 200000000",
    ),
)  # fmt: skip


def refuse_idle(command: Any, line: str = "") -> None:
    """Let a command, and all below it, refuse options that would have no effect.

    Raises (when the command is run):
        ConfigError: names the option and what leaves it aside.
    """
    if hasattr(command, "list_commands"):
        on_each_child(command, lambda child, name: refuse_idle(child, f"{line} {name}".strip()))
    cases = [case for case in IDLE if line in case.commands]
    if not cases:
        return
    flags = {parameter.name: max(parameter.opts, key=len) for parameter in command.params}
    invoke = command.invoke

    def invoke_checked(ctx: Any) -> Any:
        written = {name for name in flags if _source(ctx, name) == "COMMANDLINE"}
        for case in cases:
            if case.parameter in written and case.when(ctx.params):
                raise ConfigError(f"{flags[case.parameter]} has no effect: {case.why}. Leave it out.")
        return invoke(ctx)

    command.invoke = invoke_checked


def _source(ctx: Any, name: str) -> str:
    source = ctx.get_parameter_source(name)
    return "" if source is None else str(source.name)
