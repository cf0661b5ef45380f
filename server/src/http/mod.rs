//! All that knows HTTP. A request goes dropshot -> `mount` -> `dispatch` -> generated router -> `pipeline` -> handler, and
//! its answer comes back the same way. Nothing here decides who may do what, and nothing below knows of it.

mod body_memory;
mod dispatch;
mod identity;
mod json;
#[rustfmt::skip]
pub(crate) mod generated;
mod metrics;
mod mount;
mod pipeline;
mod problem;
mod reply;
mod request;
mod silence;

pub(crate) use body_memory::BodyMemory;
pub use identity::Identity;
pub use metrics::{Watched, listen as listen_for_metrics};
pub use mount::{Listening, listen};
pub use silence::Watch as SilenceWatch;
