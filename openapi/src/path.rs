//! Paths of secrets and the globs that policies match them with.

use crate::Invalid;
use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest path and pattern, in characters.
pub const PATH_LENGTH: usize = 512;

/// Where a secret is in its vault: segments of ASCII letters, digits, `_`, `-` and `.`, none of dots alone, joined by single
/// slashes; at most 512 characters, case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretPath(String);

fn is_segment(segment: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    segment.bytes().all(fits) && segment.bytes().any(|b| b != b'.')
}

impl std::str::FromStr for SecretPath {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() <= PATH_LENGTH && text.split('/').all(is_segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid(
                "must be segments of ASCII letters, digits, `_`, `-` and `.`, none of dots alone, joined by single `/`, of at most 512 characters",
            ))
        }
    }
}
checked_text!(SecretPath);

/// A glob over paths, split on `/`: a segment `*` matches exactly one segment, `**` none or more, any other itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(String);

impl PathPattern {
    /// Whether the pattern matches the path. Takes time in the product of both lengths, whatever the pattern.
    ///
    /// ```
    /// use keepward_api::{PathPattern, SecretPath};
    /// let pattern: PathPattern = "prod/**".parse()?;
    /// assert!(pattern.matches(&"prod/stripe/key".parse::<SecretPath>()?));
    /// assert!(!pattern.matches(&"test/stripe/key".parse::<SecretPath>()?));
    /// # Ok::<(), keepward_api::Invalid>(())
    /// ```
    pub fn matches(&self, path: &SecretPath) -> bool {
        // reached[i]: the first i segments of the path can be consumed by the pattern so far.
        let segments: Vec<&str> = path.as_str().split('/').collect();
        let mut reached = vec![false; segments.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        for part in self.0.split('/') {
            let mut next = vec![false; reached.len()];
            let mut open = false;
            for (i, slot) in next.iter_mut().enumerate() {
                let here = reached.get(i).copied().unwrap_or(false);
                if part == "**" {
                    open |= here;
                    *slot = open;
                } else {
                    let before = i.checked_sub(1);
                    let fits = before.and_then(|j| segments.get(j)).is_some_and(|s| part == "*" || part == *s);
                    *slot = fits && before.and_then(|j| reached.get(j)).copied().unwrap_or(false);
                }
            }
            reached = next;
        }
        reached.last().copied().unwrap_or(false)
    }

    /// The text before the first wildcard segment, without a slash at its end: every path that matches begins with it.
    pub fn literal_prefix(&self) -> &str {
        let mut end = 0;
        for segment in self.0.split('/') {
            if segment == "*" || segment == "**" {
                break;
            }
            end += segment.len() + 1;
        }
        self.0.get(..end.saturating_sub(1)).unwrap_or(&self.0)
    }
}

impl std::str::FromStr for PathPattern {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = |segment: &str| segment == "*" || segment == "**" || is_segment(segment);
        if !text.is_empty() && text.len() <= PATH_LENGTH && text.split('/').all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid(
                "must be path segments joined by single `/`, where a whole segment may be `*` (one segment) or `**` (any number), of at most 512 characters",
            ))
        }
    }
}
checked_text!(PathPattern);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_paths() {
        let long = "a".repeat(513);
        for bad in
            ["", "/", "a/", "/a", "a//b", ".", "..", "...", "a/../b", "a/.", "a b", "é", "a\0", "a*", "a%2eb", &long]
        {
            assert!(bad.parse::<SecretPath>().is_err(), "{bad:?}");
        }
        for good in ["a", "A/b-c/_d/9", "a/_b/c", "tls.crt", ".env", "a..b", "-a", "a_", "a/-", &"a".repeat(512)] {
            assert!(good.parse::<SecretPath>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn bad_patterns() {
        for bad in ["", "/", "a/", "a//b", "a*", "*a", "a/***", "**b", "a b", "a/.."] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, path, matches) in [
            ("a", "a", true),
            ("a", "b", false),
            ("*", "a", true),
            ("*", "a/b", false),
            ("**", "a/b/c", true),
            ("a/**", "a", true),
            ("a/**", "a/b/c", true),
            ("a/**", "ab", false),
            ("**/z", "z", true),
            ("**/z", "a/b/z", true),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/c", false),
            ("a/**/c/**/e", "a/x/c/e", true),
            ("a/**/c", "a/c/d", false),
        ] {
            assert_eq!(
                pattern.parse::<PathPattern>().unwrap().matches(&path.parse().unwrap()),
                matches,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn literal_prefixes() {
        for (pattern, prefix) in [("a/b", "a/b"), ("a/*", "a"), ("**", ""), ("a/b/**/c", "a/b"), ("*/a", "")] {
            assert_eq!(pattern.parse::<PathPattern>().unwrap().literal_prefix(), prefix, "{pattern}");
        }
    }

    /// The definition, word for word, in exponential time.
    fn naive(pattern: &[&str], path: &[&str]) -> bool {
        match pattern.split_first() {
            None => path.is_empty(),
            Some((&"**", rest)) => (0..=path.len()).any(|n| naive(rest, &path[n..])),
            Some((part, rest)) => {
                path.split_first().is_some_and(|(s, tail)| (*part == "*" || part == s) && naive(rest, tail))
            }
        }
    }

    proptest! {
        #[test]
        fn matching_is_the_definition(pattern in "(a|b|\\*|\\*\\*)(/(a|b|\\*|\\*\\*)){0,5}", path in "[ab](/[ab]){0,5}") {
            let parts: Vec<&str> = pattern.split('/').collect();
            let segments: Vec<&str> = path.split('/').collect();
            let parsed: PathPattern = pattern.parse().unwrap();
            let path: SecretPath = path.parse().unwrap();
            prop_assert_eq!(parsed.matches(&path), naive(&parts, &segments));
            if parsed.matches(&path) {
                prop_assert!(path.as_str().starts_with(parsed.literal_prefix()));
            }
        }

        #[test]
        fn parsing_never_panics_and_keeps_the_text(text in ".{0,40}") {
            if let Ok(path) = text.parse::<SecretPath>() {
                prop_assert_eq!(path.as_str(), text);
            }
        }
    }
}
