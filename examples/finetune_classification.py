"""
Fine-tune All-in-one to recognise actions in video, wholly or by its pooler and head alone, and score it.

    python examples/finetune_classification.py examples/recipes/ucf101.yaml --data_dir UCF101
    torchrun --nproc-per-node 8 examples/finetune_classification.py examples/recipes/k400_linear.yaml --data_dir K400

Writes the model, its card and `results.json`, with the same rows and blank video beside the scores.
"""

from dataclasses import dataclass, field

import evaluate
from transformers import set_seed

from modeling_allinone import AllInOneForVideoClassification
from modeling_allinone.collators import VideoClassificationCollator
from modeling_allinone.datasets import summarize
from modeling_allinone.fine_tuning import (
    DataArguments,
    ModelArguments,
    load_model,
    load_processor,
    parse_recipe,
    prepare_eval_rows,
    prepare_rows,
    score,
    train,
)
from modeling_allinone.metrics import metric_path
from modeling_allinone.training import AllInOneTrainingArguments, VideoClassificationTrainer, freeze_backbone


@dataclass
class ClassificationArguments:
    """What is trained, and what the model reads and sees of each clip."""

    linear: bool = field(default=False, metadata={"help": "Linear evaluation: train pooler and head alone."})
    prompt: str | None = field(
        default=None,
        metadata={"help": "Text read with every clip, instead of the data set's own."},
    )
    num_views: int = field(
        default=1, metadata={"help": "How often a clip is sampled in evaluation; its logits are averaged."}
    )


def main():
    """Load rows and model, train, score, write."""
    model_arguments, data_arguments, arguments, training_arguments = parse_recipe(
        ModelArguments,
        DataArguments,
        ClassificationArguments,
        AllInOneTrainingArguments,
        description=__doc__,
    )
    set_seed(training_arguments.seed)

    train_rows = data_arguments.load(data_arguments.train_split, data_arguments.num_train_rows)
    classes = summarize(train_rows).answers
    processor = load_processor(model_arguments, data_arguments, train_rows)
    model = load_model(AllInOneForVideoClassification, model_arguments, processor, id2label=dict(enumerate(classes)))
    if arguments.linear:
        freeze_backbone(model)

    metric = evaluate.load(metric_path("video_classification"), keep_in_memory=True)
    train_collator, eval_collator = (
        VideoClassificationCollator(
            processor,
            len(classes),
            prompt=arguments.prompt,
            **data_arguments.collator_options(training_arguments.output_dir, training),
        )
        for training in (True, False)
    )
    eval_collator.video_options["num_views"] = arguments.num_views
    trainer = VideoClassificationTrainer(
        model,
        training_arguments,
        data_collator=train_collator,
        eval_collator=eval_collator,
        train_dataset=prepare_rows(train_rows, data_arguments, processor, training_arguments.seed),
        eval_dataset=prepare_eval_rows(data_arguments, processor, training_arguments),
        compute_metrics=lambda output: metric.compute(predictions=output.predictions, references=output.label_ids),
        processing_class=processor,
    )
    if training_arguments.do_train:
        train(trainer)
    if data_arguments.test_split is not None:
        score(trainer, data_arguments, processor)


if __name__ == "__main__":
    main()
