//! The middleware's shared memory (`/dev/shm`), through which pictures and crops pass.

use std::fs::{File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where Fast DDS keeps it.
pub(crate) const FOLDER: &str = "/dev/shm";
/// Of the file beside a segment that its process holds a lock on, as long as it lives.
const LOCK: &str = "_el";

/// Takes the segments of this process from other users: Fast DDS makes them readable to everybody, whatever the process's mask says.
/// To be called when the node is made. What else is mapped by then is of the same user.
pub(crate) fn keep_to_the_owner() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    // Ports stay open to others: they hold no pictures, and closing them would cut off nodes of other users.
    for path in maps.lines().filter_map(mapped_segment).filter(|path| path.exists()) {
        if let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(0o600)) {
            tracing::warn!("{}: other users may read what is sent: {error}", path.display());
        }
    }
}

/// Removes segments that killed processes of this user left behind, some 36 MB each, with the pictures in them. How many bytes
/// they took.
pub(crate) fn remove_left_behind(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let segments: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_segment(path)).collect();
    segments.iter().filter_map(|segment| remove_if_left(segment)).sum()
}

/// Removes a segment whose process is no more; its size.
fn remove_if_left(segment: &Path) -> Option<u64> {
    let mut name = segment.file_name()?.to_os_string();
    name.push(LOCK);
    let lock_path = segment.with_file_name(name);
    let found = segment.symlink_metadata().ok()?;
    // SAFETY: takes nothing and cannot fail.
    let own = unsafe { libc::geteuid() };
    if found.uid() != own || !found.is_file() {
        return None;
    }
    let lock = File::open(&lock_path).ok()?;
    // SAFETY: the descriptor is open. It is let go of when the file is closed.
    let is_free = unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0;
    if !is_free {
        return None;
    }
    // The segment first: without its lock nobody would ever know whose it was.
    std::fs::remove_file(segment).and_then(|()| std::fs::remove_file(&lock_path)).ok()?;
    Some(found.len())
}

/// The segment that a line of `/proc/self/maps` names.
fn mapped_segment(line: &str) -> Option<&Path> {
    let path = Path::new(line.splitn(6, ' ').nth(5)?.trim_start());
    (path.starts_with(FOLDER) && is_segment(path)).then_some(path)
}

/// Whether a name is that of a segment: neither a port nor a lock.
fn is_segment(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digits = name.strip_prefix("fastrtps_").or_else(|| name.strip_prefix("fastdds_"));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_shared_memory_are_told_from_ports_and_libraries() {
        let line = |path: &str| format!("7f20-7f30 rw-s 00000000 00:1b 42                         {path}");
        let segment = line("/dev/shm/fastrtps_75df8bcbd89ce3b0");
        assert_eq!(mapped_segment(&segment), Some(Path::new("/dev/shm/fastrtps_75df8bcbd89ce3b0")));
        for other in
            ["/dev/shm/fastrtps_port26661", "/dev/shm/sem.fastrtps_port1_mutex", "/usr/lib/libc.so.6", "[heap]", ""]
        {
            assert_eq!(mapped_segment(&line(other)), None, "{other}");
        }
    }

    #[test]
    fn what_an_ended_process_left_goes_and_what_is_held_or_no_segment_stays() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "pixels").unwrap();
            path
        };
        for name in [
            "fastrtps_0a",
            "fastrtps_0a_el",
            "fastrtps_1b",
            "fastrtps_1b_el",
            "fastrtps_2c",
            "fastrtps_port7400",
            "mine_0a",
        ] {
            make(name);
        }
        let held = File::open(dir.path().join("fastrtps_1b_el")).unwrap();
        held.try_lock().unwrap();
        assert_eq!(remove_left_behind(dir.path()), 6);
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let kept = ["fastrtps_1b", "fastrtps_1b_el", "fastrtps_2c", "fastrtps_port7400", "mine_0a"];
        assert_eq!(names(), kept);
        drop(held);
        assert_eq!(remove_left_behind(dir.path()), 6);
        assert_eq!(names(), kept[2..]);
        assert_eq!(remove_left_behind(&dir.path().join("not there")), 0);
    }
}
