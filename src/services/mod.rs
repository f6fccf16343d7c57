//! The services about tasks: requests are checked and translated, the engine does the work.

mod capturing;
mod teaching;

use std::path::Path;
use std::sync::Arc;

use engine::{Engine, RemoveTask as Removal, TaskStatus};
use network::{Label, TaskName};
use r2r::face_attributes::msg::Sample;
use r2r::face_attributes::srv::{
    AddSamples, AddTask, CancelTraining, CaptureSamples, ExportTask, ForgetSamples, ImportTask, ListTasks, RemoveTask,
};
use r2r::{Node, WrappedServiceTypeSupport};
use tokio::runtime::Handle;

use crate::convert::{self, PictureLimits, counts, samples, texts};
use crate::decoding::Decoding;
use crate::names;
use crate::options::Callers;
use crate::service::{Order, Refusal, offer};
use crate::serving::Serving;

const NOBODY: &str =
    "nobody may change what was taught: the parameter teaching.allowed is none; start the node with another";

type Answer<S> = Result<<S as WrappedServiceTypeSupport>::Response, Refusal>;

/// What services and actions about tasks work with.
#[derive(Clone)]
pub(crate) struct TaskServices {
    serving: Arc<Serving>,
    /// Names, where there are several.
    cameras: Vec<String>,
    limits: PictureLimits,
    decoding: Arc<Decoding>,
    allowed: Callers,
}

impl TaskServices {
    pub(crate) fn new(serving: Arc<Serving>, cameras: Vec<String>, limits: PictureLimits, allowed: Callers) -> Self {
        Self { serving, cameras, limits, decoding: Arc::default(), allowed }
    }

    /// Whether what was taught may be changed.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_change(&self) -> Result<(), Refusal> {
        if self.allowed == Callers::None { Err(Refusal(NOBODY.to_owned())) } else { Ok(()) }
    }

    /// The engine, for what no service offers.
    ///
    /// # Errors
    /// While no model is in memory.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>, Refusal> {
        self.serving.engine()
    }

    /// All tasks as they are now.
    ///
    /// # Errors
    /// While no model is in memory.
    pub(crate) fn tasks(&self) -> Result<Vec<TaskStatus>, Refusal> {
        Ok(self.serving.engine()?.tasks().list())
    }

    /// The same without waiting; none while no model is in memory.
    pub(crate) fn tasks_now(&self) -> Vec<TaskStatus> {
        self.serving.engine_now().map(|engine| engine.tasks().list()).unwrap_or_default()
    }

    /// Ends the training of a task, or without a name the one that runs. Answers whose it was.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn cancel(&self, name: Option<&TaskName>) -> Result<TaskName, Refusal> {
        Ok(self.serving.engine()?.tasks().cancel(name)?)
    }
}

/// Offers the services.
///
/// # Errors
/// When ROS refuses to create one.
pub(crate) fn start(node: &mut Node, runtime: &Handle, services: &TaskServices) -> r2r::Result<()> {
    macro_rules! offer {
        ($service:ident, $name:expr, $answer:ident) => {{
            let services = services.clone();
            let refuse = |message| $service::Response { success: false, message, ..Default::default() };
            offer::<$service::Service>(node, runtime, ($name, Order::Any), refuse, move |request| {
                // It tells, and changes nothing.
                if $name != names::LIST_TASKS {
                    services.may_change()?;
                }
                services.$answer(request)
            })?;
        }};
    }
    offer!(AddTask, names::ADD_TASK, add_task);
    offer!(AddSamples, names::ADD_SAMPLES, add_samples);
    offer!(CaptureSamples, names::CAPTURE_SAMPLES, capture_samples);
    offer!(RemoveTask, names::REMOVE_TASK, remove_task);
    offer!(ListTasks, names::LIST_TASKS, list_tasks);
    offer!(CancelTraining, names::CANCEL_TRAINING, cancel_training);
    offer!(ExportTask, names::EXPORT_TASK, export_task);
    offer!(ImportTask, names::IMPORT_TASK, import_task);
    offer!(ForgetSamples, names::FORGET_SAMPLES, forget_samples);
    Ok(())
}

