//! Code in pages: below `<!-- snippet: FILE NAME... -->` stands each part of FILE between `snippet: NAME` and `end`, as it is
//! run.

use anyhow::{Context, Result, ensure};
use std::path::Path;

/// The pages that show code.
pub(super) const PAGES: [&str; 6] = [
    "docs/sdk/python.md",
    "docs/sdk/node.md",
    "docs/sdk/rust.md",
    "bindings-python/README.md",
    "bindings-node/README.md",
    "sdk-rust/src/lib.rs",
];

/// The page with what the files say now.
pub(super) fn filled(root: &Path, page: &str) -> Result<String> {
    let text = std::fs::read_to_string(root.join(page)).with_context(|| page.to_owned())?;
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        push(&mut out, line);
        let Some((prefix, rest)) = line.split_once("<!-- snippet: ") else {
            ensure!(!page.starts_with("docs/") || !line.starts_with("```"), "{page}: code that no file runs");
            continue;
        };
        let (file, names) = rest
            .strip_suffix(" -->")
            .and_then(|rest| rest.split_once(' '))
            .with_context(|| format!("{page}: {line}"))?;
        let fence = lines.next().filter(|line| line.starts_with(&format!("{prefix}```")));
        push(&mut out, fence.with_context(|| format!("{page}: no code below `{line}`"))?);
        let end = format!("{prefix}```");
        let shown: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        // Of a documentation test, what is hidden around it stays.
        let hidden = |line: &&&str| line.strip_prefix(prefix).is_some_and(|line| line.starts_with("# "));
        let before = shown.iter().take_while(hidden).count();
        let after = shown.iter().skip(before).rev().take_while(hidden).count();
        shown.iter().take(before).for_each(|line| push(&mut out, line));
        for (n, name) in names.split(' ').enumerate() {
            let blank = (n > 0).then(String::new);
            for line in blank.into_iter().chain(snippet(root, file, name)?) {
                push(&mut out, format!("{prefix}{line}").trim_end());
            }
        }
        shown.iter().skip(shown.len() - after).for_each(|line| push(&mut out, line));
        push(&mut out, &end);
    }
    Ok(out)
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// The lines of a part of a file, without what all of them are indented by.
fn snippet(root: &Path, file: &str, name: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(file)).with_context(|| file.to_owned())?;
    let is = |line: &str, what: &str| line.trim_start().trim_start_matches(['/', '#', ' ']) == what;
    let start = format!("snippet: {name}");
    let from_start = text.lines().skip_while(|line| !is(line, &start)).skip(1);
    let mut lines: Vec<&str> = from_start.take_while(|line| !is(line, "end")).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    ensure!(!lines.is_empty(), "{file} has no part {name}");
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    Ok(lines.iter().map(|line| line.get(indent..).unwrap_or_default().to_owned()).collect())
}
