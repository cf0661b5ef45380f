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
    /// Mounts one; `None` where `cargo xtask test` has found, and said, that the machine lets no test mount anything.
    pub fn tmpfs(folder: &Path, options: &str) -> Option<Self> {
        if std::env::var_os("KEEPWARD_TEST_NO_MOUNT").is_some() {
            return None;
        }
        assert!(mount(options, &["-t", "tmpfs", "none"], folder), "a file system can't be mounted");
        Some(Self(folder.to_owned()))
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
