"""
Fine-tune All-in-one to recognise actions in video, wholly or by its pooler and head alone, and score it.

    python examples/finetune_classification.py ucf101.yaml --data_dir UCF101
    torchrun --nproc-per-node 8 examples/finetune_classification.py k400_linear.yaml --data_dir K400

The text that is read with every clip, `--prompt` or the data set's own, is kept in the model's configuration and read
wherever none is given. With several views, `--video_processor '{"num_views": 4}'`, clips are scored by the mean of
their views' logits. Writes the model, its card and `results.json`, with blank video beside the scores.
"""

import sys
from dataclasses import dataclass, field

import datasets
import evaluate

from modeling_allinone import AllInOneForVideoClassification
from modeling_allinone.data.collators import VideoClassificationCollator
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
    resolve_labels,
    setup_run,
    train,
    unwrap_peft,
)
from modeling_allinone.training.trainer import AllInOneTrainingArguments, VideoClassificationTrainer, freeze_backbone


@dataclass
class ClassificationArguments:
    """What is trained, and what the model reads with a clip."""

    linear: bool = field(default=False, metadata={"help": "Linear evaluation: train pooler and head alone."})
    prompt: str | None = field(
        default=None,
        metadata={"help": "Text read with every clip, instead of the data set's own, or of the model's when scored."},
    )


@command_line
def main(arguments: list[str] | None = None):
    """Load rows and model, train, score, write."""
    model_arguments, data_arguments, class_arguments, training_arguments = parse_recipe(
        ModelArguments,
        DataArguments,
        ClassificationArguments,
        AllInOneTrainingArguments,
        description=__doc__,
        arguments=arguments,
    )
    if class_arguments.linear and model_arguments.lora_rank:
        raise ValueError("linear trains no layer, and lora_rank asks for adapters beside them: give one of the two.")
    setup_run(training_arguments)
    classes = resolve_labels(model_arguments, data_arguments, training_arguments)
    train_rows = data_arguments.load_splits(training_arguments)
    data_arguments.check_labels()
    processor = load_processor(model_arguments, data_arguments, train_rows)
    prompt = choose_prompt(class_arguments.prompt, train_rows)
    model = load_model(
        AllInOneForVideoClassification,
        model_arguments,
        processor,
        allow_new_head=training_arguments.do_train,
        id2label=dict(enumerate(classes)),
        **(processor.encode_prompt(prompt) if training_arguments.do_train else {}),
    )
    if prompt is None:
        prompt = unwrap_peft(model).config.prompt
    if class_arguments.linear:
        freeze_backbone(model)

    metric = evaluate.load(metric_path("video_classification"), keep_in_memory=True)
    train_collator, eval_collator = (
        VideoClassificationCollator(
            processor,
            len(classes),
            prompt=prompt,
            **data_arguments.collator_options(training_arguments.output_dir, training),
        )
        for training in (True, False)
    )
    trainer = VideoClassificationTrainer(
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
    evaluate_and_save(trainer, data_arguments, processor, linear=class_arguments.linear, prompt=prompt)


def choose_prompt(given: str | None, train_rows: datasets.Dataset | None) -> str | None:
    """The text that is given, or the one that all rows to train on have; where they have several, none is kept."""
    if given is not None or train_rows is None or "question" not in train_rows.column_names:
        return given
    texts = train_rows.unique("question")
    return texts[0] if len(texts) == 1 else None


if __name__ == "__main__":
    sys.exit(main())
