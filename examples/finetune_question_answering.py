"""
Fine-tune All-in-one for open-ended video question answering, and score it.

    python examples/finetune_question_answering.py modeling_allinone/recipes/msrvtt_qa.yaml --data_dir MSRVTT-QA
    torchrun --nproc-per-node 8 examples/finetune_question_answering.py RECIPE.yaml ...

Writes the model, its card and `results.json`, with the same questions about blank video beside the scores.
"""

import sys

from modeling_allinone import AllInOneForVideoQuestionAnswering
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.evaluation.question_answering import score_answers
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
    resolve_labels,
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
    answers = resolve_labels(model_arguments, data_arguments, training_arguments)
    train_rows = data_arguments.load_splits(training_arguments)
    data_arguments.check_labels()
    processor = load_processor(model_arguments, data_arguments)
    model = load_model(
        AllInOneForVideoQuestionAnswering,
        model_arguments,
        processor,
        allow_new_head=training_arguments.do_train,
        id2label=dict(enumerate(answers)),
    )

    train_collator, eval_collator = (
        VideoQuestionAnsweringCollator(
            processor, len(answers), **data_arguments.collator_options(training_arguments.output_dir, training)
        )
        for training in (True, False)
    )
    trainer = AllInOneTrainer(
        model,
        training_arguments,
        data_collator=train_collator,
        eval_collator=eval_collator,
        train_dataset=train_rows and prepare_rows(train_rows, data_arguments, processor, training_arguments.seed),
        eval_dataset=prepare_eval_rows(data_arguments, processor, training_arguments),
        compute_metrics=lambda output: score_answers(output.predictions, output.label_ids),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
        processing_class=processor,
    )
    if training_arguments.do_train:
        train(trainer)
    evaluate_and_save(trainer, data_arguments, processor)


if __name__ == "__main__":
    sys.exit(main())
