"""The operators' command `hubbub`: starts a cluster on this machine, watches it, asks it questions."""
