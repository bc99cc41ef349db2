# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Captions of images: Karpathy's partition of COCO and Flickr30k, Visual Genome, CC3M, CC12M, SBU."""

import zlib

import pytest
from annotation_fixtures import read_rows, table, write_files
from PIL import Image

from modeling_allinone.datasets import load_annotations, summarize


def karpathy_image(number, split, *captions, **fields):
    sentences = [
        {"tokens": caption.lower().split(), "raw": caption, "imgid": number, "sentid": 10 * number + place}
        for place, caption in enumerate(captions)
    ]
    return {"imgid": number, "split": split, "sentences": sentences, **fields}


COCO = [
    karpathy_image(
        0, "test", "A man. ", "A rider.", filepath="val2014", filename="COCO_val2014_000000391895.jpg", cocoid=391895
    ),
    karpathy_image(1, "train", "A dog.", filepath="train2014", filename="COCO_train2014_000000000009.jpg", cocoid=9),
    karpathy_image(2, "restval", "A cat.", filepath="val2014", filename="COCO_val2014_000000000042.jpg", cocoid=42),
    karpathy_image(3, "val", "A cup.", filepath="val2014", filename="COCO_val2014_000000000073.jpg", cocoid=73),
]
FLICKR = [
    karpathy_image(0, "train", "Two men.", "Friends.", filename="1000092795.jpg"),
    karpathy_image(1, "val", "A girl.", filename="1000268201.jpg"),
    karpathy_image(2, "test", "A boat.", "A lake.", filename="1007129816.jpg"),
]


@pytest.mark.parametrize("folder", ["karpathy/", ""])
def test_coco(tmp_path, folder):
    write_files(tmp_path, {f"{folder}dataset_coco.json": {"images": COCO, "dataset": "coco"}})
    assert read_rows("coco_karpathy", tmp_path, "train") == [
        {
            "image": str(tmp_path / "train2014/COCO_train2014_000000000009.jpg"),
            "captions": ["A dog."],
            "video_id": "9",
            "sample_id": "9",
        },
        {
            "image": str(tmp_path / "val2014/COCO_val2014_000000000042.jpg"),
            "captions": ["A cat."],
            "video_id": "42",
            "sample_id": "42",
        },
    ]
    image = str(tmp_path / "val2014/COCO_val2014_000000391895.jpg")
    assert read_rows("coco_karpathy", tmp_path, "test") == [
        {"image": image, "caption": "A man.", "video_id": "391895", "sample_id": "391895-0"},
        {"image": image, "caption": "A rider.", "video_id": "391895", "sample_id": "391895-1"},
    ]
    (row,) = read_rows("coco_karpathy", tmp_path, "test", caption_mode="list")
    assert row["captions"] == ["A man.", "A rider."]
    (row,) = read_rows("coco_karpathy", tmp_path, "validation")
    assert row["caption"] == "A cup."
    (row,) = read_rows("coco_karpathy", tmp_path, "train", with_restval=False)
    assert row["captions"] == ["A dog."]
    with pytest.raises(ValueError, match="with_restval is 'no'; expected true or false"):
        read_rows("coco_karpathy", tmp_path, "train", with_restval="no")


@pytest.mark.parametrize("folder", ["karpathy/", ""])
def test_flickr30k(tmp_path, folder):
    write_files(tmp_path, {f"{folder}dataset_flickr30k.json": {"images": FLICKR, "dataset": "flickr30k"}})
    assert read_rows("flickr30k", tmp_path, "train") == [
        {
            "image": str(tmp_path / "flickr30k-images/1000092795.jpg"),
            "captions": ["Two men.", "Friends."],
            "video_id": "0",
            "sample_id": "0",
        }
    ]
    captions = {
        split: [row["caption"] for row in read_rows("flickr30k", tmp_path, split)] for split in ("validation", "test")
    }
    assert captions == {"validation": ["A girl."], "test": ["A boat.", "A lake."]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sentences": []}, r"images, entry 2: field 'sentences' is \[\], but expected a list of objects with raw"),
        ({"sentences": [{"tokens": ["a"]}]}, "entry 2, entry 'sentences': field 'raw' is missing"),
    ],
)
def test_wrong_entries_of_karpathy_are_named(tmp_path, changes, message):
    write_files(tmp_path, {"dataset_coco.json": {"images": [COCO[0], COCO[1] | changes]}})
    with pytest.raises(ValueError, match=message):
        load_annotations("coco_karpathy", tmp_path, "train")


# Visual Genome


