//! The keystore together with the server's own keys, opened at start.

use super::keystore::{Key, KeyId, Keystore};
use super::{Dek, Location, Opened, PreparedDek, SubKey, SubKeys, open, random};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::store::entity::{key_record, meta};
use crate::store::{SealedBytes, insert};
use keepward_api::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};
use std::sync::Arc;
use std::time::Instant;

/// What the server signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningPurpose {
    Token,
    AuditHead,
}

impl SigningPurpose {
    const fn word(self) -> &'static str {
        match self {
            Self::Token => "sign:token",
            Self::AuditHead => "sign:audit-head",
        }
    }
}

struct SigningKey {
    key: Key,
    public: [u8; 32],
}

const SYSTEM_KEK: &str = "kek:system";
/// The row that says that keys are being made.
const BEGUN: &str = "keys-begun";
const CHECK_VALUE: &str = "master-key-check";
/// A replaced signing key still verifies for a day.
const RETIRED_KEYS_LIVE_SECONDS: i64 = 86_400;

/// Keystore, sub-keys and signing keys of a running server.
pub struct Keyring {
    keystore: Arc<dyn Keystore>,
    pub sub_keys: SubKeys,
    token: Vec<SigningKey>,
    audit_head: Vec<SigningKey>,
}

impl Keyring {
    /// Opens the keys that the database holds for this keystore. In a database without organisations it makes those that are
    /// missing; elsewhere nothing would open under new ones, so a missing key is named and refused. A keystore other than the one that the database was made with is refused by name.
    pub async fn open(keystore: Arc<dyn Keystore>, connection: &impl ConnectionTrait) -> Result<Self> {
        refuse_if_missing(connection).await?;
        check(keystore.as_ref(), connection).await?;
        let system = kek(keystore.as_ref(), connection).await?;
        let sub_keys = SubKeys {
            credential: sub_key(keystore.as_ref(), connection, &system, "sub:credential").await?,
            password: sub_key(keystore.as_ref(), connection, &system, "sub:password").await?,
            row: sub_key(keystore.as_ref(), connection, &system, "sub:row").await?,
            audit: sub_key(keystore.as_ref(), connection, &system, "sub:audit").await?,
            cursor: sub_key(keystore.as_ref(), connection, &system, "sub:cursor").await?,
        };
        let token = signing_keys(keystore.as_ref(), connection, SigningPurpose::Token).await?;
        let audit_head = signing_keys(keystore.as_ref(), connection, SigningPurpose::AuditHead).await?;
        Ok(Self { keystore, sub_keys, token, audit_head })
    }

    /// Whether no keystore has made its keys for this database yet.
    pub async fn is_new(connection: &impl ConnectionTrait) -> Result<bool> {
        Ok(meta::Entity::find_by_id(CHECK_VALUE.to_owned()).one(connection).await?.is_none())
    }

    /// Whether there is a key for every purpose: [`Self::open`] then makes none.
    pub async fn is_whole(connection: &impl ConnectionTrait) -> Result<bool> {
        Ok(!records(connection, SigningPurpose::AuditHead.word()).await?.is_empty())
    }

    /// Whether the making of keys has begun; a first start that was killed then goes on with the next.
    pub async fn has_begun(connection: &impl ConnectionTrait) -> Result<bool> {
        Ok(meta::Entity::find_by_id(BEGUN.to_owned()).one(connection).await?.is_some())
    }

    /// To be called before the first key is made.
    pub async fn begin(connection: &impl ConnectionTrait) -> Result<()> {
        insert(connection, meta::Model { name: BEGUN.to_owned(), value: Vec::new() }).await
    }

    /// Runs a keystore call where it may wait.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Keystore) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let call = move |keystore: &dyn Keystore| {
            let begun = Instant::now();
            let outcome = call(keystore);
            METRICS.keystore(begun.elapsed());
            outcome
        };
        if !self.keystore.waits() {
            return call(self.keystore.as_ref());
        }
        let keystore = Arc::clone(&self.keystore);
        tokio::task::spawn_blocking(move || call(keystore.as_ref())).await.map_err(Error::internal)?
    }

    pub async fn health(&self) -> Result<()> {
        self.call(|keystore| keystore.health()).await
    }

    pub async fn create_kek(&self) -> Result<Key> {
        self.call(|keystore| keystore.create_kek()).await
    }

    /// A new DEK, wrapped under a vault's KEK.
    pub async fn prepare_dek(&self, kek: &Key) -> Result<PreparedDek> {
        let kek = kek.clone();
        self.call(move |keystore| {
            let dek = random::<32>()?;
            let wrapped = keystore.wrap(&kek, &dek)?;
            Ok(PreparedDek::new(dek, kek.id, wrapped))
        })
        .await
    }

    /// Opens a value: unwraps its DEK under the vault's KEK and decrypts it for exactly this place.
    pub async fn open_value(
        &self,
        kek: &Key,
        wrapped: &SealedBytes,
        location: &Location<'_>,
        sealed: &SealedBytes,
    ) -> Result<Opened> {
        let (kek, wrapped) = (kek.clone(), wrapped.clone());
        let dek: Dek = self.call(move |keystore| keystore.unwrap(&kek, &wrapped)).await?;
        open(&dek, location, sealed)
    }

    fn keys(&self, purpose: SigningPurpose) -> &[SigningKey] {
        match purpose {
            SigningPurpose::Token => &self.token,
            SigningPurpose::AuditHead => &self.audit_head,
        }
    }

    /// Signs with the purpose's newest key, and names it.
    pub async fn sign(&self, purpose: SigningPurpose, message: Vec<u8>) -> Result<(KeyId, [u8; 64])> {
        let newest = self.keys(purpose).first().ok_or_else(|| Error::internal("no signing key"))?.key.clone();
        let id = newest.id;
        Ok((id, self.call(move |keystore| keystore.sign(&newest, &message)).await?))
    }

    /// The key that new signatures of the purpose name.
    pub fn newest(&self, purpose: SigningPurpose) -> Result<KeyId> {
        self.keys(purpose).first().map(|key| key.key.id).ok_or_else(|| Error::internal("no signing key"))
    }

    /// The public keys that verify signatures of the purpose, newest first.
    pub fn public_keys(&self, purpose: SigningPurpose) -> impl Iterator<Item = (KeyId, &[u8; 32])> {
        self.keys(purpose).iter().map(|key| (key.key.id, &key.public))
    }
}

