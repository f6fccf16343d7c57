//! ROS's parameter services, with ranges in the descriptors. r2r's own know no ranges, and end for good when one reply
//! cannot be sent.

use std::sync::{Arc, Mutex, MutexGuard};

use engine::lock;
use r2r::rcl_interfaces::msg::{
    ListParametersResult, Parameter, ParameterDescriptor, ParameterEvent, SetParametersResult,
};
use r2r::rcl_interfaces::srv::{
    DescribeParameters, GetParameterTypes, GetParameters, ListParameters, SetParameters, SetParametersAtomically,
};
use r2r::{Node, Publisher, QosProfile};
use tokio::runtime::Handle;

use crate::clock::NodeClock;
use crate::names;
use crate::options::NodeConfig;
use crate::params::{ParamError, Params, SPECS, descriptor, from_message, to_message, type_code};
use crate::ros::log_unpublished;
use crate::service::{Order, offer};

/// Called with the new configuration after a change.
type Changed = Box<dyn Fn(&NodeConfig) -> Result<(), String> + Send + Sync>;

struct ParameterServices {
    params: Mutex<Params>,
    changed: Changed,
    // A publisher may be moved, but not shared, between threads.
    events: Mutex<Publisher<ParameterEvent>>,
    clock: NodeClock,
    node_name: String,
}

/// Offers the services; `events` is the quality of service of what tells of changes; `changed` hears of every accepted change.
///
/// # Errors
/// When ROS refuses to create one.
pub(crate) fn start(
    node: &mut Node,
    runtime: &Handle,
    params: Params,
    events: QosProfile,
    changed: impl Fn(&NodeConfig) -> Result<(), String> + Send + Sync + 'static,
) -> r2r::Result<()> {
    let services = Arc::new(ParameterServices {
        params: Mutex::new(params),
        changed: Box::new(changed),
        events: Mutex::new(node.create_publisher(names::PARAMETER_EVENTS, events)?),
        clock: NodeClock::of(node),
        node_name: node.fully_qualified_name()?,
    });
    let node_name = node.name()?;
    macro_rules! offer {
        ($service:ident, $name:literal, $answer:expr) => {{
            let services = Arc::clone(&services);
            let answer: fn(&ParameterServices, $service::Request) -> $service::Response = $answer;
            let name = format!("{node_name}/{}", $name);
            // These replies have no place for a message.
            let refuse = |_| $service::Response::default();
            offer::<$service::Service>(node, runtime, (&name, Order::Any), refuse, move |request| {
                Ok(answer(&services, request))
            })?;
        }};
    }
    offer!(GetParameters, "get_parameters", |services, request| {
        let params = services.params();
        let value = |name: &String| params.get(name).map(|(spec, value)| to_message(spec, value)).unwrap_or_default();
        GetParameters::Response { values: request.names.iter().map(value).collect() }
    });
    offer!(GetParameterTypes, "get_parameter_types", |services, request| {
        let params = services.params();
        let kind = |name: &String| params.get(name).map_or(0, |(spec, _)| type_code(spec));
        GetParameterTypes::Response { types: request.names.iter().map(kind).collect() }
    });
    offer!(DescribeParameters, "describe_parameters", |_, request| {
        let describe = |name: String| {
            let spec = SPECS.iter().find(|spec| spec.name == name);
            spec.map_or_else(|| ParameterDescriptor { name, ..Default::default() }, descriptor)
        };
        DescribeParameters::Response { descriptors: request.names.into_iter().map(describe).collect() }
    });
    offer!(ListParameters, "list_parameters", |_, request| {
        ListParameters::Response { result: list(&request.prefixes, request.depth) }
    });
    offer!(SetParameters, "set_parameters", |services, request| {
        let result = |parameter| result(services.set(&[parameter]));
        SetParameters::Response { results: request.parameters.into_iter().map(result).collect() }
    });
    offer!(SetParametersAtomically, "set_parameters_atomically", |services, request| {
        SetParametersAtomically::Response { result: result(services.set(&request.parameters)) }
    });
    Ok(())
}

