# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The processor: text beside clips, answers from logits, saving and loading."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, BertTokenizer
from video_fixtures import encode_video, grey_frames

from modeling_allinone.models.processing_allinone import AllInOneProcessor
from modeling_allinone.models.video_processing_allinone import AllInOneVideoProcessor

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "what",
    "runs",
    "a",
    "dog",
    "cat",
    "?",
    "options",
    "answer",
    ":",
]
MAX_LENGTH = 16


@pytest.fixture
def processor():
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}, model_max_length=MAX_LENGTH)
    return AllInOneProcessor(AllInOneVideoProcessor(size=40, crop_size=32), tokenizer)


@pytest.fixture
def frames():
    return grey_frames()


@pytest.fixture
def warnings():
    """What the processor's logger says."""
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger = logging.getLogger("modeling_allinone.models.processing_allinone")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def shapes(inputs) -> dict:
    return {name: tuple(value.shape) for name, value in inputs.items()}


class TestInputs:
    def test_one_question_about_one_file(self, processor, tmp_path):
        inputs = processor(text="what runs?", videos=encode_video(tmp_path / "clip.mp4"))
        assert shapes(inputs) == {"input_ids": (1, 5), "attention_mask": (1, 5), "pixel_values": (1, 3, 3, 32, 32)}
        assert processor.decode(inputs["input_ids"][0]) == "[CLS] what runs? [SEP]"
        assert inputs["pixel_values"].dtype == torch.float32
        assert set(inputs) <= set(processor.model_input_names)

    def test_text_alone_and_clips_alone(self, processor, frames):
        assert shapes(processor(text=["a dog", "a"])) == {"input_ids": (2, 4), "attention_mask": (2, 4)}
        assert shapes(processor(videos=[frames, frames])) == {"pixel_values": (2, 3, 3, 32, 32)}

    def test_text_is_padded_to_the_longest_of_the_batch(self, processor):
        inputs = processor(text=["a dog runs", "a"])
        assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
        assert inputs["input_ids"][1].tolist() == [2, 7, 3, 0, 0]
        assert processor(text="a", padding="max_length")["input_ids"].shape == (1, MAX_LENGTH)
        assert processor(text="a", text_kwargs={"padding": "max_length"})["input_ids"].shape == (1, MAX_LENGTH)

    def test_options_make_one_more_axis(self, processor, frames):
        text = [["a dog", "a cat runs"], ["a", "a"]]
        inputs = processor(text=text, videos=[frames, frames])
        assert shapes(inputs)["input_ids"] == (2, 2, 5)
        flat = processor(text=[option for options in text for option in options])
        assert torch.equal(inputs["input_ids"].flatten(0, 1), flat["input_ids"])

    def test_images_are_clips_of_one_frame(self, processor, frames):
        images = [Image.fromarray(frames[0]), frames[1]]
        assert shapes(processor(text=["a", "a"], images=images))["pixel_values"] == (2, 1, 3, 32, 32)
        assert shapes(processor(images=images[0]))["pixel_values"] == (1, 1, 3, 32, 32)
        assert shapes(processor(images=frames[:4]))["pixel_values"] == (4, 1, 3, 32, 32)
        pairs = processor(text=["a"] * 3, images=[images] * 3)
        assert shapes(pairs)["pixel_values"] == (3, 2, 1, 3, 32, 32)
        assert torch.equal(pairs["pixel_values"][0, 1], processor(images=images[1])["pixel_values"][0])

    def test_views_repeat_the_text(self, processor, frames):
        inputs = processor(text=["a dog", "a cat"], videos=[frames, frames], num_views=3)
        assert shapes(inputs)["pixel_values"] == (6, 3, 3, 32, 32)
        assert inputs["input_ids"][:, 2].tolist() == [8] * 3 + [9] * 3

    def test_arguments_reach_the_video_processor(self, processor, frames):
        expected = processor.video_processor(frames, num_frames=5, frame_sampling="random", seed=3)["pixel_values"]
        flat = processor(videos=frames, num_frames=5, frame_sampling="random", seed=3)["pixel_values"]
        grouped = {"num_frames": 5, "frame_sampling": "random", "seed": 3}
        assert torch.equal(flat, expected)
        assert torch.equal(processor(videos=frames, videos_kwargs=grouped)["pixel_values"], expected)
        metadata = processor(videos=frames, frame_rate=10, start=0.5, end=0.8, return_metadata=True)["video_metadata"]
        assert metadata[0].frames_indices == [5, 6, 7]

    def test_the_groups_of_other_processors_change_nothing(self, processor, frames):
        """Transformers' callers, such as sentence-transformers, give every group to every processor."""
        groups = {"images_kwargs": {"num_views": 2}, "audio_kwargs": {"padding": True}, "common_kwargs": {}}
        expected = processor(text="a dog", videos=frames)
        for no_sound in (None, []):
            inputs = processor(text="a dog", videos=frames, audio=no_sound, **groups)
            assert all(torch.equal(inputs[name], expected[name]) for name in expected)
        for_images = processor(images=frames[0], images_kwargs={"crop_size": 16}, videos_kwargs={"crop_size": 24})
        assert shapes(for_images)["pixel_values"] == (1, 1, 3, 16, 16)
        assert shapes(processor(images=frames[0], images_kwargs=None))["pixel_values"] == (1, 1, 3, 32, 32)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"audio": [0.0]}, ValueError, "audio is given, but All-in-one has no use for sound"),
            ({"audio": np.zeros(0)}, ValueError, "audio is given"),
            ({"audio_kwargs": 3}, TypeError, "audio_kwargs is 3; expected a dict"),
            ({"images": np.zeros((32, 32, 3), np.uint8), "images_kwargs": {"croop": 3}}, TypeError, "'croop'"),
        ],
    )
    def test_sound_and_wrong_groups_are_refused(self, processor, arguments, error, message):
        with pytest.raises(error, match=message):
            processor(text="a", **arguments)

    def test_a_clip_may_stand_in_a_list_of_its_own(self, processor, frames):
        images = [Image.fromarray(frame) for frame in frames]
        expected = processor(videos=[frames, frames[::-1].copy()])["pixel_values"]
        for nested in ([[frames], [frames[::-1].copy()]], [[images], [images[::-1]]]):
            assert torch.equal(processor(videos=nested)["pixel_values"], expected)

    def test_a_generator_moves_on(self, processor, frames):
        generator = torch.Generator().manual_seed(0)
        draws = [
            processor(videos=[frames] * 6, frame_sampling="random", generator=generator)["pixel_values"]
            for _ in range(2)
        ]
        assert not torch.equal(*draws)

    def test_numpy_output(self, processor, frames):
        inputs = processor(text="a", videos=frames, return_tensors="np")
        assert all(isinstance(value, np.ndarray) for value in inputs.values())


