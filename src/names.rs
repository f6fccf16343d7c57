//! Every name that the node has in the ROS graph. All but `/diagnostics`, REP-155's and what ROS itself prescribes are relative.

use serde::Serialize;

/// Of the node, unless a launch file renames it.
pub(crate) const NODE: &str = "face_attributes";
/// Of the node that `--doctor` makes, beside one that runs.
pub(crate) const DOCTOR: &str = "face_attributes_doctor";
/// Of the program, as it is installed.
pub(crate) const EXECUTABLE: &str = "face_attributes_node";

pub(crate) const IMAGE: &str = "image";
pub(crate) const IMAGE_COMPRESSED: &str = "image/compressed";
/// Beside the raw pictures, unless it is remapped itself.
pub(crate) const CAMERA_INFO: &str = "camera_info";

pub(crate) const ATTRIBUTES: &str = "attributes";
pub(crate) const ANNOTATED: &str = "annotated/compressed";
pub(crate) const EXPLANATION: &str = "explanation/compressed";
pub(crate) const TASKS: &str = "tasks";
pub(crate) const DIAGNOSTICS: &str = "/diagnostics";
pub(crate) const ROSOUT: &str = "/rosout";
pub(crate) const PARAMETER_EVENTS: &str = "/parameter_events";

pub(crate) const ADD_TASK: &str = "add_task";
pub(crate) const ADD_SAMPLES: &str = "add_samples";
pub(crate) const CAPTURE_SAMPLES: &str = "capture_samples";
pub(crate) const REMOVE_TASK: &str = "remove_task";
pub(crate) const LIST_TASKS: &str = "list_tasks";
pub(crate) const CANCEL_TRAINING: &str = "cancel_training";
pub(crate) const EXPORT_TASK: &str = "export_task";
pub(crate) const IMPORT_TASK: &str = "import_task";
pub(crate) const FORGET_SAMPLES: &str = "forget_samples";

// Of REP-155; `*` is the id of a face.
pub(crate) const FACES_TRACKED: &str = "/humans/faces/tracked";
pub(crate) const FACE_ROI: &str = "/humans/faces/*/roi";
pub(crate) const FACE_LANDMARKS: &str = "/humans/faces/*/landmarks";
pub(crate) const FACE_CROPPED: &str = "/humans/faces/*/cropped";
pub(crate) const FACE_ALIGNED: &str = "/humans/faces/*/aligned";
pub(crate) const FACE_EXPRESSION: &str = "/humans/faces/*/expression";
pub(crate) const FACE_SOFT_BIOMETRICS: &str = "/humans/faces/*/softbiometrics";
pub(crate) const CANDIDATE_MATCHES: &str = "/humans/candidate_matches";
pub(crate) const TF: &str = "/tf";

pub(crate) const TEACH: &str = "teach";
pub(crate) const CAPTURE: &str = "capture";

// Below the node's own name, as ROS prescribes for a managed node, and for every one.
pub(crate) const TRANSITION_EVENT: &str = "~/transition_event";
pub(crate) const CHANGE_STATE: &str = "~/change_state";
pub(crate) const GET_STATE: &str = "~/get_state";
pub(crate) const GET_AVAILABLE_STATES: &str = "~/get_available_states";
pub(crate) const GET_AVAILABLE_TRANSITIONS: &str = "~/get_available_transitions";
pub(crate) const GET_LOGGER_LEVELS: &str = "~/get_logger_levels";
pub(crate) const SET_LOGGER_LEVELS: &str = "~/set_logger_levels";
pub(crate) const GET_TRANSITION_GRAPH: &str = "~/get_transition_graph";

/// What a camera has for itself, below its name where there are several.
pub(crate) fn of_camera(camera: &str, name: &str) -> String {
    if camera.is_empty() { name.to_owned() } else { format!("{camera}/{name}") }
}

/// A name with its type, as `ros2 topic list -t` writes it.
#[derive(Debug, Serialize)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

const fn named(name: &'static str, kind: &'static str) -> Named {
    Named { name, kind }
}

