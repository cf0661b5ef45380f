mod deactivate;
mod get;
mod list;
mod me;
mod register;
mod rotate_key;
mod update;
