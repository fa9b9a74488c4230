"""The server's own description: one OpenAPI 3.1 document, and a page to read.

Owns what each path takes, gives and refuses, in schemas and examples made for the models that are live. Does not own
the paths (`serving.http`, `serving.protocols`): one that is not described here, or is described and not there, fails
a test.
"""

from .document import DOCUMENTED, PAGES, document

__all__ = ["DOCUMENTED", "PAGES", "document"]
