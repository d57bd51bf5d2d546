"""Backups: frozen databases of a running cluster, copied away, checked, brought back."""
