//! Rows that come from the document: what must hold for every operation. A new operation is in them by being in the
//! document; one that can't pass (no example, no audit event) fails here.

mod rows;
mod world;
