"""The services that change what was taught, and what they are called."""

from face_attributes.srv import (
    AddSamples,
    AddTask,
    CancelTraining,
    CaptureSamples,
    ExportTask,
    ForgetSamples,
    ImportTask,
    RemoveTask,
)

CHANGING = {
    AddSamples: "add_samples",
    AddTask: "add_task",
    CancelTraining: "cancel_training",
    CaptureSamples: "capture_samples",
    ExportTask: "export_task",
    ForgetSamples: "forget_samples",
    ImportTask: "import_task",
    RemoveTask: "remove_task",
}
