//! Rates: token buckets by address until a credential is proven, then by principal.

use super::recent::Recent;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use uuid::Uuid;

/// So many a second, after a burst of so many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: f64,
}

/// Public authentication, and exchanges that prove no key: 5 at once, then 1 a second.
const AUTHENTICATION: Rate = Rate { per_second: 1.0, burst: 5.0 };
/// Exchanges of one known key: many workers of one agent start at once, and no client repeats a 429.
const EXCHANGE: Rate = Rate { per_second: 10.0, burst: 100.0 };

/// Whom a bucket is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    AuthenticationFrom(IpAddr),
    Exchange(Uuid),
    Principal(Uuid),
    /// Keys that are not known, from one network.
    Unknown(IpAddr),
}

/// Seconds to wait, in whole ones and at least 1.
pub type Wait = u64;

/// All buckets, or none where limits are off.
pub struct Limits {
    buckets: Option<Mutex<Recent<Key, Bucket>>>,
    requests: Rate,
}

impl Limits {
    /// `None` turns every limit off.
    pub fn new(requests: Option<Rate>) -> Self {
        let buckets = requests.map(|_| Mutex::default());
        Self { buckets, requests: requests.unwrap_or(AUTHENTICATION) }
    }

    fn take(&self, key: Key, rate: Rate, cost: f64) -> Result<(), Wait> {
        match &self.buckets {
            None => Ok(()),
            Some(buckets) => {
                take(&mut buckets.lock().unwrap_or_else(PoisonError::into_inner), key, rate, cost, Instant::now())
            }
        }
    }

    /// Looks at an address's bucket without charging it.
    pub fn look_at_address(&self, address: IpAddr) -> Result<(), Wait> {
        self.take(Key::Address(network(address)), self.requests, 0.0)
    }

    /// Charges a request that proved nothing.
    pub fn charge_address(&self, address: IpAddr) -> Result<(), Wait> {
        self.take(Key::Address(network(address)), self.requests, 1.0)
    }

    pub fn charge_principal(&self, principal: Uuid) -> Result<(), Wait> {
        self.take(Key::Principal(principal), self.requests, 1.0)
    }

    /// One attempt at public authentication.
    pub fn charge_authentication(&self, address: IpAddr) -> Result<(), Wait> {
        self.take(Key::AuthenticationFrom(network(address)), AUTHENTICATION, 1.0)
    }

    /// A key exchange that proved no key; a bucket of its own, so that a wrong key locks out no known one.
    pub fn charge_unknown_key(&self, address: IpAddr) -> Result<(), Wait> {
        self.charge_address(address)?;
        self.take(Key::Unknown(network(address)), AUTHENTICATION, 1.0)
    }

    /// One exchange of a key that is known, so that a fleet behind one address works.
    pub fn charge_key_exchange(&self, principal: Uuid) -> Result<(), Wait> {
        self.take(Key::Exchange(principal), EXCHANGE, 1.0)
    }
}

/// An IPv6 customer has a /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

fn take(buckets: &mut Recent<Key, Bucket>, key: Key, rate: Rate, cost: f64, now: Instant) -> Result<(), Wait> {
    let mut bucket = buckets.get(&key).unwrap_or(Bucket { tokens: rate.burst, filled: now });
    let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
    bucket.tokens = (bucket.tokens + passed * rate.per_second).min(rate.burst);
    bucket.filled = now;
    let has_one = bucket.tokens >= 1.0;
    if has_one {
        bucket.tokens -= cost;
    }
    let wait = ((1.0 - bucket.tokens) / rate.per_second).ceil().clamp(1.0, 3600.0);
    buckets.put(key, bucket);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped above")]
    if has_one { Ok(()) } else { Err(wait as Wait) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::recent::MAX_ENTRIES;
    use std::time::Duration;

    #[test]
    fn a_burst_then_a_rate() {
        let (mut buckets, start) = (Recent::default(), Instant::now());
        let key = Key::Principal(Uuid::nil());
        for _ in 0..5 {
            assert_eq!(take(&mut buckets, key, AUTHENTICATION, 1.0, start), Ok(()));
        }
        assert_eq!(take(&mut buckets, key, AUTHENTICATION, 1.0, start), Err(1));
        assert_eq!(take(&mut buckets, key, AUTHENTICATION, 0.0, start), Err(1), "a look sees an empty bucket");
        assert_eq!(take(&mut buckets, key, AUTHENTICATION, 1.0, start + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut buckets, now) = (Recent::default(), Instant::now());
        for n in 0..300_000u128 {
            let _ = take(&mut buckets, Key::Principal(Uuid::from_u128(n)), AUTHENTICATION, 1.0, now);
        }
        assert!(buckets.len() <= MAX_ENTRIES);
    }

    #[test]
    fn an_ipv6_customer_is_one() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }
}
