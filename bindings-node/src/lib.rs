//! The addon: a connection that calls operations by name. What Node sees of it is in `lib/` and in the generated `index.d.ts`.

mod answer;
pub mod connection;
pub mod failure;
