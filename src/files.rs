//! Where model, detector and taught tasks are found when parameters do not say.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use engine::{EngineConfig, MANIFEST};

const YUNET: &str = "face_detection_yunet_2023mar.onnx";
const HAAR: &str = "haarcascade_frontalface_alt2.xml";
const SHARE: &str = "share/face_attributes";

/// Paths given by parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GivenFiles {
    pub(crate) model: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) exchange_dir: Option<PathBuf>,
    pub(crate) samples_key_file: Option<PathBuf>,
    pub(crate) yunet: Option<PathBuf>,
    pub(crate) haar: Option<PathBuf>,
}

/// What is missing, and what to do about it.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum FilesError {
    #[error(
        "no model found: looked for {MANIFEST} in {looked}; name its folder with the parameter `model` \
         or in FACE_ATTRIBUTES_MODEL, or start the installed node"
    )]
    NoModel { looked: String },
    #[error("parameter 'model' is {path}, but there is no {MANIFEST} in it; leave it empty for the model that ships")]
    GivenModel { path: String },
    #[error("parameter '{name}' is {path}, but there is no such file; leave it empty for the installed one")]
    Given { name: &'static str, path: String },
    #[error(
        "no face detector found, neither {YUNET} nor {HAAR}: run scripts/setup and source its env.sh, \
         or name one with the parameter `yunet` or `haar`"
    )]
    NoDetector,
}

/// From now on all files of this process are its owner's alone. To be called before any thread is started.
pub(crate) fn keep_to_the_owner() {
    // SAFETY: sets the process's own mask.
    unsafe { libc::umask(0o077) };
}

/// What surrounds the process.
pub(crate) struct Surroundings<'a> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Folder of the running program.
    pub(crate) program_dir: Option<PathBuf>,
    /// Where OpenCV installs its cascades.
    pub(crate) cascade_dirs: Vec<PathBuf>,
    pub(crate) working_dir: PathBuf,
}

impl Surroundings<'static> {
    pub(crate) fn of_this_process() -> Self {
        Self {
            variable: &|name| std::env::var_os(name),
            program_dir: std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned)),
            cascade_dirs: ["/usr/share/opencv4", "/usr/local/share/opencv4", "/usr/share/opencv"]
                .map(|dir| Path::new(dir).join("haarcascades"))
                .into(),
            working_dir: PathBuf::from("."),
        }
    }
}

impl Surroundings<'_> {
    fn path(&self, name: &str) -> Option<PathBuf> {
        (self.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// `share/face_attributes` of the installation that the program belongs to, then those of the sourced prefixes.
    fn shares(&self) -> Vec<PathBuf> {
        let own = self.program_dir.as_ref().and_then(|dir| Some(dir.parent()?.parent()?.to_owned()));
        let prefixes = (self.variable)("AMENT_PREFIX_PATH").unwrap_or_default();
        own.into_iter().chain(std::env::split_paths(&prefixes)).map(|prefix| prefix.join(SHARE)).collect()
    }

    /// `~/` is the user's home: YAML has no shell.
    fn expanded(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), self.path("HOME")) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }

    fn model(&self, given: Option<&PathBuf>) -> Result<PathBuf, FilesError> {
        let is_model = |dir: &PathBuf| dir.join(MANIFEST).is_file();
        // What somebody names counts; it is not replaced by another model when it is not there.
        if let Some(named) = given.map(|path| self.expanded(path)).or_else(|| self.path("FACE_ATTRIBUTES_MODEL")) {
            let path = || named.display().to_string();
            return if is_model(&named) { Ok(named) } else { Err(FilesError::GivenModel { path: path() }) };
        }
        let mut candidates: Vec<PathBuf> = self.shares().iter().map(|share| share.join("models/default")).collect();
        candidates.push(self.working_dir.join("models/default"));
        let looked = || candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        candidates.iter().find(|dir| is_model(dir)).cloned().ok_or_else(|| FilesError::NoModel { looked: looked() })
    }

    fn file(
        &self,
        name: &'static str,
        given: Option<&PathBuf>,
        variable: &str,
        candidates: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Option<PathBuf>, FilesError> {
        if let Some(path) = given.map(|path| self.expanded(path)) {
            let missing = || FilesError::Given { name, path: path.display().to_string() };
            return if path.is_file() { Ok(Some(path)) } else { Err(missing()) };
        }
        Ok(self.path(variable).into_iter().chain(candidates).find(|path| path.is_file()))
    }
}

