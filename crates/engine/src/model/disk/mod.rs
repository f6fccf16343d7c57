//! Writing files so that a power cut leaves the old ones or the new ones, never a mixture.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

pub(crate) mod steps;

use steps::Step;

/// Unfinished files begin with this, so that what a crash left can be told and swept away.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody may read: models that ship.
    Shared,
    /// The owner alone: face samples and what was taught with them.
    Private,
}

impl Access {
    fn file_mode(self) -> u32 {
        match self {
            Self::Shared => 0o644,
            Self::Private => 0o600,
        }
    }

    fn dir_mode(self) -> u32 {
        match self {
            Self::Shared => 0o755,
            Self::Private => 0o700,
        }
    }
}

/// Makes a folder with its parents, so that a power cut does not take them away again; folders that exist keep their permissions.
pub(crate) fn make_dir(dir: &Path, access: Access) -> io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|path| !path.exists()).collect();
    // Who made the one that is there may have been killed before it was certain.
    if let Some(there) = dir.ancestors().nth(missing.len()) {
        match sync_parent(there) {
            // A folder of somebody else's, such as that of all homes.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    for made in missing.into_iter().rev() {
        steps::next(Step::MakeDir(made))?;
        // Another process may be making the same.
        DirBuilder::new().recursive(true).mode(access.dir_mode()).create(made)?;
        sync_parent(made)?;
    }
    // A file may be in its place.
    if dir.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// A temporary file in the folder where it will be kept.
pub(crate) fn unfinished(dir: &Path, access: Access) -> io::Result<NamedTempFile> {
    steps::next(Step::MakeFile(dir))?;
    Builder::new().prefix(UNFINISHED).permissions(Permissions::from_mode(access.file_mode())).tempfile_in(dir)
}

/// Gives a finished file its name; its content is on the disk before the name is.
pub(crate) fn keep(file: NamedTempFile, path: &Path, access: Access) -> io::Result<()> {
    // The umask cuts what `unfinished` asked for, and writers that replace the file ask for nothing.
    steps::next(Step::Write(file.path()))?;
    fs::set_permissions(file.path(), Permissions::from_mode(access.file_mode()))?;
    steps::next(Step::Sync(file.path()))?;
    File::open(file.path())?.sync_all()?;
    steps::next(Step::Rename(file.path(), path))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Gives a file or folder another name, where it is there; certain after [`sync_dir`].
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    steps::next(Step::Rename(from, to))?;
    where_it_is(fs::rename(from, to))
}

/// Removes a file, where it is there.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    steps::next(Step::Remove(path))?;
    where_it_is(fs::remove_file(path))
}

/// Removes a folder with all that is in it, where it is there.
pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    steps::next(Step::Remove(path))?;
    where_it_is(fs::remove_dir_all(path))
}

/// Whether the last name of a path may be a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Installed models may be links to the workspace.
    Followed,
    /// What the node keeps, and what a request hands over: a link could lead to a file that is not the caller's.
    Refused,
}

/// Whether [`read_file`] failed because of what the file is, and not because of the disk.
pub(crate) fn is_of_the_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge)
}

/// Reads a regular file of at most `limit` bytes: no pipe that nobody writes to, no device, nothing that fills the memory.
pub(crate) fn read_file(path: &Path, limit: u64, links: Links) -> io::Result<Vec<u8>> {
    let bytes = read_start(path, limit.saturating_add(1), links)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// The first bytes of a regular file, at most so many; otherwise as [`read_file`].
pub(crate) fn read_start(path: &Path, count: u64, links: Links) -> io::Result<Vec<u8>> {
    let no_follow = if links == Links::Refused { libc::O_NOFOLLOW } else { 0 };
    // A pipe is opened without a writer, and refused below.
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | no_follow).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a link; give the file itself"));
        }
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes renames and removals in a folder outlive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    steps::next(Step::Sync(dir))?;
    File::open(dir)?.sync_all()
}

/// [`sync_dir`] of the folder that a file or folder is in.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_dir(parent.unwrap_or(Path::new(".")))
}

/// Writes a whole file under its name, or leaves what was there.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a file needs a folder"))?;
    let mut file = unfinished(dir, access)?;
    file.write_all(bytes)?;
    keep(file, path, access)?;
    sync_dir(dir)
}

/// Removes what a crash left unfinished in a folder.
pub(crate) fn sweep_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && entry.file_type()?.is_file() {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Put before the names of files that were found broken, and kept.
pub(crate) const SET_ASIDE: &str = "damaged-";

/// Renames a broken file out of the way, `damaged-N-…` beside it, where it is there.
pub(crate) fn set_aside(path: &Path) -> io::Result<()> {
    rename(path, &place_aside(path)?)?;
    sync_parent(path)
}

/// Keeps a copy of a file of at most `limit` bytes as it is, `damaged-N-…` beside it, where it is there.
pub(crate) fn copy_aside(path: &Path, limit: u64) -> io::Result<()> {
    match read_file(path, limit, Links::Refused) {
        Ok(bytes) => write_atomic(&place_aside(path)?, &bytes, Access::Private),
        // No file, or none of ours: as it is.
        Err(error) if is_of_the_file(&error) => set_aside(path),
        Err(error) => where_it_is(Err(error)),
    }
}

fn place_aside(path: &Path) -> io::Result<std::path::PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    let place = |number: u32| path.with_file_name(format!("{SET_ASIDE}{number}-{name}"));
    Ok((1..).map(place).find(|place| !place.exists()).ok_or(io::ErrorKind::AlreadyExists)?)
}

/// Nothing to do is no error.
fn where_it_is(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Whether a name is one plain path component: nothing that could lead out of its folder.
pub(crate) fn is_plain_name(name: &str) -> bool {
    use std::path::Component;
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(part)), None) if part == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_replaces_the_whole_file_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomic(&path, b"a long first content", Access::Private).unwrap();
        write_atomic(&path, b"second", Access::Private).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_unfinished_write_leaves_the_old_file_and_is_swept_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomic(&path, b"old", Access::Shared).unwrap();
        // What a crash between writing and renaming leaves behind.
        let mut half = unfinished(dir.path(), Access::Shared).unwrap();
        half.write_all(b"ne").unwrap();
        half.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        sweep_unfinished(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn pipes_links_folders_and_bombs_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        fs::write(place("file"), b"four").unwrap();
        assert_eq!(read_file(&place("file"), 4, Links::Refused).unwrap(), b"four");
        let refusal = |name: &str, links| read_file(&place(name), 3, links).unwrap_err().to_string();
        assert!(refusal("file", Links::Refused).contains("more than 3 bytes"));
        std::os::unix::fs::symlink(place("file"), place("link")).unwrap();
        assert!(refusal("link", Links::Refused).contains("is a link"));
        assert_eq!(read_file(&place("link"), 4, Links::Followed).unwrap(), b"four");
        crate::testing::make_pipe(&place("pipe"));
        assert!(refusal("pipe", Links::Followed).contains("no regular file"));
        assert!(refusal(".", Links::Followed).contains("no regular file"));
        // A sparse file of a terabyte.
        File::create(place("sparse")).unwrap().set_len(1 << 40).unwrap();
        assert!(refusal("sparse", Links::Refused).contains("more than 3 bytes"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_plain() {
        for bad in ["", ".", "..", "/etc/passwd", "a/b", "../a", "a/", "./a"] {
            assert!(!is_plain_name(bad), "{bad}");
        }
        assert!(is_plain_name("00-engaged") && is_plain_name("..a"));
    }
}
