//! What the command line says to ROS: parameters with the section that they stand in, and names after remapping. r2r itself
//! knows sections by their whole name alone, and no names after remapping.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use r2r::ParameterValue;
use r2r_rcl as rcl;

// Part of rcl's interface since Dashing, but not of r2r's bindings.
unsafe extern "C" {
    fn rcl_remap_topic_name(
        local: *const rcl::rcl_arguments_t,
        global: *const rcl::rcl_arguments_t,
        topic: *const c_char,
        node: *const c_char,
        namespace: *const c_char,
        allocator: rcl::rcl_allocator_t,
        remapped: *mut *mut c_char,
    ) -> rcl::rcl_ret_t;
}

/// A parameter that a file or the command line sets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Override {
    pub(crate) name: String,
    pub(crate) value: ParameterValue,
    /// Set for this node by its name, or by `-p`. What stands under a wildcard may be meant for other nodes.
    pub(crate) for_this_node: bool,
}

/// ROS's words of a command line, as rcl reads them.
pub struct RosArguments {
    parsed: rcl::rcl_arguments_t,
    /// Full name of the node.
    node: String,
    /// Parameters that `-p` names; rcl puts them under `/**`.
    set_by_word: Vec<String>,
}

impl RosArguments {
    /// Reads a command line, and the parameter files that it names, for the node of this full name.
    ///
    /// # Errors
    /// rcl's reason, when it refuses a word or a file.
    pub fn parse(line: &[String], node: &str) -> Result<Self, String> {
        let words: Vec<CString> = line
            .iter()
            .map(|word| CString::new(word.as_str()))
            .collect::<Result<_, _>>()
            .map_err(|_| "a word holds a zero byte".to_owned())?;
        let pointers: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
        let count = c_int::try_from(pointers.len()).map_err(|_| "too many words".to_owned())?;
        // SAFETY: makes an empty value.
        let mut parsed = unsafe { rcl::rcl_get_zero_initialized_arguments() };
        // SAFETY: `pointers` are `count` texts that live until rcl has copied them.
        let status = unsafe {
            rcl::rcl_parse_arguments(count, pointers.as_ptr(), rcl::rcutils_get_default_allocator(), &mut parsed)
        };
        if status != rcl::RCL_RET_OK as i32 {
            return Err(last_error());
        }
        Ok(Self { parsed, node: node.to_owned(), set_by_word: set_by_word(line) })
    }

    /// What is set for the node; of two of one name the later one counts.
    ///
    /// # Errors
    /// rcl's reason.
    pub(crate) fn overrides(&self) -> Result<Vec<Override>, String> {
        let mut params: *mut rcl::rcl_params_t = ptr::null_mut();
        // SAFETY: `parsed` was filled by rcl; it gives a copy, which is ours to end.
        let status = unsafe { rcl::rcl_arguments_get_param_overrides(&self.parsed, &mut params) };
        if status != rcl::RCL_RET_OK as i32 {
            return Err(last_error());
        }
        if params.is_null() {
            return Ok(vec![]);
        }
        // SAFETY: not null, and filled by rcl.
        let all = unsafe { &*params };
        let mut found = vec![];
        for index in 0..all.num_nodes {
            // SAFETY: rcl fills so many names and sections of parameters as it says.
            let (section, params) = unsafe { (text(*all.node_names.add(index)), &*all.params.add(index)) };
            if !names(&section, &self.node) {
                continue;
            }
            let wildcard = section.ends_with('*');
            for index in 0..params.num_params {
                // SAFETY: as above.
                let (name, value) =
                    unsafe { (text(*params.parameter_names.add(index)), &*params.parameter_values.add(index)) };
                let for_this_node = !wildcard || self.set_by_word.contains(&name);
                found.push(Override { name, value: scalar(value), for_this_node });
            }
        }
        // SAFETY: given by rcl above and read for the last time.
        unsafe { rcl::rcl_yaml_node_struct_fini(params) };
        Ok(found)
    }

