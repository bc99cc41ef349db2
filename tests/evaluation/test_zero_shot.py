# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Zero-shot scores of a model that is being pre-trained: those of its weights as they are, of what can be told."""

import evaluate
import pytest
import torch

from modeling_allinone import (
    AllInOneForPreTraining,
    AllInOneForVideoTextRetrieval,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.data.video_dataset import VideoDataset
from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.datasets import load_moving_shapes, train_tokenizer, write_moving_shapes
from modeling_allinone.evaluation.retrieval import evaluate_choice, evaluate_retrieval, list_options
from modeling_allinone.evaluation.zero_shot import ZeroShotEvaluator
from modeling_allinone.metrics import metric_path
from modeling_allinone.models.answers_allinone import share_weights

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


def test_options_are_read_after_the_question_of_their_row():
    rows = [{"options": ["a cat", "a dog"], "question": "what runs?"}, {"options": ["it sits"], "question": None}]
    asked = AllInOneProcessor.apply_choice_template("what runs?", ["a cat", "a dog"])
    assert list_options(rows) == ([*asked, "it sits"], [[0, 1], [2]])
