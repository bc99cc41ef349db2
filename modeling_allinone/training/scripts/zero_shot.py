# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Score a model on a task that it was not trained for: multiple choice of captions, retrieval, classification by prompts.

    allinone evaluate msrvtt_mc_zero_shot --data_dir MSRVTT --model MODEL
    allinone evaluate --task retrieval --test_file my.csv --model MODEL --output_dir outputs/scores
    torchrun --nproc-per-node 8 -m modeling_allinone evaluate RECIPE ...

Any checkpoint will do that has what scores texts: a matching head (of pre-training) or a scorer for pairs of text and
clip, projections for features. Writes `results.json`, with blank video beside the scores.
"""

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import evaluate
import torch
from accelerate.state import PartialState
from torch.nn.utils.rnn import pad_sequence

from ...data.video_loading import VideoLoader
from ...datasets import summarize
from ...evaluation.question_answering import NUM_BEST
from ...evaluation.results import describe_protocol, write_found_clips, write_predictions, write_results
from ...evaluation.retrieval import (
    list_options,
    measure_choices,
    measure_ranking,
    rank_rows,
    score_choices,
)
from ...metrics import metric_path
from ...models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..arguments import DataArguments, ModelArguments, option, parse_recipe
from ..command_line import command_line
from ..setup import identify_model, load_model, load_processor, prepare_rows, setup_run
from ..splits import load_splits, load_texts
from ..tasks import TASKS
from ..trainer import AllInOneTrainingArguments

if TYPE_CHECKING:
    import datasets

SCORED = ("multiple-choice", "retrieval", "classification")
SCORERS = ("pairs", "features")


@dataclass
class ZeroShotArguments:
    """What is asked of the model, and how it answers."""

    _argument_group_name = "task"

    task: str = field(metadata={"help": f"{', '.join(SCORED)}."})
    score_by: str = option("pairs", "Choose by pairs of text and clip read together, or by features.")
    prompt: str = option("A person is doing {}", "Text of a class, whose name replaces {}.")
    num_reranked: int = option(0, "How many of the best pairs re-rank in retrieval; 0: none.")

    def __post_init__(self) -> None:
        for name, legal in {"task": SCORED, "score_by": SCORERS}.items():
            if getattr(self, name) not in legal:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(legal)}.")
        if "{}" not in self.prompt:
            raise ValueError(f"prompt is {self.prompt!r}; expected a text with {{}}, where the name of a class goes.")
        if self.num_reranked < 0:
            raise ValueError(f"num_reranked is {self.num_reranked}; expected 0 or more.")

    @property
    def heads(self) -> dict[str, Any]:
        """Fields of the configuration by which the model has no other heads than are needed."""
        if self.task == "retrieval":
            return {"use_pair_scorer": self.num_reranked > 0}
        return {"projection_dim": None} if self.score_by == "pairs" else {"use_pair_scorer": False}


def score_zero_shot(arguments: list[str], description: str | None = __doc__) -> dict[str, Any]:
    """Load rows and model, score, write; returns what was measured."""
    task_arguments, model_arguments, data_arguments, run_arguments = parse_recipe(
        ZeroShotArguments,
        ModelArguments,
        DataArguments,
        AllInOneTrainingArguments,
        description=description,
        arguments=arguments,
    )
    run_arguments.do_train = False
    setup_run(run_arguments)
    rows = load_splits(data_arguments, run_arguments, task=task_arguments.task).test
    processor = load_processor(model_arguments, lambda: load_texts(data_arguments), data_arguments.num_frames)
    model = load_model(
        AllInOneForVideoTextRetrieval, model_arguments, processor, allow_new_head=False, **task_arguments.heads
    ).to(run_arguments.device)
    origin = identify_model(model_arguments.model_name_or_path)
    reader = VideoLoader(processor, **data_arguments.collator_options(run_arguments.output_dir, training=False))
    metric = evaluate.load(metric_path(TASKS[task_arguments.task].metric), keep_in_memory=True)

    results: dict[str, Any] = {}
    half = torch.float16 if run_arguments.fp16 else torch.bfloat16
    with torch.autocast(run_arguments.device.type, half, enabled=run_arguments.fp16 or run_arguments.bf16):
        sizes = (run_arguments.eval_batch_size, run_arguments.dataloader_num_workers)
        for name, is_blank in (("scores", False), ("blank_video", True)):
            clips = prepare_rows(rows, data_arguments, processor, is_blank=is_blank)
            if task_arguments.task == "retrieval":
                ranking = rank_rows(model, reader, clips, task_arguments.num_reranked, *sizes)
                results[name] = measure_ranking(ranking, clips, metric)
                if not is_blank and PartialState().is_main_process:
                    write_found_clips(ranking.best_clips(NUM_BEST), clips.rows, run_arguments.output_dir)
            else:
                texts, candidates = list_candidates(rows, task_arguments)
                scores = score_choices(model, reader, clips, texts, candidates, task_arguments.score_by, *sizes)
                results[name] = measure_choices(scores, clips.rows["label"], metric)
                if not is_blank and PartialState().is_main_process:
                    padded = pad_sequence(scores, batch_first=True, padding_value=-torch.inf).float().cpu()
                    classes = dict(enumerate(summarize(rows).answers or ()))
                    is_skipped = [not (of_row > -torch.inf).any() for of_row in scores]
                    write_predictions(padded, rows, classes, run_arguments.output_dir, is_skipped)
    protocol = describe_protocol(
        data_arguments.test_data, rows, model.config, processor.video_processor, run_arguments
    )
    results["protocol"] = protocol | {"model": model_arguments.model_name_or_path, **vars(task_arguments)}
    results |= {"base_model": origin, "training": None}
    if PartialState().is_main_process:
        write_results(results, run_arguments.output_dir)
    return results


def list_candidates(rows: "datasets.Dataset", task_arguments: ZeroShotArguments) -> tuple[list[str], list[list[int]]]:
    """The texts to choose from, and which of them each row has: its options, or prompts with the names of classes."""
    if None in rows["label"]:
        raise ValueError("Some rows have no label, so they cannot be scored; take a split whose answers are public.")
    if task_arguments.task == "multiple-choice":
        return list_options(rows)
    classes = summarize(rows).answers
    if classes is None:
        raise ValueError("The rows have no set of classes; take a data set of classification.")
    texts = [task_arguments.prompt.replace("{}", name.replace("_", " ")) for name in classes]
    return texts, [list(range(len(texts)))] * len(rows)


main = command_line(score_zero_shot)

if __name__ == "__main__":
    sys.exit(main())
