"""Bytes between processes and towards clients; pure."""
