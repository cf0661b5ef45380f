//! Credentials: their form, their keyed hash, and reading one from an `Authorization` header.

use super::{Claims, Tokens};
use crate::error::{Error, Result};
use crate::seal::{SubKeys, random};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keepward_api::{SecretText, Timestamp};

/// Whose key it is, told by its first characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    User,
    Agent,
}

impl KeyKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::User => "1ck_",
            Self::Agent => "ocv_",
        }
    }

    /// The kind of a key that has the form of one: prefix and base64url of 32 bytes.
    pub fn of(key: &str) -> Option<Self> {
        let kind = [Self::User, Self::Agent].into_iter().find(|kind| key.starts_with(kind.prefix()))?;
        let encoded = key.get(kind.prefix().len()..)?;
        (URL_SAFE_NO_PAD.decode(encoded).ok()?.len() == 32).then_some(kind)
    }
}

/// A key on the day that it is made, the only one on which it is seen.
pub struct NewKey {
    pub text: SecretText,
    /// The first 12 characters, by which people tell keys apart.
    pub prefix: String,
    pub hash: Vec<u8>,
}

/// Makes a key of 256 random bits.
pub fn new_key(kind: KeyKind, sub_keys: &SubKeys) -> Result<NewKey> {
    let text = SecretText::from(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(random::<32>()?.as_slice())));
    let prefix = text.expose().chars().take(12).collect();
    let hash = sub_keys.credential.tag(text.expose().as_bytes());
    Ok(NewKey { text, prefix, hash })
}

/// The hashes under which a key can stand in the database: a keyed hash, since 256 random bits need no slow one.
pub fn hash_key(key: &str, sub_keys: &SubKeys) -> Vec<Vec<u8>> {
    sub_keys.credential.tags(key.as_bytes())
}

/// A credential of the right form; whether its principal is there and active, the lookup tells.
#[derive(Clone, Debug)]
pub enum Credential {
    Token(Claims),
    Key { kind: KeyKind, hashes: Vec<Vec<u8>> },
}

impl Credential {
    /// What the token says; a key says nothing.
    pub fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Token(claims) => Some(claims),
            Self::Key { .. } => None,
        }
    }
}

/// Reads `Bearer <token or key>`: form, signature and expiry only.
pub fn parse_bearer(header: Option<&[u8]>, tokens: &Tokens, sub_keys: &SubKeys, now: Timestamp) -> Result<Credential> {
    let missing =
        Error::Unauthenticated { detail: "This operation needs a token: Authorization: Bearer <token or key>." };
    let Some(header) = header else { return Err(missing) };
    let text = std::str::from_utf8(header).ok().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim())
    });
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Err(missing) };
    match KeyKind::of(text) {
        Some(kind) => Ok(Credential::Key { kind, hashes: hash_key(text, sub_keys) }),
        None => tokens.verify(text, now).map(Credential::Token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_keys() {
        let body = URL_SAFE_NO_PAD.encode([7; 32]);
        assert_eq!(KeyKind::of(&format!("ocv_{body}")), Some(KeyKind::Agent));
        assert_eq!(KeyKind::of(&format!("1ck_{body}")), Some(KeyKind::User));
        for bad in ["", "ocv_", "xyz_", &format!("ocv_{body}A"), &body, "1ck_é", &format!("ocv_{}", &body[1..])] {
            assert_eq!(KeyKind::of(bad), None, "{bad}");
        }
    }
}