impl ParameterServices {
    fn params(&self) -> MutexGuard<'_, Params> {
        lock(&self.params)
    }

    /// Takes over all of the values, or none.
    fn set(&self, parameters: &[Parameter]) -> Result<(), String> {
        let mut params = self.params();
        let next = changed(&params, parameters).map_err(|error| error.to_string())?;
        let config = next.config().map_err(|error| error.to_string())?;
        (self.changed)(&config)?;
        // Tools that write back whole files set what holds already.
        let other = |name: &str| params.get(name).map(|(_, value)| value) != next.get(name).map(|(_, value)| value);
        let named: Vec<String> =
            parameters.iter().map(|parameter| parameter.name.clone()).filter(|name| other(name)).collect();
        *params = next;
        drop(params);
        if named.is_empty() {
            return Ok(());
        }
        tracing::info!("changed: {}", named.join(", "));
        let event = ParameterEvent {
            stamp: self.clock.now(),
            node: self.node_name.clone(),
            changed_parameters: named.iter().filter_map(|name| self.as_parameter(name)).collect(),
            ..ParameterEvent::default()
        };
        log_unpublished(names::PARAMETER_EVENTS, lock(&self.events).publish(&event));
        Ok(())
    }

    fn as_parameter(&self, name: &str) -> Option<Parameter> {
        let params = self.params();
        let (spec, value) = params.get(name)?;
        Some(Parameter { name: spec.name.to_owned(), value: to_message(spec, value) })
    }
}

/// The values after a change, when all of it is allowed.
fn changed(params: &Params, parameters: &[Parameter]) -> Result<Params, ParamError> {
    let mut next = params.clone();
    for Parameter { name, value } in parameters {
        let change = next.check_live(name, &from_message(value))?;
        next.apply(change);
    }
    Ok(next)
}

fn result(set: Result<(), String>) -> SetParametersResult {
    match set {
        Ok(()) => SetParametersResult { successful: true, reason: String::new() },
        Err(reason) => SetParametersResult { successful: false, reason: crate::convert::text(reason) },
    }
}

/// As `rcl_interfaces/srv/ListParameters` describes it: names below the prefixes, so many levels deep; 0: all.
fn list(prefixes: &[String], depth: u64) -> ListParametersResult {
    let levels = |rest: &str| rest.matches('.').count() as u64 + 1;
    let listed = |name: &str| {
        if prefixes.is_empty() {
            return depth == 0 || levels(name) <= depth;
        }
        prefixes.iter().any(|prefix| {
            let rest = name.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| match rest.strip_prefix('.') {
                Some(below) => depth == 0 || levels(below) <= depth,
                None => rest.is_empty(),
            })
        })
    };
    let names: Vec<String> = SPECS.iter().map(|spec| spec.name.to_owned()).filter(|name| listed(name)).collect();
    let mut prefixes: Vec<String> = names.iter().filter_map(|name| Some(name.rsplit_once('.')?.0.to_owned())).collect();
    prefixes.dedup();
    ListParametersResult { names, prefixes }
}

#[cfg(test)]
mod tests {
    use r2r::rcl_interfaces::msg::ParameterValue;

    use super::*;

    fn parameter(name: &str, value: f64) -> Parameter {
        Parameter {
            name: name.to_owned(),
            value: ParameterValue { type_: 3, double_value: value, ..ParameterValue::default() },
        }
    }

    #[test]
    fn several_values_are_taken_over_together_or_not_at_all() {
        let params = Params::defaults();
        let good = [parameter("scheduler.refresh_hz", 5.0), parameter("detector.score_threshold", 0.25)];
        let next = changed(&params, &good).unwrap().config().unwrap();
        assert_eq!((next.engine.scheduler.refresh_hz, next.engine.detector.score_threshold), (5.0, 0.25));
        let half = [parameter("scheduler.refresh_hz", 5.0), parameter("detector.score_threshold", 2.0)];
        let error = changed(&params, &half).unwrap_err().to_string();
        assert!(error.contains("detector.score_threshold") && error.contains("0 to 1"), "{error}");
    }

    #[test]
    fn what_is_fixed_at_start_up_is_refused_unless_it_stays() {
        let params = Params::defaults();
        let error = changed(&params, &[parameter("tracker.max_coast_s", 9.0)]).unwrap_err().to_string();
        assert!(error.contains("tracker.max_coast_s") && error.contains("at start-up"), "{error}");
        assert!(changed(&params, &[parameter("tracker.max_coast_s", 1.5)]).is_ok());
    }

    #[test]
    fn a_value_without_a_type_cannot_unset_a_parameter() {
        let unset = Parameter { name: "scheduler.refresh_hz".to_owned(), value: ParameterValue::default() };
        assert!(changed(&Params::defaults(), &[unset]).is_err());
    }

    #[test]
    fn names_are_listed_below_their_prefix_and_to_their_depth() {
        assert_eq!(list(&[], 0).names.len(), SPECS.len());
        assert!(list(&[], 1).names.iter().all(|name| !name.contains('.')));
        let detector = list(&["detector".to_owned()], 0);
        assert!(!detector.names.is_empty() && detector.names.iter().all(|name| name.starts_with("detector.")));
        assert_eq!(detector.prefixes, ["detector"]);
        assert!(list(&["detect".to_owned()], 0).names.is_empty());
        assert_eq!(list(&["threads".to_owned()], 1).names, ["threads"]);
    }
}
