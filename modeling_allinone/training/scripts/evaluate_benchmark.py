# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Score models on many data sets, and put the scores beside those that the original reports.

    allinone evaluate published --data_root DATA --model_root MODELS

A suite names runs; each is `allinone evaluate` of one data set, in a process of its own. What was
scored before is kept: a suite that was stopped goes on where it was. Every score has its control beside it: the same
rows with blank video. Writes `results.json` with the protocol of every run, a table in Markdown, and, if asked, the
scores into the models' cards.
"""

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard

from ...evaluation.results import RESULTS_NAME, Score, list_scores
from ...hub.model_card import update_scores
from ...recipes import RECIPES, SUITES
from ..arguments import read_recipe
from ..command_line import command_line
from ..setup import identify_model
from ..tasks import TASKS

SCRIPTS = {**dict.fromkeys(TASKS, "finetune.py"), "zero-shot": "zero_shot.py"}
RUN_NAME, TABLE_NAME = "run.yaml", "results.md"


def main(arguments: list[str] | None = None) -> int:
    """Run a suite; returns 1 if a run failed, 2 after a line of reason if the suite cannot be run."""
    run = command_line(lambda words: int(bool(evaluate_suite(words)["failed"])))
    return run(arguments)


def evaluate_suite(arguments: list[str]) -> dict[str, Any]:
    """Run what has not been run, print the table, write the results; returns them, and why runs failed, by name."""
    options = parse_arguments(arguments)
    output_dir, runs = read_suite(options)
    published = yaml.safe_load(options.published.read_text(encoding="utf-8"))
    results, failed = {}, {}
    for name, run in runs.items():
        folder = output_dir / name
        if is_done(folder, run):
            print(f"{name}: was scored before")
        elif cause := score(name, run, folder, shlex.split(options.launcher or "") or [sys.executable]):
            failed[name] = cause
            continue
        results[name] = read_results(folder, run)
        if options.update_cards:
            update_card(name, results[name])
    table = "\n".join(make_table(results, published, failed))
    print(table)
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / RESULTS_NAME).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (output_dir / TABLE_NAME).write_text(table + "\n", encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}; their output is in log.txt of their folders in {output_dir}")
    return {"results": results, "failed": failed}


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "suite",
        type=Path,
        metavar="SUITE",
        help="a YAML file, or the name of one that comes with the package: published",
    )
    parser.add_argument("--data_root", type=Path, help="folder of the data sets: a run's data_dir is NAME in it")
    parser.add_argument("--model_root", type=Path, help="folder of the models: a run's model is NAME in it")
    parser.add_argument("--output_dir", type=Path, help="where results are written, instead of the suite's folder")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run only these")
    parser.add_argument(
        "--launcher", help="what starts a script, instead of this Python, such as 'torchrun --nproc-per-node 8'"
    )
    parser.add_argument(
        "--published", type=Path, default=RECIPES / "published_scores.yaml", help="scores to compare with"
    )
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON, and nothing else")
    parser.add_argument("--update_cards", action="store_true", help="write the scores into the models' README.md")
    return parser.parse_args(arguments)


def read_suite(options: argparse.Namespace) -> tuple[Path, dict[str, dict[str, Any]]]:
    """
    Read a suite: `output_dir`, and `runs` with `name`, `task`, perhaps `recipe`, and arguments of the task's script.

    Returns:
        The folder of the output; and of each run, by name, its script, its arguments, those of the recipe too, and
        the SHA-256 of its model's weights, where they are on disk.

    Raises:
        ValueError: If the suite is no suite.
    """
    shipped = SUITES / f"{options.suite.stem}.yaml"
    path = shipped if shipped.is_file() and not options.suite.exists() else options.suite
    suite = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(suite, dict) or not isinstance(suite.get("runs"), list):
        raise ValueError(f"{options.suite} is no suite: expected output_dir and a list of runs.")
    runs = {}
    for run in suite["runs"]:
        name = run.get("name") if isinstance(run, dict) else None
        if not isinstance(name, str) or name in runs or "/" in name:
            raise ValueError(f"{options.suite} has the run {run!r}; expected a mapping with a name of its own.")
        if run.get("task") not in SCRIPTS:
            raise ValueError(f"The task of {name} is {run.get('task')!r}; expected one of {', '.join(SCRIPTS)}.")
        if options.only is None or name in options.only:
            runs[name] = _complete(run, options)
    if unknown := sorted(set(options.only or ()) - set(runs)):
        raise ValueError(f"{options.suite} has no run named {', '.join(unknown)}.")
    return options.output_dir or Path(suite.get("output_dir", "outputs/benchmark")), runs


def _complete(run: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """A run: its script, its arguments, from its recipe and the suite, and what weights and files hold."""
    arguments = dict(run)
    name, script = arguments.pop("name"), SCRIPTS[arguments["task"]]
    if script == "zero_shot.py":
        del arguments["task"]  # the recipe says which
    if "recipe" in arguments:
        arguments = read_recipe(arguments.pop("recipe")) | arguments
    if options.data_root is not None and not {"train_file", "test_file", "dataset_name"} & set(arguments):
        arguments.setdefault("data_dir", str(options.data_root / name))
    if options.model_root is not None:
        arguments["model_name_or_path"] = str(options.model_root / name)
    model = arguments.get("model_name_or_path")
    if model is None:
        raise ValueError(f"{name} has no model: give model_name_or_path in the suite, or --model_root.")
    untrained = {"do_train": False, "eval_strategy": "no", "load_best_model_at_end": False}
    checkpoint = identify_model(model)["sha256"] if Path(model).is_dir() else None
    files = [str(arguments[of]) for of in ("train_file", "validation_file", "test_file") if arguments.get(of)]
    digests = {file: hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files if Path(file).is_file()}
    return {"script": script, "arguments": {**arguments, **untrained}, "checkpoint": checkpoint, "files": digests}


def is_done(folder: Path, run: Mapping[str, Any]) -> bool:
    """Whether the same run, of the same weights and files, left its results."""
    done = folder / RUN_NAME
    is_there = done.exists() and (folder / RESULTS_NAME).exists()
    return is_there and yaml.safe_load(done.read_text(encoding="utf-8")) == run


def score(name: str, run: Mapping[str, Any], folder: Path, launcher: list[str]) -> str | None:
    """Run a script in a process of its own; returns why it left no results, `None` if it did."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUN_NAME).unlink(missing_ok=True)
    (folder / RESULTS_NAME).unlink(missing_ok=True)
    recipe = write_recipe(run, folder)
    print(f"{name}: scoring", flush=True)
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        script = f"{__package__}.{Path(run['script']).stem}"
        command = [*launcher, "-m", script, str(recipe)]
        status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if status or not (folder / RESULTS_NAME).exists():
        cause = find_cause((folder / "log.txt").read_text(encoding="utf-8", errors="replace"))
        print(f"{name}: failed with status {status}: {cause}")
        return cause
    # Written last: a run without it is run again.
    (folder / RUN_NAME).write_text(yaml.safe_dump(dict(run)), encoding="utf-8")
    return None


