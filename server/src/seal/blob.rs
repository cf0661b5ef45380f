//! The form of sealed and wrapped bytes: format version, algorithm, id of the wrapping key, then what the algorithm makes.

use super::{Dek, KeyId};
use crate::error::{Error, Result};
use crate::store::SealedBytes;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use aes_kw::KwAes256;
use keepward_api::{OrgId, SecretId, SecretPath, Timestamp, VaultId};
use uuid::Uuid;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const AES_256_GCM: u8 = 1;
const AES_256_KW: u8 = 2;
const HEADER: usize = 18;
const NONCE: usize = 12;
/// A wrapped 32-byte key (RFC 3394 adds 8 bytes).
const WRAPPED: usize = 40;

/// Where a value is. Every part is authenticated with the value.
pub struct Location<'a> {
    pub org: OrgId,
    pub vault: VaultId,
    pub secret: SecretId,
    pub version: i64,
    pub path: &'a SecretPath,
    pub kind: &'a str,
    pub cmek: bool,
    pub expires_at: Option<Timestamp>,
    pub max_access_count: Option<i64>,
}

impl Location<'_> {
    /// Each part length-prefixed, so that no two places spell the same bytes.
    fn associated_data(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let mut put = |part: &[u8]| {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        };
        put(b"keepward/seal/v1");
        put(self.org.0.as_bytes());
        put(self.vault.0.as_bytes());
        put(self.secret.0.as_bytes());
        put(&self.version.to_be_bytes());
        put(self.path.as_str().as_bytes());
        put(self.kind.as_bytes());
        put(&[u8::from(self.cmek)]);
        put(&optional(self.expires_at.map(Timestamp::microseconds)));
        put(&optional(self.max_access_count));
        bytes
    }
}

fn optional(number: Option<i64>) -> Vec<u8> {
    number.map(|n| n.to_be_bytes().to_vec()).unwrap_or_default()
}

fn begin(algorithm: u8, key: KeyId, room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + room);
    bytes.extend_from_slice(&[FORMAT, algorithm]);
    bytes.extend_from_slice(key.0.as_bytes());
    bytes
}

/// The wrapping key's id and what follows the head, if the head is one of ours.
fn split(bytes: &SealedBytes, algorithm: u8) -> Result<(KeyId, &[u8])> {
    match bytes.0.split_at_checked(HEADER) {
        Some(([FORMAT, found, id @ ..], rest)) if *found == algorithm => {
            let id = Uuid::from_slice(id).map_err(Error::internal)?;
            Ok((KeyId(id), rest))
        }
        _ => Err(Error::internal("sealed bytes of an unknown format")),
    }
}

/// One message for every way that bytes can be wrong, so that none is an oracle.
fn does_not_open<E>(_: E) -> Error {
    Error::internal("sealed bytes do not open: they were changed or moved")
}

pub(super) fn seal(dek: &Dek, kek: KeyId, location: &Location<'_>, value: &[u8]) -> Result<SealedBytes> {
    let nonce = super::random::<NONCE>()?;
    let cipher = Aes256Gcm::new((&**dek).into());
    let payload = Payload { msg: value, aad: &location.associated_data() };
    let ciphertext =
        cipher.encrypt(&Nonce::from(*nonce), payload).map_err(|_| Error::internal("a value too long to seal"))?;
    let mut bytes = begin(AES_256_GCM, kek, NONCE + ciphertext.len());
    bytes.extend_from_slice(nonce.as_slice());
    bytes.extend_from_slice(&ciphertext);
    Ok(SealedBytes(bytes))
}

pub(super) fn open(dek: &Dek, location: &Location<'_>, sealed: &SealedBytes) -> Result<Zeroizing<Vec<u8>>> {
    let (_, rest) = split(sealed, AES_256_GCM)?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(()).map_err(does_not_open)?;
    let cipher = Aes256Gcm::new((&**dek).into());
    let payload = Payload { msg: ciphertext, aad: &location.associated_data() };
    cipher.decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new).map_err(does_not_open)
}

/// Wraps a 256-bit key under another (RFC 3394).
pub(super) fn wrap(kek: &[u8; 32], kek_id: KeyId, key: &Dek) -> Result<SealedBytes> {
    let mut wrapped = [0; WRAPPED];
    KwAes256::new(kek.into()).wrap_key(key.as_slice(), &mut wrapped).map_err(|_| Error::internal("key wrap"))?;
    let mut bytes = begin(AES_256_KW, kek_id, WRAPPED);
    bytes.extend_from_slice(&wrapped);
    Ok(SealedBytes(bytes))
}

