# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
What `from_pretrained` makes of a checkpoint that was trained for something else: where it holds what a head should
start from, under another name or in another shape, the head is filled from it while the weights are read.

`from_pretrained` finds the conversions by the name of the class. They work one way: saving keeps the class's names.
"""

import torch
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import ConversionOps, WeightConverter, WeightRenaming


class _KeepOwnName(ConversionOps):
    """What becomes of a weight when it is saved: nothing. Its own name is the first of those that it is read from."""

    def convert(self, input_dict, source_patterns, target_patterns, **kwargs):
        (name,) = source_patterns
        return {target_patterns[0]: input_dict[name]}


class _OneWay(ConversionOps):
    """A conversion of what is read."""

    @property
    def reverse_op(self) -> ConversionOps:
        return _KeepOwnName()


class _TakeMatchingRow(_OneWay):
    """A scorer's own weights or, for a linear scorer without any, the matching head's row that says "they match"."""

    @torch.no_grad()
    def convert(self, input_dict, source_patterns, target_patterns, full_layer_name, model, **kwargs):
        own, matching = source_patterns
        if own in input_dict:
            return {own: input_dict[own]}
        scorer = model.get_submodule(full_layer_name.rpartition(".out_proj.")[0])
        if scorer.has_hidden_layer:
            return {}  # filled with nothing, it is newly initialised and reported as missing
        (head,) = input_dict[matching]
        return {own: head[1:2].clone()}


class _AddModalityTypes(_OneWay):
    """A table of modality types with as many rows as the model has: new ones are copies of type 1, video."""

    @torch.no_grad()
    def convert(self, input_dict, source_patterns, target_patterns, full_layer_name, model, **kwargs):
        (name,) = source_patterns
        (table,) = input_dict[name]
        num_missing = max(model.get_parameter(full_layer_name).shape[0] - table.shape[0], 0)
        return {name: torch.cat([table, table[1:2].expand(num_missing, -1)])}


def scores_from_matching_head(cls: type) -> type:
    """
    Let a class with a `scorer` of pairs start from a pre-training checkpoint: a class decorator.

    Args:
        cls (`type`): A model class.

    Returns:
        `type`: The same class.

    Source: All in One (arXiv 2203.07303), whose ranking head is the second row of the matching head.
    """
    converters: list[WeightConverter | WeightRenaming] = [
        WeightConverter(
            [f"scorer.out_proj.{kind}", f"matching_head.{kind}"], f"scorer.out_proj.{kind}", [_TakeMatchingRow()]
        )
        for kind in ("weight", "bias")
    ]
    register_checkpoint_conversion_mapping(cls.__name__, converters, overwrite=True)
    return cls


def adds_modality_types(cls: type) -> type:
    """
    Let a class have more modality types than the checkpoint it starts from: a class decorator.

    Args:
        cls (`type`): A model class.

    Returns:
        `type`: The same class.
    """
    table = "embeddings.modality_type_embeddings.weight"
    converters: list[WeightConverter | WeightRenaming] = [WeightConverter(table, table, [_AddModalityTypes()])]
    register_checkpoint_conversion_mapping(cls.__name__, converters, overwrite=True)
    return cls
