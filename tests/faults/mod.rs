//! Servers that are killed, edited under their feet, filled, misconfigured or slow.

mod acknowledged;
mod audit_trail;
mod clients;
mod clock;
mod database;
mod edit;
mod jobs;
mod kill;
mod limits;
mod load;
mod metrics;
mod migrations;
mod plaintext;
mod postgres;
mod postgres_trouble;
mod readme;
mod sdk;
mod several;
mod start;
mod tls;
mod wal;
