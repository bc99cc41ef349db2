"""Data sets as tables of one common row; what they need is imported when a name is first used."""

import importlib

_MODULES = {
    "annotations": ("describe_dataset", "list_datasets", "load_annotations"),
    "common_rows": ("summarize",),
    "readers.howto100m": ("draw_captioned_clip",),
    "moving_shapes": (
        "answer_vocabulary",
        "load_moving_shapes",
        "train_tokenizer",
        "write_moving_shapes",
    ),
    "row_transforms": ("by_row",),
    "readers.vcr": ("paint_objects",),
    "readers.vqav2": ("soft_label",),
    "readers.yttemporal": ("draw_spoken_clip", "replace_words"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str):
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
