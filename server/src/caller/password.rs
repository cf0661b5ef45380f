//! Passwords: the rule, and Argon2id (RFC 9106) under a pepper from the sub-keys. One hash takes 19 MiB and tens of
//! milliseconds, so few run at once and few wait.

use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::SealedBytes;
use argon2::{Algorithm, Argon2, AssociatedData, Block, ParamsBuilder, Version};
use keepward_api::SecretText;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Longest password in bytes.
const MAX_BYTES: usize = 1024;
/// Who may wait for a turn; the next one is told to come back.
const MAX_WAITING: usize = 32;
const FORMAT: u8 = 1;
const SALT: usize = 16;
const HASH: usize = 32;
/// OWASP's first choice of 2024 for Argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

/// Whether a password may be chosen: at least 12 characters with upper case, lower case, digit and special character, no
/// character three times in a row, no run of three ascending or descending ones.
pub fn check_rule(password: &str) -> Result<()> {
    let rule = "must have at least 12 characters and at most 1,024 bytes, with upper case, lower case, digit and special character, no character three times in a row and no run like abc or 321";
    let characters: Vec<char> = password.chars().collect();
    let has = |kind: fn(&char) -> bool| characters.iter().any(kind);
    let run = |window: &[char]| match window {
        [a, b, c] => {
            let step = |x: &char, y: &char| i64::from(u32::from(*y)) - i64::from(u32::from(*x));
            matches!((step(a, b), step(b, c)), (0, 0) | (1, 1) | (-1, -1))
        }
        _ => false,
    };
    let good = characters.len() >= 12
        && password.len() <= MAX_BYTES
        && has(|c| c.is_uppercase())
        && has(|c| c.is_lowercase())
        && has(char::is_ascii_digit)
        && has(|c| !c.is_alphanumeric())
        && !characters.windows(3).any(run);
    if good { Ok(()) } else { Err(Error::field("password", rule)) }
}

/// Hashes and checks, a few at a time.
pub struct Passwords {
    keyring: Arc<Keyring>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// The blocks of each turn, made once: freed and made again they would stay with every thread that ever hashed.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Passwords {
    pub fn new(keyring: Arc<Keyring>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            keyring,
            turns: Arc::new(Semaphore::new((cores - 1).max(1))),
            waiting: AtomicUsize::new(0),
            memory: Arc::default(),
        }
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: SecretText) -> Result<SealedBytes> {
        let salt = crate::seal::random::<SALT>()?;
        let hash = self.run(password, *salt).await?;
        Ok(SealedBytes([&[FORMAT], salt.as_slice(), hash.as_slice()].concat()))
    }

    /// Whether it is the password. Takes the same time for an account that is not there (`None`).
    pub async fn verify(&self, password: SecretText, stored: Option<&SealedBytes>) -> Result<bool> {
        let stored = stored.map(|stored| stored.0.as_slice());
        let parts = match stored {
            Some([FORMAT, rest @ ..]) => rest.split_first_chunk::<SALT>(),
            _ => None,
        };
        let (salt, expected) = parts.unwrap_or((&[0; SALT], &[]));
        let hash = self.run(password, *salt).await?;
        Ok(bool::from(hash.as_slice().ct_eq(expected)))
    }

    async fn run(&self, password: SecretText, salt: [u8; SALT]) -> Result<[u8; HASH]> {
        if password.expose().len() > MAX_BYTES {
            return Err(Error::field("password", "must have at most 1,024 bytes"));
        }
        let full = self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING;
        let turn = if full { None } else { Arc::clone(&self.turns).acquire_owned().await.ok() };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let Some(turn) = turn else { return Err(Error::RateLimited { retry_after_seconds: 2, limit: None }) };
        let (keyring, kept) = (Arc::clone(&self.keyring), Arc::clone(&self.memory));
        let work = move || {
            let _turn = turn;
            let mut memory = kept.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let hash = derive(keyring.sub_keys.password.expose(), &salt, password.expose().as_bytes(), &mut memory);
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            hash
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}

fn derive(pepper: &[u8], salt: &[u8], password: &[u8], memory: &mut Vec<Block>) -> Result<[u8; HASH]> {
    let failed = |error: argon2::Error| Error::internal(format!("argon2: {error}"));
    let purpose = AssociatedData::new(b"keepward/pw/v1").map_err(failed)?;
    let params =
        ParamsBuilder::new().m_cost(MEMORY_KIB).t_cost(PASSES).p_cost(1).data(purpose).build().map_err(failed)?;
    let argon = Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, params).map_err(failed)?;
    let mut hash = [0; HASH];
    memory.resize(argon.params().block_count(), Block::new());
    argon.hash_password_into_with_memory(password, salt, &mut hash, memory.as_mut_slice()).map_err(failed)?;
    memory.fill(Block::new());
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule() {
        for good in ["D3mo!Passw0rd#x7", "Ünïcode-Pa55word!"] {
            assert!(check_rule(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Short1!",
            "alllowercase1!x",
            "ALLUPPERCASE1!X",
            "NoDigitsHere!!x",
            "N0Specialshere77",
            "Aaa111!!!bbbccc",
            "abc!Passw0rdQx",
            "Pa55word!cba-Q7",
            "Xk9!987-qwertyQ",
            &"Aa1!x".repeat(300),
        ] {
            assert!(check_rule(bad).is_err(), "{bad}");
        }
    }
}