REGIONS = [
    {
        "id": 1,
        "regions": [
            {"region_id": 1382, "width": 82, "height": 139, "image_id": 1, "phrase": "the clock is green", "y": 57},
            {"region_id": 1383, "width": 182, "height": 13, "image_id": 1, "phrase": "a man "},
        ],
    },
    {"id": 107899, "regions": [{"phrase": "  "}]},
    {"id": 2, "regions": []},
    {"id": 3, "regions": [{"phrase": "a tree"}]},
]


@pytest.mark.parametrize("folder", ["annotations/", ""])
def test_visual_genome(tmp_path, folder):
    urls = {1: "https://cs.stanford.edu/people/rak248/VG_100K_2/1.jpg", 3: "https://example.org/VG_100K/3.jpg"}
    write_files(
        tmp_path,
        {
            f"{folder}region_descriptions.json": REGIONS,
            f"{folder}image_data.json": [{"image_id": number, "url": url} for number, url in urls.items()],
        },
    )
    assert read_rows("visual_genome", tmp_path, "train") == [
        {
            "image": str(tmp_path / "images/VG_100K_2/1.jpg"),
            "captions": ["the clock is green", "a man"],
            "video_id": "1",
            "sample_id": "1",
        },
        {
            "image": str(tmp_path / "images/VG_100K/3.jpg"),
            "captions": ["a tree"],
            "video_id": "3",
            "sample_id": "3",
        },
    ]
    summary = summarize(load_annotations("visual_genome", tmp_path))
    assert summary.remarks == ("2 images without a caption were left out",)


def test_visual_genome_looks_for_images_in_both_folders(tmp_path):
    write_files(tmp_path, {"region_descriptions.json": REGIONS})
    (tmp_path / "images/VG_100K_2").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "images/VG_100K_2/3.jpg")
    rows = read_rows("visual_genome", tmp_path, "train", on_missing_video="warn")
    assert [row["image"] for row in rows] == [
        str(tmp_path / "images/VG_100K/1.jpg"),
        str(tmp_path / "images/VG_100K_2/3.jpg"),
    ]
    (row, _) = read_rows("visual_genome", tmp_path, "train", media_pattern="all/{image}.jpg")
    assert row["image"] == str(tmp_path / "all/1.jpg")


def test_wrong_regions_are_named(tmp_path):
    write_files(tmp_path, {"region_descriptions.json": [{"id": 1, "regions": ["a man"]}]})
    with pytest.raises(
        ValueError, match=r"entry 1: field 'regions' is .*, but expected a list of objects with phrase"
    ):
        load_annotations("visual_genome", tmp_path)


# Conceptual captions


@pytest.mark.parametrize(("split", "word"), [("train", "training"), ("validation", "validation")])
def test_cc3m_as_the_original_has_it(tmp_path, split, word):
    rows = table(("caption", "file"), ("a boat", "12/7.jpg"), ('"a ""big"" boat"', "8.jpg"), ("", "9.jpg"))
    write_files(tmp_path, {f"cc3m_{word}_success_full.tsv": rows})
    assert read_rows("cc3m", tmp_path, split) == [
        {
            "image": str(tmp_path / f"{word}/12/7.jpg"),
            "caption": "a boat",
            "video_id": "12/7.jpg",
            "sample_id": f"{split}-0",
        },
        {
            "image": str(tmp_path / f"{word}/8.jpg"),
            "caption": 'a "big" boat',
            "video_id": "8.jpg",
            "sample_id": f"{split}-1",
        },
    ]
    summary = summarize(load_annotations("cc3m", tmp_path, split))
    assert summary.remarks == ("1 entries without a caption were left out",)


@pytest.mark.parametrize(
    ("split", "name", "folder"),
    [
        ("train", "Train_GCC-training.tsv", "training"),
        ("validation", "Validation_GCC-1.1.0-Validation.tsv", "validation"),
    ],
)
def test_cc3m_as_the_makers_have_it(tmp_path, split, name, folder):
    url = "http://example.org/a%20boat.jpg?size=1"
    write_files(tmp_path, {name: table(('"a boat', url), ("a lake", "http://example.org/2"))})
    rows = read_rows("cc3m", tmp_path, split)
    checksum = str(zlib.crc32(url.encode()))
    assert [row["caption"] for row in rows] == ['"a boat', "a lake"]
    assert rows[0]["image"] == str(tmp_path / folder / checksum) and rows[0]["video_id"] == checksum


