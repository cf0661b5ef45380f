//! What holds the root of all keys. The trait is all that the rest of the server knows of it.

mod software;

pub use software::SoftwareKeystore;

use super::Dek;
use crate::error::Result;
use crate::store::SealedBytes;
use uuid::Uuid;

/// A key's name for ever; a successor has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub Uuid);

/// A key of the keystore as others hold it: its name, and what the keystore needs to find or open it again.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: KeyId,
    pub record: SealedBytes,
}

/// Wraps, unwraps and signs with keys that never leave it. Calls are synchronous; where they may wait ([`Keystore::waits`])
/// the [`super::Keyring`] moves them off the request's thread.
pub trait Keystore: Send + Sync + 'static {
    /// Whether calls go to a device.
    fn waits(&self) -> bool;
    /// Tells this keystore from another: written into the database at first start and compared at every later one.
    fn check_value(&self) -> [u8; 32];
    /// A new key-encryption key.
    fn create_kek(&self) -> Result<Key>;
    /// AES key wrap (RFC 3394) of a 256-bit key, in the common blob form.
    fn wrap(&self, kek: &Key, key: &Dek) -> Result<SealedBytes>;
    /// The inverse; refuses what another key wrapped.
    fn unwrap(&self, kek: &Key, wrapped: &SealedBytes) -> Result<Dek>;
    /// A new Ed25519 key and its public half.
    fn create_signing_key(&self) -> Result<(Key, [u8; 32])>;
    /// The public half of a signing key, from the key itself: what a database says of it proves nothing.
    fn public_key(&self, key: &Key) -> Result<[u8; 32]>;
    /// Ed25519 (RFC 8032).
    fn sign(&self, key: &Key, message: &[u8]) -> Result<[u8; 64]>;
    /// Whether it can work now.
    fn health(&self) -> Result<()>;
}