/// Every purpose that has a key, in the order in which they are made.
const PURPOSES: [&str; 8] = [
    SYSTEM_KEK,
    "sub:credential",
    "sub:password",
    "sub:row",
    "sub:audit",
    "sub:cursor",
    SigningPurpose::Token.word(),
    SigningPurpose::AuditHead.word(),
];

/// Fails if organisations are there and one of the keys that they are sealed under is not: rows were deleted.
async fn refuse_if_missing(connection: &impl ConnectionTrait) -> Result<()> {
    // No column of it: one that was edited by hand is that organisation's trouble.
    const ANY: &str = "SELECT 1 AS one FROM \"organisation\" LIMIT 1";
    let any = Statement::from_string(connection.get_database_backend(), ANY);
    if connection.query_one_raw(any).await?.is_none() {
        return Ok(());
    }
    let mut missing = Vec::new();
    if Keyring::is_new(connection).await? {
        missing.push(CHECK_VALUE);
    }
    for purpose in PURPOSES {
        if records(connection, purpose).await?.is_empty() {
            missing.push(purpose);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::internal(format!(
        "the database holds organisations, and not all of the keys that they are sealed under: {} missing. Restore the tables \
         `key_record` and `meta` from a backup",
        missing.join(", ")
    )))
}

async fn check(keystore: &dyn Keystore, connection: &impl ConnectionTrait) -> Result<()> {
    let expected = keystore.check_value().to_vec();
    match meta::Entity::find_by_id(CHECK_VALUE.to_owned()).one(connection).await? {
        None => insert(connection, meta::Model { name: CHECK_VALUE.to_owned(), value: expected }).await,
        Some(row) if row.value == expected => Ok(()),
        Some(_) => Err(Error::internal(
            "the master key is not the one that this database was made with; give KEEPWARD_MASTER_KEY_FILE the right file",
        )),
    }
}

async fn records(connection: &impl ConnectionTrait, purpose: &str) -> Result<Vec<key_record::Model>> {
    let of_purpose = key_record::Entity::find().filter(key_record::Column::Purpose.eq(purpose));
    Ok(of_purpose.order_by_desc(key_record::Column::Number).all(connection).await?)
}

async fn keep(
    connection: &impl ConnectionTrait,
    purpose: &str,
    key: &Key,
    public_key: Option<&[u8; 32]>,
) -> Result<key_record::Model> {
    let row = key_record::Model {
        id: key.id.0,
        purpose: purpose.to_owned(),
        number: 1,
        record: key.record.clone(),
        public_key: public_key.map(|bytes| bytes.to_vec()),
        created_at: Timestamp::now().microseconds(),
        retired_at: None,
    };
    insert(connection, row.clone()).await?;
    Ok(row)
}

async fn kek(keystore: &dyn Keystore, connection: &impl ConnectionTrait) -> Result<Key> {
    match records(connection, SYSTEM_KEK).await?.into_iter().next() {
        Some(row) => Ok(Key { id: KeyId(row.id), record: row.record }),
        None => {
            let key = keystore.create_kek()?;
            keep(connection, SYSTEM_KEK, &key, None).await?;
            Ok(key)
        }
    }
}

async fn sub_key(
    keystore: &dyn Keystore,
    connection: &impl ConnectionTrait,
    system: &Key,
    purpose: &str,
) -> Result<SubKey> {
    let mut rows = records(connection, purpose).await?;
    if rows.is_empty() {
        let wrapped = keystore.wrap(system, &random::<32>()?)?;
        let key = Key { id: KeyId(uuid::Uuid::new_v4()), record: wrapped };
        rows.push(keep(connection, purpose, &key, None).await?);
    }
    let opened = rows.iter().map(|row| {
        let number = u32::try_from(row.number).map_err(Error::internal)?;
        Ok((number, keystore.unwrap(system, &row.record)?))
    });
    SubKey::new(opened.collect::<Result<Vec<_>>>()?)
}

async fn signing_keys(
    keystore: &dyn Keystore,
    connection: &impl ConnectionTrait,
    purpose: SigningPurpose,
) -> Result<Vec<SigningKey>> {
    let mut rows = records(connection, purpose.word()).await?;
    if rows.is_empty() {
        let (key, public) = keystore.create_signing_key()?;
        rows.push(keep(connection, purpose.word(), &key, Some(&public)).await?);
    }
    let since = Timestamp::now().plus_seconds(-RETIRED_KEYS_LIVE_SECONDS).microseconds();
    let live = rows.into_iter().filter(|row| row.retired_at.is_none_or(|at| at > since));
    let opened = live.map(|row| {
        let key = Key { id: KeyId(row.id), record: row.record };
        let public = keystore.public_key(&key)?;
        if row.public_key.as_deref() != Some(public.as_slice()) {
            return Err(Error::internal(
                "a signing key and its public half do not belong together: the database was edited",
            ));
        }
        Ok(SigningKey { key, public })
    });
    opened.collect()
}