TEMPLATE = """{%- for message in messages if message['content'] is not string -%}
{%- for part in message['content'] if part['type'] == 'text' -%}{{ part['text'] }}{%- endfor -%}
{%- endfor -%}"""


class TestMessages:
    @pytest.fixture
    def processor(self, processor, tmp_path):
        processor.chat_template = TEMPLATE
        processor.save_pretrained(tmp_path)
        return AllInOneProcessor.from_pretrained(tmp_path)

    def speak(self, text: str, clip=None, kind: str = "video") -> list[dict]:
        document = [] if clip is None else [{"role": "document", "content": [{"type": kind, kind: clip}]}]
        return [{"role": "query", "content": [{"type": "text", "text": text}]}, *document]

    def test_they_are_read_as_texts_and_clips(self, processor, frames, tmp_path):
        def read(conversations, **options):
            inputs = processor.apply_chat_template(conversations, tokenize=True, return_dict=True, **options)
            return {name: value.tolist() for name, value in inputs.items()}

        path = encode_video(tmp_path / "clip.mp4")
        texts, clips = ["a dog", "what runs?"], [path, frames]
        expected = {name: value.tolist() for name, value in processor(text=texts, videos=clips).items()}
        conversations = [self.speak(*pair) for pair in zip(texts, clips, strict=True)]
        assert read(conversations) == expected
        assert processor.apply_chat_template(conversations) == texts
        assert processor.apply_chat_template(conversations, tokenize=True).tolist() == expected["input_ids"]
        assert read(conversations[0]) == {k: v.tolist() for k, v in processor(text="a dog", videos=path).items()}
        assert read([self.speak("a dog")]) == {k: v.tolist() for k, v in processor(text="a dog").items()}
        images = [self.speak("a dog", frames[0], "image")]
        assert read(images) == {k: v.tolist() for k, v in processor(text="a dog", images=frames[0]).items()}
        said = [self.speak("a", {"array": frames, "video_metadata": {"fps": 10}}), self.speak("a", frames)]
        late = processor(text=["a", "a"], videos=[frames] * 2, start=[0.5, None], frame_rate=[10, None])
        options = {"videos_kwargs": {"start": [0.5, None]}, "common_kwargs": {"return_tensors": "pt"}}
        assert read(said, processor_kwargs=options)["pixel_values"] == late["pixel_values"].tolist()
        assert read(said, **options) == read(said, processor_kwargs=options)
        numpy = processor.apply_chat_template(images, tokenize=True, return_dict=True, return_tensors="np")
        assert isinstance(numpy["pixel_values"], np.ndarray)

    def test_a_clip_of_many_texts_is_read_once(self, processor, tmp_path):
        """Seen by frames that are drawn at random: once for all."""
        paths = [str(encode_video(tmp_path / name)) for name in ("a.mp4", "b.mp4")]
        clips = [paths[1], paths[0], paths[1], paths[1]]

        def read(**options):
            options = {"videos_kwargs": {"frame_sampling": "random", "seed": 3, **options}}
            conversations = [self.speak("a dog", clip) for clip in clips]
            inputs = processor.apply_chat_template(
                conversations, tokenize=True, return_dict=True, processor_kwargs=options
            )
            return [pixels.tolist() for pixels in inputs["pixel_values"]]

        drawn = read()
        assert drawn[0] == drawn[2] == drawn[3] != drawn[1]
        assert drawn[:2] == processor(videos=clips[:2], frame_sampling="random", seed=3)["pixel_values"].tolist()
        each = read(start=[0.0] * 4)
        assert each[0] != each[2] and each[:2] == drawn[:2]

    def test_views_are_refused(self, processor, frames):
        options = {"videos_kwargs": {"num_views": 2}}
        with pytest.raises(
            ValueError, match="num_views is above 1, but a text of messages is read with its clip once"
        ):
            processor.apply_chat_template(self.speak("a", frames), tokenize=True, processor_kwargs=options)

    def test_a_text_has_one_clip(self, processor, frames):
        for wrong, found in (
            ([self.speak("a", frames), self.speak("a")], "nothing and video"),
            ([[*self.speak("a", frames), *self.speak("a", frames)]], r"video \+ video"),
            ([self.speak("a", frames[0], "audio")], "audio"),
        ):
            with pytest.raises(ValueError, match=f"there is {found} in the messages; expected one video"):
                processor.apply_chat_template(wrong, tokenize=True)


