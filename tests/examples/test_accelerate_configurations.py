# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Configurations of Accelerate: it knows all that they say, and they name parts that the model has."""

import re
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser

from modeling_allinone.models import modeling_allinone

FILES = sorted((Path(__file__).parents[2] / "examples" / "accelerate").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_accelerate_knows_the_configuration(file):
    config = load_config_from_file(str(file))  # raises on keys that it does not know
    known = vars(launch_command_parser().parse_args(["script.py"]))
    assert set(config.fsdp_config) <= set(known) and set(config.deepspeed_config) <= set(known)
    assert config.num_processes % config.num_machines == 0
    for name in config.fsdp_config.get("fsdp_transformer_layer_cls_to_wrap", "AllInOneLayer").split(","):
        assert issubclass(getattr(modeling_allinone, name), modeling_allinone.nn.Module)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_comments_name_what_there_is(file):
    """The command line above a configuration names the file itself and a script."""
    paths = re.findall(r"examples/[\w/]+\.(?:py|yaml)", file.read_text())
    assert f"examples/accelerate/{file.name}" in paths
    assert all((file.parents[2] / path).is_file() for path in paths)
