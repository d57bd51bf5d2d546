"""Pages of the project, and the code that writes the generated ones: `python -m hubbub.docs`."""
