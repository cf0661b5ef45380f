use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of a test's own, in memory; gone when dropped.
pub struct Mount(PathBuf);

fn mount(options: &str, source: &[&str], folder: &Path) -> bool {
    let mut command = Command::new("mount");
    command.args(["-o", options]).args(source).arg(folder);
    command.status().is_ok_and(|status| status.success())
}

impl Mount {
    /// Mounts one; `None`, with a word on stderr, where the machine does not let a test mount anything, so that what it
    /// would show is then not shown.
    pub fn tmpfs(folder: &Path, options: &str) -> Option<Self> {
        if mount(options, &["-t", "tmpfs", "none"], folder) {
            return Some(Self(folder.to_owned()));
        }
        eprintln!("not shown: this machine does not let the test mount a file system");
        None
    }

    /// Changes its options, such as its size.
    pub fn change(&self, options: &str) {
        assert!(mount(&format!("remount,{options}"), &[], &self.0), "remount,{options}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: whatever a failed test left open does not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