class TestTextLength:
    def test_long_text_is_cut_and_said_once(self, processor, warnings):
        inputs = processor(text=["a dog " * 20, "a"])
        assert inputs["input_ids"].shape == (2, MAX_LENGTH)
        assert inputs["input_ids"][0, -1] == 3  # [SEP] stays
        processor(text="a cat " * 30)
        assert len(warnings) == 1
        assert (
            "A text of 42 tokens was cut to 16, the limit of the tokenizer (1 of 2 texts in this batch" in warnings[0]
        )

    def test_text_that_just_fits_is_not_cut(self, processor, warnings):
        assert processor(text="a " * (MAX_LENGTH - 2))["attention_mask"].sum() == MAX_LENGTH
        assert processor(text="a", padding="max_length")["attention_mask"].sum() == 3
        assert not warnings

    @pytest.mark.parametrize("text", ("clip.webm", "/my videos/clip.MP4"))
    def test_files_that_were_taken_for_text_are_named(self, processor, warnings, text):
        processor(text=["a dog in clip.mp4.", "a"])
        assert not warnings
        processor(text=["a", text])
        assert len(warnings) == 1 and f"'{text}' was given as text, so its name was read" in warnings[0]

    def test_cutting_can_be_switched_off(self, processor, warnings):
        assert processor(text="a " * 40, truncation=False)["input_ids"].shape == (1, 42)
        assert processor(text="a " * 40, max_length=30)["input_ids"].shape == (1, 30)
        processor.tokenizer.model_max_length = int(1e30)  # a tokenizer without a limit
        assert processor(text="a " * 40)["input_ids"].shape == (1, 42)
        assert len(warnings) == 1


