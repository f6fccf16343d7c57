//! The node's parameters: names, ranges, descriptions. Defaults are those of [`crate::options::NodeConfig`].

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Bool,
    /// Both ends included.
    Integer {
        min: i64,
        max: i64,
    },
    /// From 0 on, in steps, the end included.
    Stepped {
        max: i64,
        step: i64,
    },
    /// Both ends included.
    Double {
        min: f64,
        max: f64,
    },
    Choice(&'static [&'static str]),
    /// Empty: looked up.
    Path,
    /// Names of ROS, separated by commas; empty: none.
    Names,
    /// An IP address.
    Address,
}

/// One parameter. Its name is its place in the configuration, with dots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: &'static str,
    /// May change while the node runs.
    pub(crate) live: bool,
    pub(crate) description: &'static str,
}

impl Spec {
    const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self { name, kind, unit: "", live: false, description }
    }

    const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    const fn live(self) -> Self {
        Self { live: true, ..self }
    }

    /// What is allowed, in words; the same in messages and documents.
    pub(crate) fn range(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        match self.kind {
            Kind::Bool => "true or false".to_owned(),
            Kind::Integer { min, max } => format!("{min} to {max}{unit}"),
            Kind::Stepped { max, step } => format!("0 to {max}{unit} in steps of {step}"),
            Kind::Double { min, max } => format!("{min} to {max}{unit}"),
            Kind::Choice(choices) => choices.join(", "),
            Kind::Path => "a path".to_owned(),
            Kind::Address => "an IP address, as 127.0.0.1, 0.0.0.0 or ::1".to_owned(),
            Kind::Names => "at most 16 names of small letters, digits and _, none twice".to_owned(),
        }
    }

    /// As ROS names the type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Bool => "bool",
            Kind::Integer { .. } | Kind::Stepped { .. } => "integer",
            Kind::Double { .. } => "double",
            Kind::Choice(_) | Kind::Path | Kind::Names | Kind::Address => "string",
        }
    }
}

const fn int(name: &'static str, min: i64, max: i64, description: &'static str) -> Spec {
    Spec::new(name, Kind::Integer { min, max }, description)
}

const fn double(name: &'static str, min: f64, max: f64, description: &'static str) -> Spec {
    Spec::new(name, Kind::Double { min, max }, description)
}

const fn share(name: &'static str, description: &'static str) -> Spec {
    double(name, 0.0, 1.0, description)
}

const fn path(name: &'static str, description: &'static str) -> Spec {
    Spec::new(name, Kind::Path, description)
}

