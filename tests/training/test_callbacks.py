"""Watching pre-training: zero-shot scores of the weights as they are, pictures of alignment, what is asked for."""

import evaluate
import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from modeling_allinone import (
    AllInOneForPreTraining,
    AllInOneForVideoTextRetrieval,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.data.pretraining_collators import PreTrainingCollator
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.evaluation.retrieval import evaluate_choice, evaluate_retrieval, list_options
from modeling_allinone.evaluation.zero_shot import ZeroShotEvaluator, share_weights
from modeling_allinone.metrics import metric_path
from modeling_allinone.training.arguments import DataArguments
from modeling_allinone.training.callbacks import (
    EvaluationArguments,
    add_alignment_callback,
)
from modeling_allinone.training.pretraining_trainer import PreTrainingArguments, PreTrainingTrainer

NUM_CLIPS = 12


pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_moving_shapes(tmp_path_factory.mktemp("shapes"), NUM_CLIPS, "validation").parent


@pytest.fixture(scope="module")
def rows(shapes):
    return {task: load_moving_shapes(shapes, "validation", task) for task in ("multiple-choice", "retrieval")}


@pytest.fixture(scope="module")
def processor(rows):
    tokenizer = train_tokenizer(rows["multiple-choice"])
    tokenizer.model_max_length = 16
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)


@pytest.fixture
def build(tiny_config, processor):
    """Make a tiny model to pre-train; keywords change its configuration."""

    def make(**fields) -> AllInOneForPreTraining:
        fields = {"num_frames": 3, "projection_dim": 8, "vocab_size": len(processor.tokenizer), **fields}
        return AllInOneForPreTraining(tiny_config(**fields))

    return make


def score_saved(model, processor, rows, folder, is_blank=False) -> dict[str, float]:
    """The figures of the model as it is saved and loaded for retrieval."""
    model.save_pretrained(folder)
    loaded = AllInOneForVideoTextRetrieval.from_pretrained(folder)
    reader = VideoLoader(processor)
    choice, retrieval = (
        evaluate.load(metric_path(name)) for name in ("multiple_choice_accuracy", "video_text_retrieval")
    )
    clips = {task: VideoDataset(of_task, is_blank=is_blank) for task, of_task in rows.items()}
    chosen = (loaded, reader, clips["multiple-choice"], *list_options(rows["multiple-choice"]), choice)
    figures = {
        "multiple_choice_accuracy": evaluate_choice(*chosen, "pairs")["accuracy"],
        "multiple_choice_by_features_accuracy": evaluate_choice(*chosen, "features")["accuracy"],
    }
    found = evaluate_retrieval(loaded, reader, clips["retrieval"], retrieval, top_k=0)
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "median_rank"):
        for way in ("text_to_video", "video_to_text"):
            figures[f"{way}_{name}"] = found[f"{way}_{name}"]
    return {f"zero_shot_{name}": value for name, value in figures.items()}


@pytest.mark.parametrize("is_blank", (False, True))
def test_figures_are_those_of_the_saved_model(build, processor, rows, tmp_path, is_blank):
    model = build().train()
    figures = ZeroShotEvaluator(rows).evaluate(model, VideoLoader(processor), is_blank, batch_size=5)
    assert figures == score_saved(model, processor, rows, tmp_path, is_blank) and len(figures) == 10
    assert model.training and model.allinone.training, "what was trained goes on"
    if is_blank:
        assert figures["zero_shot_text_to_video_recall_at_1"] == 0


class TestSharedWeights:
    def test_nothing_is_copied(self, build, tiny_inputs):
        model = build().eval()
        shared = share_weights(model)
        own = {tensor.data_ptr() for tensor in model.parameters()}
        extra = {name for name, tensor in shared.named_parameters() if tensor.data_ptr() not in own}
        assert extra == {"scorer.out_proj.weight", "scorer.out_proj.bias"}, "they begin with the second row"
        assert not any(tensor.is_meta for tensor in (*shared.parameters(), *shared.buffers()))
        inputs = tiny_inputs(num_frames=3)
        with torch.no_grad():
            before = shared.score_pairs(**inputs)
            model.matching_head.bias[1] += 3
            model.matching_head.weight[0] += 1
            torch.testing.assert_close(shared.score_pairs(**inputs), before + 3)
            model.matching_head.weight.mul_(2)
            torch.testing.assert_close(shared.score_pairs(**inputs), model(**inputs).matching_logits[:, 1])

    @pytest.mark.parametrize(
        ("objectives", "parts"),
        (
            (["masked_lm"], None),
            (["matching"], (True, False)),
            (["contrastive", "masked_patches"], (False, True)),
            (["matching", "contrastive"], (True, True)),
        ),
    )
    def test_there_are_the_parts_that_are_trained(self, build, objectives, parts):
        shared = share_weights(build(pretraining_objectives=objectives))
        assert (None if shared is None else (shared.scorer is not None, shared.text_projection is not None)) == parts

    def test_the_configuration_of_the_trained_model_stays(self, build):
        model = build(pretraining_objectives=["matching"])
        share_weights(model)
        assert model.config.projection_dim == 8


