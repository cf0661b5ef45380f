//! Pages of which a part is written by a tool.

use anyhow::{Context, Result};

/// A page with new text between two of its lines, which stay.
pub(crate) fn between(page: &str, begin: &str, end: &str, text: &str) -> Result<String> {
    let begin = format!("{begin}\n");
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts.with_context(|| format!("no lines `{}` and `{end}`", begin.trim()))?;
    Ok(format!("{before}{begin}\n{text}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_text_takes_the_place_of_older() {
        let page = "a\n<!-- begin -->\nold\n<!-- end -->\nb\n";
        let of = |page: &str| between(page, "<!-- begin -->", "<!-- end -->", "new\n");
        let once = of(page).unwrap();
        assert!(once.starts_with("a\n") && once.ends_with("\nb\n") && once.contains("new") && !once.contains("old"));
        assert_eq!(of(&once).unwrap(), once);
        assert!(of("no marks").is_err());
    }
}