def write_recipe(run: Mapping[str, Any], folder: Path) -> Path:
    """Write the arguments of a run to a file that its script takes."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**run["arguments"], "output_dir": str(folder)}), encoding="utf-8")
    return recipe


def find_cause(log: str) -> str:
    """
    The first line of the error that ended a run: what its script says of it, else the first exception that was raised,
    whatever was raised of it, in this process or in the one that started it; else the last line.
    """
    lines = [re.sub(r"^\[rank\d+\]: ?", "", line) for line in log.splitlines()]
    said = [line for line in lines if re.match(r"(\S+\.py: )?error: ", line)]
    raised, is_traceback = [], False
    for line in lines:
        if line.endswith("Traceback (most recent call last):"):
            is_traceback = True
        elif is_traceback and line and not line.startswith(" "):
            is_traceback = False
            # A worker's exception stands below, with its own traceback.
            raised += [] if re.search(r": Caught \w+ in ", line) else [line]
    return next(iter(said + raised + [line for line in lines if line.strip()][-1:]), "no output").strip()


def read_results(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """What a run left, with its model in the protocol."""
    results = json.loads((folder / RESULTS_NAME).read_text(encoding="utf-8"))
    results["protocol"] |= {
        "model": run["arguments"]["model_name_or_path"],
        "checkpoint_sha256": run["checkpoint"],
        "script": run["script"],
    }
    return results


def update_card(name: str, results: Mapping[str, Any]):
    """Put scores into the card of a model on disk."""
    path = Path(results["protocol"]["model"]) / "README.md"
    if not path.exists():
        print(f"{name}: {path} does not exist, so no card was updated")
        return
    card = ModelCard.load(path)
    card.data.model_name = card.data.model_name or path.parent.name
    data = {"dataset": name, "split": results["protocol"]["split"], "num_rows": results["protocol"]["num_rows"]}
    update_scores(card, [data | score._asdict() for score in list_scores(results)])
    card.save(path)


def make_table(
    results: Mapping[str, Any], published: Mapping[str, Any], failed: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Lines of a table in Markdown, in per cent where scores are shares; runs that failed stand below, with why."""
    yield "| run | metric | score | blank video | paper | log | rows | skipped |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, result in results.items():
        protocol = result["protocol"]
        for score in list_scores(result):
            of_original = (published.get(name) or {}).get(score.metric, {})
            figures = [_format(score, value) for value in (score.value, score.blank_video)]
            figures += [str(of_original.get(source, "")) for source in ("paper", "log")]
            rows = [str(protocol["num_rows"]), str(protocol["num_skipped"])]
            yield f"| {' | '.join([name, score.metric, *figures, *rows])} |"
    for name, cause in (failed or {}).items():
        yield f"| {name} | failed: {cause.replace('|', chr(92) + '|')} | | | | | | |"


def _format(score: Score, value: float | None) -> str:
    """Shares in per cent; ranks as they are."""
    return "" if value is None else f"{100 * value if score.is_share else value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
