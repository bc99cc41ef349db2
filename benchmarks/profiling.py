# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Where the time of a training step goes, by operation, beside transformers' ViLT: torch's profiler on the variants of
`benchmarks/forward.py`.

    python benchmarks/profiling.py --dtype bfloat16    # benchmarks/results/profiling.json; a minute on 2 cores
"""

import measuring
import torch
from forward import DTYPES, make_variant
from torch.profiler import ProfilerActivity, profile

NUM_OPERATIONS = 12  # of each network, those that take the longest


def main():
    """Profile one step of each network after one that warms up, print the tables, write the JSON."""
    parser = measuring.make_parser("profiling", __doc__)
    parser.add_argument("--dtype", default="bfloat16", choices=list(DTYPES), help="type of numbers")
    measuring.add_model_options(parser, preset="base", repeats=1)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    rows = []
    for network in ("all-in-one", "ViLT"):
        run = make_variant(f"{network} + backward", arguments.dtype, arguments)
        run()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            run()
        operations = profiler.key_averages()
        total = sum(one.self_cpu_time_total for one in operations)
        for one in sorted(operations, key=lambda one: one.self_cpu_time_total, reverse=True)[:NUM_OPERATIONS]:
            seconds = one.self_cpu_time_total / 1e6
            share = one.self_cpu_time_total / total
            rows.append(
                {"network": network, "operation": one.key, "calls": one.count, "seconds": seconds, "share": share}
            )
    measuring.write_result(arguments, profiling=rows)


if __name__ == "__main__":
    main()
