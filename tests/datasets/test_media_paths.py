# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Annotations do not lead out of the folder of the videos, whatever the reader."""

import json
import os

import pytest
from annotation_fixtures import put_videos, read_rows, table, write_files

from modeling_allinone.datasets import list_datasets, load_annotations, write_moving_shapes

LISTS = "high-quality/structured-symlinks"
OPTIONS = ["a", "b", "c", "d", "e"]
QUESTION = {"question": "who?", "answer": "man"}
MOMENT = {"q": "who?", "qid": 1, "ts": "0-1", "answer_idx": 0} | {f"a{number}": "man" for number in range(5)}
CHOICES = [["a"]] * 4
VCR = {"metadata_fn": "a.json", "question": ["a"], "objects": [], "annot_id": "1", "answer_label": 0}
VCR |= {"rationale_label": 0, "answer_choices": CHOICES, "rationale_choices": CHOICES}
SENTENCE = {"identifier": "a-0", "sentence": "two dogs", "label": "True"}
KARPATHY = {"split": "train", "imgid": 1, "sentences": [{"raw": "a dog"}]}
KINETICS = ("label", "youtube_id", "time_start", "time_end")
TIMES = ("1", "2", "3", "4")
EGO_ANSWERS = f'"{[["x", 5, "a"]] * 5}"'


def msrvtt(list_name):
    """A list, and captions of the video on it."""
    return lambda name: {
        list_name: f"video_id\n{name}\n" if list_name.endswith(".csv") else f"{name}\n",
        "MSRVTT_data.json": {"sentences": [{"video_id": name, "caption": "a dog"}]},
    }


# Name of the reader -> files of its training split (or "test", beside) in which a video or image has a given name.
READERS = {
    "msrvtt_qa": lambda name: {"msrvtt_qa_train.jsonl": [QUESTION | {"video_id": f"video/{name}"}]},
    "msvd_qa": lambda name: {
        "msvd_train_qa_encode.json": [QUESTION | {"video_id": 1}],
        "msvd_youtube_mapping.txt": f"{name} vid1\n",
    },
    "tgif_frameqa": lambda name: {"frameqa_train.jsonl": [QUESTION | {"gif_name": name}]},
    "tgif_action": lambda name: {
        "Train_action_question.csv": table(
            ("gif_name", "question", "a1", "a2", "a3", "a4", "a5", "answer"), (name, "who?", *OPTIONS, 0)
        )
    },
    "tgif_transition": lambda name: {
        "transition_train.jsonl": [QUESTION | {"gif_name": name, "options": OPTIONS, "answer": 0}]
    },
    "activitynet_qa": lambda name: {
        "train_q.json": [QUESTION | {"question_id": "1", "video_name": f"/../{name}"}],
        "train_a.json": [QUESTION | {"question_id": "1"}],
    },
    "tvqa": lambda name: {"tvqa_train.jsonl": [MOMENT | {"vid_name": name}]},
    "msrvtt_mc": msrvtt("MSRVTT_train.7k.csv"),
    "msrvtt_retrieval": msrvtt(f"{LISTS}/train_list_jsfusion.txt"),
    "msrvtt_retrieval_7k": msrvtt("MSRVTT_train.7k.csv"),
    "msrvtt_retrieval_1k_b": msrvtt(f"{LISTS}/train_list_miech.txt"),
    "msrvtt_retrieval_full": msrvtt(f"{LISTS}/train_list_full.txt"),
    "lsmdc_mc": lambda name: {"LSMDC16_multiple_choice_train.csv": table((name, *TIMES, *OPTIONS))},
    "lsmdc_retrieval": lambda name: {"LSMDC16_annos_training.csv": table((name, *TIMES, "a dog"))},
    "ego4d_mc": lambda name: {
        "mc_val.csv": table(("question", "answers"), (f"\"['{name}', 5, 'a']\"", EGO_ANSWERS), delimiter=",")
    },
    "msvd_retrieval": lambda name: {
        "train_list.txt": f"{name}\n",
        "AllVideoDescriptions.txt": f"{name} a dog\n",
    },
    "didemo_retrieval": lambda name: {"train_data.json": [{"video": name, "description": "a dog"}]},
    "activitynet_retrieval": lambda name: {"train.json": {name: {"sentences": ["a dog"]}}},
    "vcr": lambda name: {"train.jsonl": [VCR | {"img_fn": name}]},
    "nlvr2": lambda name: {"train.json": json.dumps(SENTENCE | {"directory": name})},
    "vqav2": None,  # named by numbers
    "coco_karpathy": lambda name: {"dataset_coco.json": {"images": [KARPATHY | {"filename": "a", "filepath": name}]}},
    "flickr30k": lambda name: {"dataset_flickr30k.json": {"images": [KARPATHY | {"filename": name}]}},
    "kinetics400": lambda name: {"train.csv": table(KINETICS, (name, "a", 0, 1), delimiter=",")},
    "hmdb51": lambda name: {"brush_hair_test_split1.txt": f"{name} 1\n"},
    "ucf101": lambda name: {"classInd.txt": "1 a\n", "trainlist01.txt": f"a/{name} 1\n"},
    "webvid": lambda name: {"results_2M_train.csv": f"videoid,name,page_dir\n1,a dog,{name}\n"},
    "howto100m": lambda name: {
        "ht100_videos_split.csv": f"Name\n{name}\n",
        "howto100m_csv/a.csv": "start,end,text\n0,1,a dog\n",
    },
    "yttemporal": lambda name: {"train_success_1000000.csv": f"Name\n{name}\n"},
    "cc3m": lambda name: {"cc3m_training_success_full.tsv": table(("caption", "file"), ("a dog", name))},
    "cc12m": None,  # a file without its folders, as is SBU's
    "sbu": None,
    "visual_genome": lambda name: {"region_descriptions.json": [{"id": name, "regions": [{"phrase": "a dog"}]}]},
    "moving_shapes": None,  # below
}
OF_TEST = {"ego4d_mc"}


