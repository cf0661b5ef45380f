//! Every test from outside. `contract`: rows from the document. `routes`: behaviour, in the shape of the URL tree. `faults`:
//! servers that are broken, killed or configured. `e2e`: what all SDKs pass, through the Rust SDK.

mod contract;
mod e2e;
mod faults;
mod routes;
