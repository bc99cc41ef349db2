"""
Fine-tune All-in-one to tell whether a statement about two images is true, and score it.

    python examples/finetune_paired_reasoning.py modeling_allinone/recipes/nlvr2.yaml --data_dir NLVR2
    torchrun --nproc-per-node 8 examples/finetune_paired_reasoning.py RECIPE.yaml ...

Writes the model, its card and `results.json`, with the same statements about blank images beside the scores.
"""

import sys

import evaluate

from modeling_allinone import AllInOneForPairedVisualReasoning
from modeling_allinone.data.collators import PairedReasoningCollator
from modeling_allinone.datasets.readers.nlvr2 import LABELS
from modeling_allinone.metrics import metric_path
from modeling_allinone.training.setup import (
    DataArguments,
    ModelArguments,
    command_line,
    evaluate_and_save,
    load_model,
    load_processor,
    parse_recipe,
    prepare_eval_rows,
    prepare_rows,
    setup_run,
    train,
)
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments


@command_line
def main(arguments: list[str] | None = None):
    """Load rows and model, train, score, write."""
    model_arguments, data_arguments, training_arguments = parse_recipe(
        ModelArguments, DataArguments, AllInOneTrainingArguments, description=__doc__, arguments=arguments
    )
    setup_run(training_arguments)
    train_rows = data_arguments.load_splits(training_arguments)
    data_arguments.check_labels()
    processor = load_processor(model_arguments, data_arguments, train_rows)
    model = load_model(
        AllInOneForPairedVisualReasoning,
        model_arguments,
        processor,
        allow_new_head=training_arguments.do_train,
        id2label={label: answer for answer, label in LABELS.items()},
    )

    metric = evaluate.load(metric_path("multiple_choice_accuracy"), keep_in_memory=True)
    train_collator, eval_collator = (
        PairedReasoningCollator(processor, **data_arguments.collator_options(training_arguments.output_dir, training))
        for training in (True, False)
    )
    trainer = AllInOneTrainer(
        model,
        training_arguments,
        data_collator=train_collator,
        eval_collator=eval_collator,
        train_dataset=train_rows and prepare_rows(train_rows, data_arguments, processor, training_arguments.seed),
        eval_dataset=prepare_eval_rows(data_arguments, processor, training_arguments),
        compute_metrics=lambda output: metric.compute(predictions=output.predictions, references=output.label_ids),
        processing_class=processor,
    )
    if training_arguments.do_train:
        train(trainer)
    evaluate_and_save(trainer, data_arguments, processor)


if __name__ == "__main__":
    sys.exit(main())
