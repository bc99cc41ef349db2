"""
Fine-tune All-in-one for visual commonsense reasoning, answers and rationales at once, and score it.

    python examples/finetune_visual_commonsense.py modeling_allinone/recipes/vcr.yaml --data_dir VCR
    torchrun --nproc-per-node 8 examples/finetune_visual_commonsense.py RECIPE.yaml ...

The loss is that of choosing the answer plus that of choosing the rationale, told the right answer. Writes the model,
its card and `results.json`, with the same questions about blank images beside the scores.
"""

import sys
from dataclasses import dataclass, field

import evaluate
import numpy as np
import torch
from transformers.trainer_utils import EvalPrediction

from modeling_allinone import AllInOneForVisualCommonsenseReasoning
from modeling_allinone.data.collators import VisualCommonsenseCollator
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


@dataclass
class CommonsenseArguments:
    """What the model sees of the objects that texts speak of."""

    paints_objects: bool = field(default=True, metadata={"help": "Paint their boxes on the image."})


@command_line
def main(arguments: list[str] | None = None):
    """Load rows and model, train, score, write."""
    model_arguments, data_arguments, commonsense_arguments, training_arguments = parse_recipe(
        ModelArguments,
        DataArguments,
        CommonsenseArguments,
        AllInOneTrainingArguments,
        description=__doc__,
        arguments=arguments,
    )
    training_arguments.label_names = ["answer_labels", "rationale_labels"]
    setup_run(training_arguments)
    train_rows = data_arguments.load_splits(training_arguments)
    data_arguments.check_labels("label", "rationale_label")
    processor = load_processor(model_arguments, data_arguments, train_rows)
    model = load_model(
        AllInOneForVisualCommonsenseReasoning, model_arguments, processor, allow_new_head=training_arguments.do_train
    )

    metric = evaluate.load(metric_path("visual_commonsense"), keep_in_memory=True)

    def compute_metrics(output: EvalPrediction) -> dict[str, float]:
        return metric.compute(predictions=output.predictions, references=np.stack(output.label_ids, axis=1))

    train_collator, eval_collator = (
        VisualCommonsenseCollator(
            processor,
            paints_objects=commonsense_arguments.paints_objects,
            **data_arguments.collator_options(training_arguments.output_dir, training),
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
        compute_metrics=compute_metrics,
        preprocess_logits_for_metrics=stack_logits,
        processing_class=processor,
    )
    if training_arguments.do_train:
        train(trainer)
    evaluate_and_save(trainer, data_arguments, processor, **vars(commonsense_arguments))


def stack_logits(outputs: tuple[torch.Tensor, ...], labels: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Scores of answers and of rationales (B, 2, N), which follow the two losses in the model's outputs."""
    return torch.stack([scores for scores in outputs if scores.ndim == 2], dim=1)


if __name__ == "__main__":
    sys.exit(main())