@pytest.mark.parametrize(
    ("objectives", "measured"),
    (
        (["masked_lm", "clip_order"], set()),
        (["matching"], {"zero_shot_multiple_choice_accuracy"}),
        (["contrastive"], {"zero_shot_multiple_choice_by_features_accuracy", "zero_shot_text_to_video_median_rank"}),
    ),
)
def test_only_what_can_be_told_is_measured(build, processor, rows, objectives, measured):
    figures = ZeroShotEvaluator(rows).evaluate(build(pretraining_objectives=objectives), VideoLoader(processor))
    assert measured <= set(figures) and len(figures) == {0: 0, 1: 1, 2: 9}[len(measured)]


def test_clips_that_cannot_be_read_are_wrong(build, processor, rows, tmp_path):
    (tmp_path / "broken.mp4").write_text("no film")
    broken = {task: of.map(lambda row: {"video": str(tmp_path / "broken.mp4")}) for task, of in rows.items()}
    figures = ZeroShotEvaluator(broken).evaluate(build(), VideoLoader(processor, on_decode_error="skip"))
    assert figures["zero_shot_multiple_choice_accuracy"] == 0
    assert figures["zero_shot_multiple_choice_by_features_accuracy"] == 0


def test_other_tasks_are_refused(rows):
    with pytest.raises(ValueError, match="There are rows of 'cooking'; expected those of multiple-choice, retrieval"):
        ZeroShotEvaluator({"cooking": rows["retrieval"]})


# ------------------------------------------------------------------------------------------------- in the Trainer


@pytest.fixture
def make_trainer(build, processor, rows, tmp_path):
    """Make a trainer that evaluates at every step."""

    def make(model=None, eval_rows=None, zero_shot=None, **arguments) -> PreTrainingTrainer:
        model = model or build()
        objectives = list(model.config.chosen_pretraining_objectives)
        collator = PreTrainingCollator(processor, objectives=objectives, patch_size=8)
        of_retrieval = VideoDataset(rows["retrieval"])
        defaults = {"max_steps": 2, "eval_strategy": "steps", "eval_steps": 1, "logging_steps": 1, "use_cpu": True}
        defaults |= {"save_strategy": "no", "disable_tqdm": True, "report_to": "none"}
        return PreTrainingTrainer(
            model,
            PreTrainingArguments(str(tmp_path / "output"), **{**defaults, **arguments}),
            objectives=dict.fromkeys(objectives, 1.0),
            zero_shot=zero_shot,
            data_collator=collator,
            eval_collator=collator,
            train_dataset=of_retrieval,
            eval_dataset=of_retrieval if eval_rows is None else VideoDataset(eval_rows),
            processing_class=processor,
        )

    return make


@pytest.mark.grad
@pytest.mark.parametrize("options", ({}, {"bf16": True}))
def test_every_evaluation_scores_the_weights_of_that_moment(make_trainer, processor, rows, tmp_path, options):
    trainer = make_trainer(zero_shot=ZeroShotEvaluator(rows), learning_rate=0.01, **options)
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(entries) == 2 and all("eval_zero_shot_text_to_video_recall_at_1" in entry for entry in entries)
    if not options:
        expected = score_saved(trainer.model, processor, rows, tmp_path / "saved")
        assert {f"eval_{name}": value for name, value in expected.items()}.items() <= entries[1].items()
    blank = trainer.predict(VideoDataset(rows["retrieval"], is_blank=True), metric_key_prefix="blank").metrics
    assert blank["blank_zero_shot_text_to_video_recall_at_1"] == 0


@pytest.mark.grad
def test_a_picture_is_drawn_at_every_evaluation(make_trainer, tmp_path):
    trainer = make_trainer(report_to="tensorboard", max_steps=3, eval_steps=2)
    add_alignment_callback(trainer, num_rows=1)
    trainer.train()
    trainer.evaluate()
    pictures = sorted((tmp_path / "output" / "alignment").iterdir())
    assert [picture.name for picture in pictures] == ["step-000002.png", "step-000003.png"]
    (folder,) = (tmp_path / "output" / "runs").iterdir()
    log = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    shown = log.Images("eval/alignment")
    with Image.open(pictures[0]) as picture:
        assert picture.mode == "RGB" and picture.width > 300 and np.asarray(picture).std() > 10
        assert (shown[0].step, shown[0].width, shown[0].height) == (2, *picture.size)
    assert {"train/mlm_loss", "train/grad_norm", "train/clips_per_second", "eval/matching_loss"} <= set(
        log.Tags()["scalars"]
    )


