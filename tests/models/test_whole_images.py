# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Images that keep their shape: pixels, padding and masks, from files to the outputs of models."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, BertTokenizer
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

from modeling_allinone import (
    AllInOneForMultipleChoice,
    AllInOneForPairedVisualReasoning,
    AllInOneForPreTraining,
    AllInOneForVideoClassification,
    AllInOneForVideoQuestionAnswering,
    AllInOneForVideoTextRetrieval,
    AllInOneForVisualCommonsenseReasoning,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.data.collators import (
    MultipleChoiceCollator,
    PairedReasoningCollator,
    VideoClassificationCollator,
    VideoQuestionAnsweringCollator,
    VideoTextRetrievalCollator,
    VisualCommonsenseCollator,
)
from modeling_allinone.data.pretraining_collators import PairedCollator, PreTrainingCollator
from modeling_allinone.data.video_loading import VideoLoader
from modeling_allinone.evaluation.embedding import embed_clips, score_candidates
from modeling_allinone.models.video_processing_allinone import IMAGE_OPTIONS
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments, VideoClassificationTrainer

# Height and width as they are, and as they are shown: the shorter side 224 unless the longer one would be above 373.
SHOWN = {
    (480, 640): (224, 288),
    (640, 427): (320, 224),
    (224, 224): (224, 224),
    (223, 1000): (64, 352),
    (31, 33): (224, 224),
    (900, 150): (352, 32),
    (333, 500): (224, 320),
}
SMALL = {**IMAGE_OPTIONS, "size": {"shortest_edge": 32, "longest_edge": 64}, "size_divisor": 8}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "it"]
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """Noise of every shape."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    paths = []
    for height, width in SHOWN:
        paths.append(str(folder / f"{height}x{width}.png"))
        Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def make_processor(options) -> AllInOneProcessor:
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}, model_max_length=16)
    return AllInOneProcessor(AllInOneVideoProcessor(**options), tokenizer)


@pytest.fixture(scope="module")
def processor() -> AllInOneProcessor:
    return make_processor(IMAGE_OPTIONS)


@pytest.fixture(scope="module")
def small() -> AllInOneProcessor:
    """Of sides of 8 to 64 pixels."""
    return make_processor(SMALL)


@pytest.fixture
def build(tiny_config):
    """Make a tiny model in evaluation."""

    def make(cls, **fields):
        return cls(
            tiny_config(**{"vocab_size": len(WORDS), "patch_order": "random", "num_labels": 3, **fields})
        ).eval()

    return make


class TestProcessor:
    def test_pixels_are_pillows_to_the_last_bit(self, processor, files):
        inputs = processor(images=files, do_rescale=False, do_normalize=False)
        assert set(inputs) == {"pixel_values", "pixel_mask"} <= set(processor.model_input_names)
        assert inputs["pixel_values"].shape == (7, 1, 3, 352, 352)
        assert inputs["pixel_mask"].shape == (7, 352, 352) and inputs["pixel_mask"].dtype == torch.int64
        for row, (path, (height, width)) in enumerate(zip(files, SHOWN.values(), strict=True)):
            expected = np.asarray(Image.open(path).resize((width, height), Image.Resampling.BICUBIC))
            pixels, mask = inputs["pixel_values"][row, 0], inputs["pixel_mask"][row]
            assert np.array_equal(pixels[:, :height, :width].permute(1, 2, 0), expected), path
            assert mask[:height, :width].all() and mask.sum() == height * width
            assert not pixels[:, mask == 0].any()

    def test_values_are_vilts(self, processor, files):
        images = [Image.open(path) for path in files]
        expected = ViltImageProcessorPil(size={"shortest_edge": 224})(images, return_tensors="pt")
        inputs = processor(images=images)
        torch.testing.assert_close(inputs["pixel_values"][:, 0], expected["pixel_values"])
        assert torch.equal(inputs["pixel_mask"], expected["pixel_mask"])

    def test_pairs(self, processor, files):
        pairs = [[files[0], files[1]], [files[2], files[3]]]
        inputs = processor(text=["what is it", "it is"], images=pairs)
        assert inputs["pixel_values"].shape == (2, 2, 1, 3, 320, 352)
        assert inputs["pixel_mask"].sum((2, 3)).tolist() == [[224 * 288, 320 * 224], [224 * 224, 64 * 352]]

    def test_clips_and_their_views_are_padded(self, processor):
        clips = [np.full((5, *size, 3), 9, dtype=np.uint8) for size in ((48, 64), (64, 48))]
        options = {"num_frames": 2, "num_views": 2, "size": {"shortest_edge": 32, "longest_edge": 64}}
        inputs = processor(videos=clips, **options, size_divisor=8)
        assert inputs["pixel_values"].shape == (4, 2, 3, 40, 40)
        assert inputs["pixel_mask"].sum(1).tolist() == [[32] * 40] * 2 + [[40] * 32 + [0] * 8] * 2

    def test_options_travel_with_the_processor(self, processor, files, tmp_path):
        processor.save_pretrained(tmp_path)
        loaded = AutoProcessor.from_pretrained(tmp_path)
        options = loaded.video_processor.to_dict()
        assert {name: options[name] for name in IMAGE_OPTIONS} == IMAGE_OPTIONS
        inputs, expected = loaded(images=files[:2]), processor(images=files[:2])
        assert all(torch.equal(inputs[name], expected[name]) for name in expected)

    def test_a_strip_too_thin_is_named(self, processor, tmp_path):
        Image.new("RGB", (1000, 40)).save(tmp_path / "strip.png")
        message = r"strip.png has frames of 40 x 1000 pixels .* size_divisor=32 leave 0 x 352; cut such a strip"
        with pytest.raises(ValueError, match=message):
            processor(images=[tmp_path / "strip.png"])

    def test_without_padding_shapes_must_agree(self, processor, files):
        with pytest.raises(ValueError, match=r"640x427.png gives 320 x 224 pixels .*; set do_pad=True"):
            processor(images=files[:2], do_pad=False)
        assert set(processor(images=files[:1], do_pad=False)) == {"pixel_values"}

    def test_lists_of_images_have_no_views(self, processor, files):
        with pytest.raises(ValueError, match="num_views is 2, but lists of images have one view each"):
            processor(images=[files[:2]], num_views=2)


class TestReader:
    def test_a_batch_is_what_the_processor_makes(self, small, files):
        clips, is_readable = VideoLoader(small)([{"image": path} for path in files])
        expected = small(images=files)
        assert is_readable.all() and set(clips) == set(expected)
        assert all(torch.equal(clips[name], expected[name]) for name in expected)
        pairs = [files[:2], files[4:6]]
        clips, expected = VideoLoader(small)([{"images": pair} for pair in pairs])[0], small(images=pairs)
        assert all(torch.equal(clips[name], expected[name]) for name in expected)

    @pytest.mark.parametrize("kind", ("image", "images"))
    def test_what_cannot_be_read_is_blank(self, small, files, kind):
        read = VideoLoader(small, on_decode_error="skip")
        whole, broken = ([files[0]] * 2, [files[1], "gone.png"]) if kind == "images" else (files[0], "gone.png")
        clips, is_readable = read([{kind: broken}, {kind: whole}])
        assert is_readable.tolist() == [False, True] and not clips["pixel_values"][0].any()
        assert torch.equal(clips["pixel_mask"][0], clips["pixel_mask"][1])
        clips, is_readable = read([{kind: broken}])
        assert not is_readable.any() and clips["pixel_mask"].all()

    def test_without_padding_shapes_must_agree(self, small, files):
        with pytest.raises(
            ValueError, match=r"640x427.png gives 48 x 32 pixels .*480x640.png gives 32 x 40; set do_pad"
        ):
            VideoLoader(small, {"do_pad": False})([{"image": path} for path in files[:2]])


@pytest.mark.parametrize(
    ("model_class", "collator", "fields"),
    (
        (AllInOneForVideoQuestionAnswering, VideoQuestionAnsweringCollator, {"question": "what is it", "label": 1}),
        (AllInOneForVideoClassification, VideoClassificationCollator, {"label": 1}),
        (AllInOneForMultipleChoice, MultipleChoiceCollator, {"options": ["it", "what"], "label": 0}),
        (AllInOneForVisualCommonsenseReasoning, VisualCommonsenseCollator, {"options": ["it"], "rationales": ["is"]}),
        (AllInOneForPairedVisualReasoning, PairedReasoningCollator, {"question": "it is", "label": 0}),
        (AllInOneForVideoTextRetrieval, VideoTextRetrievalCollator, {"caption": "it"}),
    ),
)
def test_an_image_scores_the_same_in_any_batch(build, small, files, model_class, collator, fields):
    needs_number = collator in (VideoQuestionAnsweringCollator, VideoClassificationCollator)
    collate = collator(small, **({"num_labels": 3} if needs_number else {}))
    if collator is VisualCommonsenseCollator:
        collate.reader.prepare_row = None  # there are no objects
    rows = [{"image": path, **fields} for path in files]
    if collator is PairedReasoningCollator:
        rows = [{"images": [first, second], **fields} for first, second in zip(files, files[::-1], strict=True)]
    model = build(model_class, projection_dim=8)
    with torch.no_grad():
        together = {k: v for k, v in collate(rows).items() if k != "is_pair"}
        assert not together["pixel_mask"].all()
        outputs = model(**together)
        for place, row in enumerate(rows):
            alone = model(**{k: v for k, v in collate([row]).items() if k != "is_pair"})
            for name in ("logits", "video_embeds", "answer_logits", "rationale_logits"):
                if alone.get(name) is not None:
                    torch.testing.assert_close(outputs[name][place], alone[name][0], **CLOSE)


def test_search_knows_padding(build, small, files):
    """Features and scores of pairs, of one view and of two, are those of each image alone."""
    model = build(AllInOneForVideoTextRetrieval, projection_dim=8)
    rows, texts = [{"image": path} for path in files], ["what is it", "it"]
    candidates = [[0, 1]] * len(rows)
    for options in ({}, {"num_views": 2}):
        reader = VideoLoader(small, options)
        features, is_readable = embed_clips(model, reader, rows, batch_size=len(rows))
        scores = score_candidates(model, reader, rows, texts, candidates, batch_size=4)
        for place, row in enumerate(rows):
            torch.testing.assert_close(features[place], embed_clips(model, reader, [row])[0][0], **CLOSE)
            (alone,) = score_candidates(model, reader, [row], texts, [[0, 1]])
            torch.testing.assert_close(scores[place], alone, **CLOSE)
        assert is_readable.all()


def test_losses_of_pretraining_know_padding(build, small, files):
    """A batch loses as much with padding around all of its images as without."""
    objectives = ("masked_lm", "matching", "masked_patches")
    model = build(AllInOneForPreTraining, pretraining_objectives=[*objectives, "contrastive"], projection_dim=8)
    collate = PreTrainingCollator(small, objectives=objectives, patch_size=8, mlm_probability=0.5)
    captions = ("what is it", "it is it", "is it what")
    batch = collate([{"image": path, "caption": text} for path, text in zip(files, captions, strict=False)])
    assert batch["bool_masked_pos"].shape[2] == 48 * 40 // 64 and not batch["pixel_mask"].all()
    more = {**batch, "pixel_values": torch.nn.functional.pad(batch["pixel_values"], (0, 16, 0, 8), value=3.0)}
    more["pixel_mask"] = torch.nn.functional.pad(batch["pixel_mask"], (0, 16, 0, 8))
    grid = batch["bool_masked_pos"].unflatten(2, (6, 5))
    more["bool_masked_pos"] = torch.nn.functional.pad(grid, (0, 2, 0, 1), value=True).flatten(2)
    with torch.no_grad():
        outputs, expected = (model(**inputs, return_contrastive_loss=True) for inputs in (more, batch))
    for name in ("mlm_loss", "matching_loss", "alignment_loss", "masked_patch_loss", "contrastive_loss"):
        torch.testing.assert_close(outputs[name], expected[name], **CLOSE)


def test_images_beside_clips_have_options_of_their_own(small, files):
    clips = make_processor({"size": 36, "crop_size": 32})
    video = PreTrainingCollator(clips, patch_size=8)
    collate = PairedCollator(video, replace(video, video_options=SMALL))
    film = np.full((6, 40, 60, 3), 9, dtype=np.uint8)
    rows = [{"video": {"video": film, "caption": "it"}, "image": {"image": p, "caption": "is"}} for p in files[:3]]
    batch = collate(rows)
    assert "pixel_mask" not in batch["video"] and batch["video"]["pixel_values"].shape == (3, 3, 3, 32, 32)
    expected = small(images=files[:3])
    assert all(torch.equal(batch["image"][name], expected[name]) for name in expected)


@pytest.mark.grad
def test_training_and_scoring_on_images_of_many_shapes(build, small, files, tmp_path):
    rows = [{"image": path, "question": "what is it", "label": place % 3} for place, path in enumerate(files)]
    arguments = AllInOneTrainingArguments(
        str(tmp_path), per_device_train_batch_size=4, per_device_eval_batch_size=3, max_steps=2, report_to="none",
        use_cpu=True, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = AllInOneTrainer(
        build(AllInOneForVideoQuestionAnswering), arguments, train_dataset=rows, eval_dataset=rows,
        data_collator=VideoQuestionAnsweringCollator(small, 3), processing_class=small,
    )  # fmt: skip
    trainer.train()
    logits = torch.from_numpy(trainer.predict(rows).predictions)
    model = trainer.model.eval()
    for place, row in enumerate(rows):
        with torch.no_grad():
            alone = model(**VideoQuestionAnsweringCollator(small, 3)([row])).logits[0]
        torch.testing.assert_close(logits[place], alone, **CLOSE)


def test_views_of_padded_clips(build, small, tmp_path):
    options = {"num_views": 2, "num_frames": 2}
    clips = [np.random.default_rng(0).integers(0, 256, (6, *size, 3), dtype=np.uint8) for size in ((40, 80), (80, 40))]
    collate = VideoClassificationCollator(small, 3, video_options=options)
    arguments = AllInOneTrainingArguments(str(tmp_path), report_to="none", use_cpu=True)
    model = build(AllInOneForVideoClassification)
    trainer = VideoClassificationTrainer(model, arguments, data_collator=collate)
    rows = [{"video": clip, "label": 1} for clip in clips]
    with torch.no_grad():
        logits = trainer.compute_loss(model, collate(rows), return_outputs=True)[1]["logits"]
        for place, clip in enumerate(clips):
            expected = model(**small(videos=[clip], **options)).logits.mean(dim=0)
            torch.testing.assert_close(logits[place], expected, **CLOSE)
