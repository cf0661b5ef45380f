use super::{Key, KeyId, Keystore};
use crate::error::{Error, Result};
use crate::seal::locked::Locked;
use crate::seal::{Dek, blob, random};
use crate::store::SealedBytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use rustix::fs::Mode;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Keys wrapped by a master key from a file of mode 0600. A record is the wrapped key itself.
pub struct SoftwareKeystore {
    master: Locked,
    /// Unwrapped keys by id; emptied when full, and filled again by use.
    open: Mutex<HashMap<KeyId, Arc<Locked>>>,
}

const MAX_OPEN: usize = 10_000;
const FILE_HEAD: &str = "keepward-master-key-v1 ";
/// The name under which the master key wraps: it has no other.
const MASTER: KeyId = KeyId(Uuid::nil());

impl SoftwareKeystore {
    /// Reads the master key; makes the file, if `may_create` for a new database.
    pub fn open(file: &Path, may_create: bool) -> Result<Self> {
        let explain = |what: String| Error::internal(format!("the master key file {}: {what}", file.display()));
        if !file.exists() {
            if !may_create {
                return Err(explain("is missing, and the database can't be opened without it".to_owned()));
            }
            create(file).map_err(|error| explain(format!("can't be made: {error}")))?;
        }
        let metadata = std::fs::metadata(file).map_err(|error| explain(format!("can't be read: {error}")))?;
        if !metadata.is_file() {
            return Err(explain("is no ordinary file".to_owned()));
        }
        if !is_closed(metadata.mode(), metadata.uid(), rustix::process::geteuid().as_raw()) {
            return Err(explain("others may read it; make its mode 0600".to_owned()));
        }
        let text =
            Zeroizing::new(std::fs::read_to_string(file).map_err(|error| explain(format!("can't be read: {error}")))?);
        let key =
            text.trim().strip_prefix(FILE_HEAD).and_then(|encoded| STANDARD.decode(encoded).ok()).map(Zeroizing::new);
        let key: Option<&[u8; 32]> = key.as_ref().and_then(|bytes| bytes.as_slice().try_into().ok());
        let key = key.ok_or_else(|| explain(format!("is not `{FILE_HEAD}` and 32 bytes in base64")))?;
        Ok(Self::with_master(key))
    }

    fn with_master(key: &[u8; 32]) -> Self {
        Self { master: Locked::new(key), open: Mutex::new(HashMap::new()) }
    }

    fn key(&self, key: &Key) -> Result<Arc<Locked>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&key.id) {
            return Ok(Arc::clone(known));
        }
        let unwrapped = Arc::new(Locked::new(&*blob::unwrap(self.master.expose(), MASTER, &key.record)?));
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        open.insert(key.id, Arc::clone(&unwrapped));
        Ok(unwrapped)
    }

    fn keep(&self, key: &Dek) -> Result<Key> {
        let record = blob::wrap(self.master.expose(), MASTER, key)?;
        Ok(Key { id: KeyId(Uuid::new_v4()), record })
    }
}

/// Whether a file of this mode and owner is for this user alone; or is root's, closed to others, and nothing that this user may
/// write: so Kubernetes mounts a secret for a pod that is not root's.
fn is_closed(mode: u32, owner: u32, user: u32) -> bool {
    let writable_by_user = if user == 0 { 0o220 } else { 0o020 };
    mode & 0o077 == 0 || (owner == 0 && mode & (0o017 | writable_by_user) == 0)
}