const fn choice(name: &'static str, choices: &'static [&'static str], description: &'static str) -> Spec {
    Spec::new(name, Kind::Choice(choices), description)
}

const fn switch(name: &'static str, description: &'static str) -> Spec {
    Spec::new(name, Kind::Bool, description)
}

/// In the order in which they are documented.
#[rustfmt::skip]
pub(crate) static SPECS: &[Spec] = &[
    path("model", "Folder of the shipped model, with its manifest.yaml. Empty: $FACE_ATTRIBUTES_MODEL, else the installed model, else models/default here."),
    path("state_dir", "Folder for taught tasks and samples; made when missing. Empty: $XDG_DATA_HOME/face_attributes, else ~/.local/share/face_attributes. One node writes it; a second one on the same folder answers with its tasks but cannot teach."),
    path("exchange_dir", "Tasks are exported to and imported from folders below this one alone. Empty: the folder exchange in state_dir."),
    choice("device", &["auto", "cpu", "cuda", "cpu-reference"], "Where the network runs. auto: an NVIDIA card when there is one, else the CPU. cpu-reference: the CPU with burn's own operations, several times slower, to compare with."),
    path("yunet", "ONNX file of the face detector YuNet. Empty: $FACE_ATTRIBUTES_YUNET, else the installed one."),
    path("haar", "Haar cascade that finds faces, without landmarks, when there is no YuNet. Empty: $FACE_ATTRIBUTES_HAAR, else where OpenCV installs it."),
    switch("autostart", "The node loads its model and looks at the camera by itself. false: it waits, unconfigured, for lifecycle transitions (lifecycle_msgs, nav2's lifecycle manager, `ros2 lifecycle`)."),
    Spec::new("cameras", Kind::Names, "Names of several cameras, separated by commas (front, rear) or as a list. Each has its topics below its name (front/image, front/attributes); they share the network and the tasks. Empty: one camera, without a name."),
    choice("image_transport", &["auto", "raw", "compressed"], "Image topics to listen to. raw: image; compressed: image/compressed; auto: what is published, of two the raw one; the other too when the raw one brings nothing that can be used. Compressed pictures are expected below the raw ones' topic, wherever that is remapped to."),
    int("max_image_pixels", 1024, 268_435_456, "Larger pictures, of the camera and of requests, are refused before they are decoded. A request may hold four times as much in all.").unit("pixels"),

    Spec::new("camera.rotate", Kind::Stepped { max: 270, step: 90 }, "Pictures are turned to the right by so much before faces are looked for, for a camera on its side. Boxes and landmarks stay in the pixels of the picture as it came.").unit("degrees"),

    choice("detector.backend", &["fastconv", "opencv"], "What evaluates YuNet. opencv: OpenCV's dnn, which is slower."),
    share("detector.score_threshold", "Faces that the detector is less sure of are not seen.").live(),
    share("detector.nms_iou", "Of two boxes that overlap by more than this share (intersection over union), the less sure one is dropped."),
    int("detector.max_side", 32, 8192, "Detection runs on the picture shrunk to this longer side: smaller is faster and misses small faces. Faces from about 16 pixels on are found in the shrunk picture; for 60 pixels in 4K take 1280.").unit("pixels"),
    int("detector.min_face", 0, 8192, "Faces whose box is narrower or lower are not reported.").unit("pixels"),
    int("detector.max_faces", 1, 1000, "Faces reported per frame at most, the surest ones."),

    share("tracker.high_score", "Detections at least this sure are matched first, and only they start tracks."),
    share("tracker.low_score", "Detections less sure than this are not looked at; those between may continue a track."),
    double("tracker.min_iou", 0.01, 1.0, "Least overlap (intersection over union) of a sure detection with the place where its track is expected."),
    double("tracker.min_iou_low", 0.01, 1.0, "The same for a less sure detection, which must fit better."),
    int("tracker.confirm_hits", 1, 100, "A track is reported from so many detections on; in the first frame, at once.").unit("detections"),
    double("tracker.max_coast_s", 0.0, 60.0, "A track that is not seen for longer is dropped, and its id is not used again.").unit("s"),
    double("tracker.damping_s", 0.01, 60.0, "The velocity of a track that is not seen falls to 1/e in this time.").unit("s"),
    double("tracker.measurement_noise", 0.001, 1.0, "Standard deviation of a detected position.").unit("face sizes"),
    double("tracker.acceleration_noise", 0.01, 100.0, "Standard deviation of the change of velocity in one second.").unit("face sizes/s"),
    double("tracker.max_backwards_s", 0.0, 60.0, "A stamp that goes back further (a bag that starts again) drops all tracks.").unit("s"),
    int("tracker.id_seed", 0, 9_007_199_254_740_991, "The same seed gives the same track ids in the same order, for replays. 0: other ids in every run and node."),
    switch("tracker.report_coasting", "Also report tracks that are not seen at the moment, with the box where they are expected."),

    double("scheduler.refresh_hz", 0.1, 60.0, "Judgements wanted per face and second at most; never more than pictures. What cpu_share does not allow is shared fairly. /diagnostics tells what was reached.").unit("Hz").live(),
    double("scheduler.cpu_share", 0.01, 1.0, "Share of its threads' time (or its card's) that the network may take: with 0.5 and all cores, half of the processor. A new face is judged at once, unless half a second is owed already; the others wait for it.").live(),
    int("scheduler.max_batch", 1, 64, "Faces that the network judges in one go at most.").unit("faces").live(),
    share("scheduler.min_quality", "Faces whose overall quality is below this are not judged and not captured.").live(),

    double("smoothing.half_life_s", 0.0, 3600.0, "The weight of a judgement halves in this time; 0: only the newest counts, whichever way it saw the face.").unit("s").live(),
    double("smoothing.lasting_half_life_s", 0.0, 3600.0, "The same for what does not change while one looks: tasks of the kind IDENTITY and those of smoothing.lasting.").unit("s").live(),
    Spec::new("smoothing.lasting", Kind::Names, "Tasks whose answer does not change while one looks, separated by commas or as a list.").live(),

    int("threads", 0, 1024, "Threads of the network on the CPU; 0: all cores."),
    int("training_threads", 1, 1024, "Threads of a training on the CPU; see training.nice."),
    switch("retain_samples", "Keep the face crops that tasks were taught with. They are personal data; without them a task cannot be retrained with more samples later."),
    path("samples_key_file", "File with the 32 bytes that kept face crops are encrypted with (XChaCha20-Poly1305), mode 600 or a systemd credential. Empty: they are not encrypted. Where it cannot be read the node sees on, and teaches nothing."),
    int("max_samples_per_label", 1, 10_000, "Kept crops per label of a task; further ones are refused.").unit("crops"),
    int("max_samples", 1, 1_000_000, "Kept crops of all tasks together; further ones are refused. Each takes some 70 KB with what the network read of it, 60 KB more for each column with blocks that may be drawn from.").unit("crops"),
    choice("teaching.allowed", &["all", "local", "none"], "Who may teach, remove, export, import and forget. all: every peer of the ROS domain; local: the same, but the node starts only where it does not announce itself to other machines (ROS_AUTOMATIC_DISCOVERY_RANGE must be LOCALHOST); none: nobody."),
    int("training.epochs", 0, 1000, "Epochs of a training by gradients at most, when the request names none; 0: a linear head in closed form.").unit("epochs"),
    double("training.time_budget_s", 1.0, 86_400.0, "A training ends with the best that it has after this time; the closed form once it has tried one choice of what it reads.").unit("s"),
    int("training.nice", 0, 19, "By how much a training's threads are nicer than the node; 0: as other nodes. Between two steps they wait while the network judges faces, 0.1 s at most."),
    int("training.queue", 0, 64, "Trainings that may wait behind the running one; further ones are refused.").unit("trainings"),
    double("training.strangers_named", 0.001, 0.5, "Share of strangers that an identity task may call by a name, measured on the model's cohort. Fewer means that people it knows are `unknown` more often."),

    double("annotated.rate_hz", 0.0, 60.0, "Pictures a second on annotated/compressed at most, and only while somebody subscribes; 0: none.").unit("Hz").live(),
    int("annotated.jpeg_quality", 1, 100, "JPEG quality of annotated/compressed.").live(),
    double("explanation.rate_hz", 0.0, 10.0, "Sheets a second on explanation/compressed at most, and only while somebody subscribes; each takes some seconds of a core. 0: none.").unit("Hz").live(),
    int("page.port", 0, 65_535, "Port of the page for a browser: see, name and teach faces. 0: no page. A port that is taken is told, and the node goes on without a page."),
    Spec::new("page.address", Kind::Address, "Where the page is served. On an address that other machines reach, its viewers need a token: it is logged once and kept in state_dir/page_token. The page is not encrypted."),
    double("page.rate_hz", 1.0, 30.0, "Pictures a second on the page at most, and only while somebody looks.").unit("Hz").live(),
    int("page.jpeg_quality", 1, 100, "JPEG quality of the page's pictures.").live(),
    double("diagnostics.stale_s", 0.1, 3600.0, "/diagnostics warns when the newest frame is older.").unit("s").live(),
    switch("rep155", "Publish people as REP-155 (ROS4HRI) has them, below /humans, and the frames of heads on /tf. Needs a build with hri_msgs and tf2_msgs."),
    switch("use_sim_time", "Take the time from /clock, for the stamps of tasks and /diagnostics. Attributes always carry the stamps of their frames.").live(),
];
