//! A store is its user's alone: what is made is nobody else's to read, and no link leads our writes elsewhere.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Makes a folder, and those above it that are missing.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file to read and write, or makes it; not through a link.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    options.open(path)
}

/// Refuses a folder of the database that is a link or has one in it.
pub(crate) fn refuse_links(folder: &Path) -> io::Result<()> {
    for path in [folder.to_owned()].into_iter().chain(files(folder)?) {
        if fs::symlink_metadata(&path)?.is_symlink() {
            let text = format!("{} is a symbolic link, which the store does not follow", path.display());
            return Err(io::Error::other(text));
        }
    }
    Ok(())
}

/// Takes the files of a folder that was just made from all others.
pub(crate) fn close_files(folder: &Path) -> io::Result<()> {
    for path in files(folder)? {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Says which of these, and of the files in `folder`, others than their owner may read or write.
pub(crate) fn warn_of_readers(path: &Path, folder: &Path) {
    let own = [path.to_owned(), folder.to_owned(), path.join("confirmed")];
    let readable: Vec<PathBuf> =
        own.into_iter().chain(files(folder).unwrap_or_default()).filter(|path| others_may(path)).collect();
    let Some(first) = readable.first() else { return };
    tracing::warn!(
        path = %first.display(),
        count = readable.len(),
        "THE STORE IS OPEN TO OTHER USERS of this machine: take it from them with `chmod -R go= {}`",
        path.display()
    );
}

fn others_may(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.mode() & 0o077 != 0)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_for_its_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        make_folder(&path).unwrap();
        open_file(&path.join("file")).unwrap();
        assert_eq!((mode(&path), mode(&path.join("file"))), (0o700, 0o600));
        fs::set_permissions(path.join("file"), Permissions::from_mode(0o644)).unwrap();
        assert!(others_may(&path.join("file")));
        close_files(&path).unwrap();
        assert!(!others_may(&path.join("file")));
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "mine").unwrap();
        refuse_links(folder.path()).unwrap();
        symlink(&path, &link).unwrap();
        assert!(open_file(&link).is_err());
        assert!(refuse_links(folder.path()).is_err());
        assert!(refuse_links(&link).is_err());
        assert_eq!(fs::read_to_string(path).unwrap(), "mine");
    }
}
