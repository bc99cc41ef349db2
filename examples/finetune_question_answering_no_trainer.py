"""
Fine-tune All-in-one for open-ended video question answering in a loop of its own, with Accelerate, and score it.

It takes the recipes and options of `finetune.py` for questions, as far as they are about what happens here, and
is the place to change what a step does.

    python examples/finetune_question_answering_no_trainer.py RECIPE.yaml ...
    accelerate launch --num_processes 8 examples/finetune_question_answering_no_trainer.py RECIPE.yaml ...
"""

import math
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, DistributedDataParallelKwargs
from torch.utils.data import DataLoader
from transformers import Trainer, get_scheduler
from transformers.trainer_utils import rotate_checkpoints

from modeling_allinone import AllInOneForVideoQuestionAnswering
from modeling_allinone.data.collators import VideoQuestionAnsweringCollator
from modeling_allinone.data.video_dataset import VideoDataset, find_skipped
from modeling_allinone.evaluation.question_answering import score_answers
from modeling_allinone.evaluation.results import describe_protocol, score_groups, write_card, write_results
from modeling_allinone.hub.writing import naming_place
from modeling_allinone.training.arguments import DataArguments, ModelArguments, command_line, parse_recipe
from modeling_allinone.training.distributed import check_epoch, count_labelled
from modeling_allinone.training.divergence import DivergenceWatch, check_weights
from modeling_allinone.training.resumption import find_checkpoint
from modeling_allinone.training.run import describe_training, save_whole, unwrap_peft
from modeling_allinone.training.setup import identify_model, load_model, load_processor, prepare_rows, setup_run
from modeling_allinone.training.splits import load_splits, load_texts
from modeling_allinone.training.trainer import AllInOneTrainingArguments, parameter_groups


@command_line
def main(arguments: list[str]):
    """Load rows and model, train, score, write."""
    model_arguments, data_arguments, training_arguments = parse_recipe(
        ModelArguments,
        DataArguments,
        AllInOneTrainingArguments,
        description=__doc__,
        arguments=arguments,
        task="question-answering",
    )
    check_arguments(training_arguments)
    setup_run(training_arguments)
    splits = load_splits(data_arguments, training_arguments, label_columns=["label"], labels_of=model_arguments)
    answers = splits.label_names or []
    processor = load_processor(model_arguments, lambda: load_texts(data_arguments), data_arguments.num_frames)
    model = load_model(
        AllInOneForVideoQuestionAnswering,
        model_arguments,
        processor,
        allow_new_head=training_arguments.do_train,
        id2label=dict(enumerate(answers)),
    )
    origin = identify_model(model_arguments.model_name_or_path)
    output_dir = training_arguments.output_dir
    train_collator, eval_collator = (
        VideoQuestionAnsweringCollator(
            processor, len(answers), **data_arguments.collator_options(output_dir, training)
        )
        for training in (True, False)
    )

    accelerator = make_accelerator(training_arguments)
    model = accelerator.prepare(model)
    eval_loader = partial(make_loader, accelerator, eval_collator, training_arguments)
    if training_arguments.do_train:
        rows = prepare_rows(splits.train, data_arguments, processor, seed=training_arguments.seed)
        loader = make_loader(accelerator, train_collator, training_arguments, rows, training=True)
        watched = splits.eval and prepare_rows(splits.eval, data_arguments, processor)
        num_steps = train(accelerator, model, loader, training_arguments, watched and eval_loader(watched))
        if accelerator.is_main_process:
            save_whole(accelerator.unwrap_model(model), processor, output_dir)
    results: dict[str, Any] = {"scores": {}, "blank_video": {}, "protocol": None}
    if splits.test is not None:
        rows = splits.test
        groups = rows[data_arguments.group_by] if data_arguments.group_by is not None else None
        for name, is_blank in (("scores", False), ("blank_video", True)):
            shown = prepare_rows(rows, data_arguments, processor, is_blank=is_blank)
            results[name] = evaluate(accelerator, model, eval_loader(shown), groups)
        config = accelerator.unwrap_model(model).config
        results["protocol"] = describe_protocol(
            data_arguments.test_data, rows, config, processor.video_processor, training_arguments
        )
    if accelerator.is_main_process:
        model = accelerator.unwrap_model(model)
        results["base_model"], results["training"] = origin, None
        if training_arguments.do_train:
            results["training"] = describe_training(
                training_arguments, data_arguments.training_data, len(splits.train), num_steps
            )
            write_card(unwrap_peft(model), results, output_dir, training_arguments.hub_model_id)
        write_results(results, output_dir)
    accelerator.end_training()


