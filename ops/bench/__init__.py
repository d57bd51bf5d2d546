"""`hubbub bench`: what one unit of work costs all server processes, beside a bare reference.

Rules:
1. The figure that is judged is CPU-µs per unit of work, summed over every server process, and its
   ratio to the reference server of the same run. Wall-clock figures stand beside it.
2. Hubbub and the reference get the same frames from the same generator, in alternating rounds.
3. Every figure is the median of its rounds, with the smallest and the largest.

`reference` is the yardstick; `dialects` says what to write to each server; `client` is the load
generator; `pace` decides when it writes; `targets` starts and stops servers; `cpu` and `disk`
measure; one module a benchmark; `report` sums up.
"""
