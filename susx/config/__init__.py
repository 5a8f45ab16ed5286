"""Configuration: data sets and profiles, read from YAML at the edge of the program."""

from susx.config.dataset import ClassHints, DatasetConfig, ReaderConfig
from susx.config.experiment import ExperimentConfig, ExperimentData, ExperimentMethod
from susx.config.folders import config_folders, config_names, find_config
from susx.config.load import load_dataset, load_experiment, load_profile
from susx.config.profile import (
    OVER_FETCH,
    CurationConfig,
    DownloadConfig,
    EncoderConfig,
    GenerationConfig,
    LanguageModelConfig,
    ProfileConfig,
    PromptsConfig,
    RetrievalConfig,
)

__all__ = [
    "OVER_FETCH",
    "ClassHints",
    "CurationConfig",
    "DatasetConfig",
    "DownloadConfig",
    "EncoderConfig",
    "ExperimentConfig",
    "ExperimentData",
    "ExperimentMethod",
    "GenerationConfig",
    "LanguageModelConfig",
    "ProfileConfig",
    "PromptsConfig",
    "ReaderConfig",
    "RetrievalConfig",
    "config_folders",
    "config_names",
    "find_config",
    "load_dataset",
    "load_experiment",
    "load_profile",
]
