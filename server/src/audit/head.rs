//! Signed chain heads: what somebody keeps elsewhere, so that a shortened or rewound chain is found.

use super::chain::wire;
use crate::error::{Error, Result};
use crate::seal::{Keyring, SigningPurpose};
use crate::store::entity::audit_head;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use keepward_api::Timestamp;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The heads of all chains at one time, under one Ed25519 signature.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignedHeads {
    pub format: String,
    pub signed_at: Timestamp,
    pub heads: Vec<Head>,
    pub key_id: Uuid,
    /// Base64, over everything above.
    pub signature: String,
}

/// One chain's newest event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The organisation; nil is the server's own chain.
    pub chain: Uuid,
    pub sequence: i64,
    pub event_id: Uuid,
    pub integrity_hash: String,
    pub mac: String,
}

const FORMAT: &str = "keepward-audit-heads/v1";

pub(super) fn head_of(row: &audit_head::Model) -> Head {
    Head {
        chain: row.org_id,
        sequence: row.sequence,
        event_id: row.event_id,
        integrity_hash: wire(&row.integrity_hash),
        mac: wire(&row.mac),
    }
}

fn message(signed_at: Timestamp, heads: &[Head]) -> Result<Vec<u8>> {
    serde_json::to_vec(&(FORMAT, signed_at, heads)).map_err(Error::internal)
}

/// Signs the heads as they are now.
pub async fn sign(connection: &impl ConnectionTrait, keyring: &Keyring) -> Result<SignedHeads> {
    let rows = audit_head::Entity::find().order_by_asc(audit_head::Column::OrgId).all(connection).await?;
    let heads: Vec<Head> = rows.iter().map(head_of).collect();
    let signed_at = Timestamp::now();
    let (key, signature) = keyring.sign(SigningPurpose::AuditHead, message(signed_at, &heads)?).await?;
    let signature = STANDARD.encode(signature);
    Ok(SignedHeads { format: FORMAT.to_owned(), signed_at, heads, key_id: key.0, signature })
}

/// Whether these heads were signed by a key of this server.
pub(super) fn is_ours(keyring: &Keyring, signed: &SignedHeads) -> Result<bool> {
    let key = keyring.public_keys(SigningPurpose::AuditHead).find(|(id, _)| id.0 == signed.key_id);
    let key = key.and_then(|(_, public)| VerifyingKey::from_bytes(public).ok());
    let signature = STANDARD.decode(&signed.signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
    let message = message(signed.signed_at, &signed.heads)?;
    Ok(match (key, signature) {
        (Some(key), Some(signature)) => signed.format == FORMAT && key.verify_strict(&message, &signature).is_ok(),
        _ => false,
    })
}
