use proptest::prelude::*;

use super::*;
use crate::options::{ImageTransport, NodeConfig};

fn with(overrides: &[(&str, ParameterValue)]) -> Result<Params, Vec<ParamError>> {
    Params::with_overrides(overrides.iter().map(|(name, value)| (*name, value)))
}

fn refusal(name: &str, value: ParameterValue) -> String {
    let errors = with(&[(name, value)]).unwrap_err();
    assert_eq!(errors.len(), 1);
    errors[0].to_string()
}

#[test]
fn the_defaults_are_those_of_the_configuration() {
    assert_eq!(Params::defaults().config().unwrap(), NodeConfig::default());
    assert_eq!(Params::defaults().files(), GivenFiles::default());
}

/// Every leaf of a configuration's tree, with dots.
fn leaves(tree: &Value, prefix: &str) -> Vec<String> {
    match tree {
        Value::Object(members) => {
            let below = |(name, member): (&String, &Value)| {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                leaves(member, &path)
            };
            members.iter().flat_map(below).collect()
        }
        _ => vec![prefix.to_owned()],
    }
}

#[test]
fn every_option_of_the_configuration_is_a_parameter_and_the_other_way_round() {
    let tree = json!(NodeConfig::default());
    let mut options = [leaves(&tree["engine"], ""), leaves(&tree["node"], "")].concat();
    let mut names: Vec<String> = SPECS.iter().map(|spec| spec.name.to_owned()).collect();
    options.sort();
    names.sort();
    assert_eq!(names, options);
}

#[test]
fn every_default_has_its_parameters_type_and_is_in_its_range() {
    for (spec, value) in Params::defaults().iter() {
        let value = from_message(&to_message(spec, value));
        let change = accept(spec.name, &value).unwrap();
        assert_eq!(Some((spec, &change.value)), Params::defaults().get(spec.name));
    }
}

#[test]
fn the_engine_takes_both_ends_of_every_range() {
    for spec in SPECS {
        let ends = match spec.kind {
            Kind::Integer { min, max } => vec![ParameterValue::Integer(min), ParameterValue::Integer(max)],
            Kind::Stepped { max, .. } => vec![ParameterValue::Integer(0), ParameterValue::Integer(max)],
            Kind::Double { min, max } => vec![ParameterValue::Double(min), ParameterValue::Double(max)],
            Kind::Choice(choices) => {
                choices.iter().map(|choice| ParameterValue::String((*choice).to_owned())).collect()
            }
            Kind::Bool | Kind::Path | Kind::Names | Kind::Address => vec![],
        };
        for end in ends {
            let config = with(&[(spec.name, end.clone())]).unwrap().config();
            assert!(config.is_ok(), "{}: {end:?}: {config:?}", spec.name);
        }
    }
}

#[test]
fn what_is_set_arrives_in_the_configuration() {
    let params = with(&[
        ("scheduler.refresh_hz", ParameterValue::Integer(4)),
        ("detector.max_faces", ParameterValue::Integer(3)),
        ("retain_samples", ParameterValue::Bool(false)),
        ("device", ParameterValue::String("cpu".into())),
        ("image_transport", ParameterValue::String("raw".into())),
        ("annotated.rate_hz", ParameterValue::Double(2.5)),
        ("model", ParameterValue::String("elsewhere".into())),
    ])
    .unwrap();
    let config = params.config().unwrap();
    assert_eq!(config.engine.scheduler.refresh_hz, 4.0);
    assert_eq!(config.engine.detector.max_faces, 3);
    assert!(!config.engine.retain_samples);
    assert_eq!(config.engine.device, network::DeviceChoice::Cpu);
    assert_eq!(config.node.image_transport, ImageTransport::Raw);
    assert_eq!(config.node.annotated.rate_hz, 2.5);
    assert_eq!(params.files().model, Some("elsewhere".into()));
}

#[test]
fn a_bad_value_is_refused_with_name_and_range() {
    let message = refusal("scheduler.refresh_hz", ParameterValue::Double(100.0));
    assert_eq!(message, "parameter 'scheduler.refresh_hz' is 100, but must be 0.1 to 60 Hz");
    let message = refusal("device", ParameterValue::String("tpu".into()));
    assert_eq!(message, "parameter 'device' is 'tpu', but must be one of auto, cpu, cuda, cpu-reference");
    let message = refusal("detector.max_faces", ParameterValue::Double(2.5));
    assert_eq!(message, "parameter 'detector.max_faces' is 2.5, but must be an integer: 1 to 1000");
    let message = refusal("scheduler.refresh_hz", ParameterValue::NotSet);
    assert_eq!(message, "parameter 'scheduler.refresh_hz' has no value, but must be a number: 0.1 to 60 Hz");
    let message = refusal("camera.rotate", ParameterValue::Integer(45));
    assert_eq!(message, "parameter 'camera.rotate' is 45, but must be 0 to 270 degrees in steps of 90");
    assert!(refusal("scheduler.refresh_hz", ParameterValue::Double(f64::NAN)).contains("0.1 to 60 Hz"));
}

