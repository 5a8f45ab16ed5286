"""What is known of the classes before a folder is looked at, in one file: to label again without fitting again."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from susx.errors import InputError
from susx.methods.functional.folder_prototypes import InductiveFit, inductive_from_folder

__all__ = ["ClassModel"]


@dataclass(frozen=True)
class ClassModel(InductiveFit):
    """The inductive fit that a folder is labelled from, and its file."""

    @classmethod
    def of_names(
        cls, text: Float[Tensor, "classes dim"], logit_scale: float, rows: Float[Tensor, "query dim"]
    ) -> ClassModel:
        """Return what the names tell, with the folder's own rows in the place of a pool's.

        Raises:
            InputError: the folder has no images.
        """
        return cls(**vars(inductive_from_folder(text, logit_scale, rows)))

    def to_bytes(self) -> bytes:
        """Return a safetensors file; equal models give equal bytes."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        # One file may not hold two names of the same memory.
        tensors = {
            name: value.clone().contiguous() for name, value in values.items() if isinstance(value, Tensor)
        }
        facts = {name: value for name, value in values.items() if name not in tensors}
        data: bytes = save(tensors, metadata={"susx": json.dumps(facts, sort_keys=True)})
        return data

    @classmethod
    def read(cls, path: Path) -> ClassModel:
        """Read what ``to_bytes`` returned.

        Raises:
            InputError: there is no such file, or it is another kind of file.
        """
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {}).get("susx", "{}"))
                return cls(**facts, **{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (not a dict)
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} is not the classifier of a labelled folder ({error}). Label the folder again: susx label FOLDER."
            ) from error
