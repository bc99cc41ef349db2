# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Finds the classes of this model in the package modeling_allinone; transformers runs it with `trust_remote_code=True`.

It is not needed after `import modeling_allinone`, with which the Auto classes know the model.
"""

try:
    import modeling_allinone
except ImportError as error:
    raise ImportError(
        f"This model needs the package modeling_allinone, which cannot be imported here ({error}): install it with "
        "pip install modeling_allinone, or with pip install -e . in a copy of its repository."
    ) from error


class _OfPackage:
    """What transformers asks of a class it finds here; without a note that its code is to be saved with it."""

    def __init__(self, name):
        self.from_pretrained = getattr(modeling_allinone, name).from_pretrained

    def register_for_auto_class(self, auto_class=None):
        pass


def __getattr__(name):
    if name not in modeling_allinone.__all__:
        raise AttributeError(f"This was saved by {name}, which modeling_allinone lacks; import what has it.")
    return _OfPackage(name)
