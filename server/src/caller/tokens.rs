//! Access tokens: JWT (RFC 7519) signed with EdDSA (RFC 8037) by the keystore.

use crate::error::{Error, Result};
use crate::seal::{KeyId, Keyring, SigningPurpose};
use crate::store::Actor;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use keepward_api::{AgentId, ApiKeyId, OrgId, SecretText, Timestamp, UserId, VaultId, types};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// What a token says. Only `sub`, `org`, `gen`, `jti`, `key` and `exp` decide; scopes, binding and flags are read from the
/// record, and the token's copies are information, except that a token without the intents flag never gains it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    pub org: OrgId,
    pub scopes: Vec<String>,
    pub vault_ids: Vec<VaultId>,
    pub intents_api_enabled: bool,
    pub iat: i64,
    pub exp: i64,
    pub jti: Uuid,
    /// The principal's generation when it was made; another one there ends it.
    #[serde(rename = "gen")]
    pub generation: i64,
    /// The personal key it was made from: deleting the key ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ApiKeyId>,
}

impl Claims {
    /// Of a principal, from now for so many seconds.
    pub fn new(actor: Actor, org: OrgId, generation: i64, now: Timestamp, lifetime_seconds: i64) -> Self {
        let sub = format!("{}:{}", actor.kind(), actor.id().unwrap_or_default());
        let (iat, exp) = (now.seconds(), now.seconds() + lifetime_seconds);
        let jti = Uuid::new_v4();
        Self {
            sub,
            org,
            scopes: vec![],
            vault_ids: vec![],
            intents_api_enabled: false,
            iat,
            exp,
            jti,
            generation,
            key: None,
        }
    }

    /// Whose it is.
    pub fn actor(&self) -> Option<Actor> {
        let (kind, id) = self.sub.split_once(':')?;
        let id = Uuid::try_parse(id).ok()?;
        match kind {
            "user" => Some(Actor::User(UserId(id))),
            "agent" => Some(Actor::Agent(AgentId(id))),
            _ => None,
        }
    }
}

/// A token and how long it lives.
pub struct IssuedToken {
    pub text: SecretText,
    pub expires_in: i32,
}

/// Life of a human's token in seconds.
pub const USER_TOKEN_SECONDS: i64 = 900;
/// Life of an agent's token in seconds, where its record says nothing.
pub const AGENT_TOKEN_SECONDS: i64 = 3600;

const MAX_CACHED: usize = 20_000;
const MAX_LENGTH: usize = 8 * 1024;

#[derive(Deserialize, Serialize)]
struct Header {
    alg: String,
    typ: String,
    kid: Uuid,
}

/// Makes and verifies tokens.
pub struct Tokens {
    keyring: Arc<Keyring>,
    verifying: Vec<(KeyId, VerifyingKey)>,
    /// Signatures that were good, by the token's hash. A signature stays good; whether the token is, its state tells.
    verified: Mutex<HashMap<[u8; 32], Claims>>,
}

impl Tokens {
    pub fn new(keyring: Arc<Keyring>) -> Result<Self> {
        let keys = keyring.public_keys(SigningPurpose::Token);
        let verifying = keys.map(|(id, public)| Ok((id, VerifyingKey::from_bytes(public).map_err(Error::internal)?)));
        let verifying = verifying.collect::<Result<_>>()?;
        Ok(Self { keyring, verifying, verified: Mutex::default() })
    }

    /// Signs claims into a token.
    pub async fn issue(&self, claims: &Claims) -> Result<IssuedToken> {
        let signed = to_be_signed(self.keyring.newest(SigningPurpose::Token)?, claims)?;
        let (_, signature) = self.keyring.sign(SigningPurpose::Token, signed.clone().into_bytes()).await?;
        let text = with_signature(&signed, &signature);
        Ok(IssuedToken { text: text.into(), expires_in: i32::try_from(claims.exp - claims.iat).unwrap_or(i32::MAX) })
    }

