//! `keepward._native`: a connection that calls operations by name, and the text that does not print. The methods that Python
//! programs call are written by `cargo xtask gen` beside it; `_native.pyi` says what they call in here.

mod answer;
mod arguments;
mod background;
mod connection;
mod failure;
mod secret;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<secret::Secret>()?;
    module.add_function(wrap_pyfunction!(secret::hidden, module)?)?;
    module.add_class::<background::Background>()?;
    module.add_class::<connection::Connection>()
}
