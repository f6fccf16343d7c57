use crate::support::facelab;

const COMMANDS: [&str; 6] = ["train-encoder", "train-task", "evaluate", "annotate", "models", "bench"];

#[test]
fn every_command_explains_itself_with_examples_and_exit_codes() {
    let list = facelab(["--help"]);
    assert_eq!(list.code, Some(0), "{list:?}");
    for command in COMMANDS {
        assert!(list.stdout.contains(command), "{command} is missing in\n{}", list.stdout);
        let help = facelab([command, "--help"]);
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(help.stdout.contains(&format!("facelab {command}")), "{}", help.stdout);
        assert!(help.stdout.contains("Examples:") && help.stdout.contains("Exit codes: 0"), "{}", help.stdout);
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_why() {
    for (args, why) in [
        (&["fly"][..], "fly"),
        (&["evaluate"], "--model"),
        (&["models", "--device", "gpu"], "auto, cuda, cpu or cpu-reference"),
        (&["bench", "--runs", "0"], "--runs"),
        (&["evaluate", "--model", "m", "--task", "Not A Name", "--data", "d"], "Not A Name"),
    ] {
        let run = facelab(args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
        assert!(run.stderr.contains(why), "{why} is missing in\n{}", run.stderr);
    }
    assert_eq!(facelab([] as [&str; 0]).code, Some(2));
}
