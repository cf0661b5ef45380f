//! The README's first five minutes, pasted.

use keepward_tests::OwnServer;
use std::process::Command;

#[test]
fn the_first_five_minutes_work_when_pasted() {
    let readme = include_str!("../../README.md");
    let block = readme.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let output =
        Command::new("bash").args(["-euo", "pipefail", "-c", block]).env("KEEPWARD_URL", &server.url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{said}");
    assert_eq!(lines[0]["version"], 1);
    assert_eq!(lines[1]["status"], 403);
    assert_eq!(lines[2]["permissions"][0], "read");
    assert_eq!(lines[3]["value"], "sk_live_51demo");
    assert_eq!(lines[4]["count"], 2);
}
