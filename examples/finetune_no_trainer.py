# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Fine-tune All-in-one for open-ended video question answering in a loop of its own, with Accelerate, and score it.

    python examples/finetune_no_trainer.py msrvtt_qa --data_dir MSRVTT-QA --model_name_or_path MODEL
    accelerate launch --num_processes 8 examples/finetune_no_trainer.py msrvtt_qa ...

It takes the recipes and options of finetune.py for questions, and is the place to change what a step does.
"""

import math
import sys
from contextlib import nullcontext
from itertools import islice

import torch
from accelerate.accelerator import Accelerator
from accelerate.utils import DataLoaderConfiguration, DistributedDataParallelKwargs
from transformers import DefaultFlowCallback, TrainerControl, TrainerState, get_scheduler
from transformers.trainer_utils import rotate_checkpoints

from modeling_allinone import AllInOneForVideoQuestionAnswering, VideoQuestionAnsweringCollator, score_answers
from modeling_allinone.data.video_dataset import find_skipped
from modeling_allinone.evaluation.question_answering import rank_answers
from modeling_allinone.evaluation.results import score_groups, write_predictions
from modeling_allinone.training.arguments import DataArguments, ModelArguments, parse_recipe
from modeling_allinone.training.callbacks import EpochCallback
from modeling_allinone.training.command_line import command_line
from modeling_allinone.training.distributed import count_labelled
from modeling_allinone.training.divergence import DivergenceWatch
from modeling_allinone.training.resumption import ACCELERATE_FILES, find_checkpoint
from modeling_allinone.training.run import describe_training, save_results, save_whole
from modeling_allinone.training.setup import identify_model, load_model, load_processor, prepare_rows, setup_run
from modeling_allinone.training.splits import load_splits, load_texts
from modeling_allinone.training.trainer import AllInOneTrainingArguments, make_loader, make_optimizer


@command_line
def main(arguments: list[str]):
    """Load rows and model, train, score, write."""
    classes, task = (ModelArguments, DataArguments, AllInOneTrainingArguments), "question-answering"
    model_options, data, options = parse_recipe(*classes, description=__doc__, arguments=arguments, task=task)
    if options.load_best_model_at_end:
        raise ValueError("load_best_model_at_end is true, but this script keeps the last model; set it to false.")
    if options.push_to_hub:
        raise ValueError(
            "push_to_hub is true, but this script pushes nothing; set it to false, and `hf upload` after."
        )
    setup_run(options)
    splits = load_splits(data, options, label_columns=["label"], labels_of=model_options, task=task)
    answers = dict(enumerate(splits.label_names or ()))
    processor = load_processor(model_options, lambda: load_texts(data), data.num_frames)
    model = load_model(AllInOneForVideoQuestionAnswering, model_options, processor, options.do_train, id2label=answers)
    origin, training = identify_model(model_options.model_name_or_path), None
    if options.gradient_checkpointing:
        model.gradient_checkpointing_enable(options.gradient_checkpointing_kwargs)
    accelerator = Accelerator(
        cpu=options.use_cpu,
        mixed_precision="bf16" if options.bf16 else "fp16" if options.fp16 else "no",
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=options.seed),
        log_with=[name for name in options.report_to if name != "none"] or None,
        project_dir=options.output_dir,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=not options.gradient_checkpointing)],
    )
    accelerator.init_trackers("all-in-one")
    model = accelerator.prepare(model)

    def prepare_loader(rows, batch_size: int, training: bool = False):
        collator_options = data.collator_options(options.output_dir, training)
        collator = VideoQuestionAnsweringCollator(processor, len(answers), **collator_options)
        return accelerator.prepare(make_loader(rows, batch_size, collator, options, shuffle=training))

    @torch.no_grad()
    def score(rows, is_blank: bool = False) -> dict[str, float]:
        prepared, found = prepare_rows(rows, data, processor, is_blank=is_blank), []
        model.eval()
        for batch in prepare_loader(prepared, options.per_device_eval_batch_size):
            best_of_batch = rank_answers(model(**batch).logits, batch["labels"])
            found.append(accelerator.gather_for_metrics((*best_of_batch, batch["labels"])))  # each row once
        best, shares, labels = (torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True))
        is_skipped = find_skipped(rows, labels)
        if rows is splits.test and not is_blank and accelerator.is_main_process:
            write_predictions((best, shares), rows, answers, options.output_dir, is_skipped)
        groups = rows[data.group_by] if data.group_by else ()
        return score_groups(score_answers, best[:, 0], labels, groups, is_skipped)

    if splits.train is not None:
        rows = prepare_rows(splits.train, data, processor, seed=options.seed)
        loader = prepare_loader(rows, options.per_device_train_batch_size, training=True)
        num_steps = train(accelerator, model, loader, options, splits.eval and (lambda: score(splits.eval)))
        training = describe_training(options, data.training_data, len(rows), num_steps)
        save_whole(accelerator.unwrap_model(model), processor, options.output_dir)
    save_results(score, accelerator.unwrap_model(model), processor, data, options, splits.test, origin, training)
    accelerator.end_training()


def train(accelerator: Accelerator, model, loader, options, evaluate) -> int:
    """Train to the last step, from a checkpoint if there is one to go on from; returns the number of steps."""
    num_batches = options.gradient_accumulation_steps
    steps_per_epoch = math.ceil(len(loader) / num_batches)
    max_steps = options.max_steps if options.max_steps > 0 else math.ceil(options.num_train_epochs * steps_per_epoch)
    optimizer = accelerator.prepare(make_optimizer(model, options))
    sizes = (options.get_warmup_steps(max_steps), max_steps)
    scheduler = get_scheduler(options.lr_scheduler_type, optimizer, *sizes, options.lr_scheduler_kwargs)
    # Not prepared, since Accelerate would let it take as many steps at once as there are processes.
    accelerator.register_for_checkpointing(scheduler)
    epochs, watch, flow, losses = EpochCallback(accelerator), DivergenceWatch(), DefaultFlowCallback(), []
    state, step = TrainerState(max_steps=max_steps), 0
    state.compute_steps(options, max_steps)
    if checkpoint := find_checkpoint(options, ACCELERATE_FILES):
        accelerator.load_state(checkpoint)
        step = int(checkpoint.rpartition("-")[2])
    while step < max_steps:
        epoch, first_step = divmod(step, steps_per_epoch)
        loader.set_epoch(epoch)
        state.epoch = step / steps_per_epoch
        epochs.on_epoch_begin(options, state, TrainerControl(), loader)
        batches = iter(accelerator.skip_first_batches(loader, first_step * num_batches) if first_step else loader)
        while step < max_steps and (of_step := list(islice(batches, num_batches))):
            model.train()
            counts = torch.stack([count_labelled(batch["labels"]) for batch in of_step])
            num_labelled = accelerator.reduce(counts.sum(), "sum").clamp(min=1)
            loss_of_step = torch.tensor(0.0, device=accelerator.device)
            for batch, count in zip(of_step, counts, strict=True):
                # Processes exchange gradients at the last batch; what they then have is the mean of all processes.
                with nullcontext() if batch is of_step[-1] else accelerator.no_sync(model):
                    loss = model(**batch).loss * (accelerator.num_processes * count / num_labelled)
                    accelerator.backward(loss)
                loss_of_step += loss.detach()
            gradient_norm = accelerator.clip_grad_norm_(model.parameters(), options.max_grad_norm or math.inf)
            watch.check(accelerator, step + 1, loss_of_step, gradient_norm)
            optimizer.step()
            optimizer.zero_grad()
            figures = {"gradient_norm": float(gradient_norm), "learning_rate": scheduler.get_last_lr()[0]}
            if not accelerator.optimizer_step_was_skipped:
                scheduler.step()
            epochs.count(counts.sum())
            losses.append(accelerator.reduce(loss_of_step, "mean"))
            step += 1
            state.global_step, state.epoch = step, step / steps_per_epoch
            control = flow.on_step_end(options, state, TrainerControl())
            if step % steps_per_epoch == 0:
                control = flow.on_epoch_end(options, state, control)
            if control.should_evaluate and evaluate:
                figures |= {f"eval_{name}": value for name, value in evaluate().items()}
            if control.should_evaluate or control.should_log:
                figures, losses = {"loss": torch.stack(losses).mean().item(), **figures}, []
                accelerator.print(f"step {step}:", ", ".join(f"{name} {value:.7g}" for name, value in figures.items()))
                accelerator.log(figures, step)
            if control.should_save:
                accelerator.save_state(f"{options.output_dir}/checkpoint-{step}")
                accelerator.on_main_process(rotate_checkpoints)(options.output_dir, options.save_total_limit)
        epochs.on_epoch_end(options, state, control)
    return max_steps


if __name__ == "__main__":
    sys.exit(main())
