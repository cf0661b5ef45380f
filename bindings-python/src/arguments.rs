//! From Python's values to the data that arguments are.

use crate::secret::{Hidden, Secret};
use keepward::dynamic::Arguments;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple, PyType,
};
use serde_json::{Map, Number, Value};

/// Deeper than this nothing of the API goes.
const MAX_DEPTH: usize = 32;

/// The text, unless it holds a lone surrogate.
pub(crate) fn text(text: &Bound<'_, PyString>) -> PyResult<String> {
    // The error of the conversion holds the text.
    text.to_cow().map(|text| text.into_owned()).map_err(|_| PyValueError::new_err("a text is not valid Unicode"))
}

/// Arguments by name.
pub(crate) fn named(arguments: &Bound<'_, PyDict>) -> PyResult<Arguments> {
    let secrets = arguments.iter().filter(|(_, value)| value.is_instance_of::<Secret>());
    let secrets = secrets.map(|(name, _)| name.extract()).collect::<PyResult<_>>()?;
    Ok(Arguments::new(object(arguments, 0)?, secrets))
}

fn object(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Map<String, Value>> {
    dict.iter()
        .map(|(name, value)| {
            let name = name.cast::<PyString>().map_err(|_| PyTypeError::new_err("a key is a str"))?;
            let name = text(name)?;
            let value = data(&value, depth).map_err(|error| within(&name, depth, error, dict.py()))?;
            Ok((name, value))
        })
        .collect()
}

/// Says which argument an error is about.
fn within(name: &str, depth: usize, error: PyErr, py: Python<'_>) -> PyErr {
    let is_ours = error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyValueError>(py);
    if depth > 0 || !is_ours {
        return error;
    }
    let text = format!("`{name}`: {}", error.value(py));
    match error.is_instance_of::<PyTypeError>(py) {
        true => PyTypeError::new_err(text),
        false => PyValueError::new_err(text),
    }
}

fn imported<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyType>>,
    module: &str,
    name: &str,
) -> PyResult<&'py Bound<'py, PyType>> {
    cell.import(py, module, name)
}

fn data(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static DATETIME: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static USER_STRING: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static SEQUENCE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static MAPPING: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static ENUM: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = value.py();
    if let Ok(hidden) = value.cast::<Hidden>() {
        let value = hidden.get().0.bind(py);
        // What a class of somebody else's says of its own value is not passed on.
        return data(value, depth).map_err(|_| match value.is_instance_of::<PyString>() {
            true => PyValueError::new_err("a text is not valid Unicode"),
            false => no_place(value),
        });
    }
    if depth > MAX_DEPTH {
        return Err(PyValueError::new_err("a value is nested too deeply"));
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(known) = value.cast::<PyString>() {
        // An enum of texts is a text, too, and prints as something else.
        return Ok(Value::String(text(known)?));
    }
    if let Ok(known) = value.cast::<Secret>() {
        if depth > 0 {
            return Err(PyTypeError::new_err("a Secret has no place in data that is not sealed"));
        }
        return Ok(Value::String(known.get().0.expose().to_owned()));
    }
    if let Ok(known) = value.cast::<PyBool>() {
        return Ok(Value::Bool(known.is_true()));
    }
    if value.cast::<PyInt>().is_ok() {
        let number = value.extract::<i64>().map(Number::from).or_else(|_| value.extract::<u64>().map(Number::from));
        return number.map(Value::Number).map_err(|_| PyValueError::new_err("a number is too large"));
    }
    if let Ok(known) = value.cast::<PyFloat>() {
        let number = Number::from_f64(known.value());
        return number.map(Value::Number).ok_or_else(|| PyValueError::new_err("a number is not finite"));
    }
    if value.is_instance(imported(py, &UUID, "uuid", "UUID")?)? {
        return Ok(Value::String(text(&value.str()?)?));
    }
    if value.is_instance(imported(py, &DECIMAL, "decimal", "Decimal")?)? {
        if !value.call_method0("is_finite")?.is_truthy()? {
            return Err(PyValueError::new_err("a number is not finite"));
        }
        // Its own text may have an exponent.
        return Ok(Value::String(text(value.call_method1("__format__", ("f",))?.cast::<PyString>()?)?));
    }
    if value.is_instance(imported(py, &DATETIME, "datetime", "datetime")?)? {
        if value.call_method0("utcoffset")?.is_none() {
            return Err(PyValueError::new_err("a time needs its zone, such as datetime.timezone.utc"));
        }
        return Ok(Value::String(text(value.call_method0("isoformat")?.cast::<PyString>()?)?));
    }
    if value.is_instance(imported(py, &ENUM, "enum", "Enum")?)? {
        return data(&value.getattr("value")?, depth + 1);
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        return object(dict, depth + 1).map(Value::Object);
    }
    if let Ok(list) = value.cast::<PyList>() {
        return list.iter().map(|item| data(&item, depth + 1)).collect::<PyResult<_>>().map(Value::Array);
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return tuple.iter().map(|item| data(&item, depth + 1)).collect::<PyResult<_>>().map(Value::Array);
    }
    if value.is_instance(imported(py, &MAPPING, "collections.abc", "Mapping")?)? {
        let copy = py.get_type::<PyDict>().call1((value,))?;
        return object(copy.cast::<PyDict>()?, depth + 1).map(Value::Object);
    }
    let is_text = value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.is_instance_of::<PyMemoryView>()
        || value.is_instance(imported(py, &USER_STRING, "collections", "UserString")?)?;
    if !is_text && value.is_instance(imported(py, &SEQUENCE, "collections.abc", "Sequence")?)? {
        return value.try_iter()?.map(|item| data(&item?, depth + 1)).collect::<PyResult<_>>().map(Value::Array);
    }
    Err(no_place(value))
}

fn no_place(value: &Bound<'_, PyAny>) -> PyErr {
    let name = value.get_type().name().map_or_else(|_| "unknown".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("a value of type {name} has no place in a call"))
}
