//! Failed logins and the waits that follow them. Three counts: of one mail address from one network, of one mail address
//! from anywhere, and of one network to any address. The first and the last make who guesses wait, longer each time. The
//! second locks nobody out, or a guesser could keep a victim away: while it is high, a network has one guess at the address
//! before it waits in place of five. Whoever knows the password needs one.

use super::limits::{Wait, network};
use super::recent::Recent;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many failures are free, how long the first wait is, and the longest. Each failure doubles it.
struct Backoff {
    free: u32,
    first: Duration,
    longest: Duration,
}

/// One address from one network.
const PAIR: Backoff = Backoff { free: 5, first: Duration::from_secs(10), longest: Duration::from_secs(900) };
/// The same while the address is under attack.
const PAIR_UNDER_ATTACK: Backoff = Backoff { free: 1, ..PAIR };
/// One network; many people may be behind it, so it never waits for long.
const NETWORK: Backoff = Backoff { free: 20, first: Duration::from_secs(1), longest: Duration::from_secs(60) };
/// Failures from anywhere at which an address counts as under attack.
const ATTACK: u32 = 20;
/// Failures are forgotten after so long without another.
const FORGOTTEN: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// The mail address is a keyed hash: the map holds no addresses.
    Pair(u64, IpAddr),
    Mail(u64),
    Network(IpAddr),
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(self, backoff: &Backoff, now: Instant) -> Duration {
        let Some(over) = self.count.checked_sub(backoff.free) else { return Duration::ZERO };
        let wait = backoff.first.saturating_mul(2u32.saturating_pow(over)).min(backoff.longest);
        wait.saturating_sub(now.saturating_duration_since(self.last))
    }
}

/// All counts, or none where limits are off.
pub struct Logins {
    recent: Option<Mutex<Recent<Key, Failures>>>,
    hasher: std::hash::RandomState,
}

/// A login under way. It counts as a failure until it is settled, so that many at once are not free; dropped without a
/// word (the server was busy) it counts as nothing.
#[must_use]
pub struct Attempt<'a> {
    logins: &'a Logins,
    began: Instant,
    /// Each key, and when it failed last before this.
    keys: [(Key, Instant); 3],
    counts: bool,
}

impl Logins {
    pub fn new(on: bool) -> Self {
        Self { recent: on.then(Mutex::default), hasher: std::hash::RandomState::new() }
    }

    /// Whether a login may be tried now; else the seconds to wait.
    pub fn begin(&self, email: &str, address: IpAddr) -> Result<Attempt<'_>, Wait> {
        self.begin_at(email, address, Instant::now())
    }

    fn begin_at(&self, email: &str, address: IpAddr, now: Instant) -> Result<Attempt<'_>, Wait> {
        let (mail, network) = (self.hasher.hash_one(email), network(address));
        let keys = [Key::Pair(mail, network), Key::Mail(mail), Key::Network(network)];
        let attempt = |last: [Instant; 3], counts| {
            let [pair, mail, network] = keys;
            let [of_pair, of_mail, of_network] = last;
            let keys = [(pair, of_pair), (mail, of_mail), (network, of_network)];
            Attempt { logins: self, began: now, keys, counts }
        };
        let Some(recent) = &self.recent else { return Ok(attempt([now; 3], true)) };
        let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = keys.map(|key| {
            let known = recent.get(&key).filter(|failures| now.saturating_duration_since(failures.last) < FORGOTTEN);
            known.unwrap_or(Failures { count: 0, last: now })
        });
        let [of_pair, of_mail, of_network] = known;
        let pair = if of_mail.count >= ATTACK { PAIR_UNDER_ATTACK } else { PAIR };
        let wait = of_pair.wait(&pair, now).max(of_network.wait(&NETWORK, now));
        if !wait.is_zero() {
            return Err(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        }
        for (key, failures) in keys.into_iter().zip(known) {
            recent.put(key, Failures { count: failures.count.saturating_add(1), last: now });
        }
        Ok(attempt(known.map(|failures| failures.last), false))
    }
}

