"""What an experiment measures: data sets x methods x access x protocols x shots x draws x seeds x folder regimes. One YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from susx.config.dataset import check_identifier

__all__ = ["ExperimentConfig", "ExperimentData", "ExperimentMethod"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExperimentData(_Strict):
    """One data set: features, or images that a profile's encoder encodes. Paths are relative to the YAML."""

    features: str | None = None
    """Folder or file of features, of any layout that is read."""
    images: str | None = None
    """Folder with one folder of images per class, or with such folders in train, val and test."""
    profile: str | None = None
    """Encoder and prompts of ``images``."""
    description: str | None = None
    """Data set whose classes and prompts ``images`` have; without, the folders' names are the classes."""
    text: str | None = None
    """Text classifier kept elsewhere."""
    pool: str | None = None
    """Folder with features.npy, of unlabelled images."""
    shots_from: Literal["support", "validation"] = "support"
    """Split that labelled shots are drawn from; of validation no hyper-parameters are chosen then."""
    outsiders: str | None = None
    """Another data set of the experiment, whose images are the outsiders of the regime of that name."""
    backbone: str | None = None
    support: str | None = None
    prompts: str | None = None
    """Which files of a SuS-X folder that holds several."""

    @model_validator(mode="after")
    def _one_source(self) -> ExperimentData:
        if (self.features is None) == (self.images is None):
            raise ValueError("give either 'features' or 'images'")
        if self.images is None and (self.profile or self.description):
            raise ValueError("'profile' and 'description' go with 'images'")
        if self.images is not None and (self.text or self.backbone or self.support or self.prompts):
            raise ValueError("'text', 'backbone', 'support' and 'prompts' go with 'features'")
        return self


class ExperimentMethod(_Strict):
    """A method with the hyper-parameters that are set; others have the method's own values."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


def _method(value: Any) -> Any:
    """Read ``tip_x`` and ``tip_x: {alpha: 2}``."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and len(value) == 1 and "name" not in value:
        [(name, parameters)] = value.items()
        return {"name": name, "parameters": parameters or {}}
    return value


def _methods(value: Any) -> Any:
    return [{name: parameters} for name, parameters in value.items()] if isinstance(value, Mapping) else value


def _words(value: Any) -> Any:
    """Read ``[64, all]`` as texts."""
    return (
        [str(entry) if isinstance(entry, int) else entry for entry in value]
        if isinstance(value, list)
        else value
    )


class ExperimentConfig(_Strict):
    """An experiment. What is left out of a list that may be empty is whatever the data allow."""

    name: str = "experiment"
    datasets: Annotated[dict[str, ExperimentData], Field(min_length=1)]
    methods: Annotated[
        tuple[Annotated[ExperimentMethod, BeforeValidator(_method)], ...],
        BeforeValidator(_methods),
        Field(min_length=1),
    ]
    access: tuple[str, ...] = ()
    """What may be looked at beside the names, joined by +: pool, shots, folder, stream. Validation goes with tuning val."""
    tuning: Annotated[tuple[Literal["fixed", "support", "val"], ...], Field(min_length=1)] = ("fixed",)
    shots: tuple[PositiveInt, ...] = ()
    """Labelled images a class; none: all there are."""
    draws: PositiveInt = 3
    """Of whatever is drawn: shots, folders, orders of a stream."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    regimes: Annotated[tuple[str, ...], BeforeValidator(_words), Field(min_length=1)] = ("all",)
    per_class: PositiveInt = 16
    """Support images a class chosen from a pool."""
    shrinkage: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Of tuning 'support' towards the fixed values."""
    logits: bool = True
    """Keep the logits of every image, beside its prediction."""

    @field_validator("name")
    @classmethod
    def _identifier(cls, name: str) -> str:
        return check_identifier(name)

    @field_validator("datasets")
    @classmethod
    def _named(cls, datasets: dict[str, ExperimentData]) -> dict[str, ExperimentData]:
        for name, data in datasets.items():
            check_identifier(name)
            if data.outsiders is not None and data.outsiders not in datasets:
                raise ValueError(
                    f"the outsiders of '{name}' are of '{data.outsiders}', which is no data set of this experiment"
                )
            if data.outsiders == name:
                raise ValueError(f"the outsiders of '{name}' are its own images; name another data set")
        return datasets

    @field_validator("access", "tuning", "shots", "seeds", "regimes", "methods")
    @classmethod
    def _once(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = next((entry for at, entry in enumerate(entries) if entry in entries[:at]), None)
        if twice is not None:
            raise ValueError(f"{getattr(twice, 'name', twice)!r} is there twice; keep one")
        return entries

    def resolved(self) -> dict[str, Any]:
        """Return all values, defaults included, as they are written to YAML."""
        value = self.model_dump(mode="json", exclude_none=True)
        value["methods"] = [
            {method.name: dict(method.parameters)} if method.parameters else method.name
            for method in self.methods
        ]
        return value
