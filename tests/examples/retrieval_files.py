# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The data sets of retrieval in miniature: two films or images to train on, one to select on, two to score."""

import json
import pickle
from pathlib import Path

from annotation_fixtures import write_places

LISTS = "high-quality/structured-symlinks"
VIDEOS = [f"video{number}" for number in range(4)]
TRAIN, VALIDATION, TEST = VIDEOS[:2], VIDEOS[2:3], VIDEOS[2:]
CLIPS = [f"1_FILM_00.0{number}-00.0{number + 1}" for number in range(4)]  # as LSMDC names them


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def captions(name: str) -> list[dict]:
    """Captions of MSR-VTT, two for each film."""
    return [{name: video, "caption": f"{what} {video}"} for video in VIDEOS for what in ("a dog", "it sleeps")]


def msrvtt_lists(word: str, **lists: list[str]) -> dict:
    files = {f"{LISTS}/{split}_list_{word}.txt": lines(*videos) for split, videos in lists.items()}
    return files | {"annotation/MSR_VTT.json": {"annotations": captions("image_id")}}


def msrvtt_makers(split: str, videos: list[str]) -> list[dict]:
    return [{"video_id": video, "split": split} for video in videos]


def msvd_tables() -> dict:
    splits = {"train": TRAIN, "val": VALIDATION, "test": TEST}
    return {
        f"MSVD_{name}.tsv": lines("captions\tclip", *(f"a dog,a cat {video}\t{video}" for video in videos))
        for name, videos in splits.items()
    }


def lsmdc() -> dict:
    splits = {"annos_training": CLIPS[:2], "annos_val": CLIPS[2:3], "challenge_1000_publictect": CLIPS[2:]}
    return {
        f"LSMDC16_{name}.csv": lines(*(f"{clip}\t1\t2\t3\t4\tA dog runs {clip}" for clip in clips))
        for name, clips in splits.items()
    }


def karpathy(**fields) -> dict:
    splits = ("train", "train", "val", "test", "test")
    return {
        "images": [
            {"filename": f"{number}.jpg", "split": split, "imgid": number, **fields}
            | {"sentences": [{"raw": f"a dog {number}"}, {"raw": "it sleeps"}]}
            for number, split in enumerate(splits)
        ]
    }


# recipe -> (where films, images or folders of frames lie, the files of each arrangement)
MSRVTT_FILMS = [f"videos/all/{video}.mp4" for video in VIDEOS]
ONE_K = (
    MSRVTT_FILMS,
    {
        "original": msrvtt_lists("jsfusion", train=TRAIN, val=TEST)
        | {f"{LISTS}/jsfusion_val_caption_idx.pkl": pickle.dumps([0, 1])},
        "published": {
            "MSRVTT_data.json": {"sentences": captions("video_id")},
            "MSRVTT_train.9k.csv": lines("video_id", *TRAIN),
            "MSRVTT_JSFUSION_test.csv": lines("video_id,sentence", *(f"{video},a dog {video}" for video in TEST)),
        },
    },
)
DATA = {
    "msrvtt_retrieval": ONE_K,
    "msrvtt_retrieval_ranking": ONE_K,
    "msrvtt_retrieval_7k": (
        MSRVTT_FILMS,
        {
            name: {path: content for path, content in files.items() if "train" not in path}
            | {"MSRVTT_train.7k.csv": lines("video_id", *TRAIN)}
            for name, files in ONE_K[1].items()
        },
    ),
    "msrvtt_retrieval_1k_b": (MSRVTT_FILMS, {"original": msrvtt_lists("miech", train=TRAIN, test=TEST)}),
    "msrvtt_retrieval_full": (
        MSRVTT_FILMS,
        {
            "original": msrvtt_lists("full", train=TRAIN, val=VALIDATION, test=TEST),
            "published": {
                "train_val_videodatainfo.json": {
                    "videos": msrvtt_makers("train", TRAIN) + msrvtt_makers("validate", VALIDATION),
                    "sentences": captions("video_id"),
                },
                "test_videodatainfo.json": {
                    "videos": msrvtt_makers("test", TEST),
                    "sentences": captions("video_id"),
                },
            },
        },
    ),
    "msvd_retrieval": (
        [f"YouTubeClips/{video}.avi" for video in VIDEOS],
        {
            "original": msvd_tables(),
            "published": {
                "AllVideoDescriptions.txt": lines(*(f"{video} a dog {video}" for video in VIDEOS)),
                "train_list.txt": lines(*TRAIN),
                "val_list.txt": lines(*VALIDATION),
                "test_list.txt": lines(*TEST),
            },
        },
    ),
    "didemo_retrieval": (
        [f"video/{video}.mp4" for video in VIDEOS],
        {
            "original": {
                f"DiDeMo_{name}.tsv": lines(
                    "caption\tfile", *(f"a dog. {video} sleeps\t{video}.mp4" for video in part)
                )
                for name, part in {"train": TRAIN, "val": VALIDATION, "test": TEST}.items()
            },
            "published": {
                f"{name}_data.json": [{"video": f"{video}.mp4", "description": f"a dog {video}"} for video in part]
                for name, part in {"train": TRAIN, "val": VALIDATION, "test": TEST}.items()
            },
        },
    ),
    "activitynet_retrieval": (
        [f"activitynet_frames/{video}" for video in VIDEOS],
        {
            "original": {
                f"{name}.jsonl": lines(
                    *(json.dumps({"caption": f"a dog {video}", "clip_name": video}) for video in part)
                )
                for name, part in {"train": TRAIN, "val1": VALIDATION, "val2": TEST}.items()
            },
            "published": {
                f"{name}.json": {video: {"sentences": ["a dog.", f"it sleeps {video}"]} for video in part}
                for name, part in {"train": TRAIN, "val_1": VALIDATION, "val_2": TEST}.items()
            },
        },
    ),
    "lsmdc_retrieval": ([f"1_FILM/{clip}.avi" for clip in CLIPS], {"published": lsmdc()}),
    "coco_karpathy": (
        [f"train2014/{number}.jpg" for number in range(5)],
        {
            "original": {"karpathy/dataset_coco.json": karpathy(filepath="train2014")},
            "published": {"dataset_coco.json": karpathy(filepath="train2014")},
        },
    ),
    "flickr30k": (
        [f"flickr30k-images/{number}.jpg" for number in range(5)],
        {
            "original": {"karpathy/dataset_flickr30k.json": karpathy()},
            "published": {"dataset_flickr30k.json": karpathy()},
        },
    ),
}


def write_data(root: Path, recipe: str, arrangement: str, film: Path, image: Path) -> Path:
    """Write a data set of retrieval."""
    places, arrangements = DATA[recipe]
    return write_places(root, places, arrangements[arrangement], film, image)
