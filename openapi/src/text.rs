//! Texts with a rule that is checked once, where they come in.

use crate::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The traits of a checked text: it parses from `&str` and `String`, prints as itself, and is a string on the wire.
macro_rules! checked_text {
    ($name:ident) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }
        impl TryFrom<&str> for $name {
            type Error = Invalid;
            fn try_from(text: &str) -> Result<Self, Invalid> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use checked_text;

/// A name given by a person: 1 to 255 characters, not all of them white space, no control character, and none that is
/// invisible or changes the writing direction (a name that displays as another one). The joiners of scripts and emoji may
/// stand between other characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Unicode's format characters, separators of lines, and tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
        )
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

impl std::str::FromStr for Name {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_joiner = |c: char| matches!(c, '\u{200C}' | '\u{200D}');
        let is_blank = text.chars().all(|c| c.is_whitespace() || is_joiner(c));
        match text.chars().count() {
            1..=255 if !is_blank && !text.starts_with(is_joiner) && !text.chars().any(is_hidden) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Invalid("must have 1 to 255 characters, none of them invisible, and not only white space")),
        }
    }
}
checked_text!(Name);

/// A mail address, in lower case: one `@` between a local part of up to 64 and a domain, at most 254 characters, without
/// white space and control characters. Whether it receives mail, only mail can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl std::str::FromStr for Email {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = |part: &str| part.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '@');
        match text.rsplit_once('@') {
            Some((local, domain))
                if text.len() <= 254
                    && (1..=64).contains(&local.len())
                    && !domain.is_empty()
                    && plain(local)
                    && plain(domain)
                    && !domain.starts_with('.')
                    && !domain.ends_with('.') =>
            {
                Ok(Self(text.to_lowercase()))
            }
            _ => Err(Invalid("must be a mail address such as ada@example.com")),
        }
    }
}
checked_text!(Email);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_nothing_hidden() {
        for bad in [
            "",
            "a\0",
            "a\nb",
            "\u{202E}evil",
            "\u{7f}",
            " ",
            "\u{200B}a",
            "a\u{2028}b",
            "\u{200D}a",
            "a\u{E0041}",
            &"x".repeat(256),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        for good in ["a", "Öl & Gas", "名前", "👩\u{200D}💻", &"é".repeat(255)] {
            assert!(good.parse::<Name>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn mail_addresses() {
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b@c", "a@.b", "a@b.", "a\n@b"] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
        assert_eq!("Ada@Example.com".parse::<Email>().unwrap().as_str(), "ada@example.com");
    }
}
