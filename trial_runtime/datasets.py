"""Data sets by name, as users of the trainers import them; see `trial_runtime.images.datasets`."""

from trial_runtime.images.datasets import (
    DEFAULT_DATASET,
    KNOWN,
    DatasetError,
    ImageDataset,
    default_data_dir,
    load,
    load_test,
    resized,
    split,
    subset,
)

__all__ = [
    "DEFAULT_DATASET",
    "KNOWN",
    "DatasetError",
    "ImageDataset",
    "default_data_dir",
    "load",
    "load_test",
    "resized",
    "split",
    "subset",
]
