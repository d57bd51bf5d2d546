"""The operators' command `hubbub`: starts clusters, watches them, asks them questions."""