def check_arguments(arguments: AllInOneTrainingArguments):
    """Raise a `ValueError` on an option that the Trainer has and this loop has not."""
    if arguments.load_best_model_at_end:
        raise ValueError("load_best_model_at_end is true, but this script keeps the last model; set it to false.")


def make_accelerator(arguments: AllInOneTrainingArguments) -> Accelerator:
    """The processes and their devices, number format and loggers."""
    accelerator = Accelerator(
        cpu=arguments.use_cpu,
        mixed_precision="bf16" if arguments.bf16 else "fp16" if arguments.fp16 else "no",
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=arguments.seed),
        log_with=[name for name in arguments.report_to if name != "none"] or None,
        project_dir=arguments.output_dir,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=not arguments.gradient_checkpointing)],
    )
    accelerator.init_trackers(Path(arguments.output_dir).name)
    return accelerator


def make_loader(
    accelerator: Accelerator,
    collator: Callable,
    arguments: AllInOneTrainingArguments,
    rows: VideoDataset,
    training: bool = False,
) -> DataLoader:
    """The share of a process in the rows, in batches; in training, in an order drawn anew each epoch."""
    loader = DataLoader(
        rows,
        arguments.per_device_train_batch_size if training else arguments.per_device_eval_batch_size,
        shuffle=training,
        collate_fn=collator,
        num_workers=arguments.dataloader_num_workers,
        pin_memory=arguments.dataloader_pin_memory,
        # Of its own, so that a loader takes nothing from the random numbers of dropout, which a resumed run takes up.
        generator=torch.Generator().manual_seed(arguments.seed),
    )
    return accelerator.prepare(loader)


def train(
    accelerator: Accelerator,
    model: torch.nn.Module,
    loader: DataLoader,
    arguments: AllInOneTrainingArguments,
    watched: DataLoader | None,
) -> int:
    """
    Train to the last step, from a checkpoint if there is one to go on from; now and then, score what is watched.
    Returns the number of steps.
    """
    num_batches = arguments.gradient_accumulation_steps
    steps_per_epoch = math.ceil(len(loader) / num_batches)
    max_steps = arguments.max_steps
    if max_steps < 1:
        max_steps = math.ceil(arguments.num_train_epochs * steps_per_epoch)
    optimizer, scheduler = make_optimizer(accelerator, model, arguments, max_steps)
    if arguments.gradient_checkpointing:
        accelerator.unwrap_model(model).gradient_checkpointing_enable(arguments.gradient_checkpointing_kwargs)

    def is_due(event: str) -> bool:
        strategy = getattr(arguments, f"{event}_strategy")
        if strategy == "steps":
            every = getattr(arguments, f"{event}_steps")
            return step % (math.ceil(max_steps * every) if every < 1 else int(every)) == 0
        return strategy == "epoch" and step % steps_per_epoch == 0

    step = resume(accelerator, arguments)
    losses, watch = [], DivergenceWatch()
    model.train()
    while step < max_steps:
        epoch, step_of_epoch = divmod(step, steps_per_epoch)
        num_usable_rows = torch.zeros((), dtype=torch.long, device=accelerator.device)
        for batches in read_steps(accelerator, loader, epoch, step_of_epoch, num_batches):
            num_usable_rows += sum(count_labelled(batch["labels"]) for batch in batches)
            look = partial(watch.check, accelerator, step + 1)
            loss, gradient_norm = take_step(accelerator, model, optimizer, batches, arguments.max_grad_norm, look)
            learning_rate = scheduler.get_last_lr()[0]
            if not accelerator.optimizer_step_was_skipped:
                scheduler.step()
            step += 1
            losses.append(loss)
            if is_due("logging"):
                figures = {"loss": torch.stack(losses).mean().item(), "gradient_norm": gradient_norm.item()}
                log(accelerator, {**figures, "learning_rate": learning_rate, "epoch": step / steps_per_epoch}, step)
                losses.clear()
            if watched is not None and is_due("eval"):
                scores = evaluate(accelerator, model, watched)
                log(accelerator, {f"eval_{name}": value for name, value in scores.items()}, step)
                model.train()
            if is_due("save"):
                save_checkpoint(accelerator, model, arguments, step)
            if step == max_steps:
                break
        if step_of_epoch == 0 and (epoch == 0 or step % steps_per_epoch == 0):
            check_epoch(accelerator, epoch + 1, num_usable_rows)
    return step


