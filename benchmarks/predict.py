# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
How long `Predictor.predict` waits for clips, how many it answers in a second, and what memory it takes.

    python benchmarks/predict.py                    # 1,000 clips; some 20 minutes on two cores
    python benchmarks/predict.py --num-clips 100

Films of 10 seconds, 320 × 240, are written by x264 with its default options but for the distance of key frames, and
copied, so that each row has a file of its own. A model with random weights answers a question about each. The share of
waiting is the time in which the model had no clips to compute with; memory is the highest that was resident, once
after a tenth of the rows and once after all.
"""

import shutil
import tempfile
from pathlib import Path

import torch
from loading import write_film
from measuring import highest_resident, make_parser, write_result
from transformers import BertTokenizer

from modeling_allinone import (
    AllInOneConfig,
    AllInOneForVideoQuestionAnswering,
    AllInOneProcessor,
    AllInOneVideoProcessor,
    Predictor,
)

HEIGHT, WIDTH, NUM_FILMS = 240, 320, 2


def main() -> None:
    """Write films, answer, write the JSON."""
    parser = make_parser("predict", __doc__)
    parser.add_argument("--num-clips", type=int, default=1000, help="clips, a row each")
    parser.add_argument("--preset", default="base", help="size of the model: tiny, small or base")
    parser.add_argument("--batch-size", type=int, default=16, help="rows of a batch")
    parser.add_argument("--num-workers", type=int, default=1, help="processes that read clips")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=None, help="threads on the CPU; default: torch's choice")
    arguments = parser.parse_args()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    config = AllInOneConfig.from_preset(
        arguments.preset, id2label={number: f"answer {number}" for number in range(1000)}
    )
    model = AllInOneForVideoQuestionAnswering(config).to(arguments.device)
    predictor = Predictor(model, AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer()))
    with tempfile.TemporaryDirectory() as folder:
        rows = write_rows(Path(folder), arguments.num_clips)
        options = {"batch_size": arguments.batch_size, "num_workers": arguments.num_workers}
        path, num_first = Path(folder, "answers.jsonl"), max(arguments.num_clips // 10, 1)
        first = predictor.predict(rows[:num_first], path, **options)
        memory = highest_resident()
        rest = predictor.predict(rows, path, **options)
    seconds = first["seconds"] + rest["seconds"]
    waited = first["seconds_waited"] + rest["seconds_waited"]
    measured = {
        "clips per second": len(rows) / seconds,
        "seconds": seconds,
        "seconds waited": waited,
        "share of waiting": waited / seconds,
        f"MiB after {num_first} rows": memory,
        f"MiB after {len(rows)} rows": highest_resident(),
    }
    write_result(arguments, predict=[measured])


def write_rows(folder: Path, num_clips: int) -> list[dict[str, str]]:
    """Questions about clips, each a file of its own; films differ in their key frames."""
    films = [
        write_film(folder / f"film {number}.mp4", (250, 50)[number], HEIGHT, WIDTH)
        for number in range(min(NUM_FILMS, num_clips))
    ]
    rows = []
    for number in range(num_clips):
        clip = folder / f"{number}.mp4"
        shutil.copyfile(films[number % len(films)], clip)
        rows.append({"video": str(clip), "question": "what moves over the ground?"})
    return rows


if __name__ == "__main__":
    main()
