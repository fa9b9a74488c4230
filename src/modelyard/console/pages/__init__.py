"""The console's pages: rendered here, refreshed by server-sent events, changed by forms.

Owns how a project looks to people. Does not own what is looked at or done: both are operations, carried out for the
principal who asks. Nothing is fetched from elsewhere; scripts are files of this room and of the installed Plotly.
"""

from .router import pages

__all__ = ["pages"]
