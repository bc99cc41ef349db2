# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Reading annotation files: what is accepted, and what messages say of the rest."""

import pytest
from annotation_fixtures import write_files

from modeling_allinone.datasets import (
    AnnotationFile,
    AnnotationFolder,
    AnnotationReader,
    Record,
    read_json,
    read_lines,
    read_listed_records,
    read_records,
    read_table,
)
from modeling_allinone.datasets.annotation_files import files_by_split, read_object

CANDIDATES = (AnnotationFile("a.jsonl", "JSON lines"), AnnotationFile("b/c.csv", "a table"))


def write(tmp_path, content, name="test.jsonl"):
    return write_files(tmp_path, {name: content}) / name


def record_of(tmp_path, **fields):
    return Record(fields, tmp_path / "test.jsonl", "line 3")


# Finding


@pytest.fixture
def folder(tmp_path):
    reader = AnnotationReader("mine", ("retrieval",), "https://example.org", {"test": CANDIDATES}, "{video_id}", iter)
    return AnnotationFolder(reader, tmp_path, tmp_path, reader.media)


def test_preferred_file_is_found_first(folder, tmp_path):
    write_files(tmp_path, {"b/c.csv": "x"})
    assert folder.find_split("test") == folder.find(CANDIDATES) == tmp_path / "b/c.csv"
    write_files(tmp_path, {"a.jsonl": "x"})
    assert folder.find(CANDIDATES) == tmp_path / "a.jsonl"
    assert folder.files == [tmp_path / "b/c.csv", tmp_path / "a.jsonl"]


def test_missing_file_is_described(folder, tmp_path):
    (tmp_path / "a.jsonl").mkdir()  # a folder of that name is no annotation file
    with pytest.raises(FileNotFoundError) as error:
        folder.find(CANDIDATES)
    message = str(error.value)
    assert message.startswith("mine lacks an annotation file; expected one of these files:")
    assert f"{tmp_path / 'a.jsonl'}: JSON lines" in message and f"{tmp_path / 'b/c.csv'}: a table" in message
    assert "https://example.org" in message


def test_files_whose_names_differ_by_words():
    files = files_by_split({"train": ("a", "b"), "test": "c"}, AnnotationFile("{0}.csv", "beside it {0}.txt"))
    assert files["train"] == (AnnotationFile("a.csv", "beside it a.txt"),)
    assert files["test"] == (AnnotationFile("c.csv", "beside it c.txt"),)


# JSON


@pytest.mark.parametrize(
    "content",
    [
        b'{"word": "one"}\n{"word": "two"}\n',
        b'\xef\xbb\xbf{"word": "one"}\r\n\r\n  \r\n{"word": "two"}\r\n\r\n',
        b'{"word": "one"}\n{"word": "two"}',
        b'[{"word": "one"}, {"word": "two"}]',
        b'\xef\xbb\xbf\n [\n {"word": "one"},\n {"word": "two"}\n]\n',
    ],
    ids=["lines", "mark, carriage returns and blank lines", "no last line end", "list", "list over lines"],
)
def test_objects_are_read_from_lines_and_from_a_list(tmp_path, content):
    assert [record.text("word") for record in read_records(write(tmp_path, content))] == ["one", "two"]


def test_line_numbers_count_blank_lines(tmp_path):
    path = write(tmp_path, '\n{"word": "one"}\n\n{"word": 2.5}\n')
    places = [record.place for record in read_records(path)]
    assert places == ["line 2", "line 4"]


def test_separators_inside_texts_do_not_end_lines(tmp_path):
    path = write(tmp_path, '{"word": "a\u2028b\u0085c"}\n')
    assert [record.text("word") for record in read_records(path)] == ["a\u2028b\u0085c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"test\.jsonl is empty; expected JSON objects"),
        ("\n  \n", r"test\.jsonl is empty"),
        ('{"word": "one"}\n{"word": \n', r"test\.jsonl, line 2: Expecting value.* one JSON object a line"),
        ('{"word": "one"}\n["two"]\n', r"test\.jsonl, line 2 is \['two'\], but expected a JSON object"),
        ("[]", r"holds \[\]; expected a list of at least one"),
        ('[{"word": "one"}, 2]', r"test\.jsonl, entry 2 is 2, but expected a JSON object"),
        ('[{"word": "one"},', r"test\.jsonl: .* but expected JSON; the file may be cut short"),
        (b'{"word": "one"}\n{"word": "M\xfcller"}', r"test\.jsonl is not UTF-8 text \(byte 0xfc in line 2\); save it"),
        (b"\xff\xfe{\x00}", r"test\.jsonl is not UTF-8 text"),
        ('["one"]\n["two"]\n', r"test\.jsonl, line 1 is \['one'\], but expected a JSON object"),
        ('{"word": "one"}\n' + "[" * 100_000, r"test\.jsonl, line 2: .* expected one JSON object"),
    ],
)
def test_files_that_are_no_json_lines_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        list(read_records(write(tmp_path, content)))


