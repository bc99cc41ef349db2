# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Collators of pre-training: what is masked, swapped, shuffled and hidden, and that draws alone decide it."""

import time
from collections import Counter

import numpy as np
import pytest
import torch
from transformers import BertTokenizer
from video_fixtures import encode_video

from modeling_allinone import AllInOneForPreTraining, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.data.pretraining_collators import PairedCollator, PreTrainingCollator, swap_clips

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["a", "dog", "cat", "run", "play", "no", "one", "runs", ",", ".", "狗", "跑"]
VOCABULARY = [*SPECIAL, *WORDS, "##ning", "##s", "##ful"]
OBJECTIVES = ("masked_lm", "matching", "clip_order", "masked_patches")
CAPTIONS = ("a playful dog, running.", "cats run", "狗跑", "a running cat plays. no-one runs", "zebras, dogs")


@pytest.fixture(scope="module")
def processor() -> AllInOneProcessor:
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(VOCABULARY)}, model_max_length=16)
    return AllInOneProcessor(AllInOneVideoProcessor(num_frames=3, size=32, crop_size=32), tokenizer)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def rows(frames):
    """Make rows with captions, numbered draws and frames."""

    def make(texts=CAPTIONS, **fields) -> list[dict]:
        return [{"video": frames, "caption": text, "draw": draw, **fields} for draw, text in enumerate(texts)]

    return make


@pytest.fixture
def collate(processor):
    def make(**options) -> PreTrainingCollator:
        return PreTrainingCollator(processor, **{"objectives": OBJECTIVES, "patch_size": 8, **options})

    return make


class TestMaskedWords:
    def test_words_are_masked_whole(self, collate, rows, processor):
        """Words are those of the tokenizer, told by the places that they have in the text."""
        tokenizer, num_masked, num_words = processor.tokenizer, 0, 0
        for first_draw in range(0, 200, 5):
            drawn = [row | {"draw": first_draw + row["draw"]} for row in rows()]
            batch = collate(objectives=["masked_lm"], mlm_probability=0.3)(drawn)
            for number, row in enumerate(drawn):
                encoding = tokenizer(row["caption"], return_offsets_mapping=True)
                ids, labels = batch["masked_input_ids"][number].tolist(), batch["labels"][number].tolist()
                of_words: dict[tuple, list[bool]] = {}
                for place, own in enumerate(encoding["input_ids"]):
                    is_masked = labels[place] != -100
                    assert labels[place] == (own if is_masked else -100)
                    assert ids[place] == (tokenizer.mask_token_id if is_masked else own)
                    word = encoding.token_to_word(place)
                    if word is None:
                        assert not is_masked, "[CLS] and [SEP] stay"
                    else:
                        of_words.setdefault(tuple(encoding.word_to_chars(word)), []).append(is_masked)
                for place in range(len(encoding["input_ids"]), len(ids)):
                    assert ids[place] == tokenizer.pad_token_id and labels[place] == -100
                assert all(len(set(pieces)) == 1 for pieces in of_words.values()), of_words
                num_masked += sum(pieces[0] for pieces in of_words.values())
                num_words += len(of_words)
        assert num_masked / num_words == pytest.approx(0.3, abs=0.04)

    def test_pieces_are_masked_one_by_one_if_asked(self, collate, rows, processor):
        (row,) = rows(["running playful dogs runs"])
        collator = collate(objectives=["masked_lm"], whole_word_mask=False, mlm_probability=0.5)
        became = Counter()
        for draw in range(200):
            batch = collator([row | {"draw": draw}])
            (labels,), (ids,) = batch["labels"], batch["masked_input_ids"]
            assert labels[0] == labels[-1] == -100
            for own, new in zip(labels[labels != -100], ids[labels != -100], strict=True):
                became["mask" if new == processor.tokenizer.mask_token_id else "own" if new == own else "other"] += 1
        shares = {name: count / became.total() for name, count in became.items()}
        assert shares == pytest.approx({"mask": 0.8, "own": 0.1, "other": 0.1}, abs=0.04)

    @pytest.mark.parametrize("probability", (0.0, 1.0))
    def test_probability_may_be_none_or_all(self, collate, rows, processor, probability):
        batch = collate(objectives=["masked_lm"], mlm_probability=probability)(rows())
        is_word = (batch["input_ids"] > 4) | (batch["input_ids"] == processor.tokenizer.unk_token_id)
        assert torch.equal(batch["labels"] != -100, is_word & (probability == 1))

    def test_texts_without_a_word_have_nothing_to_predict(self, collate, rows):
        batch = collate(mlm_probability=1.0)(rows(["", "   ", "a dog"]))
        assert (batch["labels"][:2] == -100).all() and (batch["labels"][2] != -100).sum() == 2
        assert batch["input_ids"][0].tolist() == [2, 3, 0, 0]

    def test_a_very_long_text_is_cut_at_once(self, collate, rows):
        started = time.perf_counter()
        batch = collate()(rows(["running playful " * 5000, "a dog"]))
        assert batch["input_ids"].shape == batch["labels"].shape == (2, 16)
        assert time.perf_counter() - started < 5


