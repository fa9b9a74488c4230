"""Rules that fire when our own engine's do, what to scrape, and who is told, for Prometheus and Alertmanager."""

from .render import alertmanager, render, rules, scrape

__all__ = ["alertmanager", "render", "rules", "scrape"]
