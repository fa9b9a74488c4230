"""The locks of a log's folder."""

APPENDING, COMPACTING, READING = ".appending", ".compacting", ".reading"
"""Held alone while a file gets its name; alone by whoever merges; shared by readers, alone while files are deleted."""
