"""
Fine-tune All-in-one for finding videos by text and texts by video, and score it.

    python examples/finetune_retrieval.py modeling_allinone/recipes/msrvtt_retrieval.yaml --data_dir MSRVTT
    torchrun --nproc-per-node 8 examples/finetune_retrieval.py RECIPE.yaml ...

With the contrastive loss alone, texts and clips are compared by features. With wrong captions to rank (`num_negatives`
from the training split, or `num_hard_negatives` from the batch), a scorer of pairs is learned beside, which re-ranks
the best. Writes the model, its card and `results.json`, with blank video beside the scores.
"""

import sys
from dataclasses import dataclass, field
from typing import Any

import evaluate

from modeling_allinone import AllInOneForVideoTextRetrieval
from modeling_allinone.data.collators import VideoTextRetrievalCollator
from modeling_allinone.evaluation.retrieval import collect_captions
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
from modeling_allinone.training.trainer import AllInOneTrainingArguments, RetrievalTrainer


@dataclass
class RetrievalArguments:
    """What is learned of texts and clips, and how they are searched."""

    num_negatives: int = field(
        default=0,
        metadata={"help": "Wrong captions of the training split to rank for each clip; 10 to 15 originally."},
    )
    num_hard_negatives: int = field(
        default=0, metadata={"help": "Instead of these, wrong captions of the batch that features confuse with it."}
    )
    ranking_weight: float = field(default=1.0, metadata={"help": "Weight of the ranking loss."})
    calibration_weight: float = field(
        default=0.5, metadata={"help": "Weight of the loss by which scores of different clips can be compared."}
    )
    contrast_across_processes: bool = field(
        default=True, metadata={"help": "Contrast with the clips of all processes, or with their own alone."}
    )
    num_reranked: int = field(default=20, metadata={"help": "How many of the best are re-ranked by pairs; 0: none."})
    num_views: int = field(default=1, metadata={"help": "Draws of frames to average over in a search; 3 originally."})
    view_sampling: str = field(default="uniform", metadata={"help": "Frames of the views: uniform, or random."})

    def __post_init__(self):
        for name, lowest in {"num_negatives": 0, "num_hard_negatives": 0, "num_reranked": 0, "num_views": 1}.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; expected {lowest} or more.")
        if self.num_negatives and self.num_hard_negatives:
            raise ValueError(
                f"num_negatives is {self.num_negatives} and num_hard_negatives is {self.num_hard_negatives}; "
                "wrong captions come either from the training split or from the batch."
            )

    @property
    def ranks(self) -> bool:
        """Whether a scorer of pairs is trained."""
        return self.num_negatives + self.num_hard_negatives > 0

    @property
    def view_options(self) -> dict[str, Any]:
        """How the video processor reads clips in a search."""
        return {"num_views": self.num_views, "frame_sampling": self.view_sampling}


@command_line
def main(arguments: list[str] | None = None):
    """Load rows and model, train, score, write."""
    model_arguments, data_arguments, retrieval_arguments, training_arguments = parse_recipe(
        ModelArguments,
        DataArguments,
        RetrievalArguments,
        AllInOneTrainingArguments,
        description=__doc__,
        arguments=arguments,
    )
    if data_arguments.frame_cache is not None and retrieval_arguments.num_views > 1:
        raise ValueError(f"num_views is {retrieval_arguments.num_views}, but frames kept in frame_cache are one view.")
    setup_run(training_arguments)
    train_rows = data_arguments.load_splits(training_arguments)
    processor = load_processor(model_arguments, data_arguments, train_rows)
    heads = (
        {"use_pair_scorer": retrieval_arguments.ranks} if training_arguments.do_train else {"allow_new_head": False}
    )
    model = load_model(AllInOneForVideoTextRetrieval, model_arguments, processor, **heads)

    train_options, eval_options = (
        data_arguments.collator_options(training_arguments.output_dir, training) for training in (True, False)
    )
    eval_options["video_options"] |= retrieval_arguments.view_options
    trainer = RetrievalTrainer(
        model,
        training_arguments,
        metric=evaluate.load(metric_path("video_text_retrieval"), keep_in_memory=True),
        num_hard_negatives=retrieval_arguments.num_hard_negatives,
        ranking_weight=retrieval_arguments.ranking_weight,
        calibration_weight=retrieval_arguments.calibration_weight,
        contrast_across_processes=retrieval_arguments.contrast_across_processes,
        num_reranked=retrieval_arguments.num_reranked,
        data_collator=VideoTextRetrievalCollator(
            processor,
            negatives=collect_captions(train_rows).texts if retrieval_arguments.num_negatives else None,
            num_negatives=retrieval_arguments.num_negatives,
            **train_options,
        ),
        eval_collator=VideoTextRetrievalCollator(processor, **eval_options),
        train_dataset=train_rows and prepare_rows(train_rows, data_arguments, processor, training_arguments.seed),
        eval_dataset=prepare_eval_rows(data_arguments, processor, training_arguments),
        processing_class=processor,
    )
    if training_arguments.do_train:
        train(trainer)
    searched = {"num_reranked": retrieval_arguments.num_reranked, **retrieval_arguments.view_options}
    evaluate_and_save(trainer, data_arguments, processor, **searched)


if __name__ == "__main__":
    sys.exit(main())
