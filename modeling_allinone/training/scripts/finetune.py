# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Fine-tune All-in-one for a task, and score it.

    allinone train --task question-answering --train_file my.csv --model MODEL --output_dir outputs/mine
    allinone train msrvtt_qa --data_dir MSRVTT-QA --model MODEL
    allinone train my_recipe.yaml --learning_rate 2e-5
    torchrun --nproc-per-node 8 -m modeling_allinone train tgif_action --data_dir TGIF-QA ...

A recipe names its task, which decides model, batches, loss and metric: see modeling_allinone/training/tasks.py. Writes
the model, its card and results.json, with the scores of a blank-video baseline beside those of the model. Without
do_train, as `allinone evaluate` has it, it scores a model that was fine-tuned before.
"""

import sys
from typing import Any

from ..command_line import command_line
from ..run import evaluate_and_save, train
from ..setup import identify_model, load_model, load_processor, prepare_rows, setup_run
from ..splits import load_splits, load_texts
from ..tasks import parse_task


def finetune(arguments: list[str]) -> dict[str, Any]:
    """Load rows and model, train, score, write; returns what was measured."""
    task, model_arguments, data_arguments, training_arguments = parse_task(__doc__, arguments)
    task.check(model_arguments, data_arguments)
    training_arguments.label_names = list(task.label_inputs)
    setup_run(training_arguments)

    train_arguments = task.train_arguments(data_arguments)
    splits = load_splits(
        data_arguments,
        training_arguments,
        label_columns=task.label_columns,
        labels_of=model_arguments if task.has_label_names else None,
        train_arguments=train_arguments,
        task=task.name,
    )
    texts = None if task.reads_all_texts else splits.train
    processor = load_processor(
        model_arguments, lambda: load_texts(data_arguments) if texts is None else texts, data_arguments.num_frames
    )
    model = load_model(
        task.model_class,
        model_arguments,
        processor,
        allow_new_head=training_arguments.do_train,
        **task.model_options(splits, processor),
    )
    origin = identify_model(model_arguments.model_name_or_path)
    task.prepare_model(model)

    train_collator, eval_collator = (
        task.collator_class(
            processor,
            **data_arguments.collator_options(training_arguments.output_dir, training)
            | task.collator_options(splits, training),
        )
        for training in (True, False)
    )
    trainer = task.trainer_class(
        model,
        training_arguments,
        data_collator=train_collator,
        eval_collator=eval_collator,
        train_dataset=splits.train and prepare_rows(splits.train, data_arguments, processor, training_arguments.seed),
        eval_dataset=splits.eval and prepare_rows(splits.eval, data_arguments, processor),
        processing_class=processor,
        **task.trainer_options(),
    )
    if training_arguments.do_train:
        train(trainer)
    return evaluate_and_save(
        trainer, data_arguments, splits.test, origin, trained_on=train_arguments.training_data, **task.protocol
    )


main = command_line(finetune)

if __name__ == "__main__":
    sys.exit(main())