impl Attempt<'_> {
    /// The password was wrong.
    pub fn failed(mut self) {
        self.counts = true;
    }

    /// The password was right: what failed before from there is forgotten.
    pub fn succeeded(self) {
        if let (Some(recent), [(pair, _), ..]) = (&self.logins.recent, &self.keys) {
            recent.lock().unwrap_or_else(PoisonError::into_inner).remove(pair);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let (Some(recent), false) = (&self.logins.recent, self.counts) else { return };
        let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, last) in self.keys {
            if let Some(known) = recent.get(&key) {
                // Only a failure begins a wait anew; another one may have, meanwhile.
                let last = if known.last == self.began { last } else { known.last };
                recent.put(key, Failures { count: known.count.saturating_sub(1), last });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "ada@example.com";

    fn from(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    fn fail(logins: &Logins, email: &str, address: IpAddr, now: Instant) -> Result<(), Wait> {
        logins.begin_at(email, address, now).map(Attempt::failed)
    }

    #[test]
    fn waits_grow_with_every_failure_up_to_the_longest() {
        let (logins, mut now) = (Logins::new(true), Instant::now());
        for _ in 0..5 {
            assert_eq!(fail(&logins, MAIL, from(1), now), Ok(()));
        }
        for wait in [10, 20, 40, 80, 160, 320, 640, 900, 900] {
            assert_eq!(fail(&logins, MAIL, from(1), now), Err(wait));
            now += Duration::from_secs(wait - 1);
            assert_eq!(fail(&logins, MAIL, from(1), now), Err(1), "a look before the end changes nothing");
            now += Duration::from_secs(1);
            assert_eq!(fail(&logins, MAIL, from(1), now), Ok(()));
        }
    }

    #[test]
    fn a_victim_gets_in_while_thousands_of_networks_guess() {
        let (logins, now) = (Logins::new(true), Instant::now());
        let guesses = (2..5_002).flat_map(|n| [n; 5]).filter(|n| fail(&logins, MAIL, from(*n), now).is_ok());
        let guesses = guesses.count();
        assert!(guesses < 5_000 + ATTACK as usize, "{guesses}: one guess a network");
        logins.begin_at(MAIL, from(1), now).unwrap_or_else(|_| panic!("the victim is locked out")).succeeded();
    }

    #[test]
    fn a_network_that_tries_many_addresses_waits_a_minute_at_most() {
        let (logins, mut now) = (Logins::new(true), Instant::now());
        let mut waited = Vec::new();
        for n in 0..40 {
            let email = format!("{n}@example.com");
            if let Err(wait) = fail(&logins, &email, from(1), now) {
                waited.push(wait);
                now += Duration::from_secs(wait);
                assert_eq!(fail(&logins, &email, from(1), now), Ok(()));
            }
        }
        assert_eq!(waited.first(), Some(&1));
        assert_eq!(waited.last(), Some(&60));
        assert_eq!(fail(&logins, "other@example.com", from(2), now), Ok(()), "another network does not wait");
    }

    #[test]
    fn many_at_once_are_counted_before_they_end() {
        let (logins, now) = (Logins::new(true), Instant::now());
        let running: Vec<_> = (0..64).filter_map(|_| logins.begin_at(MAIL, from(1), now).ok()).collect();
        assert_eq!(running.len(), 5);
        drop(running);
        assert!(fail(&logins, MAIL, from(1), now).is_ok(), "what was never tried counts as nothing");
    }

    #[test]
    fn a_right_password_and_a_quiet_hour_forget() {
        let (logins, now) = (Logins::new(true), Instant::now());
        for _ in 0..4 {
            assert_eq!(fail(&logins, MAIL, from(1), now), Ok(()));
        }
        logins.begin_at(MAIL, from(1), now).ok().unwrap().succeeded();
        for _ in 0..5 {
            assert_eq!(fail(&logins, MAIL, from(1), now), Ok(()));
        }
        assert_eq!(fail(&logins, MAIL, from(1), now), Err(10));
        assert_eq!(fail(&logins, MAIL, from(1), now + FORGOTTEN), Ok(()));
    }

    #[test]
    fn a_success_begins_no_wait_anew() {
        let (logins, start) = (Logins::new(true), Instant::now());
        for n in 0..20 {
            assert_eq!(fail(&logins, &format!("{n}@example.com"), from(1), start), Ok(()));
        }
        let later = start + FORGOTTEN - Duration::from_secs(1);
        logins.begin_at(MAIL, from(1), later).ok().unwrap().succeeded();
        drop(logins.begin_at(MAIL, from(1), later).ok().unwrap());
        let forgotten = start + FORGOTTEN;
        assert!((0..20).all(|n| fail(&logins, &format!("{n}@example.com"), from(1), forgotten).is_ok()));
    }

    #[test]
    fn off_means_off() {
        let (logins, now) = (Logins::new(false), Instant::now());
        assert!((0..100).all(|_| fail(&logins, MAIL, from(1), now).is_ok()));
    }
}
