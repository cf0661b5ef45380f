//! The binary: reads the command line and runs the command.

use clap::Parser;
use keepward_server::command::{Arguments, run};
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A sixth of the time of a loaded server was the allocator of glibc.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages: twice the memory when idle, and no faster. Where there are none, nothing changes.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // A workspace build links two TLS providers; rustls panics if asked for a default and none is installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "what is wrong at start is for the person at the terminal")]
fn fail(error: &dyn std::error::Error) -> ExitCode {
    match error.source() {
        Some(cause) => eprintln!("keepward-server: {cause}"),
        None => eprintln!("keepward-server: {error}"),
    }
    ExitCode::FAILURE
}
