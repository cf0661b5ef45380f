mod get;
mod hsm;
