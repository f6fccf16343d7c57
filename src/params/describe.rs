//! Parameters told to others: to ROS tools, and as JSON.

use r2r::ParameterValue;
use r2r::rcl_interfaces::msg::{self, FloatingPointRange, IntegerRange, ParameterDescriptor};
use serde_json::{Value, json};

use super::{Kind, Params, Spec};
use crate::names;

/// What ROS tools show of a parameter.
pub(crate) fn descriptor(spec: &Spec) -> ParameterDescriptor {
    let mut descriptor = ParameterDescriptor {
        name: spec.name.to_owned(),
        type_: type_code(spec),
        description: spec.description.to_owned(),
        read_only: !spec.live,
        ..ParameterDescriptor::default()
    };
    match spec.kind {
        Kind::Integer { min, max } => {
            descriptor.integer_range = vec![IntegerRange { from_value: min, to_value: max, step: 0 }];
        }
        Kind::Stepped { max, step } => {
            descriptor.integer_range = vec![IntegerRange { from_value: 0, to_value: max, step: step.unsigned_abs() }];
        }
        Kind::Double { min, max } => {
            descriptor.floating_point_range = vec![FloatingPointRange { from_value: min, to_value: max, step: 0.0 }];
        }
        Kind::Choice(_) => descriptor.additional_constraints = format!("one of: {}", spec.range()),
        Kind::Names | Kind::Address => descriptor.additional_constraints = spec.range(),
        Kind::Bool | Kind::Path => {}
    }
    descriptor
}

/// As in `rcl_interfaces/msg/ParameterType`.
pub(crate) fn type_code(spec: &Spec) -> u8 {
    match spec.kind {
        Kind::Bool => 1,
        Kind::Integer { .. } | Kind::Stepped { .. } => 2,
        Kind::Double { .. } => 3,
        Kind::Choice(_) | Kind::Path | Kind::Names | Kind::Address => 4,
    }
}

/// The value as a message.
pub(crate) fn to_message(spec: &Spec, value: &Value) -> msg::ParameterValue {
    let mut message = msg::ParameterValue { type_: type_code(spec), ..msg::ParameterValue::default() };
    match spec.kind {
        Kind::Bool => message.bool_value = value.as_bool().unwrap_or_default(),
        Kind::Integer { .. } | Kind::Stepped { .. } => message.integer_value = value.as_i64().unwrap_or_default(),
        Kind::Double { .. } => message.double_value = value.as_f64().unwrap_or_default(),
        Kind::Choice(_) | Kind::Path | Kind::Names | Kind::Address => {
            value.as_str().unwrap_or_default().clone_into(&mut message.string_value)
        }
    }
    message
}

/// What a message holds. Lists but those of strings are no parameter's type here: none of them is told from another.
pub(crate) fn from_message(message: &msg::ParameterValue) -> ParameterValue {
    match message.type_ {
        1 => ParameterValue::Bool(message.bool_value),
        2 => ParameterValue::Integer(message.integer_value),
        3 => ParameterValue::Double(message.double_value),
        4 => ParameterValue::String(message.string_value.clone()),
        9 => ParameterValue::StringArray(message.string_array_value.clone()),
        5.. => ParameterValue::ByteArray(vec![]),
        0 => ParameterValue::NotSet,
    }
}

/// Everything that the node has in the ROS graph, for `--describe-parameters`.
pub(crate) fn interface() -> Value {
    let defaults = Params::defaults();
    let parameter = |(spec, default): (&Spec, &Value)| {
        json!({
            "name": spec.name,
            "type": spec.type_name(),
            "default": default,
            "range": spec.range(),
            "read_only": !spec.live,
            "description": spec.description,
        })
    };
    json!({
        "node": names::NODE,
        "executable": names::EXECUTABLE,
        "subscriptions": names::SUBSCRIPTIONS,
        "publications": names::PUBLICATIONS,
        "humans": names::HUMANS,
        "services": names::SERVICES,
        "own_services": names::OWN_SERVICES,
        "actions": names::ACTIONS,
        "parameters": defaults.iter().map(parameter).collect::<Vec<_>>(),
    })
}