/// Fills in the engine's paths.
///
/// # Errors
/// A path that was given and is not there, no model, or no detector at all.
pub(crate) fn complete(
    config: &mut EngineConfig,
    given: &GivenFiles,
    surroundings: &Surroundings<'_>,
) -> Result<(), FilesError> {
    config.model = surroundings.model(given.model.as_ref())?;
    if let Some(state_dir) = &given.state_dir {
        config.state_dir = surroundings.expanded(state_dir);
    }
    if let Some(exchange_dir) = &given.exchange_dir {
        config.exchange_dir = surroundings.expanded(exchange_dir);
    }
    // Whether it is there is asked later: faces are seen without it, too.
    config.samples_key_file = given.samples_key_file.as_ref().map(|key| surroundings.expanded(key));
    let yunets = surroundings.shares().into_iter().map(|share| share.join("models").join(YUNET));
    config.yunet = surroundings.file("yunet", given.yunet.as_ref(), "FACE_ATTRIBUTES_YUNET", yunets)?;
    let cascades = surroundings.cascade_dirs.iter().map(|dir| dir.join(HAAR));
    config.haar = surroundings.file("haar", given.haar.as_ref(), "FACE_ATTRIBUTES_HAAR", cascades)?;
    match (&config.yunet, &config.haar) {
        (None, None) => Err(FilesError::NoDetector),
        (None, Some(_)) => {
            tracing::warn!("YuNet is missing, run scripts/setup to fetch it; until then faces have no landmarks");
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;

    struct Machine {
        root: tempfile::TempDir,
        variables: BTreeMap<&'static str, OsString>,
    }

    impl Machine {
        fn new() -> Self {
            Self { root: tempfile::tempdir().unwrap(), variables: BTreeMap::new() }
        }

        fn add(&self, file: &str) -> PathBuf {
            let path = self.root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        }

        fn complete(&self, given: &GivenFiles) -> Result<EngineConfig, FilesError> {
            let surroundings = Surroundings {
                variable: &|name| self.variables.get(name).cloned(),
                program_dir: Some(self.root.path().join("install/lib/face_attributes")),
                cascade_dirs: vec![self.root.path().join("opencv")],
                working_dir: self.root.path().join("here"),
            };
            let mut config = EngineConfig::default();
            complete(&mut config, given, &surroundings).map(|()| config)
        }
    }

    #[test]
    fn the_installed_model_and_detector_are_found_beside_the_program() {
        let machine = Machine::new();
        let manifest = machine.add("install/share/face_attributes/models/default/manifest.yaml");
        let yunet = machine.add(&format!("install/share/face_attributes/models/{YUNET}"));
        machine.add("here/models/default/manifest.yaml");
        let config = machine.complete(&GivenFiles::default()).unwrap();
        assert_eq!(config.model, manifest.parent().unwrap());
        assert_eq!((config.yunet, config.haar), (Some(yunet), None));
    }

    #[test]
    fn the_working_directory_is_the_last_resort() {
        let machine = Machine::new();
        let manifest = machine.add("here/models/default/manifest.yaml");
        let haar = machine.add(&format!("opencv/{HAAR}"));
        let config = machine.complete(&GivenFiles::default()).unwrap();
        assert_eq!(config.model, manifest.parent().unwrap());
        assert_eq!((config.yunet, config.haar), (None, Some(haar)));
    }

    #[test]
    fn a_named_model_is_never_replaced_by_another_one() {
        let mut machine = Machine::new();
        machine.add("here/models/default/manifest.yaml");
        machine.add(&format!("opencv/{HAAR}"));
        let given = GivenFiles { model: Some("nowhere".into()), ..GivenFiles::default() };
        assert!(matches!(machine.complete(&given), Err(FilesError::GivenModel { .. })));
        machine.variables.insert("FACE_ATTRIBUTES_MODEL", "nowhere".into());
        assert!(matches!(machine.complete(&GivenFiles::default()), Err(FilesError::GivenModel { .. })));
    }

    #[test]
    fn a_named_detector_that_is_missing_is_an_error_even_with_a_fallback() {
        let machine = Machine::new();
        machine.add("here/models/default/manifest.yaml");
        machine.add(&format!("opencv/{HAAR}"));
        let given = GivenFiles { yunet: Some("nowhere.onnx".into()), ..GivenFiles::default() };
        let message = machine.complete(&given).unwrap_err().to_string();
        assert!(message.contains("'yunet'") && message.contains("nowhere.onnx"), "{message}");
    }

    #[test]
    fn without_any_detector_the_message_names_the_set_up() {
        let machine = Machine::new();
        machine.add("here/models/default/manifest.yaml");
        let message = machine.complete(&GivenFiles::default()).unwrap_err().to_string();
        assert!(message.contains("scripts/setup"), "{message}");
    }

    #[test]
    fn a_tilde_is_the_users_home() {
        let mut machine = Machine::new();
        machine.add("here/models/default/manifest.yaml");
        machine.add(&format!("opencv/{HAAR}"));
        machine.variables.insert("HOME", machine.root.path().join("home").into());
        let given = GivenFiles { state_dir: Some("~/faces".into()), ..GivenFiles::default() };
        assert_eq!(machine.complete(&given).unwrap().state_dir, machine.root.path().join("home/faces"));
    }
}
