//! Numbered random keys of the server's own, wrapped at rest under the system KEK and opened at start.

use super::Dek;
use super::locked::Locked;
use crate::error::{Error, Result};
use crate::store::RowMac;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// One purpose's keys: the newest makes, all check.
pub struct SubKey {
    keys: BTreeMap<u32, Locked>,
}

const FORMAT: u8 = 1;

impl SubKey {
    pub(super) fn new(keys: impl IntoIterator<Item = (u32, Dek)>) -> Result<Self> {
        let keys: BTreeMap<u32, Locked> = keys.into_iter().map(|(number, key)| (number, Locked::new(&key))).collect();
        if keys.is_empty() {
            return Err(Error::internal("a sub-key is missing"));
        }
        Ok(Self { keys })
    }

    fn mac(&self, number: u32, message: &[u8]) -> Option<[u8; 32]> {
        self.keys.get(&number).map(|key| super::hmac(key.expose(), message))
    }

    fn newest(&self) -> u32 {
        self.keys.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// HMAC-SHA-256 after format and key number.
    pub fn tag(&self, message: &[u8]) -> Vec<u8> {
        self.tag_with(self.newest(), message)
    }

    /// Under every key there is, newest first: what a lookup by a keyed hash has to look for.
    pub fn tags(&self, message: &[u8]) -> Vec<Vec<u8>> {
        self.keys.keys().rev().map(|number| self.tag_with(*number, message)).collect()
    }

    fn tag_with(&self, number: u32, message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&self.mac(number, message).unwrap_or_default());
        bytes
    }

    /// Whether one of the keys made this tag, in constant time.
    pub fn verify_tag(&self, message: &[u8], tag: &[u8]) -> bool {
        match tag.split_at_checked(5) {
            Some(([FORMAT, number @ ..], mac)) => {
                let number = number.try_into().map(u32::from_be_bytes).unwrap_or_default();
                self.mac(number, message).is_some_and(|expected| bool::from(expected.as_slice().ct_eq(mac)))
            }
            _ => false,
        }
    }

    /// The newest key itself, for what takes a key and no message (the pepper of Argon2).
    pub(crate) fn expose(&self) -> &[u8] {
        self.keys.last_key_value().map(|(_, key)| key.expose().as_slice()).unwrap_or_default()
    }
}

impl RowMac for SubKey {
    fn compute(&self, message: &[u8]) -> Vec<u8> {
        self.tag(message)
    }
    fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        self.verify_tag(message, mac)
    }
}

/// The sub-keys, by purpose.
pub struct SubKeys {
    /// Keyed hash of agent and personal keys.
    pub credential: SubKey,
    /// Pepper of passwords.
    pub password: SubKey,
    /// Rows with authority.
    pub row: SubKey,
    /// The keyed audit chain.
    pub audit: SubKey,
    /// Cursors of paged lists.
    pub cursor: SubKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_an_older_key_verify_and_forged_ones_do_not() {
        let old = SubKey::new([(1, Dek::new([1; 32]))]).unwrap();
        let both = SubKey::new([(1, Dek::new([1; 32])), (2, Dek::new([2; 32]))]).unwrap();
        let tag = old.tag(b"row");
        assert!(both.verify_tag(b"row", &tag));
        assert!(!both.verify_tag(b"another", &tag));
        assert!(!old.verify_tag(b"row", &both.tag(b"row")), "an unknown key number");
        assert!(!both.verify_tag(b"row", &[]) && !both.verify_tag(b"row", &tag[..20]));
    }
}
