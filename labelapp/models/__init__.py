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
from labelapp.models.quality import (
    Comment,
    Exclusion,
    GoldItem,
    GoldPlan,
    GoldResult,
    PeopleReport,
    Review,
    VerifyPage,
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
from labelapp.models.tasks import AheadItem, DayCount, LabelBatch, QueueCursor, Task
from labelapp.models.users import PasswordResetLink, User

__all__ = [
    "AheadItem",
    "Answer",
    "AuditCommitment",
    "AuditLog",
    "Certificate",
    "Comment",
    "DayCount",
    "Event",
    "Exclusion",
    "Export",
    "GoldItem",
    "GoldPlan",
    "GoldResult",
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
    "PeopleReport",
    "Project",
    "ProjectCounter",
    "QueueCursor",
    "Review",
    "Run",
    "Task",
    "TestMark",
    "TrainItem",
    "User",
    "VerifyPage",
    "WorkerBeat",
]
