//! An agent's key pairs: Ed25519 and P-256. The private halves leave this module as secrets to be sealed.

use crate::error::{Error, Result};
use crate::operations::secrets::service::NewVersion;
use crate::seal::random;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use keepward_api::{SecretPath, SecretText};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use uuid::Uuid;
use zeroize::Zeroizing;

pub(super) struct Pairs {
    /// Base64 of the raw 32 bytes.
    pub(super) ssh_public: String,
    /// Base64 of the 65-byte uncompressed point.
    pub(super) ecdh_public: String,
    ssh_private: SecretText,
    ecdh_private: SecretText,
}

fn encode(bytes: &[u8]) -> SecretText {
    STANDARD.encode(bytes).into()
}

pub(super) fn generate() -> Result<Pairs> {
    let seed = random::<32>()?;
    let ssh_public = STANDARD.encode(SigningKey::from_bytes(&seed).verifying_key().as_bytes());
    let ecdh = loop {
        // All but one in 2^32 draws are below the order of the curve.
        let scalar = random::<32>()?;
        if let Ok(key) = p256::SecretKey::from_slice(scalar.as_slice()) {
            break key;
        }
    };
    let ecdh_public = STANDARD.encode(ecdh.public_key().to_encoded_point(false).as_bytes());
    let scalar = Zeroizing::new(<[u8; 32]>::from(ecdh.to_bytes()));
    Ok(Pairs { ssh_public, ecdh_public, ssh_private: encode(seed.as_slice()), ecdh_private: encode(scalar.as_slice()) })
}

impl Pairs {
    /// Where the private halves go, and as what.
    pub(super) fn secrets(&self, agent: Uuid) -> Result<[(SecretPath, NewVersion); 2]> {
        let path =
            |name: &str| format!("agents/{agent}/{name}/private_key").parse::<SecretPath>().map_err(Error::internal);
        let version = |kind: &str, value: &SecretText| NewVersion {
            kind: kind.to_owned(),
            value: value.clone(),
            metadata: "{}".to_owned(),
            expires_at: None,
            max_access_count: None,
        };
        Ok([
            (path("ssh")?, version("ssh_key", &self.ssh_private)),
            (path("ecdh")?, version("private_key", &self.ecdh_private)),
        ])
    }
}
