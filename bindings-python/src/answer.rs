//! From the SDK's answers to Python's objects: a model becomes the class of its name in `keepward._models`, and a value of a
//! type of its own (an id, a time, a secret) what Python has for that.

use crate::secret::Secret;
use keepward::Timestamp;
use keepward::dynamic::Data;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyType};

/// The Python object of an answer.
pub(crate) fn python(py: Python<'_>, data: Data) -> PyResult<Bound<'_, PyAny>> {
    match data {
        Data::Null => Ok(py.None().into_bound(py)),
        Data::Bool(value) => value.into_bound_py_any(py),
        Data::Int(value) => value.into_bound_py_any(py),
        Data::Long(value) | Data::Loose(value) => value.into_bound_py_any(py),
        Data::Big(value) => value.into_bound_py_any(py),
        Data::Number(value) => value.into_bound_py_any(py),
        Data::Text(text) => text.into_bound_py_any(py),
        Data::Secret(text) => Bound::new(py, Secret(text)).map(Bound::into_any),
        Data::Id(text) => {
            static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
            UUID.import(py, "uuid", "UUID")?.call1((text,))
        }
        Data::Time(time) => datetime(py, time),
        Data::List(items) => {
            let items = items.into_iter().map(|item| python(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items).map(Bound::into_any)
        }
        Data::Map(entries) => {
            let dict = PyDict::new(py);
            for (key, value) in entries {
                dict.set_item(key, python(py, value)?)?;
            }
            Ok(dict.into_any())
        }
        Data::Model(name, fields) => {
            static MODELS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
            let models = MODELS.get_or_try_init(py, || Ok::<_, PyErr>(py.import("keepward._models")?.unbind()))?;
            let values = PyDict::new(py);
            for (field, value) in fields {
                values.set_item(field, python(py, value)?)?;
            }
            models.bind(py).getattr(name)?.call((), Some(&values))
        }
    }
}

/// A `datetime` in UTC.
fn datetime(py: Python<'_>, time: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    static DATETIME: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static DELTA: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let epoch = EPOCH.get_or_try_init(py, || {
        let utc = py.import("datetime")?.getattr("timezone")?.getattr("utc")?;
        Ok::<_, PyErr>(DATETIME.import(py, "datetime", "datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?.unbind())
    })?;
    // Days, seconds, microseconds: Python adds them without rounding.
    let since =
        DELTA.import(py, "datetime", "timedelta")?.call1((0, time.seconds(), time.microseconds() % 1_000_000))?;
    epoch.bind(py).add(since)
}
