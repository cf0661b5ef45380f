//! Room for request bodies. All together have a bound; small ones have a part of it to themselves, so that large bodies, sent
//! slowly by whoever likes, keep no login and no ordinary secret out; and one network gets no more than half of either.

use crate::caller::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What counts as small, in bytes.
const SMALL: usize = 64 * 1024;
/// For small bodies. Parsed, sealed and in a queue a body is there some four times, so that this and the next keep all
/// bodies within 256 MB.
const ALL_SMALL: usize = 16 * 1024 * 1024;
/// For the small ones of one network.
const SMALL_OF_ONE: usize = ALL_SMALL / 2;
/// For larger ones.
const ALL_LARGE: usize = 48 * 1024 * 1024;
/// For the larger ones of one network.
const LARGE_OF_ONE: usize = ALL_LARGE / 2;

/// Bytes in use.
#[derive(Default)]
struct Used {
    small: usize,
    large: usize,
    small_of: HashMap<IpAddr, usize>,
    large_of: HashMap<IpAddr, usize>,
}

fn give_back(of: &mut HashMap<IpAddr, usize>, network: IpAddr, bytes: usize) {
    if let Some(held) = of.get_mut(&network) {
        *held -= bytes;
        if *held == 0 {
            of.remove(&network);
        }
    }
}

/// The room for all bodies.
#[derive(Default)]
pub(crate) struct BodyMemory(Mutex<Used>);

/// The room of one body; given back when dropped.
pub(super) struct Room {
    memory: Arc<BodyMemory>,
    network: IpAddr,
    bytes: usize,
}

impl Room {
    /// None yet.
    pub(super) fn new(memory: &Arc<BodyMemory>, address: IpAddr) -> Self {
        Self { memory: Arc::clone(memory), network: network(address), bytes: 0 }
    }

    /// Takes more; false if there is no more.
    #[must_use]
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let mut used = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, after) = (self.bytes, self.bytes.saturating_add(more));
        if after <= SMALL {
            let of_network = used.small_of.get(&self.network).copied().unwrap_or(0);
            if used.small + more > ALL_SMALL || of_network + more > SMALL_OF_ONE {
                return false;
            }
            used.small += more;
            used.small_of.insert(self.network, of_network + more);
        } else {
            let grown = if before <= SMALL { after } else { more };
            let of_network = used.large_of.get(&self.network).copied().unwrap_or(0);
            if used.large + grown > ALL_LARGE || of_network + grown > LARGE_OF_ONE {
                return false;
            }
            if before <= SMALL {
                used.small -= before;
                give_back(&mut used.small_of, self.network, before);
            }
            used.large += grown;
            used.large_of.insert(self.network, of_network + grown);
        }
        self.bytes = after;
        true
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut used = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bytes <= SMALL {
            used.small -= self.bytes;
            give_back(&mut used.small_of, self.network, self.bytes);
        } else {
            used.large -= self.bytes;
            give_back(&mut used.large_of, self.network, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(memory: &Arc<BodyMemory>, n: u8) -> Room {
        Room::new(memory, IpAddr::from([192, 0, 2, n]))
    }

    #[test]
    fn large_bodies_of_many_networks_leave_room_for_small_ones() {
        const MEGABYTE: usize = 1024 * 1024;
        let memory = Arc::new(BodyMemory::default());
        let mut held: Vec<Room> = Vec::new();
        for n in 0..100 {
            let mut room = room(&memory, n);
            while room.bytes < 5 * MEGABYTE && room.grow(10_000) {}
            held.push(room);
        }
        let all: usize = held.iter().map(|room| room.bytes).sum();
        assert!(all <= ALL_SMALL + ALL_LARGE);
        assert!(!room(&memory, 200).grow(MEGABYTE));
        assert!(room(&memory, 200).grow(SMALL));
        drop(held);
        let used = memory.0.lock().unwrap();
        assert_eq!((used.small, used.large, used.small_of.len(), used.large_of.len()), (0, 0, 0, 0));
    }

    #[test]
    fn one_network_gets_a_part() {
        let memory = Arc::new(BodyMemory::default());
        let mut greedy = room(&memory, 1);
        while greedy.grow(SMALL) {}
        assert!(greedy.bytes <= LARGE_OF_ONE);
        assert!(room(&memory, 2).grow(5 * 1024 * 1024));
        let held: Vec<Room> = (0..1000)
            .filter_map(|_| {
                let mut room = room(&memory, 1);
                room.grow(SMALL).then_some(room)
            })
            .collect();
        assert_eq!(held.len(), SMALL_OF_ONE / SMALL);
        assert!(room(&memory, 2).grow(SMALL));
    }
}