def test_listed_records(tmp_path):
    path = write(tmp_path, {"info": 1, "sentences": [{"caption": "a"}, {"caption": ""}]}, "test.json")
    first, second = read_listed_records(path, "annotations", "sentences")
    assert first.text("caption") == "a"
    with pytest.raises(ValueError, match=r"test\.json, sentences, entry 2: field 'caption' holds empty text"):
        second.text("caption")
    with pytest.raises(ValueError, match=r"expected a JSON object with 'annotations' or 'images'"):
        list(read_listed_records(path, "annotations", "images"))
    with pytest.raises(ValueError, match="holds 1; expected a list"):
        list(read_listed_records(path, "info"))


def test_an_object(tmp_path):
    record = read_object(
        write(tmp_path, {"info": {"id": 7}, "list": [{"id": 8}, {"id": 9}], "none": []}, "test.json"), "info"
    )
    assert record.object("info", "id").integer("id") == 7
    assert [entry.integer("id") for entry in record.objects("list", "id")] == [8, 9]
    assert record.objects("none", "id", optional=True) == record.objects("other", "id", optional=True) == []
    with pytest.raises(ValueError, match=r"test\.json: field 'other' is missing"):
        record.object("other", "id")
    with pytest.raises(ValueError, match=r"test\.json, entry 'info': field 'name' is missing"):
        record.object("info", "id").text("name")
    with pytest.raises(ValueError, match=r"test\.json holds \[\]; expected a JSON object with info"):
        read_object(write(tmp_path, "[]", "test.json"), "info")


def test_broken_json_names_the_file(tmp_path):
    with pytest.raises(ValueError, match=r"test\.json: .*but expected JSON"):
        read_json(write(tmp_path, '{"a": 1', "test.json"))


# Tables and lines


def test_table_with_header(tmp_path):
    path = write(tmp_path, '\ufeffname,text\r\na,"one, ""two"""\r\n\r\nb,\r\nc\r\n', "test.csv")
    first, second, third = read_table(path, delimiter=",")
    assert (first.text("name"), first.text("text"), first.place) == ("a", 'one, "two"', "line 2")
    with pytest.raises(ValueError, match=r"test\.csv, line 4: field 'text' holds empty text"):
        second.text("text")
    with pytest.raises(ValueError, match=r"line 5: field 'text' is missing; the entry has \['name'\]"):
        third.text("text")


def test_quotation_marks_in_fields(tmp_path):
    content = 'id,text\n1,5" of rain\n2,"two\nlines, ""and"" commas"\n3,"a "cat"\n'
    texts = [record.text("text") for record in read_table(write(tmp_path, content, "test.csv"), delimiter=",")]
    assert texts == ['5" of rain', 'two\nlines, "and" commas', 'a cat"']


def test_table_without_header(tmp_path):
    path = write(tmp_path, '1\t"so he said\n2\ttwo\n', "test.tsv")
    first, second = read_table(path, has_header=False, has_quotes=False)
    assert (first.text(0), first.text(1), second.text(1)) == ("1", '"so he said', "two")
    with pytest.raises(ValueError, match="line 1: column 2 is missing; the entry has 2 columns"):
        first.text(2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"test\.tsv is empty; expected rows of a table after its header"),
        ("name\ttext\n", r"test\.tsv is empty"),
        ("name\na\tb\n", r"test\.tsv, line 2: the row has 2 fields, but its header names 1"),
        (b"name\nM\xfcller\n", r"test\.tsv is not UTF-8"),
        ("name\n" + "a" * 2**18, r"test\.tsv, line 2: field larger than"),
        ("name\ttext\tname\n1\t2\t3\n", r"test\.tsv, line 1: the header names 'name' twice"),
        (
            'a\tb\n1\t"so\n2\ttwo\n3\t"no"\n',
            r"test\.tsv, line 2: a quotation mark .* up to line 4, rows",
        ),
        ('a\tb\n1\tone\n2\t"cut sh', r"test\.tsv, line 3: a quotation mark .* not closed"),
    ],
)
def test_broken_tables_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        list(read_table(write(tmp_path, content, "test.tsv")))


