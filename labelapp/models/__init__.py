"""The tables, one file per aggregate: constraints, no verbs. Services write, selectors read."""

from labelapp.models.events import AuditLog, Event, Export, Job, WorkerBeat
from labelapp.models.images import Image, ImageAlias, Import, ImportProblem
from labelapp.models.labels import Answer, Label, LedgerEntry
from labelapp.models.projects import (
    Guideline,
    GuidelineEntry,
    Invitation,
    LabelClass,
    Membership,
    Project,
    ProjectCounter,
)
from labelapp.models.runs import (
    AuditCommitment,
    Certificate,
    Iteration,
    ModelVersion,
    Run,
    TestMark,
    TrainItem,
)
from labelapp.models.tasks import LabelBatch, Task
from labelapp.models.users import PasswordResetLink, User

__all__ = [
    "Answer",
    "AuditCommitment",
    "AuditLog",
    "Certificate",
    "Event",
    "Export",
    "Guideline",
    "GuidelineEntry",
    "Image",
    "ImageAlias",
    "Import",
    "ImportProblem",
    "Invitation",
    "Iteration",
    "Job",
    "Label",
    "LabelBatch",
    "LabelClass",
    "LedgerEntry",
    "Membership",
    "ModelVersion",
    "PasswordResetLink",
    "Project",
    "ProjectCounter",
    "Run",
    "Task",
    "TestMark",
    "TrainItem",
    "User",
    "WorkerBeat",
]
