use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// A text that must not be seen: silent in `Debug`, without `Display`, zeroed on drop. [`SecretText::expose`] is the one
/// way to it.
#[derive(Clone, Serialize, Deserialize)]
// A newtype, not transparent: bindings to other languages know it by its name, and hide it by that.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The text itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_nothing() {
        let text = SecretText::from("hunter2");
        assert!(!format!("{text:?} {:#?}", Some(&text)).contains("hunter"));
    }
}
