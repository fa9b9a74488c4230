"""Governance: how mature a workspace is, and what its models in production lack.

Owns the ladder of levels, the judgement of evidence, the periodic audit, and their page. Does not own the evidence:
what was done is kept by the rooms that did it, and collected by `operations`.
"""

from .ladder import LADDER, Capability, Rung
from .maturity import judge_maturity
from .page import maturity_page
from .project_folder import folder_evidence
from .records import Evidence, InProduction, Judged, Lacking, Level, Maturity, Review, Reviewed, Step
from .review import review_production
from .settings import GovernanceSettings

__all__ = [
    "LADDER",
    "Capability",
    "Evidence",
    "GovernanceSettings",
    "InProduction",
    "Judged",
    "Lacking",
    "Level",
    "Maturity",
    "Review",
    "Reviewed",
    "Rung",
    "Step",
    "folder_evidence",
    "judge_maturity",
    "maturity_page",
    "review_production",
]