/// Unwraps, and refuses what is not wrapped by this very key.
pub(super) fn unwrap(kek: &[u8; 32], kek_id: KeyId, wrapped: &SealedBytes) -> Result<Dek> {
    let (id, rest) = split(wrapped, AES_256_KW)?;
    if id != kek_id || rest.len() != WRAPPED {
        return Err(does_not_open(()));
    }
    let mut key = Dek::new([0; 32]);
    KwAes256::new(kek.into()).unwrap_key(rest, key.as_mut_slice()).map_err(does_not_open)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(path: &SecretPath) -> Location<'_> {
        Location {
            org: Uuid::from_u128(1).into(),
            vault: Uuid::from_u128(2).into(),
            secret: Uuid::from_u128(3).into(),
            version: 4,
            path,
            kind: "generic",
            cmek: false,
            expires_at: Some(Timestamp::from_seconds(5)),
            max_access_count: Some(6),
        }
    }
    fn key(n: u8) -> Dek {
        Dek::new([n; 32])
    }
    const KEK: KeyId = KeyId(Uuid::from_u128(9));

    #[test]
    fn rfc_3394_section_4_6_vector() {
        let hex = |text: &str| {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect::<Vec<_>>()
        };
        let kek: [u8; 32] = hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F").try_into().unwrap();
        let key: [u8; 32] = hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F").try_into().unwrap();
        let wrapped = wrap(&kek, KEK, &Dek::new(key)).unwrap();
        let expected = hex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");
        assert_eq!(wrapped.0[HEADER..], expected);
        assert_eq!(*unwrap(&kek, KEK, &wrapped).unwrap(), key);
    }

    #[test]
    fn moved_ciphertext_does_not_open() {
        let (path, other) = ("a/b".parse().unwrap(), "a/c".parse().unwrap());
        let sealed = seal(&key(1), KEK, &place(&path), b"value").unwrap();
        assert_eq!(open(&key(1), &place(&path), &sealed).unwrap().as_slice(), b"value");
        let elsewhere = [
            Location { org: Uuid::from_u128(7).into(), ..place(&path) },
            Location { vault: Uuid::from_u128(7).into(), ..place(&path) },
            Location { secret: Uuid::from_u128(7).into(), ..place(&path) },
            Location { version: 5, ..place(&path) },
            Location { kind: "private_key", ..place(&path) },
            Location { cmek: true, ..place(&path) },
            Location { expires_at: None, ..place(&path) },
            Location { max_access_count: Some(7), ..place(&path) },
            Location { max_access_count: None, ..place(&path) },
            place(&other),
        ];
        for (i, location) in elsewhere.iter().enumerate() {
            assert!(open(&key(1), location, &sealed).is_err(), "place {i}");
        }
        assert!(open(&key(2), &place(&path), &sealed).is_err());
    }

    #[test]
    fn equal_values_seal_differently() {
        let path = "a".parse().unwrap();
        let seal = || seal(&key(1), KEK, &place(&path), b"value").unwrap();
        assert_ne!(seal(), seal());
    }

    proptest! {
        #[test]
        fn one_changed_bit_does_not_open(value in proptest::collection::vec(any::<u8>(), 0..64), bit in any::<prop::sample::Index>()) {
            let path = "a/b".parse().unwrap();
            let mut sealed = seal(&key(1), KEK, &place(&path), &value).unwrap();
            let opened = open(&key(1), &place(&path), &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), &value[..]);
            // The key id in the head is not part of the ciphertext; `unwrap` checks it where it is used.
            let at = HEADER * 8 + bit.index((sealed.0.len() - HEADER) * 8);
            sealed.0[at / 8] ^= 1 << (at % 8);
            prop_assert!(open(&key(1), &place(&path), &sealed).is_err());
        }

        #[test]
        fn wrapped_keys_resist_change(bit in 0usize..(HEADER + WRAPPED) * 8) {
            let mut wrapped = wrap(&[3; 32], KEK, &key(4)).unwrap();
            wrapped.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(unwrap(&[3; 32], KEK, &wrapped).is_err());
        }
    }
}