    /// The full name of a topic that the node names so, after the remappings of the command line.
    pub fn resolved(&self, topic: &str) -> String {
        self.remapped(topic).unwrap_or_else(|| self.full(topic))
    }

    /// The same; none where the command line leaves the topic alone.
    pub(crate) fn remapped(&self, topic: &str) -> Option<String> {
        let (namespace, name) = self.split();
        let namespace = if namespace.is_empty() { "/" } else { namespace };
        let [topic, name, namespace] = [self.full(topic).as_str(), name, namespace].map(CString::new);
        let (topic, name, namespace) = (topic.ok()?, name.ok()?, namespace.ok()?);
        let mut remapped: *mut c_char = ptr::null_mut();
        // SAFETY: all texts live through the call; rcl gives an allocated text, or null where no rule fits.
        unsafe {
            let status = rcl_remap_topic_name(
                ptr::null(),
                &self.parsed,
                topic.as_ptr(),
                name.as_ptr(),
                namespace.as_ptr(),
                rcl::rcutils_get_default_allocator(),
                &mut remapped,
            );
            if status != rcl::RCL_RET_OK as i32 || remapped.is_null() {
                return None;
            }
            let result = text(remapped);
            libc::free(remapped.cast());
            Some(result)
        }
    }

    fn full(&self, topic: &str) -> String {
        match topic.strip_prefix("~/") {
            Some(own) => format!("{}/{own}", self.node),
            None if topic.starts_with('/') => topic.to_owned(),
            None => format!("{}/{topic}", self.split().0),
        }
    }

    /// Namespace, empty at the root, and name.
    fn split(&self) -> (&str, &str) {
        self.node.rsplit_once('/').unwrap_or(("", &self.node))
    }
}

impl Drop for RosArguments {
    fn drop(&mut self) {
        // SAFETY: filled by rcl_parse_arguments and not used any more.
        unsafe { rcl::rcl_arguments_fini(&mut self.parsed) };
    }
}

/// Parameters that words like `-p name:=value` or `-p node:name:=value` set.
fn set_by_word(line: &[String]) -> Vec<String> {
    let pairs = line.windows(2).filter(|pair| matches!(pair[0].as_str(), "-p" | "--param"));
    let names = pairs.filter_map(|pair| pair[1].split_once(":=").map(|(name, _)| name));
    names.map(|name| name.rsplit_once(':').map_or(name, |(_, name)| name).to_owned()).collect()
}

/// Whether a section of a parameter file is for a node: `*` stands for one word between slashes, `**` for any number of
/// them, as in rclcpp. A bare name is meant in every namespace, as r2r takes it.
fn names(section: &str, node: &str) -> bool {
    fn fits(pattern: &[&str], name: &[&str]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((&"**", rest)) => (0..=name.len()).any(|taken| fits(rest, &name[taken..])),
            Some((word, rest)) => {
                name.split_first().is_some_and(|(first, others)| (*word == "*" || word == first) && fits(rest, others))
            }
        }
    }
    let words = |path| str::split(path, '/').filter(|word| !word.is_empty()).collect::<Vec<&str>>();
    let (mut pattern, name) = (words(section), words(node));
    // Else a file of nothing but wildcards takes for ever.
    pattern.dedup_by(|a, b| *a == "**" && *b == "**");
    fits(&pattern, &name) || (!section.contains('/') && name.last() == Some(&section))
}

fn scalar(value: &rcl::rcl_variant_t) -> ParameterValue {
    // SAFETY: rcl sets the pointer of the value's type, and no other.
    unsafe {
        if let Some(value) = value.bool_value.as_ref() {
            ParameterValue::Bool(*value)
        } else if let Some(value) = value.integer_value.as_ref() {
            ParameterValue::Integer(*value)
        } else if let Some(value) = value.double_value.as_ref() {
            ParameterValue::Double(*value)
        } else if !value.string_value.is_null() {
            ParameterValue::String(text(value.string_value))
        } else if let Some(values) = value.string_array_value.as_ref() {
            let values = (0..values.size).map(|at| text(*values.data.add(at)));
            ParameterValue::StringArray(values.collect())
        } else {
            // No parameter of this node is a list of anything else: what it holds does not matter.
            ParameterValue::ByteArray(vec![])
        }
    }
}