class TestSettingsOfTheTokenizer:
    @pytest.fixture
    def processor(self, processor):
        tokenizer = BertTokenizer(vocab=processor.tokenizer.vocab, padding="max_length", max_length=9)
        return AllInOneProcessor(processor.video_processor, tokenizer)

    @pytest.mark.parametrize("is_saved", (False, True))
    def test_padding_and_length_are_its_own(self, processor, tmp_path, is_saved):
        if is_saved:
            processor(text="a dog", max_length=6)
            processor.save_pretrained(tmp_path)
            processor = AllInOneProcessor.from_pretrained(tmp_path)
        assert processor(text="a dog")["input_ids"].shape == (1, 9)
        assert processor(text=["a dog " * 20, "a"])["input_ids"].shape == (2, 9)
        assert processor(text="a dog", padding=True)["input_ids"].shape == (1, 4)
        assert processor(text="a dog", max_length=6)["input_ids"].shape == (1, 6)

    def test_the_last_call_is_no_setting(self, processor, tmp_path):
        tokenizer = BertTokenizer(vocab=processor.tokenizer.vocab, model_max_length=16)
        processor = AllInOneProcessor(processor.video_processor, tokenizer)
        processor.save_pretrained(tmp_path)
        for save in (processor.tokenizer.save_pretrained, processor.save_pretrained):
            processor(text="a", max_length=6, padding="max_length", pad_to_multiple_of=3)
            save(tmp_path)
            loaded = AllInOneProcessor.from_pretrained(tmp_path)
            assert loaded(text="a dog " * 20)["input_ids"].shape == (1, 16)
            assert loaded(text="a")["input_ids"].shape == (1, 3)


