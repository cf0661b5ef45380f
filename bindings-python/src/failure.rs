//! From the SDK's errors to Python's.

use keepward::Error;
use keepward::dynamic::Failure;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// The exception of a failed call.
pub(crate) fn exception(py: Python<'_>, failure: Failure) -> PyErr {
    let error = match failure {
        Failure::Type(text) => return PyTypeError::new_err(text),
        Failure::Error(Error::InvalidArgument(text) | Error::Configuration(text)) => {
            return PyValueError::new_err(text);
        }
        Failure::Error(error) => error,
    };
    raised(py, &error).unwrap_or_else(|error| error)
}

fn raised(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    static RAISED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let raised =
        RAISED.get_or_try_init(py, || Ok::<_, PyErr>(py.import("keepward._client")?.getattr("_raised")?.unbind()))?;
    let options = PyDict::new(py);
    options.set_item("request_id", error.request_id())?;
    let (kind, title) = match error {
        Error::Api(error) => {
            options.set_item("type", &error.kind)?;
            options.set_item("detail", &error.detail)?;
            options.set_item("fields", &error.fields)?;
            options.set_item("retry_after", error.retry_after.map(|pause| pause.as_secs_f64()))?;
            ("api", error.title.clone())
        }
        Error::Timeout => ("timeout", error.to_string()),
        Error::Login(text) => ("login", text.clone()),
        _ => {
            options.set_item("detail", error.reason())?;
            ("connection", error.to_string())
        }
    };
    let exception = raised.bind(py).call1((error.status(), kind, title, options))?;
    Ok(PyErr::from_value(exception))
}
