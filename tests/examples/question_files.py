# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The data sets of questions and choices in miniature: three rows to train on, one to select on, two to score."""

from annotation_fixtures import json_lines, table

VIDEOS = [f"video{number}" for number in range(3)]
ANSWERS = ["yes", "no", "yes"]
OPTIONS = ["a dog", "a cat", "a car", "two men", "it runs"]
CLIPS = [f"1_FILM_00.0{number}-00.0{number + 1}" for number in range(3)]  # as LSMDC names them
PARTS = {"train": slice(0, 3), "val": slice(0, 1), "test": slice(1, 3)}


def questions(name: str = "video_id", names: list = VIDEOS, **fields) -> list[dict]:
    """A question about each video."""
    return [
        {name: video, "question": "is it a dog?", "answer": answer, **fields}
        for video, answer in zip(names, ANSWERS, strict=True)
    ]


def numbered(rows: list[dict]) -> list[dict]:
    """Rows with ids, as the makers of MSRVTT-QA and MSVD-QA have them."""
    return [{"id": number, **row, "video_id": number} for number, row in enumerate(rows)]


def vqa_questions() -> dict:
    ids = {"train2014": (1, 2, 3), "val2014": (4, 5)}
    return {
        f"v2_OpenEnded_mscoco_{part}_questions.json": {
            "questions": [{"image_id": id_, "question": "is it a dog?", "question_id": id_} for id_ in of_part]
        }
        for part, of_part in ids.items()
    } | {
        f"v2_mscoco_{part}_annotations.json": {
            "annotations": [
                {
                    "question_id": id_,
                    "multiple_choice_answer": "yes",
                    "answers": [{"answer": "yes"}] * 8 + [{"answer": "no"}] * 2,
                }
                for id_ in of_part
            ]
        }
        for part, of_part in ids.items()
    }


def tgif_choices(part: str) -> dict:
    header = ("gif_name", "question", *(f"a{number}" for number in range(1, 6)), "answer", "vid_id")
    rows = [(video, "what is it ?", *OPTIONS, number, f"ID{number}") for number, video in enumerate(VIDEOS)]
    entries = [
        {"gif_name": video, "question": "what is it ?", "options": OPTIONS, "answer": number}
        for number, video in enumerate(VIDEOS)
    ]
    return {
        "original": {f"{part}_{word}.jsonl": entries[PARTS[word]] for word in ("train", "test")},
        "published": {
            f"{word.capitalize()}_{part}_question.csv": table(header, *rows[PARTS[word]]) for word in ("train", "test")
        },
    }


def tvqa() -> dict:
    entries = [
        {f"a{number}": option for number, option in enumerate(OPTIONS)}
        | {"q": "what " * 60, "qid": number, "ts": "0.1-0.5", "vid_name": f"met_{video}", "answer_idx": number}
        for number, video in enumerate(VIDEOS)
    ]
    return {f"tvqa_{word}.jsonl": entries[PARTS[word]] for word in ("train", "val")}


def msrvtt_mc() -> dict:
    train, test = [f"video{number}" for number in range(3, 6)], VIDEOS[1:]
    questions = json_lines([{"clip_name": video, "options": OPTIONS, "answer": 1} for video in test])
    captions = [{"image_id": video, "caption": f"a dog {video}"} for video in train]
    lists = "high-quality/structured-symlinks"
    return {
        "original": {
            "msrvtt_mc_test.jsonl": questions,
            f"{lists}/train_list_full.txt": "".join(f"{video}\n" for video in train[:2]),
            f"{lists}/val_list_full.txt": f"{train[2]}\n",
            "annotation/MSR_VTT.json": {"annotations": captions},
        },
        "published": {
            "msrvtt_mc_test.jsonl": questions,
            "MSRVTT_train.7k.csv": table(("video_id",), *((video,) for video in train)),
            "MSRVTT_data.json": {"sentences": captions},
        },
    }


def lsmdc_mc() -> dict:
    times = ("1", "2", "1", "2")
    train = [(clip, *times, *OPTIONS) for clip in CLIPS]
    return {
        "LSMDC16_multiple_choice_train.csv": table(*train),
        "LSMDC16_multiple_choice_valid.csv": table(train[0]),
        "LSMDC16_multiple_choice_test_randomized.csv": table(*((*row, 3) for row in train[1:])),
    }


