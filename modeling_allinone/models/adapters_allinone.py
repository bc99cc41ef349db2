# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Which layers adapters of `peft` go to, where nobody says it."""

import sys

# What reads all tokens, text and visual alike; as peft has it for most models.
_TARGETS = ["qkv"]
_TARGETS_OF_METHODS = {"IA3": ["qkv", "fc2"], "LNTUNING": ["layernorm_before", "layernorm_after"]}
_SUFFIX = "_TARGET_MODULES_MAPPING"


def name_targets():
    """
    Tell `peft`, if it has been imported, the default of `target_modules`, for each method that has one; what somebody
    has told it before stays.
    """
    constants = sys.modules.get("peft.utils.constants")
    for name, targets in vars(constants).items() if constants is not None else ():
        if name.endswith(_SUFFIX):
            method = name.removesuffix(_SUFFIX).rpartition("_TO_")[2]
            targets.setdefault("allinone", _TARGETS_OF_METHODS.get(method, _TARGETS))
        elif name.endswith("IA3_FEEDFORWARD_MODULES_MAPPING"):
            targets.setdefault("allinone", ["fc2"])
