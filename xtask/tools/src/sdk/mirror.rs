//! The server of the contract tests (`tests/src/bin/mirror.rs`), in front of a real one.

use crate::run::{Profile, program};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Ends when dropped.
pub(super) struct Mirror {
    child: Child,
    /// Its addresses, as JSON.
    pub(super) urls: String,
}

impl Mirror {
    pub(super) fn start(real: &str) -> Result<Self> {
        let mut command = Command::new(program(Profile::Dev, "mirror"));
        let mut child = command.arg(real).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("mirror")?;
        let mut urls = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut urls)?;
        Ok(Self { child, urls })
    }

    /// Fails if a request or an answer was not as the document has it, or an operation was never called.
    pub(super) fn end(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        ensure!(self.child.wait()?.success(), "requests or answers are not what the document says");
        Ok(())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
