# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Pre-train All-in-one on videos, or on videos and images, with their captions.

    allinone train pretrain_webvid_howto100m_base --output_dir outputs/pretrain
    allinone train --task pretraining --train_file captions.csv --model MODEL --output_dir outputs/pretrain
    torchrun --nproc-per-node 8 -m modeling_allinone train RECIPE.yaml ...

Objectives are weighted: masked words, matching with word-patch alignment, contrast, clip order, masked patches.
Writes the model, its card and `results.json`, with blank video beside the scores.
"""

import sys
from dataclasses import replace
from typing import Any

from ...data.pretraining_collators import PairedCollator, PreTrainingCollator
from ...evaluation.zero_shot import ZeroShotEvaluator
from ...models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..arguments import DataArguments, ModelArguments, parse_recipe
from ..command_line import command_line
from ..pretraining_arguments import (
    EvaluationArguments,
    ObjectiveArguments,
    PreTrainingArguments,
    SourceArguments,
)
from ..pretraining_sources import load_source_texts, load_sources, load_zero_shot
from ..pretraining_trainer import PreTrainingTrainer
from ..run import evaluate_and_save, train
from ..setup import identify_model, load_model, load_processor, prepare_rows, setup_run
from ..splits import load_splits


def pretrain(arguments: list[str]) -> dict[str, Any]:
    """Load rows and model, train, score, write; returns what was measured."""
    models, data, sources, learned, evaluated, training_arguments = parse_recipe(
        *(ModelArguments, DataArguments, SourceArguments, ObjectiveArguments, EvaluationArguments),
        PreTrainingArguments,
        description=__doc__,
        arguments=arguments,
        task="pretraining",
    )
    if "masked_patches" in learned.objectives and sources.changes_colours:
        raise ValueError(
            "masked_patches has the colours of clips and images learned, which are scaled by one mean and deviation: "
            "leave image_mean and image_std out of image_processor, or the objective."
        )
    setup_run(training_arguments)

    splits = load_splits(data, training_arguments, with_train=False)
    zero_shot_rows = load_zero_shot(evaluated, splits.loaded)
    processor = load_processor(models, lambda: load_source_texts(sources, data), data.num_frames)
    train_rows = None
    if training_arguments.do_train:
        train_rows = load_sources(sources, data, processor, training_arguments, learned.blank_video, splits.loaded)
    model = load_model(AllInOneForPreTraining, models, processor, pretraining_objectives=list(learned.objectives))
    origin = identify_model(models.model_name_or_path)

    train_collator, eval_collator = (
        PreTrainingCollator(
            processor,
            patch_size=model.config.patch_size,
            **learned.collator_options,
            **data.collator_options(training_arguments.output_dir, training),
        )
        for training in (True, False)
    )
    data_collator: PreTrainingCollator | PairedCollator = train_collator
    if sources.image_sources:
        # RandAugment is for clips alone, as in the original.
        image_options = {**train_collator.video_options, "do_rand_augment": False, **sources.image_processor}
        data_collator = PairedCollator(train_collator, replace(train_collator, video_options=image_options))
    trainer = PreTrainingTrainer(
        model,
        training_arguments,
        data_collator=data_collator,
        eval_collator=eval_collator,
        train_dataset=train_rows,
        eval_dataset=splits.eval and prepare_rows(splits.eval, data, processor),
        processing_class=processor,
        zero_shot=ZeroShotEvaluator(zero_shot_rows) if zero_shot_rows else None,
        num_alignment_rows=evaluated.num_alignment_rows,
        **learned.trainer_options,
    )
    if training_arguments.do_train:
        train(trainer)
    trained_on = sources.described
    return evaluate_and_save(trainer, data, splits.test, origin, trained_on=trained_on, zero_shot=evaluated.zero_shot)


main = command_line(pretrain)

if __name__ == "__main__":
    sys.exit(main())
