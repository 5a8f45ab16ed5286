"""What a file of weights is that open_clip could not load, and how to turn it into one that loads."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from susx.features.open_clip_settings import QUICK

__all__ = ["explain_checkpoint", "explain_folder"]

_SAVE = "python -c \"import torch; {read}; torch.save({what}, '{target}')\""
_STORED_KEYS = ("state_dict", "model_state_dict", "model", "module", "ema", "weights")
"""Entries of training checkpoints under which people keep weights."""

_OPEN_CLIP_FILE = (
    "encoder.pretrained is a file of open_clip's. Give open_clip's own file of these weights: by its tag (open_clip lists them for "
    "each architecture), or encoder.model=hf-hub:<organisation>/<model> of a repository that holds open_clip_config.json."
)
_ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def explain_folder(folder: Path) -> str:
    """Return a sentence on what a folder in place of a file of weights is, and what to give instead."""
    files = sorted(file.name for file in folder.iterdir() if file.suffix in _ENDINGS)
    if (folder / "config.json").is_file() and not (folder / "open_clip_config.json").is_file():
        return f"It holds a model of transformers (config.json), and {_OPEN_CLIP_FILE}"
    if files:
        return f"Give one of the files in it: {', '.join(files[:5])}{' ...' if len(files) > 5 else ''}."
    return f"It holds no file of weights ({', '.join(_ENDINGS)}). Give the path of one as encoder.pretrained."


def explain_checkpoint(path: Path, model: str) -> str:
    """Return a sentence on what the file is and what to do, "" where it looks like weights of open_clip."""
    try:
        if _is_safetensors(path):
            if path.suffix != ".safetensors":
                return f"It is a safetensors file without its ending: call it {path.name}.safetensors."
            return _of_names(_safetensors_names(path), path, model)
        if _is_torchscript(path):
            twin = f", with encoder.model={model}{QUICK}" if not model.endswith(QUICK) else ""
            return (
                "It is a TorchScript archive, as OpenAI's clip package downloads. Save its weights and give that file"
                f"{twin}: {_command(path, 'torch.jit.load({path!r}, map_location={cpu!r})', 'm.state_dict()')}"
            )
        return _of_pickle(path, model)
    except Exception:  # whatever else lies there: open_clip's own reason has to do
        return ""


def _command(path: Path, read: str, what: str) -> str:
    """Return a command that writes the weights of a file beside it, under a name that loads."""
    target = path.with_name(f"{path.stem}.weights.pt")
    return _SAVE.format(
        read="m = " + read.format(path=str(path), cpu="cpu").replace('"', "'"), what=what, target=target
    )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return 2 <= length < 100_000_000 and file.read(1) == b"{" and path.stat().st_size > 8 + length


def _safetensors_names(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _of_pickle(path: Path, model: str) -> str:
    """Explain a file of torch.save; only what needs no code of the file is read."""
    import torch

    try:
        held: Any = torch.load(path, map_location="meta", weights_only=True)
    except Exception as error:
        reason = str(error)
        unsafe = "{path!r}, map_location={cpu!r}, weights_only=False"
        if "GLOBAL numpy" in reason or "numpy" in reason.split("GLOBAL", 1)[-1][:60]:
            return (
                "It holds numpy objects beside the weights (a training checkpoint with its scores), and torch reads these only by running "
                "what the file says. If you trust where it is from, save its weights and give that file: "
                + _command(path, f"torch.load({unsafe})", "m['state_dict']")
            )
        if "Unsupported global: GLOBAL " in reason or "weights_only" in reason.lower():
            name = reason.split("GLOBAL ", 1)[-1].split(" ")[0] if "GLOBAL " in reason else "a module"
            return (
                f"It holds a whole pickled object ({name}), and torch reads that only by running what the file says. If you trust where it "
                "is from, save its weights and give that file: "
                + _command(path, f"torch.load({unsafe})", "m.state_dict()")
            )
        return ""
    if isinstance(held, dict):
        stored = next((key for key in _STORED_KEYS if isinstance(held.get(key), dict)), None)
        if stored not in (None, "state_dict"):
            return f"Its weights are its entry '{stored}'. Save them and give that file: " + _command(
                path, "torch.load({path!r}, map_location={cpu!r})", f"m['{stored}']"
            )
        return _of_names([*(held["state_dict"] if stored else held)], path, model)
    return ""


def _of_names(names: list[str], path: Path, model: str) -> str:
    """Explain weights by what they are called."""
    read = (
        "__import__('safetensors.torch').torch.load_file({path!r})"
        if path.suffix == ".safetensors"
        else "torch.load({path!r}, map_location={cpu!r})"
    )
    for prefix, what in (
        ("module._orig_mod.", "torch.compile"),
        ("_orig_mod.", "torch.compile"),
        ("model.", "a wrapping module"),
        ("clip.", "a wrapping module"),
    ):
        if names and all(name.startswith(prefix) for name in names):
            inner = "m.get('state_dict', m)"
            return (
                f"Every weight is called '{prefix}...' (by {what}). Save them without that and give that file: "
                + _command(path, read, f"{{k[{len(prefix)}:]: v for k, v in {inner}.items()}}")
            )
    if any(name.startswith(("text_model.", "vision_model.")) for name in names):
        return (
            f"Its weights are called as in transformers (text_model., vision_model.), and {_OPEN_CLIP_FILE}"
        )
    if any(".lora_" in name for name in names):
        return "It holds LoRA weights alone; merge them into the model they were trained on and save that."
    return ""
