"""
Fine-tune All-in-one for multiple choice, of answers to a question or of captions, and score it.

    python examples/finetune_multiple_choice.py modeling_allinone/recipes/tgif_action.yaml --data_dir TGIF-QA
    torchrun --nproc-per-node 8 examples/finetune_multiple_choice.py RECIPE.yaml ...

Rows to train on without options, such as those for MSRVTT's test or of a `caption_dataset`, are captions, each to be
told from others that are drawn anew every time. Writes the model, its card and `results.json`, with blank video beside
the scores.
"""

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import evaluate
from transformers import TrainingArguments

from modeling_allinone import AllInOneForMultipleChoice
from modeling_allinone.data.collators import MultipleChoiceCollator
from modeling_allinone.evaluation.retrieval import collect_captions
from modeling_allinone.metrics import metric_path
from modeling_allinone.training.setup import (
    DataArguments,
    ModelArguments,
    command_line,
    describe_training_data,
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

if TYPE_CHECKING:
    import datasets


@dataclass
class ChoiceArguments:
    """What is chosen from where the training rows have no options."""

    caption_dataset: str | None = field(
        default=None, metadata={"help": "Data set of captions in data_dir to train on, instead of rows with options."}
    )
    num_options: int = field(default=5, metadata={"help": "Options of a caption: itself, and others drawn."})

    def __post_init__(self):
        if self.num_options < 2:
            raise ValueError(f"num_options is {self.num_options}; expected at least 2 to choose from.")


@command_line
def main(arguments: list[str] | None = None):
    """Load rows and model, train, score, write."""
    model_arguments, data_arguments, choice_arguments, training_arguments = parse_recipe(
        ModelArguments,
        DataArguments,
        ChoiceArguments,
        AllInOneTrainingArguments,
        description=__doc__,
        arguments=arguments,
    )
    setup_run(training_arguments)
    train_rows = load_rows(data_arguments, choice_arguments, training_arguments)
    data_arguments.check_labels()
    processor = load_processor(model_arguments, data_arguments)
    model = load_model(
        AllInOneForMultipleChoice, model_arguments, processor, allow_new_head=training_arguments.do_train
    )

    draws_options = train_rows is not None and train_rows[0]["options"] is None
    train_collator = MultipleChoiceCollator(
        processor,
        negatives=collect_captions(train_rows).texts if draws_options else None,
        num_options=choice_arguments.num_options,
        **data_arguments.collator_options(training_arguments.output_dir, training=True),
    )
    eval_collator = MultipleChoiceCollator(
        processor, **data_arguments.collator_options(training_arguments.output_dir, training=False)
    )
    metric = evaluate.load(metric_path("multiple_choice_accuracy"), keep_in_memory=True)
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
    trained_on = describe_training_data(_source_of_captions(data_arguments, choice_arguments))
    evaluate_and_save(trainer, data_arguments, processor, trained_on)


def load_rows(
    data_arguments: DataArguments, choice_arguments: ChoiceArguments, training_arguments: TrainingArguments
) -> "datasets.Dataset | None":
    """Read every split of the run; returns the rows to train on, with options or, of `caption_dataset`, captions."""
    if not training_arguments.do_train or choice_arguments.caption_dataset is None:
        return data_arguments.load_splits(training_arguments)
    if data_arguments.test_split is not None:
        data_arguments.load(data_arguments.test_split)
    captions = _source_of_captions(data_arguments, choice_arguments).join(data_arguments)
    return captions.load(captions.train_split, captions.num_train_rows)


def _source_of_captions(data_arguments: DataArguments, choice_arguments: ChoiceArguments) -> DataArguments:
    """Arguments by which the rows to train on are read."""
    if choice_arguments.caption_dataset is None:
        return data_arguments
    return replace(data_arguments, dataset=choice_arguments.caption_dataset, dataset_options=None, group_by=None)


if __name__ == "__main__":
    sys.exit(main())
