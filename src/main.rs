//! `face_attributes_node`; see `--help`.

fn main() -> std::process::ExitCode {
    face_attributes::main()
}