class TestSwappedClips:
    def test_half_of_the_texts_get_the_clip_of_a_different_text(self):
        generator = torch.Generator().manual_seed(0)
        texts = torch.tensor([[1, 2], [3, 4], [1, 2], [5, 6], [7, 8], [1, 2], [9, 9]])
        is_pair = torch.tensor([True, True, True, True, False, True, True])
        given, was_swapped = Counter(), Counter()
        for _ in range(300):
            clips, labels = swap_clips(texts, is_pair, generator)
            for row in range(7):
                if labels[row] == 0:
                    assert not torch.equal(texts[clips[row]], texts[row]) and is_pair[clips[row]] and row != 4
                    given[int(clips[row])] += 1
                    was_swapped[row] += 1
                else:
                    assert clips[row] == row and labels[row] == (1 if is_pair[row] else -100)
            assert 2 <= (labels == 0).sum() <= 3, "3 of 7, of which one may be unreadable"
        assert set(given) == {0, 1, 2, 3, 5, 6} and set(was_swapped) == {0, 1, 2, 3, 5, 6}
        assert max(was_swapped.values()) < 1.4 * min(was_swapped.values())

    @pytest.mark.parametrize("num_texts", (1, 2, 3, 8))
    def test_half_is_rounded_down(self, num_texts):
        _, labels = swap_clips(torch.arange(num_texts)[:, None], torch.ones(num_texts, dtype=torch.bool))
        assert (labels == 0).sum() == num_texts // 2

    @pytest.mark.parametrize("is_pair", ([True] * 4, [True, False, False, False], [False] * 4))
    def test_where_there_is_no_other_text_all_keep_their_own(self, is_pair):
        texts = torch.tensor([[5], [5], [5], [5]]) if all(is_pair) else torch.tensor([[5], [6], [7], [8]])
        for _ in range(20):
            clips, labels = swap_clips(texts, torch.tensor(is_pair))
            assert clips[0] == 0 and not (labels[torch.tensor(is_pair)] == 0).any()
            assert [int(label) == -100 for label in labels] == [not one for one in is_pair]

    def test_clips_that_cannot_be_read_take_no_part(self, collate, rows, tmp_path):
        broken = tmp_path / "broken.mp4"
        broken.write_text("no film")
        batch_rows = rows()
        batch_rows[1]["video"] = broken
        batch = collate(on_decode_error="skip", mlm_probability=1.0)(batch_rows)
        assert batch["is_pair"].tolist() == [True, False, True, True, True]
        assert (batch["pixel_values"][1] == 0).all() and (batch["labels"][1] == -100).all()
        assert batch["matching_labels"][1] == -100 and batch["matching_indices"][1] == 1
        assert 1 not in batch["matching_indices"][[0, 2, 3, 4]].tolist()
        with pytest.raises(Exception, match=r"broken\.mp4"):
            collate()(batch_rows)


class TestFramesAndPatches:
    def test_frames_are_shuffled(self, collate, rows):
        orders = Counter()
        for draw in range(40):
            order = collate(objectives=["clip_order"])(rows(draw=draw))["frame_order"]
            assert order.shape == (5, 3)
            orders.update(map(tuple, order.tolist()))
        assert len(orders) == 6 and sum(orders.values()) == 200 and min(orders.values()) > 15

    def test_an_image_has_no_order(self, collate, frames):
        batch = collate()([{"image": frames[0], "caption": "a dog", "draw": 0}])
        assert batch["pixel_values"].shape == (1, 1, 3, 32, 32) and "frame_order" not in batch
        assert batch["bool_masked_pos"].shape == (1, 1, 16)

    def test_patches_are_hidden_with_their_probability(self, collate, rows):
        collator = collate(objectives=["masked_patches"], masked_patch_probability=0.4)
        masks = torch.cat([collator(rows(draw=draw))["bool_masked_pos"] for draw in range(40)])
        assert masks.shape == (200, 3, 16) and masks.dtype == torch.bool
        assert masks.float().mean().item() == pytest.approx(0.4, abs=0.03)

    def test_only_what_is_asked_for_is_made(self, collate, rows):
        common = {"input_ids", "attention_mask", "pixel_values", "is_pair"}
        assert set(collate(objectives=["contrastive"])(rows())) == common | {"return_contrastive_loss"}
        assert set(collate(objectives=["matching"])(rows())) == common | {"matching_indices", "matching_labels"}


