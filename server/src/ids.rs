//! Making ids. Their types are `keepward_api`'s.

use uuid::Uuid;

/// An id whose order is the order of making (RFC 9562, version 7), so that indexes grow at their end.
pub fn new<Id: From<Uuid>>() -> Id {
    Uuid::now_v7().into()
}

/// An id that tells nothing, not even when it was made (version 4).
pub fn random<Id: From<Uuid>>() -> Id {
    Uuid::new_v4().into()
}
