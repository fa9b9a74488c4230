"""Cron: the single steps that a scheduler calls, as a crontab."""

from .render import render

__all__ = ["render"]