def test_cc12m(tmp_path):
    write_files(tmp_path, {"val.tsv": table(("caption", "image"), ("a boat", "some/where/7.jpg"))})
    write_files(tmp_path, {"cc12m.tsv": table(("http://example.org/1", "a lake"))})
    (row,) = read_rows("cc12m", tmp_path, "validation")
    assert (row["image"], row["caption"], row["video_id"]) == (str(tmp_path / "7.jpg"), "a boat", "7.jpg")
    (row,) = read_rows("cc12m", tmp_path, "train", media_pattern="images/{image}.jpg")
    checksum = zlib.crc32(b"http://example.org/1")
    assert (row["image"], row["caption"]) == (str(tmp_path / f"images/{checksum}.jpg"), "a lake")
    write_files(tmp_path, {"train.tsv": table(("caption", "image"), ("a car", "8.jpg"))})
    assert [row["caption"] for row in read_rows("cc12m", tmp_path, "train")] == ["a car"]  # it is preferred


def test_row_without_a_file_is_named(tmp_path):
    write_files(tmp_path, {"cc3m_training_success_full.tsv": table(("caption", "file"), ("a boat",))})
    with pytest.raises(ValueError, match="line 2: column 1 is missing"):
        load_annotations("cc3m", tmp_path)


def test_table_with_nothing_but_a_header_has_no_rows(tmp_path):
    write_files(tmp_path, {"cc3m_training_success_full.tsv": "caption\tfile\n"})
    with pytest.raises(ValueError, match="cc3m has no rows"):
        load_annotations("cc3m", tmp_path)


# SBU

PHOTOGRAPHS = [("http://example.org/4385058960_b0f291553e.jpg", "a door"), ("http://example.org/1.jpg", "my cat")]
SBU_FILES = {
    "annot.json": [list(pair) for pair in PHOTOGRAPHS],
    "sbu-captions-all.json": {
        "image_urls": [url for url, _ in PHOTOGRAPHS],
        "user_ids": ["a", "b"],
        "captions": [caption for _, caption in PHOTOGRAPHS],
    },
    "SBU_captioned_photo_dataset_urls.txt": "".join(f"{url}\n" for url, _ in PHOTOGRAPHS),
    "SBU_captioned_photo_dataset_captions.txt": "".join(f"{caption}\n" for _, caption in PHOTOGRAPHS),
}


@pytest.mark.parametrize("names", [list(SBU_FILES)[:1], list(SBU_FILES)[1:2], list(SBU_FILES)[2:]], ids=str)
def test_sbu(tmp_path, names):
    write_files(tmp_path, {name: SBU_FILES[name] for name in names})
    name = "4385058960_b0f291553e.jpg"
    rows = read_rows("sbu", tmp_path, "train")
    assert rows[0] == {
        "image": str(tmp_path / "images_train/4385" / name),
        "caption": "a door",
        "video_id": name,
        "sample_id": "train-0",
    }
    assert [row["caption"] for row in rows] == ["a door", "my cat"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"annot.json": [["a.jpg", "a"], ["b.jpg"]]}, "entry 2 is .*, but expected two texts, file and caption"),
        ({"annot.json": [["a.jpg", 1.5]]}, "entry 1: field 'caption' holds 1.5, but expected text"),
        ({"annot.json": {"a": "b"}}, "expected a JSON list of lists of file, caption"),
        ({"sbu-captions-all.json": {"image_urls": ["a"], "captions": []}}, "1 URLs and 0 captions"),
        ({"sbu-captions-all.json": {"image_urls": ["a"]}}, "1 URLs and no captions"),
        (
            {"SBU_captioned_photo_dataset_urls.txt": "a\nb\n", "SBU_captioned_photo_dataset_captions.txt": "a\n"},
            "2 URL",
        ),
    ],
)
def test_wrong_photographs_are_named(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        load_annotations("sbu", write_files(tmp_path, files))


def test_sbu_needs_the_captions_beside_the_urls(tmp_path):
    write_files(tmp_path, {"SBU_captioned_photo_dataset_urls.txt": "a\n"})
    with pytest.raises(FileNotFoundError, match=r"SBU_captioned_photo_dataset_captions\.txt: a caption a line"):
        load_annotations("sbu", tmp_path)


def test_photographs_without_a_caption_are_left_out(tmp_path):
    write_files(tmp_path, {"annot.json": [["a.jpg", ""], ["b.jpg", None], ["c.jpg", "a cat"]]})
    rows = load_annotations("sbu", tmp_path)
    assert rows["caption"][:] == ["a cat"]
    assert summarize(rows).remarks == ("2 entries without a caption were left out",)