/// Makes the file whole or not at all, synced, and never over another.
fn create(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let key = random::<32>().map_err(std::io::Error::other)?;
    let text = Zeroizing::new(format!("{FILE_HEAD}{}\n", STANDARD.encode(key.as_slice())));
    let draft = file.with_extension(format!("new-{}", std::process::id()));
    let flags = rustix::fs::OFlags::CREATE
        | rustix::fs::OFlags::EXCL
        | rustix::fs::OFlags::WRONLY
        | rustix::fs::OFlags::CLOEXEC;
    let mut handle = std::fs::File::from(rustix::fs::open(&draft, flags, Mode::RUSR | Mode::WUSR)?);
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    let linked = std::fs::hard_link(&draft, file);
    std::fs::remove_file(&draft)?;
    match linked {
        Ok(()) => {
            tracing::info!(file = %file.display(), "made a master key; without it nobody opens the database again")
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    std::fs::File::open(folder)?.sync_all()
}

impl Keystore for SoftwareKeystore {
    fn waits(&self) -> bool {
        false
    }

    fn check_value(&self) -> [u8; 32] {
        crate::seal::hmac(self.master.expose(), b"keepward/master-key-check/v1")
    }

    fn create_kek(&self) -> Result<Key> {
        self.keep(&random::<32>()?)
    }

    fn wrap(&self, kek: &Key, key: &Dek) -> Result<SealedBytes> {
        blob::wrap(self.key(kek)?.expose(), kek.id, key)
    }

    fn unwrap(&self, kek: &Key, wrapped: &SealedBytes) -> Result<Dek> {
        blob::unwrap(self.key(kek)?.expose(), kek.id, wrapped)
    }

    fn create_signing_key(&self) -> Result<(Key, [u8; 32])> {
        let seed = random::<32>()?;
        let public = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        Ok((self.keep(&seed)?, public))
    }

    fn public_key(&self, key: &Key) -> Result<[u8; 32]> {
        Ok(SigningKey::from_bytes(self.key(key)?.expose()).verifying_key().to_bytes())
    }

    fn sign(&self, key: &Key, message: &[u8]) -> Result<[u8; 64]> {
        Ok(SigningKey::from_bytes(self.key(key)?.expose()).sign(message).to_bytes())
    }

    fn health(&self) -> Result<()> {
        let kek = self.create_kek()?;
        let key = random::<32>()?;
        let wrapped = blob::wrap(self.master.expose(), MASTER, &key)?;
        let same = blob::unwrap(self.master.expose(), MASTER, &wrapped)? == key;
        if same && !kek.record.0.is_empty() {
            Ok(())
        } else {
            Err(Error::internal("the keystore does not give back what it wrapped"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_key_file_may_be() {
        const ROOT: u32 = 0;
        const US: u32 = 1000;
        for (mode, owner, user, good) in [
            (0o600, US, US, true),
            (0o400, US, US, true),
            (0o640, US, US, false),
            (0o644, US, US, false),
            (0o440, ROOT, US, true),
            (0o400, ROOT, US, true),
            (0o640, ROOT, US, true),
            (0o460, ROOT, US, false),
            (0o444, ROOT, US, false),
            (0o644, ROOT, US, false),
            (0o440, ROOT, ROOT, true),
            (0o640, ROOT, ROOT, false),
            (0o600, ROOT, ROOT, true),
            (0o440, US + 1, US, false),
        ] {
            assert_eq!(is_closed(0o100_000 | mode, owner, user), good, "{mode:o} of {owner} for {user}");
        }
    }

    #[test]
    fn a_dek_opens_under_its_own_kek_only() {
        let keystore = SoftwareKeystore::with_master(&[1; 32]);
        let (kek, other) = (keystore.create_kek().unwrap(), keystore.create_kek().unwrap());
        let dek = random::<32>().unwrap();
        let wrapped = keystore.wrap(&kek, &dek).unwrap();
        assert_eq!(*keystore.unwrap(&kek, &wrapped).unwrap(), *dek);
        assert!(keystore.unwrap(&other, &wrapped).is_err());
        let stranger = SoftwareKeystore::with_master(&[2; 32]);
        assert!(stranger.unwrap(&kek, &wrapped).is_err());
        assert_ne!(stranger.check_value(), keystore.check_value());
    }

    #[test]
    fn the_master_key_file_is_made_once_and_guarded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        let first = SoftwareKeystore::open(&file, true).unwrap().check_value();
        assert_eq!(SoftwareKeystore::open(&file, false).unwrap().check_value(), first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&file, open).unwrap();
        assert!(SoftwareKeystore::open(&file, true).is_err());
    }
}
