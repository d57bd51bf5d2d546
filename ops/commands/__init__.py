"""One module a command; `ops.cli` imports a module only when its command is called."""
