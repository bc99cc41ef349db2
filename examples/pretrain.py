"""
Pre-train All-in-one on videos, or on videos and images, with their captions.

    python examples/pretrain.py pretrain_webvid_howto100m_base --output_dir outputs/pretrain
    torchrun --nproc-per-node 8 examples/pretrain.py RECIPE.yaml ...

Objectives are weighted: masked words, matching with word-patch alignment, contrast, clip order, masked patches.
Writes the model, its card and `results.json`, with blank video beside the scores.
"""

import sys
from dataclasses import replace

from modeling_allinone import AllInOneForPreTraining
from modeling_allinone.data.pretraining_collators import PairedCollator, PreTrainingCollator
from modeling_allinone.evaluation.zero_shot import ZeroShotEvaluator
from modeling_allinone.training.arguments import DataArguments, ModelArguments, command_line, parse_recipe
from modeling_allinone.training.pretraining_arguments import (
    EvaluationArguments,
    ObjectiveArguments,
    PreTrainingArguments,
    SourceArguments,
)
from modeling_allinone.training.pretraining_sources import load_source_texts, load_sources, load_zero_shot
from modeling_allinone.training.pretraining_trainer import PreTrainingTrainer
from modeling_allinone.training.run import evaluate_and_save, train
from modeling_allinone.training.setup import identify_model, load_model, load_processor, prepare_rows, setup_run
from modeling_allinone.training.splits import load_splits


@command_line
def main(arguments: list[str]):
    """Load rows and model, train, score, write."""
    (
        model_arguments,
        data_arguments,
        source_arguments,
        objective_arguments,
        evaluation_arguments,
        training_arguments,
    ) = parse_recipe(
        ModelArguments,
        DataArguments,
        SourceArguments,
        ObjectiveArguments,
        EvaluationArguments,
        PreTrainingArguments,
        description=__doc__,
        arguments=arguments,
        task="pretraining",
    )
    if "masked_patches" in objective_arguments.objectives and source_arguments.changes_colours:
        raise ValueError(
            "masked_patches has the colours of clips and images learned, which are scaled by one mean and deviation: "
            "leave image_mean and image_std out of image_processor, or the objective."
        )
    setup_run(training_arguments)
    splits = load_splits(data_arguments, training_arguments, with_train=False)
    zero_shot_rows = load_zero_shot(evaluation_arguments, splits.loaded)
    processor = load_processor(
        model_arguments, lambda: load_source_texts(source_arguments, data_arguments), data_arguments.num_frames
    )
    train_rows = None
    if training_arguments.do_train:
        train_rows = load_sources(
            source_arguments,
            data_arguments,
            processor,
            training_arguments,
            objective_arguments.blank_video,
            splits.loaded,
        )
    model = load_model(
        AllInOneForPreTraining,
        model_arguments,
        processor,
        pretraining_objectives=list(objective_arguments.objectives),
    )
    origin = identify_model(model_arguments.model_name_or_path)
    train_collator, eval_collator = (
        PreTrainingCollator(
            processor,
            objectives=list(objective_arguments.objectives),
            mlm_probability=objective_arguments.mlm_probability,
            whole_word_mask=objective_arguments.whole_word_mask,
            patch_size=model.config.patch_size,
            **data_arguments.collator_options(training_arguments.output_dir, training),
        )
        for training in (True, False)
    )
    data_collator = train_collator
    if source_arguments.image_sources:
        # RandAugment is for clips alone, as in the original.
        of_images = {**train_collator.video_options, "do_rand_augment": False, **source_arguments.image_processor}
        data_collator = PairedCollator(train_collator, replace(train_collator, video_options=of_images))
    trainer = PreTrainingTrainer(
        model,
        training_arguments,
        objectives=objective_arguments.objectives,
        contrast_across_processes=objective_arguments.contrast_across_processes,
        use_hard_negatives=objective_arguments.use_hard_negatives,
        watched_words=objective_arguments.watched_words or (),
        zero_shot=ZeroShotEvaluator(zero_shot_rows) if zero_shot_rows else None,
        num_alignment_rows=evaluation_arguments.num_alignment_rows,
        data_collator=data_collator,
        eval_collator=eval_collator,
        train_dataset=train_rows,
        eval_dataset=splits.eval and prepare_rows(splits.eval, data_arguments, processor),
        processing_class=processor,
    )
    if training_arguments.do_train:
        train(trainer)
    evaluate_and_save(
        trainer,
        data_arguments,
        splits.test,
        origin,
        trained_on=source_arguments.describe(),
        zero_shot=evaluation_arguments.zero_shot,
    )


if __name__ == "__main__":
    sys.exit(main())