def equal(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_draws_decide_all_that_is_random(collate, rows):
    options = {"video_options": {"frame_sampling": "random"}, "mlm_probability": 0.5}
    several = {"captions": ["a dog", "a cat", "no one runs"], "caption": None}
    first = collate(**options)(rows(**several))
    torch.manual_seed(99)
    assert equal(collate(**options)(rows(**several)), first)
    other = collate(**options)([row | {"draw": row["draw"] + 7} for row in rows(**several)])
    changed = [
        name for name in first if first[name].shape != other[name].shape or not torch.equal(first[name], other[name])
    ]
    assert {"input_ids", "masked_input_ids", "frame_order", "bool_masked_pos", "pixel_values"} <= set(changed)


def test_without_draws_the_global_generator_decides(collate, rows):
    undrawn = [{name: value for name, value in row.items() if name != "draw"} for row in rows()]
    torch.manual_seed(0)
    first, second = collate()(undrawn), collate()(undrawn)
    torch.manual_seed(0)
    assert equal(collate()(undrawn), first) and not equal(first, second)


def test_clips_and_images_make_a_batch_each(collate, rows, frames):
    images = [{"image": frames[0], "caption": "a cat", "draw": 5}, {"image": frames[1], "caption": "a dog", "draw": 6}]
    videos = rows(["cats run", "a dog"])
    batch = PairedCollator(collate(), collate())(
        [{"video": video, "image": image} for video, image in zip(videos, images, strict=True)]
    )
    assert list(batch) == ["video", "image"]
    assert equal(batch["video"], collate()(videos)) and equal(batch["image"], collate()(images))


def test_an_image_that_is_skipped_is_told_where_clips_are(collate, rows):
    together = PairedCollator(collate(on_decode_error="skip"), collate(on_decode_error="skip"))
    images = [{"image": "no.jpg", "caption": "a cat", "draw": 5}]
    batch = together([{"video": rows(["cats run"])[0], "image": images[0]}])
    assert batch["video"]["is_pair"].tolist() == [True] and batch["image"]["is_pair"].tolist() == [False]
    assert together.reader.num_skipped == 1


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Twenty seconds."""
    frames = np.zeros((200, 32, 32, 3), dtype=np.uint8)
    return str(encode_video(tmp_path_factory.mktemp("film") / "film.mp4", frames=frames))


class TestFilms:
    def test_what_is_said_in_a_film_is_drawn_with_its_time(self, collate, film):
        row = {"video": film, "captions": ["a dog", "a cat"], "starts": [0.0, 0.8], "ends": [0.8, 1.6]}
        seen = {
            tuple(collate(objectives=["contrastive"])([row | {"draw": draw}])["input_ids"][0].tolist())
            for draw in range(8)
        }
        assert len(seen) == 2

    def test_words_of_a_transcript_are_drawn_with_their_time(self, collate, film):
        words = ["a", "dog", "runs"] * 10
        row = {"video": film, "words": words, "times": [0.5 * n for n in range(30)], "clean_words": words}
        batch = collate(video_options={"num_frames": 3})([row | {"duration": 20.0, "draw": 1}])
        assert batch["input_ids"].shape == (1, 16), "cut to what the model reads"
        silent = row | {"words": [], "times": [], "clean_words": [], "duration": 20.0, "draw": 1}
        assert collate()([silent])["input_ids"].tolist() == [[2, 3]]


def test_a_model_takes_what_is_made(collate, rows, tiny_config):
    model = AllInOneForPreTraining(tiny_config(vocab_size=len(VOCABULARY), num_frames=3))
    texts = ["", "a dog", "狗跑", "cats run", "running " * 100]
    outputs = model(**collate(mlm_probability=0.5)(rows(texts)), return_contrastive_loss=True)
    assert torch.isfinite(outputs.loss)
    outputs.loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)


@pytest.mark.parametrize(
    ("change", "message"),
    (
        ({"caption": None}, "A row has no caption; it has"),
        ({"caption": None, "captions": []}, "A row has no caption"),
        ({"video": None}, "A row has no video"),
        ({"caption": 5}, "text contains 5, a int; expected nothing but texts"),
    ),
)
def test_bad_rows_are_named(collate, rows, change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        collate()([*rows(), rows()[0] | change])


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"objectives": ["captioning"]}, "objectives are captioning; expected some of masked_lm, matching"),
        ({"mlm_probability": 1.5}, "mlm_probability is 1.5; expected a probability, from 0 to 1"),
        ({"mlm_probability": -0.1}, "mlm_probability is -0.1; expected a probability"),
        ({"masked_patch_probability": float("nan")}, "masked_patch_probability is nan; expected a probability"),
        ({"patch_size": 0}, "patch_size is 0; expected 1 or more"),
    ),
)
def test_options_are_checked(collate, options, message):
    with pytest.raises(ValueError, match=message):
        collate(**options)
