"""`python -m hubbub.docs`: write the generated pages beside this file, and what of the client
libraries is made from the registry; says which changed."""

from __future__ import annotations

import sys

from hubbub.docs.pages import write_clients, write_pages

sys.stdout.write("".join(f"written: {name}\n" for name in [*write_pages(), *write_clients()]))
