//! The one place where keys and plaintext of sealed things exist.
//!
//! Keystore root -> one KEK a vault -> one DEK a version. A value is AES-256-GCM under its DEK, the DEK is AES key wrap
//! (RFC 3394) under the KEK, and the additional data says everything about the place of the value, so that a row moved or
//! edited does not open. Nothing here writes to the database, and no plaintext leaves but as [`Opened`].

mod blob;
mod keyring;
pub mod keystore;
mod locked;
mod sub_keys;

pub use blob::Location;
pub use keyring::{Keyring, SigningPurpose};
pub use keystore::{Key, KeyId, Keystore};
pub use sub_keys::{SubKey, SubKeys};

use crate::error::{Error, Result};
use crate::store::SealedBytes;
use zeroize::Zeroizing;

/// A 256-bit key that is gone when dropped.
pub type Dek = Zeroizing<[u8; 32]>;

/// Plaintext: zeroed on drop, without `Debug`, `Clone` or `Display`.
pub struct Opened(Zeroizing<Vec<u8>>);

impl Opened {
    /// In the place of a value that is not asked for.
    pub(crate) fn nothing() -> Self {
        Self(Zeroizing::default())
    }

    /// The bytes. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// As a text, if it is one.
    pub fn into_text(self) -> Result<keepward_api::SecretText> {
        let text = std::str::from_utf8(&self.0).map_err(|_| Error::internal("an opened value is no text"))?;
        Ok(text.into())
    }
}

/// A DEK made and wrapped ahead of the unit in which its version gets its number.
pub struct PreparedDek {
    dek: Dek,
    /// The KEK that wraps it: if the vault has another by then, the unit refuses itself.
    pub kek_id: KeyId,
    pub wrapped: SealedBytes,
}

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| Error::unavailable(format!("no randomness: {error}")))?;
    Ok(bytes)
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    use hmac::{Mac, SimpleHmac};
    let mut block = Zeroizing::new([0; 64]);
    // A key shorter than SHA-256's block is padded with zeros.
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = <SimpleHmac<sha2::Sha256> as hmac::digest::KeyInit>::new((&*block).into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

impl PreparedDek {
    pub(crate) fn new(dek: Dek, kek_id: KeyId, wrapped: SealedBytes) -> Self {
        Self { dek, kek_id, wrapped }
    }

    /// Seals a value for its place. One DEK seals one value, once: the caller drops it with the version.
    pub fn seal(&self, location: &Location<'_>, value: &[u8]) -> Result<SealedBytes> {
        blob::seal(&self.dek, self.kek_id, location, value)
    }
}

/// Opens what was sealed at exactly this place.
pub(crate) fn open(dek: &Dek, location: &Location<'_>, sealed: &SealedBytes) -> Result<Opened> {
    blob::open(dek, location, sealed).map(Opened)
}
