"""The storage node: slots, their logs and rows, and the features' pure code that runs on them."""