    /// Checks form, signature and expiry. One text for every fault.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        const BAD: Error = Error::Unauthenticated { detail: "The token is not valid or has expired; get a new one." };
        if token.len() > MAX_LENGTH {
            return Err(BAD);
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = check(&self.verifying, token).ok_or(BAD)?;
                let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
                if verified.len() >= MAX_CACHED {
                    verified.retain(|_, claims| claims.exp > now.seconds());
                }
                if verified.len() >= MAX_CACHED {
                    verified.clear();
                }
                verified.insert(hash, claims.clone());
                claims
            }
        };
        if claims.exp <= now.seconds() { Err(BAD) } else { Ok(claims) }
    }

    /// The JSON Web Key Set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> types::JwksResponse {
        let keys = self.keyring.public_keys(SigningPurpose::Token).map(|(KeyId(id), public)| types::Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: URL_SAFE_NO_PAD.encode(public),
            kid: id.to_string(),
            use_: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
        });
        types::JwksResponse { keys: keys.collect() }
    }
}

/// Header and claims as RFC 7515 signs them.
fn to_be_signed(KeyId(kid): KeyId, claims: &Claims) -> Result<String> {
    let header = Header { alg: "EdDSA".to_owned(), typ: "JWT".to_owned(), kid };
    let part = |json: Result<Vec<u8>, serde_json::Error>| {
        json.map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(Error::internal)
    };
    Ok(format!("{}.{}", part(serde_json::to_vec(&header))?, part(serde_json::to_vec(claims))?))
}

fn with_signature(signed: &str, signature: &[u8; 64]) -> String {
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The claims of a token that one of the keys signed.
fn check(keys: &[(KeyId, VerifyingKey)], token: &str) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    if header.alg != "EdDSA" {
        return None;
    }
    let (_, key) = keys.iter().find(|(id, _)| id.0 == header.kid)?;
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    key.verify_strict(signed.as_bytes(), &signature).ok()?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims.actor().map(|_| claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};
    use proptest::prelude::*;

    const KID: KeyId = KeyId(Uuid::from_u128(9));

    fn token(signer: u8, kid: KeyId, claims: &Claims) -> String {
        let signed = to_be_signed(kid, claims).unwrap();
        let signature = SigningKey::from_bytes(&[signer; 32]).sign(signed.as_bytes()).to_bytes();
        with_signature(&signed, &signature)
    }

    fn read(token: &str) -> Option<Claims> {
        check(&[(KID, SigningKey::from_bytes(&[1; 32]).verifying_key())], token)
    }

    fn any_claims() -> impl Strategy<Value = Claims> {
        let ids = (any::<u128>(), any::<u128>(), any::<Option<u128>>(), prop::collection::vec(any::<u128>(), 0..4));
        let rest = (any::<bool>(), any::<bool>(), any::<i64>(), any::<i64>(), prop::collection::vec(".*", 0..4));
        (ids, rest).prop_map(|((id, org, key, vaults), (is_user, intents, exp, generation, scopes))| {
            let id = Uuid::from_u128(id);
            let actor = if is_user { Actor::User(id.into()) } else { Actor::Agent(id.into()) };
            Claims {
                scopes,
                vault_ids: vaults.into_iter().map(|id| Uuid::from_u128(id).into()).collect(),
                intents_api_enabled: intents,
                exp,
                key: key.map(|id| Uuid::from_u128(id).into()),
                ..Claims::new(actor, Uuid::from_u128(org).into(), generation, Timestamp::from_seconds(0), 60)
            }
        })
    }

    proptest! {
        #[test]
        fn what_was_signed_is_what_is_read(claims in any_claims()) {
            let read = read(&token(1, KID, &claims)).unwrap();
            prop_assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&claims).unwrap());
            prop_assert_eq!(read.actor(), claims.actor());
        }

        #[test]
        fn a_changed_character_is_refused(claims in any_claims(), at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
            let good = token(1, KID, &claims);
            let at = at.index(good.len());
            let changed = [&good[..at], &to, &good[at + 1..]].concat();
            prop_assert_eq!(read(&changed).is_some(), changed == good);
        }

        #[test]
        fn a_part_is_refused(claims in any_claims(), end in any::<prop::sample::Index>()) {
            let good = token(1, KID, &claims);
            prop_assert!(read(&good[..end.index(good.len())]).is_none());
        }

        #[test]
        fn another_key_or_key_id_is_refused(claims in any_claims()) {
            prop_assert!(read(&token(2, KID, &claims)).is_none());
            prop_assert!(read(&token(1, KeyId(Uuid::nil()), &claims)).is_none());
        }

        #[test]
        fn any_text_is_refused(text in r"[A-Za-z0-9_-]{0,80}(\.[A-Za-z0-9_-]{0,80}){0,4}|.{0,200}") {
            prop_assert!(read(&text).is_none());
        }
    }
}
