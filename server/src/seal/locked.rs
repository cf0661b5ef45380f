use zeroize::Zeroize;

/// A long-lived key in memory that is not swapped out, and is zeroed on drop. Without `Debug` and `Clone`.
pub(crate) struct Locked(Box<[u8; 32]>);

impl Locked {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let locked = Self(Box::new(*key));
        let start = locked.0.as_ptr().cast_mut().cast();
        // SAFETY: the range is this box's own allocation, and locking does not change what is in it. It is never unlocked:
        // pages are shared with neighbours, which unlocking would expose.
        #[expect(unsafe_code, reason = "mlock takes a raw range")]
        let outcome = unsafe { rustix::mm::mlock(start, 32) };
        if let Err(error) = outcome {
            // RLIMIT_MEMLOCK of small containers; the key still works, and the operator can raise the limit.
            tracing::warn!(%error, "a key could not be locked in memory");
        }
        locked
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