class TestTemplatesAndAnswers:
    def test_choice_template_is_spelled_as_in_training(self, processor):
        expected = ["what runs?Options: dog catAnswer: dog", "what runs?Options: dog catAnswer: cat"]
        assert processor.apply_choice_template("what runs?", ["dog", "cat"]) == expected
        batch = processor.apply_choice_template(["what runs?", "a"], [["dog", "cat"], ["a", "cat"]])
        assert batch == [expected, ["aOptions: a catAnswer: a", "aOptions: a catAnswer: cat"]]
        assert processor(text=batch)["input_ids"].shape[:2] == (2, 2)

    @pytest.mark.parametrize(
        ("question", "options", "message"),
        [
            ("what?", [], r"options of 'what\?' are \[\]; expected a list of at least one text"),
            ("what?", "dog", "options of .* are 'dog'; expected a list"),
            (["what?"], [["a"], ["b"]], "There are 1 questions but 2 lists of options"),
        ],
    )
    def test_choice_template_refuses(self, processor, question, options, message):
        with pytest.raises(ValueError, match=message):
            processor.apply_choice_template(question, options)

    def test_answers_by_score(self, processor):
        logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]])
        answers = {0: "dog", 1: "cat", 2: "bird"}
        best = processor.post_process_question_answering(logits, answers)
        assert [[one["answer"] for one in row] for row in best] == [["cat"], ["dog"]]
        assert best[0][0]["score"] == pytest.approx(float(logits[0].softmax(-1)[1]))
        every = processor.post_process_question_answering(logits, list(answers.values()), top_k=9, multi_label=True)
        assert [one["answer"] for one in every[0]] == ["cat", "bird", "dog"]
        assert every[0][2]["score"] == 0.5

        class Output:
            pass

        output = Output()
        output.logits = logits
        assert processor.post_process_question_answering(output, answers) == best

    @pytest.mark.parametrize(
        ("shape", "top_k", "message"),
        [
            ((2, 3, 4), 1, r"logits have shape \(2, 3, 4\) and id2label has 3 answers; expected \(batch, answers\)"),
            ((2, 4), 1, r"logits have shape \(2, 4\) and id2label has 3 answers"),
            ((2, 3), 0, "top_k is 0; expected at least 1"),
        ],
    )
    def test_answers_refuse(self, processor, shape, top_k, message):
        with pytest.raises(ValueError, match=message):
            processor.post_process_question_answering(torch.zeros(shape), ["a", "b", "c"], top_k=top_k)


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({}, ValueError, "There is nothing to process; give text, videos or images"),
            ({"text": "a", "videos": 2}, ValueError, "There are 1 texts but 2 clips; expected one text"),
            ({"text": ["a", "a", "a"], "videos": 1}, ValueError, "There are 3 texts but 1 clips"),
            ({"text": [["a", "a"], ["a"]]}, ValueError, r"text has \[2, 1\] options; expected equally many"),
            ({"text": [[], []]}, ValueError, r"text has \[0, 0\] options; expected equally many, at least 1"),
            ({"text": []}, TypeError, r"text is \[\]; expected a text, a list of texts"),
            ({"text": 3}, TypeError, "text is 3; expected a text"),
            ({"text": ["a", None]}, TypeError, "text contains None, a NoneType; expected nothing but texts"),
            ({"text": [["a"], "a"]}, TypeError, r"text contains \['a'\], a list"),
            ({"videos": 1, "num_frames": 0}, ValueError, "num_frames is 0; expected at least 1"),
            ({"videos": 1, "images": []}, ValueError, "videos and images are both given"),
            ({"text": "a", "return_tensors": "tf"}, ValueError, "return_tensors is 'tf'; expected 'pt' or 'np'"),
            ({"images": []}, ValueError, "images is an empty list"),
            ({"images": [[1, 2], [3]]}, ValueError, r"images has \[2, 1\] images; expected equally many"),
            ({"images": ["nowhere.png"]}, FileNotFoundError, r"nowhere\.png is not a file"),
            ({"text": "a", "num_frame": 3}, TypeError, "AllInOneProcessor does not know num_frame; it knows"),
        ],
    )
    def test_inputs(self, processor, frames, arguments, error, message):
        if "videos" in arguments:
            arguments = arguments | {"videos": [frames] * arguments["videos"]}
        with pytest.raises(error, match=message):
            processor(**arguments)

    def test_parts_in_the_wrong_order(self, processor):
        with pytest.raises(TypeError, match="video_processor is a BertTokenizer; expected an AllInOneVideoProcessor"):
            AllInOneProcessor(processor.tokenizer, processor.video_processor)


class TestSaving:
    def test_round_trip(self, processor, frames, tmp_path):
        processor.save_pretrained(tmp_path)
        expected = processor(text=["a dog", "a"], videos=[frames, frames])
        for loaded in [AllInOneProcessor.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)]:
            assert isinstance(loaded, AllInOneProcessor)
            assert isinstance(loaded.video_processor, AllInOneVideoProcessor)
            assert loaded.video_processor.to_dict() == processor.video_processor.to_dict()
            assert loaded.tokenizer.model_max_length == MAX_LENGTH
            inputs = loaded(text=["a dog", "a"], videos=[frames, frames])
            assert set(inputs) == set(expected)
            assert all(torch.equal(inputs[name], expected[name]) for name in expected)