pub(crate) const SUBSCRIPTIONS: [Named; 3] = [
    named(IMAGE, "sensor_msgs/msg/Image"),
    named(IMAGE_COMPRESSED, "sensor_msgs/msg/CompressedImage"),
    named(CAMERA_INFO, "sensor_msgs/msg/CameraInfo"),
];

pub(crate) const PUBLICATIONS: [Named; 8] = [
    named(ATTRIBUTES, "face_attributes/msg/FaceAttributesArray"),
    named(ANNOTATED, "sensor_msgs/msg/CompressedImage"),
    named(EXPLANATION, "sensor_msgs/msg/CompressedImage"),
    named(TASKS, "face_attributes/msg/TaskArray"),
    named(DIAGNOSTICS, "diagnostic_msgs/msg/DiagnosticArray"),
    named(ROSOUT, "rcl_interfaces/msg/Log"),
    named(PARAMETER_EVENTS, "rcl_interfaces/msg/ParameterEvent"),
    named(TRANSITION_EVENT, "lifecycle_msgs/msg/TransitionEvent"),
];

/// Published for each camera.
pub(crate) const OF_A_CAMERA: [&str; 3] = [ATTRIBUTES, ANNOTATED, EXPLANATION];

/// With `rep155`.
pub(crate) const HUMANS: [Named; 9] = [
    named(FACES_TRACKED, "hri_msgs/msg/IdsList"),
    named(FACE_ROI, "hri_msgs/msg/NormalizedRegionOfInterest2D"),
    named(FACE_LANDMARKS, "hri_msgs/msg/FacialLandmarks"),
    named(FACE_CROPPED, "sensor_msgs/msg/Image"),
    named(FACE_ALIGNED, "sensor_msgs/msg/Image"),
    named(FACE_EXPRESSION, "hri_msgs/msg/Expression"),
    named(FACE_SOFT_BIOMETRICS, "hri_msgs/msg/SoftBiometrics"),
    named(CANDIDATE_MATCHES, "hri_msgs/msg/IdsMatch"),
    named(TF, "tf2_msgs/msg/TFMessage"),
];

pub(crate) const SERVICES: [Named; 9] = [
    named(ADD_TASK, "face_attributes/srv/AddTask"),
    named(ADD_SAMPLES, "face_attributes/srv/AddSamples"),
    named(CAPTURE_SAMPLES, "face_attributes/srv/CaptureSamples"),
    named(REMOVE_TASK, "face_attributes/srv/RemoveTask"),
    named(LIST_TASKS, "face_attributes/srv/ListTasks"),
    named(CANCEL_TRAINING, "face_attributes/srv/CancelTraining"),
    named(EXPORT_TASK, "face_attributes/srv/ExportTask"),
    named(IMPORT_TASK, "face_attributes/srv/ImportTask"),
    named(FORGET_SAMPLES, "face_attributes/srv/ForgetSamples"),
];

pub(crate) const ACTIONS: [Named; 2] =
    [named(TEACH, "face_attributes/action/Teach"), named(CAPTURE, "face_attributes/action/Capture")];

/// What ROS prescribes, below the node's own name; parameters have more.
pub(crate) const OWN_SERVICES: [Named; 7] = [
    named(CHANGE_STATE, "lifecycle_msgs/srv/ChangeState"),
    named(GET_STATE, "lifecycle_msgs/srv/GetState"),
    named(GET_AVAILABLE_STATES, "lifecycle_msgs/srv/GetAvailableStates"),
    named(GET_AVAILABLE_TRANSITIONS, "lifecycle_msgs/srv/GetAvailableTransitions"),
    named(GET_TRANSITION_GRAPH, "lifecycle_msgs/srv/GetAvailableTransitions"),
    named(GET_LOGGER_LEVELS, "rcl_interfaces/srv/GetLoggerLevels"),
    named(SET_LOGGER_LEVELS, "rcl_interfaces/srv/SetLoggerLevels"),
];
