"""Benchmarks: each beside a peer or a limit in the same run; figures go to `bench/out/`."""