def test_pictures_leave_out_what_cannot_be_drawn(make_trainer, processor, rows, tmp_path):
    (tmp_path / "broken.mp4").write_text("no film")
    first = dict(rows["retrieval"][0])
    unfit = [first | {"video": str(tmp_path / "broken.mp4")}, first | {"caption": " "}]
    for eval_rows, is_drawn in ((unfit, False), ([*unfit, first | {"caption": "red " * 300}], True)):
        trainer = make_trainer(eval_rows=eval_rows)
        trainer.eval_collator.reader.on_decode_error = "skip"
        add_alignment_callback(trainer, num_rows=3)
        trainer.callback_handler.on_evaluate(trainer.args, trainer.state, trainer.control, {})
        assert (tmp_path / "output" / "alignment" / "step-000000.png").exists() == is_drawn


@pytest.mark.parametrize(("objectives", "num_rows"), ((["masked_lm"], 4), (["matching"], 0)))
def test_without_alignment_nothing_is_drawn(make_trainer, build, objectives, num_rows):
    trainer = make_trainer(build(pretraining_objectives=objectives))
    before = len(trainer.callback_handler.callbacks)
    add_alignment_callback(trainer, num_rows)
    assert len(trainer.callback_handler.callbacks) == before


# ------------------------------------------------------------------------------------------------- what is asked for


@pytest.fixture
def of_run(shapes):
    """What the run trains on."""
    return DataArguments("moving_shapes", str(shapes))


def test_held_out_rows_are_read(shapes, of_run):
    common = {"dataset": "moving_shapes", "data_dir": str(shapes)}
    choice = common | {"options": {"task": "multiple-choice"}, "num_rows": 5}
    arguments = EvaluationArguments(zero_shot={"multiple-choice": choice, "retrieval": common})
    rows = arguments.load_zero_shot(of_run)
    assert len(rows["multiple-choice"]) == 5 and len(rows["multiple-choice"][0]["options"]) == 5
    assert len(rows["retrieval"]) > NUM_CLIPS, "the questions of the default task, which have captions, too"
    assert EvaluationArguments().load_zero_shot(of_run) == {}


@pytest.mark.parametrize(
    ("zero_shot", "message"),
    (
        ("[1]", r"zero_shot is \[1\]; expected a mapping"),
        ("{", "zero_shot is '{', which is not JSON"),
        ({"retrival": {}}, "zero_shot has 'retrival'; expected tasks of multiple-choice, retrieval"),
        ({"retrieval": 3}, "zero_shot of retrieval is 3; expected a mapping"),
        ({"retrieval": {}}, "zero_shot of retrieval has no dataset and no data_dir"),
        (
            {"retrieval": {"dir": "x"}},
            "zero_shot of retrieval has dir; expected dataset, data_dir, media_dir, options",
        ),
        ({"retrieval": {"dataset": "moving_shape"}}, "There is no data set 'moving_shape'.* Did you mean 'moving_sha"),
        ({"retrieval": {"split": "exam"}}, "zero_shot of retrieval: moving_shapes has no split 'exam'"),
        ({"retrieval": {"num_rows": 0}}, "zero_shot of retrieval has num_rows 0; expected a number of at least 1"),
        ({"retrieval": {"num_rows": "many"}}, "zero_shot of retrieval has num_rows 'many'"),
        ({"retrieval": {"options": {"tusk": 1}}}, "zero_shot of retrieval: .*tusk"),
        ({"multiple-choice": {}}, "zero_shot of multiple-choice: The rows have no options to choose from"),
        ({"multiple-choice": {"options": {"task": "retrieval"}}}, "The rows have no options to choose from"),
    ),
)
def test_what_is_wrong_is_said(shapes, of_run, zero_shot, message):
    if isinstance(zero_shot, dict) and "no dataset" not in message and "no data_dir" not in message:
        common = {"dataset": "moving_shapes", "data_dir": str(shapes)}
        zero_shot = {task: common | of if isinstance(of, dict) else of for task, of in zero_shot.items()}
    with pytest.raises(ValueError, match=message):
        EvaluationArguments(zero_shot=zero_shot).load_zero_shot(of_run)


def test_the_number_of_rows_to_draw_is_checked():
    with pytest.raises(ValueError, match="num_alignment_rows is -1; expected 0 or more"):
        EvaluationArguments(num_alignment_rows=-1)
