//! To which machines the node announces itself: ROS tells no service who calls it.

use crate::options::PageOptions;

/// Whether ROS and the page keep to this machine, by the variables that it reads itself (`rcl/discovery_options.c`).
///
/// # Errors
/// What to set, where others can reach it.
pub(crate) fn require_this_machine(
    variable: &dyn Fn(&str) -> Option<String>,
    page: &PageOptions,
) -> Result<(), String> {
    if page.port != 0 && !page.address.is_loopback() {
        let address = page.address;
        return Err(format!(
            "parameter 'teaching.allowed' is local, but the page is served on {address}; set page.address to 127.0.0.1, or page.port to 0"
        ));
    }
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let range = set("ROS_AUTOMATIC_DISCOVERY_RANGE");
    let found = match (range, set("ROS_LOCALHOST_ONLY"), set("ROS_STATIC_PEERS")) {
        // It is older, and where it is on, ROS reads neither of the others.
        (_, Some(only), _) if only == "1" => return Ok(()),
        (_, _, Some(peers)) => format!("ROS_STATIC_PEERS is {peers}; unset it"),
        (Some(range), ..) if matches!(range.as_str(), "LOCALHOST" | "OFF") => return Ok(()),
        (Some(range), ..) => format!("ROS_AUTOMATIC_DISCOVERY_RANGE is {range}; set it to LOCALHOST"),
        (None, ..) => "ROS_AUTOMATIC_DISCOVERY_RANGE is not set; set it to LOCALHOST".to_owned(),
    };
    Err(format!("parameter 'teaching.allowed' is local, but the node announces itself to other machines: {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(variables: &[(&str, &str)]) -> Result<(), String> {
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        require_this_machine(&variable, &PageOptions::default())
    }

    #[test]
    fn a_page_for_other_machines_is_not_local() {
        let variable = |name: &str| (name == "ROS_LOCALHOST_ONLY").then(|| "1".to_owned());
        let page =
            |port, address: &str| PageOptions { port, address: address.parse().unwrap(), ..PageOptions::default() };
        assert!(require_this_machine(&variable, &page(8765, "0.0.0.0")).unwrap_err().contains("page.address"));
        assert_eq!(require_this_machine(&variable, &page(0, "0.0.0.0")), Ok(()));
        assert_eq!(require_this_machine(&variable, &page(8765, "::1")), Ok(()));
    }

    #[test]
    fn only_a_node_that_keeps_to_its_machine_is_local() {
        let range = "ROS_AUTOMATIC_DISCOVERY_RANGE";
        for kept in
            [vec![(range, "LOCALHOST")], vec![(range, "OFF")], vec![("ROS_LOCALHOST_ONLY", "1"), (range, "SUBNET")]]
        {
            assert_eq!(required(&kept), Ok(()), "{kept:?}");
        }
        for open in [
            vec![],
            vec![(range, "SUBNET")],
            vec![(range, "")],
            vec![(range, "LOCALHOST"), ("ROS_STATIC_PEERS", "robot.lab")],
            vec![("ROS_LOCALHOST_ONLY", "0")],
        ] {
            let refused = required(&open).unwrap_err();
            assert!(refused.contains("ROS_"), "{open:?}: {refused}");
        }
    }
}
