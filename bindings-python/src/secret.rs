//! The text that does not print.

use keepward::SecretText;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A text that must not be seen: it does not print, pickle or turn into JSON.
#[pyclass(frozen, module = "keepward")]
pub(crate) struct Secret(pub(crate) SecretText);

#[pymethods]
impl Secret {
    #[new]
    fn new(text: &Bound<'_, PyString>) -> PyResult<Self> {
        Ok(Self(crate::arguments::text(text)?.into()))
    }

    /// The text itself. Whoever calls this answers for where it goes.
    fn reveal(&self) -> &str {
        self.0.expose()
    }

    fn __repr__(&self) -> &'static str {
        "Secret(...)"
    }

    fn __str__(&self) -> &'static str {
        "Secret(...)"
    }

    fn __format__(&self, _specification: &str) -> &'static str {
        "Secret(...)"
    }

    /// In a time that does not depend on where they differ.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Self>() else { return false };
        let (one, other) = (self.0.expose().as_bytes(), other.get().0.expose().as_bytes());
        one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Secret can't be pickled: reveal() is the one way to its text"))
    }
}

/// A value that was given for a secret one and can't be it: hidden in the variables of frames until it is refused.
#[pyclass(frozen, module = "keepward")]
pub(crate) struct Hidden(pub(crate) Py<PyAny>);

#[pymethods]
impl Hidden {
    fn __repr__(&self) -> &'static str {
        "Secret(...)"
    }
}

/// A value for a place in which nothing may be seen: a text as a [`Secret`], what is wrong there as a [`Hidden`].
#[pyfunction]
pub(crate) fn hidden(value: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let py = value.py();
    if value.is_instance_of::<Secret>() {
        return Ok(value);
    }
    match value.cast::<PyString>().ok().and_then(|text| crate::arguments::text(text).ok()) {
        Some(text) => Ok(Bound::new(py, Secret(text.into()))?.into_any()),
        None => Ok(Bound::new(py, Hidden(value.unbind()))?.into_any()),
    }
}