def test_lines(tmp_path):
    path = write(tmp_path, "\ufeff one \r\n\r\ntwo\r\n\r\n", "test.txt")
    assert read_lines(path) == ["one", "two"]
    assert read_lines(path, skips_blank=False) == ["one", "", "two"]
    with pytest.raises(ValueError, match="is empty; expected at least one line"):
        read_lines(write(tmp_path, " \n", "test.txt"))


# Fields


def test_fields_of_the_right_kind(tmp_path):
    record = record_of(
        tmp_path, number="7", id=7010, text=" gatto \u00e8 ", list=["a", 2], seconds="1.5", literal="['a', 1]"
    )
    assert record.text("text") == "gatto \u00e8"
    assert record.text("id") == "7010"
    assert record.texts("list", 2) == ["a", "2"]
    assert record.integer("number", below=8) == record.integer("id", below=8000) - 7003 == 7
    assert record.number("seconds") == 1.5
    assert record.literal("literal") == ["a", 1]
    assert record.optional_text("text") == "gatto \u00e8" and record.optional_text("other") is None
    assert "text" in record and "other" not in record


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (lambda record: record.text("field"), None, "field 'field' is null"),
        (lambda record: record.text("other"), 1, r"field 'other' is missing; the entry has \['field'\]"),
        (lambda record: record.text("field"), True, "field 'field' holds True, but expected text"),
        (lambda record: record.text("field"), 1.5, "field 'field' holds 1.5, but expected text"),
        (lambda record: record.text("field"), ["a"], r"field 'field' holds \['a'\], but expected text"),
        (lambda record: record.text("field"), " ", "field 'field' holds empty text"),
        (lambda record: record.text("field"), "\ud800", "field 'field' holds .* which is no valid Unicode"),
        (lambda record: record.texts("field"), "abc", "field 'field' is 'abc', but expected a list of texts"),
        (lambda record: record.texts("field"), [], "field 'field' has 0 entries, but expected at least 1"),
        (lambda record: record.texts("field", 5), ["a"] * 4, "field 'field' has 4 entries, but expected 5"),
        (lambda record: record.texts("field"), ["a", None], "field 'field' holds None, but expected text"),
        (lambda record: record.integer("field", below=5), 5, "'field' is 5, but expected a whole number from 0 to 4"),
        (lambda record: record.integer("field"), -1, "field 'field' is -1, but expected a whole number from 0"),
        (lambda record: record.integer("field"), 0.5, "field 'field' is 0.5, but expected a whole number"),
        (lambda record: record.integer("field"), True, "field 'field' is True, but expected a number"),
        (lambda record: record.integer("field"), "many", "field 'field' is 'many', but expected a number"),
        (lambda record: record.integer("field"), 10**400, "field 'field' is 10000.*, but expected a number"),
        (lambda record: record.number("field"), float("nan"), "field 'field' is nan, but expected a number"),
        (lambda record: record.number("field"), [1], r"field 'field' is \[1\], but expected a number"),
        (lambda record: record.object("field", "id"), [1], r"field 'field' is \[1\], but expected an object with id"),
        (
            lambda record: record.objects("field", "id"),
            {},
            "field 'field' is {}, but expected a list of objects with id",
        ),
        (lambda record: record.objects("field", "id"), [{}, 1], "but expected a list of objects with id"),
        (lambda record: record.objects("field", "id", optional=True), 1, "field 'field' is 1, but expected a list"),
        (lambda record: record.optional_text("field"), 1.5, "field 'field' holds 1.5, but expected text"),
        (lambda record: record.literal("field"), "open('x')", r"but expected a Python literal"),
        (lambda record: record.literal("field"), "[1, ", r"but expected a Python literal"),
        (lambda record: record.literal("field"), "(" * 5000, r"but expected a Python literal"),
    ],
)
def test_fields_of_a_wrong_kind_are_refused(tmp_path, read, value, message):
    with pytest.raises(ValueError, match=rf"test\.jsonl, line 3: .*{message}"):
        read(record_of(tmp_path, field=value))


def test_literals_are_not_evaluated(tmp_path):
    path = tmp_path / "made by evaluation"
    with pytest.raises(ValueError, match="expected a Python literal"):
        record_of(tmp_path, field=f"open({str(path)!r}, 'w')").literal("field")
    assert not path.exists()