#[test]
fn an_unknown_name_is_refused_with_the_one_that_was_meant() {
    let named = |name: &str| refusal(name, ParameterValue::Integer(1));
    let message = named("scheduler.refresh_rate");
    assert!(message.contains("; is 'scheduler.refresh_hz' meant? All are in docs/parameters.md"), "{message}");
    assert!(named("score_threshold").contains("is 'detector.score_threshold' meant?"));
    let message = named("colour_of_the_sky");
    assert!(message.contains("'colour_of_the_sky'") && !message.contains("meant"), "{message}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let errors = with(&[("a", ParameterValue::NotSet), ("threads", ParameterValue::Integer(-1))]).unwrap_err();
    assert_eq!(errors.len(), 2);
}

proptest! {
    #[test]
    fn no_value_gets_past_its_range(index in 0..SPECS.len(), double in any::<f64>(), integer in any::<i64>()) {
        for value in [ParameterValue::Double(double), ParameterValue::Integer(integer)] {
            if let Ok(params) = with(&[(SPECS[index].name, value)]) {
                prop_assert!(params.config().is_ok(), "{}", SPECS[index].name);
            }
        }
    }
}

#[test]
fn cameras_are_named_by_commas_or_as_a_list() {
    let names = |value| with(&[("cameras", value)]).map(|params| params.config().unwrap().node.camera_names());
    let text = |text: &str| ParameterValue::String(text.to_owned());
    let list = |names: &[&str]| ParameterValue::StringArray(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(names(text("")).unwrap(), [""]);
    assert_eq!(names(list(&[])).unwrap(), [""]);
    assert_eq!(names(text("front, rear")).unwrap(), ["front", "rear"]);
    assert_eq!(names(list(&["front", "rear_2"])).unwrap(), ["front", "rear_2"]);
    for bad in [text("front,front"), text("Front"), text("front/left"), text("front,"), list(&["2nd"])] {
        assert!(names(bad).is_err());
    }
}

/// `config/face_attributes.yaml` and `docs/parameters.md`, which are written by hand.
mod documents {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn read(path: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    }

    fn flatten(tree: &serde_yaml::Value, prefix: &str, into: &mut BTreeMap<String, Value>) {
        let Some(members) = tree.as_mapping() else {
            into.insert(prefix.to_owned(), serde_json::to_value(tree).unwrap());
            return;
        };
        for (name, member) in members {
            let name = name.as_str().unwrap();
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            flatten(member, &path, into);
        }
    }

    #[test]
    fn the_configuration_file_lists_every_parameter_with_its_default() {
        let file: serde_yaml::Value = serde_yaml::from_str(&read("config/face_attributes.yaml")).unwrap();
        let mut found = BTreeMap::new();
        // For any node name in any namespace.
        flatten(&file["/**/face_attributes"]["ros__parameters"], "", &mut found);
        let expected: BTreeMap<String, Value> =
            Params::defaults().iter().map(|(spec, value)| (spec.name.to_owned(), value.clone())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_option_of_the_configuration_file_has_a_comment_with_its_range() {
        let file = read("config/face_attributes.yaml");
        for spec in SPECS {
            // Two groups may have an option of the same name: the one below its own group's line is meant.
            let mut lines = file.lines();
            let mut line = None;
            for key in spec.name.split('.') {
                line = lines.find(|line| line.trim_start().starts_with(&format!("{key}:")));
            }
            let (_, comment) = line.unwrap().split_once('#').unwrap_or_else(|| panic!("{}: no comment", spec.name));
            if !matches!(spec.kind, Kind::Bool | Kind::Path) {
                assert!(comment.contains(&spec.range()), "{}: {comment}", spec.name);
            }
        }
    }

    #[test]
    fn the_table_of_parameters_is_complete_and_right() {
        let page = read("docs/parameters.md");
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let found: Vec<Vec<String>> =
            rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect();
        let expected: Vec<Vec<String>> = Params::defaults()
            .iter()
            .map(|(spec, value)| {
                let default = if *value == json!("") { "empty".to_owned() } else { value.to_string().replace('"', "") };
                let live = if spec.live { "yes" } else { "" };
                vec![format!("`{}`", spec.name), default, spec.range(), live.to_owned(), spec.description.to_owned()]
            })
            .collect();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len());
    }
}
