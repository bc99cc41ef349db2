# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`allinone evaluate`: scores without training."""

from pathlib import Path

import typer

from .output import run_as
from .train import find_output_dir

_HELP = """
Score a model without training it, beside blank video.

    allinone evaluate --test_file my.csv --model MODEL --output_dir outputs/scores
    allinone evaluate msrvtt_mc_zero_shot --data_dir MSRVTT --model MODEL
    allinone evaluate published --data_root DATA --model_root MODELS
    torchrun --nproc-per-node 8 -m modeling_allinone evaluate ...

A model that was trained for the task is scored by its head, with the options of `allinone train`. Any other that reads
text and clip together chooses, searches, and classifies by prompts, with the options below. A suite has some of its
own: `allinone evaluate published --help`.
"""


def evaluate(context: typer.Context) -> int:
    """
    Score a model on your own videos, on a public data set, or on a suite of them.

    allinone evaluate --test_file my.csv --model MODEL --output_dir outputs/scores
    allinone evaluate published --data_root DATA --model_root MODELS
    """
    from ..models.configuration_allinone import AllInOneConfig
    from ..recipes import SUITES
    from ..training.arguments import HELP, find_option, find_recipe_name, is_zero_shot
    from ..training.scripts.evaluate_benchmark import evaluate_suite
    from ..training.scripts.finetune import finetune
    from ..training.scripts.pretrain import pretrain
    from ..training.scripts.zero_shot import SCORED, score_zero_shot
    from ..training.setup import naming_model
    from ..training.tasks import TASKS

    arguments = context.args or ["--help"]
    named = find_recipe_name(arguments)
    if named is not None and ((SUITES / f"{Path(named).stem}.yaml").is_file() or find_option(arguments, "runs")):
        return int(bool(run_as(context, evaluate_suite, arguments)["failed"]))
    model, task = find_option(arguments, "model_name_or_path"), find_option(arguments, "task")
    if model is None and HELP & set(arguments):
        run_as(context, lambda words: score_zero_shot(words, _HELP), arguments)
    if model is None:
        raise ValueError("There is no model to score: give --model.")
    output_dir = find_output_dir(arguments)
    if output_dir is not None and Path(output_dir).resolve() == Path(model).resolve():
        raise ValueError(
            f"output_dir is {output_dir}, the folder of the model, whose results.json is that of its training; give "
            "another, such as outputs/scores."
        )
    with naming_model(model):
        held = (AllInOneConfig.from_pretrained(model).architectures or ["a model of no class"])[0]
    own = next((name for name, of_task in TASKS.items() if of_task.model_class.__name__ == held), None)
    if task is None and own is None:
        raise ValueError(f"{model} is {held}, which scores several tasks: give --task, one of {', '.join(SCORED)}.")
    if task is None:
        task, arguments = own, [*arguments, "--task", str(own)]
    if task in SCORED and (task != own or is_zero_shot(named) or find_option(arguments, "score_by")):
        run_as(context, score_zero_shot, arguments)
        return 0
    if task in TASKS and task != own:
        raise ValueError(
            f"{model} is {held}, which was not trained for {task}: allinone train --task {task} --model {model} …"
        )
    untrained = ["--do_train", "false", "--eval_strategy", "no", "--load_best_model_at_end", "false"]
    run_as(context, pretrain if task == "pretraining" else finetune, [*arguments, *untrained])
    return 0
