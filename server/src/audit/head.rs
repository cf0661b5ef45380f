//! Signed chain heads: what somebody keeps elsewhere, so that a shortened or rewound chain is found.

use super::chain::wire;
use crate::error::{Error, Result};
use crate::seal::{Keyring, SigningPurpose};
use crate::store::SERVER_CHAIN;
use crate::store::entity::audit_head;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use keepward_api::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, QueryOrder, Statement};
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

fn head_of(row: &audit_head::Model) -> Head {
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

/// Heads that are not their chain's newest event, column by column, and organisations without one.
const FALSE_HEADS: &str = "SELECT h.org_id AS chain FROM audit_head h \
    LEFT JOIN audit_event e ON e.org_id = h.org_id AND e.sequence = h.sequence \
    WHERE e.id IS NULL OR e.id <> h.event_id OR e.integrity_hash <> h.integrity_hash OR e.mac <> h.mac \
    OR e.created_at <> h.created_at \
    OR EXISTS (SELECT 1 FROM audit_event n WHERE n.org_id = h.org_id AND n.sequence > h.sequence) \
    UNION ALL SELECT o.id AS chain FROM organisation o LEFT JOIN audit_head h ON h.org_id = o.id WHERE h.org_id IS NULL";
/// Whether the server's own chain has events, and no head.
const HEADLESS: &str = "SELECT 1 AS one FROM audit_event WHERE org_id = $1 \
    AND NOT EXISTS (SELECT 1 FROM audit_head WHERE org_id = $1) LIMIT 1";

/// Signs the heads as a snapshot has them. Fails if one is not its chain's newest event: signed, it would vouch for a chain
/// that was cut off.
pub async fn sign(snapshot: &DatabaseTransaction, keyring: &Keyring) -> Result<SignedHeads> {
    let ask = Statement::from_string(snapshot.get_database_backend(), FALSE_HEADS);
    let chains: std::result::Result<Vec<Uuid>, _> =
        snapshot.query_all_raw(ask).await?.iter().map(|row| row.try_get("", "chain")).collect();
    let mut chains: Vec<String> = chains?.iter().map(Uuid::to_string).collect();
    let headless = Statement::from_sql_and_values(snapshot.get_database_backend(), HEADLESS, [SERVER_CHAIN.into()]);
    if snapshot.query_one_raw(headless).await?.is_some() {
        chains.push("the server's own".to_owned());
    }
    if !chains.is_empty() {
        return Err(Error::invalid(format!(
            "the heads of the audit chains of these organisations are not their newest events, so nothing is signed (see \
             `audit verify`): {}",
            chains.join(", ")
        )));
    }
    let rows = audit_head::Entity::find().order_by_asc(audit_head::Column::OrgId).all(snapshot).await?;
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
