"""What keeps a process running: loop and stop, tasks, settings, logs, metrics, admin server."""