def test_every_reader_is_looked_at():
    assert set(READERS) == {name for names in list_datasets().values() for name in names}


@pytest.mark.parametrize("reader", [name for name, files in READERS.items() if files is not None])
@pytest.mark.parametrize("name", ["../../outside/a.mp4", "b/../../a"])
def test_names_that_lead_out_are_refused(reader, name, tmp_path):
    root = write_files(tmp_path / "data", READERS[reader](name))
    place = r", (line|entry|images, entry|annotations, entry) \S+: the file '.*\.\..*' lies outside the data folder"
    for on_missing_video in ("ignore", "drop"):
        with pytest.raises(ValueError, match=place) as error:
            split = "test" if reader in OF_TEST else "train"
            load_annotations(reader, root, split, on_missing_video=on_missing_video)
        assert str(error.value).startswith(str(root))


@pytest.mark.parametrize("reader", ["tgif_frameqa", "didemo_retrieval", "webvid", "howto100m", "cc3m", "vcr"])
def test_absolute_names_are_refused(reader, tmp_path):
    root = write_files(tmp_path / "data", READERS[reader](str(tmp_path / "a.mp4")))
    with pytest.raises(ValueError, match=r": the file '/.*a\.mp4.*' lies outside the data folder"):
        load_annotations(reader, root)


def test_transcripts_are_not_read_from_outside(tmp_path):
    root = write_files(tmp_path / "data", READERS["yttemporal"]("../data/a.mp4"))
    write_files(tmp_path, {"data/annotations/a.json": "no JSON", "annotations/a.json": "no JSON"})
    (root / "videos").mkdir()
    with pytest.raises(ValueError, match=r"1000000\.csv, line 2: the file '\.\./data/a\.mp4' lies outside"):
        load_annotations("yttemporal", root)


def test_metadata_is_not_read_from_outside(tmp_path):
    root = write_files(tmp_path, {"train.jsonl": [VCR | {"img_fn": "a.jpg", "metadata_fn": "../a.json"}]})
    with pytest.raises(ValueError, match=r"train\.jsonl, line 1: the file '\.\./a\.json' lies outside"):
        load_annotations("vcr", root)


def test_moving_shapes_stay_inside(tmp_path):
    write_moving_shapes(tmp_path, num_clips=2, split="train")
    path = tmp_path / "train/annotations.jsonl"
    path.write_text(path.read_text().replace("videos/000001", "../../000001"))
    with pytest.raises(ValueError, match=r"annotations\.jsonl, line 2: the file '\.\./\.\./000001\.mp4' lies outside"):
        load_annotations("moving_shapes", tmp_path)


def test_links_and_patterns_lead_where_their_owner_likes(tmp_path, clip):
    put_videos(tmp_path, clip, "elsewhere/a..b.gif")
    root = write_files(tmp_path / "data", READERS["tgif_frameqa"]("a..b"))
    os.symlink(tmp_path / "elsewhere", root / "gifs")
    for pattern in (None, "../elsewhere/{video_id}.gif", str(tmp_path / "elsewhere/{video_id}.*")):
        options = {} if pattern is None else {"media_pattern": pattern}
        (row,) = read_rows("tgif_frameqa", root, "train", on_missing_video="raise", **options)
        assert os.path.samefile(row["video"], tmp_path / "elsewhere/a..b.gif")


def test_parts_of_names_that_the_pattern_leaves_out_are_no_matter(tmp_path):
    root = write_files(
        tmp_path / "data",
        {
            "ht100_videos_split.csv": "Name\n/there/a.mp4\n",
            "howto100m_csv/a.csv": "start,end,text\n0,1,a dog\n",
        },
    )
    (row,) = read_rows("howto100m", root, "train", media_pattern="{video_id}.mp4")
    assert row["video"] == str(root / "a.mp4")
