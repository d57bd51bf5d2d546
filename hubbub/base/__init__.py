"""The lowest layer: ids, names, errors, bounded containers. Standard library only."""