def make_optimizer(
    accelerator: Accelerator, model: torch.nn.Module, arguments: AllInOneTrainingArguments, max_steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The optimiser and the course of the learning rate that the arguments name, kept in checkpoints."""
    groups = parameter_groups(
        model, arguments.learning_rate, arguments.weight_decay, arguments.head_learning_rate_multiplier
    )
    optimizer_class, options = Trainer.get_optimizer_cls_and_kwargs(arguments)
    optimizer = accelerator.prepare(optimizer_class(groups, **options))
    scheduler = get_scheduler(
        arguments.lr_scheduler_type,
        optimizer,
        arguments.get_warmup_steps(max_steps),
        max_steps,
        scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
    )
    # Not prepared, since Accelerate would let it take as many steps at once as there are processes.
    accelerator.register_for_checkpointing(scheduler)
    return optimizer, scheduler


def read_steps(
    accelerator: Accelerator, loader: DataLoader, epoch: int, first_step: int, num_batches: int
) -> Iterator[list[dict[str, torch.Tensor]]]:
    """The batches of each step of an epoch, from some step on."""
    loader.set_epoch(epoch)
    loader.dataset.set_epoch(epoch)
    batches = iter(accelerator.skip_first_batches(loader, first_step * num_batches) if first_step else loader)
    while of_step := list(islice(batches, num_batches)):
        yield of_step


def take_step(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[dict[str, torch.Tensor]],
    max_gradient_norm: float,
    look: Callable[[torch.Tensor, torch.Tensor], None],
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Learn from some batches; returns the loss, a mean over the labelled rows of all processes, and the norm of its
    gradient, which are looked at before the optimiser's step.
    """
    counts = [count_labelled(batch["labels"]) for batch in batches]
    num_labelled = accelerator.reduce(torch.stack(counts).sum(), "sum").clamp(min=1)
    total = torch.zeros((), device=accelerator.device)
    for number, (batch, count) in enumerate(zip(batches, counts, strict=True), start=1):
        # Processes exchange gradients at the last batch; what they then have is the mean of all processes.
        with nullcontext() if number == len(batches) else accelerator.no_sync(model):
            loss = model(**batch).loss * (accelerator.num_processes * count / num_labelled)
            accelerator.backward(loss)
        total += loss.detach()
    gradient_norm = accelerator.clip_grad_norm_(model.parameters(), max_gradient_norm or math.inf)
    look(total, gradient_norm)
    optimizer.step()
    optimizer.zero_grad()
    return accelerator.reduce(total, "mean"), gradient_norm


@torch.no_grad()
def evaluate(
    accelerator: Accelerator, model: torch.nn.Module, loader: DataLoader, groups: list[Any] | None = None
) -> dict[str, float]:
    """Score the answers to all rows, each once, and those of each group."""
    check_weights(model, "the model", accelerator)
    model.eval()
    predictions, labels = [], []
    for batch in loader:
        predicted = model(**batch).logits.argmax(dim=-1)
        # Leaves out the rows that were given to a process a second time to fill its last batch.
        predicted, expected = accelerator.gather_for_metrics((predicted, batch["labels"]))
        predictions.append(predicted.cpu())
        labels.append(expected.cpu())
    predictions, labels = torch.cat(predictions).numpy(), torch.cat(labels).numpy()
    is_skipped = find_skipped(loader.dataset, labels)
    scores = score_answers(predictions, labels)
    scores["num_out_of_vocabulary"] -= int(is_skipped.sum())
    return scores if groups is None else scores | score_groups(score_answers, predictions, labels, groups, is_skipped)


def log(accelerator: Accelerator, figures: dict[str, float], step: int):
    """Print figures, and send them to the loggers of `report_to`."""
    accelerator.print(f"step {step}: " + ", ".join(f"{name} {value:.7g}" for name, value in figures.items()))
    accelerator.log(figures, step)


def save_checkpoint(accelerator: Accelerator, model: torch.nn.Module, arguments: AllInOneTrainingArguments, step: int):
    """Write all that a run goes on from, to a folder that has its name once it is whole; remove old ones."""
    check_weights(model, f"the model after step {step}", accelerator)
    folder = Path(arguments.output_dir, f"checkpoint-{step}")
    unfinished = folder.with_name(f"{folder.name}-unfinished")
    with naming_place(unfinished):
        accelerator.save_state(str(unfinished))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
        rotate_checkpoints(arguments.output_dir, arguments.save_total_limit)


def resume(accelerator: Accelerator, arguments: AllInOneTrainingArguments) -> int:
    """Take up the checkpoint that `resume_from_checkpoint` names, or the newest; returns its step, 0 without one."""
    checkpoint = find_checkpoint(arguments, needed=("*.safetensors", "optimizer.bin", "random_states_*.pkl"))
    if checkpoint is None:
        return 0
    accelerator.load_state(checkpoint)
    return int(Path(checkpoint).name.rpartition("-")[2])


if __name__ == "__main__":
    sys.exit(main())