impl TaskServices {
    /// Does `work` with a request's pictures, decoded in its turn.
    fn with_pictures<T: Send>(
        &self,
        given: Vec<Sample>,
        work: impl FnOnce(Vec<engine::Sample>) -> Result<T, Refusal> + Send,
    ) -> Result<T, Refusal> {
        if given.is_empty() {
            return work(Vec::new());
        }
        self.decoding.in_turn(|| work(samples(given, self.limits)?))?
    }

    fn add_samples(&self, request: AddSamples::Request) -> Answer<AddSamples::Service> {
        let name = TaskName::try_from(request.name)?;
        if request.samples.is_empty() {
            return Err(Refusal("`samples` is empty: give at least one picture with its label".to_owned()));
        }
        let message = format!("{} stored for {name}", pictures(request.samples.len() as u32));
        let stored = self.with_pictures(request.samples, |samples| {
            Ok(self.serving.engine()?.tasks().add_samples(&name, samples)?)
        })?;
        let (labels, samples) = counts(&stored.counts);
        Ok(AddSamples::Response { success: true, message, labels, samples })
    }

    /// Removes a task.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) fn remove_task(&self, request: RemoveTask::Request) -> Answer<RemoveTask::Service> {
        let removal = Removal {
            name: TaskName::try_from(request.name)?,
            cascade: request.cascade,
            keep_as_source: request.keep_as_source,
            keep_samples: request.keep_samples,
        };
        let removed = self.serving.engine()?.tasks().remove(&removal)?;
        let names = texts(&removed.names);
        let what = if removal.keep_as_source { "kept as a silent source" } else { "removed" };
        let message = format!("{}: {what}", names.join(", "));
        tracing::info!("{message}");
        Ok(RemoveTask::Response {
            success: true,
            message,
            removed: names,
            promise_kept: removed.promise.kept,
            promise_digest: removed.promise.digest,
        })
    }

    fn list_tasks(&self, _: ListTasks::Request) -> Answer<ListTasks::Service> {
        let tasks: Vec<_> = self.tasks()?.iter().map(convert::task).collect();
        Ok(ListTasks::Response { success: true, message: format!("{} tasks", tasks.len()), tasks })
    }

    fn cancel_training(&self, request: CancelTraining::Request) -> Answer<CancelTraining::Service> {
        let name = (!request.name.is_empty()).then(|| TaskName::try_from(request.name)).transpose()?;
        let cancelled = self.cancel(name.as_ref())?;
        let message =
            format!("the training of {cancelled} is being cancelled; `{}` tells when it has ended", names::TASKS);
        Ok(CancelTraining::Response { success: true, message, cancelled: cancelled.to_string() })
    }

    fn export_task(&self, request: ExportTask::Request) -> Answer<ExportTask::Service> {
        let name = TaskName::try_from(request.name)?;
        let exported =
            self.serving.engine()?.tasks().export(&name, Path::new(&request.directory), request.with_samples)?;
        let message = format!("{name} is written to {}", exported.directory.display());
        let files = texts(exported.files.iter().map(|file| file.display()));
        Ok(ExportTask::Response { success: true, message, files })
    }

    fn import_task(&self, request: ImportTask::Request) -> Answer<ImportTask::Service> {
        let name = (!request.name.is_empty()).then(|| TaskName::try_from(request.name)).transpose()?;
        let imported = self.serving.engine()?.tasks().import(Path::new(&request.directory), name.as_ref())?;
        Ok(ImportTask::Response {
            success: true,
            message: format!("{} answers", imported.task_id),
            task_id: imported.task_id,
            promise_kept: imported.promise.kept,
            promise_digest: imported.promise.digest,
        })
    }

    /// Erases samples for good.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) fn forget_samples(&self, request: ForgetSamples::Request) -> Answer<ForgetSamples::Service> {
        let name = TaskName::try_from(request.name)?;
        let label = (!request.label.is_empty()).then(|| Label::try_from(request.label)).transpose()?;
        let erased = self.serving.engine()?.tasks().forget(&name, label.as_ref())?;
        let message = format!("{} of {name} erased", pictures(erased));
        Ok(ForgetSamples::Response { success: true, message, erased })
    }
}

fn pictures(count: u32) -> String {
    if count == 1 { "1 picture".to_owned() } else { format!("{count} pictures") }
}