# recipe -> (where films, images or folders of frames lie, the files of each arrangement)
FILMS = [f"videos/all/{video}.mp4" for video in VIDEOS]
GIFS = [f"gifs/{video}.gif" for video in VIDEOS]
QUESTIONS = {
    "msrvtt_qa": (
        [*FILMS],
        {
            "original": {f"msrvtt_qa_{word}.jsonl": questions()[part] for word, part in PARTS.items()}
            | {"msrvtt_train_ans2label.json": {"yes": 0, "no": 1}},
            "published": {f"{word}_qa.json": numbered(questions()[part]) for word, part in PARTS.items()},
        },
    ),
    "msvd_qa": (
        [f"YouTubeClips/clip{number}.avi" for number in range(3)],
        {
            "original": {
                f"msvd_{word}_qa_encode.json": json_lines(questions(names=[0, 1, 2])[part])
                for word, part in PARTS.items()
            }
            | {
                "msvd_answer_set.txt": "yes\nno\n",
                "msvd_youtube_mapping.txt": "".join(f"clip{number} vid{number}\n" for number in range(3)),
            },
            "published": {f"{word}_qa.json": numbered(questions()[part]) for word, part in PARTS.items()}
            | {"youtube_mapping.txt": "".join(f"clip{number} vid{number}\n" for number in range(3))},
        },
    ),
    "tgif_frameqa": (
        GIFS,
        {
            "original": {f"frameqa_{word}.jsonl": questions("gif_name")[part] for word, part in PARTS.items()}
            | {"frameqa_trainval_ans2label.json": {"yes": 0, "no": 1}},
            "published": {
                f"{word.capitalize()}_frameqa_question.csv": table(
                    ("gif_name", "question", "answer", "type", "vid_id"),
                    *(
                        (*row.values(), 0, f"FRAMEQA{number}")
                        for number, row in enumerate(questions("gif_name")[PARTS[word]])
                    ),
                )
                for word in ("train", "test")
            },
        },
    ),
    "activitynet_qa": (
        [f"activitynet_frames/v_{video}" for video in VIDEOS],
        {
            "published": {
                f"{word}_{letter}.json": [
                    {"question_id": row["video_name"], **{name: row[name] for name in names}}
                    for row in questions("video_name", type=3)[part]
                ]
                for word, part in PARTS.items()
                for letter, names in (("q", ("video_name", "question")), ("a", ("answer", "type")))
            }
        },
    ),
    "vqav2": (
        [
            f"{part}/COCO_{part}_{number:012}.jpg"
            for part, numbers in (("train2014", (1, 2, 3)), ("val2014", (4, 5)))
            for number in numbers
        ],
        {"published": vqa_questions()},
    ),
}
CHOICES = {
    "tgif_action": (GIFS, tgif_choices("action")),
    "tgif_transition": (GIFS, tgif_choices("transition")),
    "tvqa": (
        [f"frames/raw_frames/frames_hq/met_frames/met_{video}" for video in VIDEOS],
        {"published": tvqa()},
    ),
    "msrvtt_mc": ([f"videos/all/video{number}.mp4" for number in range(6)], msrvtt_mc()),
    "lsmdc_mc": ([f"1_FILM/{clip}.avi" for clip in CLIPS], {"published": lsmdc_mc()}),
}

# Captions to choose from without training: the file of annotations, its content, and where the film lies.
CAPTIONS = ["a dog runs", "it sleeps", "a cat", "a ring", "a bar"]
FILM = "1_FILM_00.01-00.02"
CAPTION_CHOICES = {
    "msrvtt_mc": (
        "msrvtt_mc_test.jsonl",
        json_lines([{"clip_name": "video7", "options": CAPTIONS, "answer": 3}]),
        "videos/all/video7.mp4",
    ),
    "lsmdc_mc": (
        "LSMDC16_multiple_choice_test_randomized.csv",
        table((FILM, *"1234", *CAPTIONS, "4")),
        f"1_FILM/{FILM}.avi",
    ),
    "ego4d_mc": (
        "mc_val.csv",
        f"question,answers\n\"['clip', 5, 'a ring']\",\"{[['clip', 5, choice] for choice in CAPTIONS]}\"\n",
        "videos/clip.mp4",
    ),
}