/// # Safety
/// `text` is null or ends with a zero byte.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn last_error() -> String {
    // SAFETY: the text is part of the value, and ends with a zero byte; the error is forgotten after it was read.
    unsafe {
        let said = rcl::rcutils_get_error_string();
        let said = text(said.str_.as_ptr());
        rcl::rcutils_reset_error();
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_nodes_own_lies_below_its_name() {
        let arguments = RosArguments::parse(&["node".to_owned()], "/face/face_attributes").unwrap();
        assert_eq!(arguments.resolved("~/transition_event"), "/face/face_attributes/transition_event");
    }

    #[test]
    fn sections_name_nodes_as_rclcpp_has_it() {
        let node = "/robot/face/face_attributes";
        for section in [
            "/**",
            "**",
            "/robot/face/face_attributes",
            "face_attributes",
            "/**/face_attributes",
            "/robot/**",
            "/robot/*/face_attributes",
            "/*/*/*",
            "/**/face/**/face_attributes",
            "/**/**/**/face_attributes",
        ] {
            assert!(names(section, node), "{section}");
        }
        for section in ["/face_attributes", "/*", "/*/face_attributes", "/other/**", "camera", "/**/camera", ""] {
            assert!(!names(section, node), "{section}");
        }
        assert!(names("/*", "/face_attributes") && names("/face_attributes", "/face_attributes"));
    }

    #[test]
    fn a_section_of_many_wildcards_is_read_at_once() {
        let name = "/a/b/c/d/e/f/g/h";
        assert!(!names(&"/**".repeat(4000).replace("/**/**/**", "/**/x/**"), name));
        assert!(names(&"/**".repeat(4000), name));
    }

    fn line(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn parameters_by_word_are_for_this_node() {
        let line =
            line("node --ros-args -p threads:=2 -p face_attributes:device:=cpu --param other:=1.5 -p word:=true");
        let arguments = RosArguments::parse(&line, "/face_attributes").unwrap();
        let mut found = arguments.overrides().unwrap();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let ours = |name: &str, value| Override { name: name.to_owned(), value, for_this_node: true };
        let expected = [
            ours("device", ParameterValue::String("cpu".to_owned())),
            ours("other", ParameterValue::Double(1.5)),
            ours("threads", ParameterValue::Integer(2)),
            ours("word", ParameterValue::Bool(true)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn parameters_in_files_are_for_this_node_where_its_name_stands() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("all.yaml");
        let text = "/**:\n  ros__parameters: {lens: wide, threads: 1}\n/**/face_attributes:\n  ros__parameters: {threads: 3}\n\
                    /camera:\n  ros__parameters: {rate: 30}\n";
        std::fs::write(&file, text).unwrap();
        let words = format!("node --ros-args --params-file {}", file.display());
        let arguments = RosArguments::parse(&line(&words), "/face/face_attributes").unwrap();
        let found = arguments.overrides().unwrap();
        let told: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.for_this_node)).collect();
        assert_eq!(told, [("lens", false), ("threads", false), ("threads", true)]);
        assert_eq!(found[2].value, ParameterValue::Integer(3));
    }

    #[test]
    fn names_are_told_after_remapping() {
        let line = line("node --ros-args -r image:=/cam/image_raw");
        for (node, tasks) in [("/face/face_attributes", "/face/tasks"), ("/face_attributes", "/tasks")] {
            let arguments = RosArguments::parse(&line, node).unwrap();
            assert_eq!(arguments.resolved("image"), "/cam/image_raw");
            assert_eq!(arguments.resolved("tasks"), tasks);
            assert_eq!(arguments.resolved("/diagnostics"), "/diagnostics");
        }
    }

    #[test]
    fn what_rcl_refuses_is_told() {
        let refused = RosArguments::parse(&line("node --ros-args --params-file /no/such/file"), "/n").err().unwrap();
        assert!(refused.contains("/no/such/file"), "{refused}");
    }
}
